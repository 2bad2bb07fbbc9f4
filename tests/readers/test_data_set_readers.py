"""Every layout from a file written by hand after its published description; values worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import HEADER, only, put, put_image

from retina_domains.errors import InputFileError, LabelError, RetinaDomainsError
from retina_domains.readers.datasets import (
    ImageFinder,
    read_bbbc041,
    read_coco,
    read_cvat,
    read_dota,
    read_iml,
    read_label_studio,
    read_qupath,
    read_voc,
    read_xview3,
    read_yolo,
)
from retina_domains.readers.datasets.files import files_in

VOC = """<annotation><filename>other.png</filename><size><width>200</width><height>100</height></size>
<object><name> ship </name><difficult>0</difficult>
  <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>31</xmax><ymax>41.5</ymax></bndbox></object>
<object><name>ship</name><difficult>1</difficult>
  <bndbox><xmin>10</xmin><ymin>20</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>
  <rotated_bndbox><x1>10</x1><y1>30</y1><x2>20</x2><y2>20</y2><x3>30</x3><y3>30</y3><x4>20</x4><y4>40</y4>
  </rotated_bndbox></object></annotation>"""


@pytest.mark.parametrize(
    ("edges", "first"),
    [("corners", (1, 1, 31, 41.5)), ("labelimg", (0, 0, 31, 41.5)), ("pixels", (0, 0, 31, 41.5))],
)
def test_voc(tmp_path: Path, edges: Any, first: tuple[float, ...]) -> None:
    path = put_image(tmp_path / "images" / "a.jpg")
    put(tmp_path / "Annotations" / "a.xml", VOC)
    image = only(read_voc(tmp_path / "Annotations", tmp_path / "images", edges))
    assert (image.path, image.width, image.height) == (path, 200, 100)
    assert image.objects[0].source_label == "ship"
    assert image.objects[0].xyxy == first
    assert not image.objects[0].ignored
    assert image.objects[1].ignored
    assert image.objects[1].polygon == ((10, 30), (20, 20), (30, 30), (20, 40))


def test_voc_outlines_keep_all_their_corners(tmp_path: Path) -> None:
    put_image(tmp_path / "a.jpg")
    corners = ((1, 2), (9, 2), (9, 8), (5, 10), (1, 8))
    told = "".join(f"<x{k}>{x}</x{k}><y{k}>{y}</y{k}>" for k, (x, y) in enumerate(corners, start=1))
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>10</ymax></bndbox>"
    item = f"<object><name>cell</name>{box}<polygon>{told}</polygon></object>"
    put(tmp_path / "a.xml", f"<annotation>{item}</annotation>")
    assert only(read_voc(tmp_path, tmp_path)).objects[0].polygon == corners


def test_voc_of_an_image_that_only_the_file_names(tmp_path: Path) -> None:
    path = put_image(tmp_path / "other.png")
    put(tmp_path / "xml" / "a.xml", VOC)
    assert only(read_voc(tmp_path / "xml", tmp_path)).path == path


def test_yolo(tmp_path: Path) -> None:
    put_image(tmp_path / "images" / "train" / "a.png")
    put_image(tmp_path / "images" / "val" / "a.png", 100, 100)
    put_image(tmp_path / "images" / "val" / "alone.png")
    put(tmp_path / "classes.txt", "pf\nwbc\n")
    put(tmp_path / "labels" / "train" / "a.txt", "1 0.5 0.5 0.1 0.2\n\n0 0.1 0.1 0.2 0.1 0.2 0.3\n")
    put(tmp_path / "labels" / "val" / "a.txt", "")
    train, val, alone = read_yolo(tmp_path)
    assert train.split == "train"
    # 0.5 of 200 px, give or take half of 0.1 of them; 0.5 of 100 px likewise.
    assert train.objects[0].source_label == "wbc"
    np.testing.assert_allclose(train.objects[0].xyxy, (90, 40, 110, 60))
    np.testing.assert_allclose(train.objects[1].polygon, ((20, 10), (40, 10), (40, 30)))
    np.testing.assert_allclose(train.objects[1].xyxy, (20, 10, 40, 30))
    assert (val.path.parent.name, val.split, val.objects, bool(val.source)) == ("val", "val", (), True)
    assert (alone.path.name, alone.source) == ("alone.png", "")


@pytest.mark.parametrize(
    "yaml",
    [
        "names: ['pf', 'wbc', 'dirt']\n",
        "names: {0: pf, 1: wbc, 2: dirt}\n",
        "names:\n  - pf  # parasites\n\n  - 'wbc'\n  - dirt\nnc: 3\n",
        "nc: 3\nnames:\n  2: dirt\n  0: pf\n  1: wbc\n",
    ],
)
def test_yolo_names_its_classes_by_number(tmp_path: Path, yaml: str) -> None:
    put_image(tmp_path / "images" / "a.png")
    put(tmp_path / "data.yaml", yaml)
    put(tmp_path / "labels" / "a.txt", "1 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1\n2 0.5 0.5 0.1 0.1\n")
    assert [o.source_label for o in only(read_yolo(tmp_path)).objects] == ["wbc", "pf", "dirt"]


def test_yolo_classes_keep_their_numbers_beside_one_without_a_name(tmp_path: Path) -> None:
    put_image(tmp_path / "images" / "a.png")
    put(tmp_path / "classes.txt", "pf\n\nwbc\n")
    label = put(tmp_path / "labels" / "a.txt", "2 0.5 0.5 0.1 0.1\n")
    assert only(read_yolo(tmp_path)).objects[0].source_label == "wbc"
    label.write_text("1 0.5 0.5 0.1 0.1\n")
    with pytest.raises(LabelError, match="class 1, but the classes are 0 pf, 2 wbc"):
        read_yolo(tmp_path)


def test_yolo_lists_of_images_beside_the_labels_are_no_labels(tmp_path: Path) -> None:
    put_image(tmp_path / "images" / "a.png")
    put(tmp_path / "classes.txt", "pf\n")
    put(tmp_path / "train.txt", "images/a.png\n")
    put(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.1 0.1\n")
    assert len(only(read_yolo(tmp_path)).objects) == 1


def test_yolo_copies_of_one_photograph_are_one_scene(tmp_path: Path) -> None:
    put(tmp_path / "data.yaml", "train: ../train/images\nnames: ['pf', 'wbc']\n")
    for copy in ("aa", "bb"):
        put_image(tmp_path / "train" / "images" / f"pf_3_jpg.rf.{copy}.jpg")
        put(tmp_path / "train" / "labels" / f"pf_3_jpg.rf.{copy}.txt", "0 0.5 0.5 0.1 0.1\n")
    assert {image.scene for image in read_yolo(tmp_path)} == {"pf_3_jpg"}


def test_dota(tmp_path: Path) -> None:
    put_image(tmp_path / "images" / "P1.png")
    put_image(tmp_path / "images" / "P2__1__824___512.png")
    put_image(tmp_path / "images" / "P3__0.5__0___0.png")
    put(
        tmp_path / "labelTxt" / "P1.txt",
        "imagesource:GoogleEarth\ngsd:0.25\n10 30 20 20.0 30 30 20 40 van 1\n1 1 5 1 5 3 1 3 ship\n",
    )
    put(tmp_path / "labelTxt" / "P2__1__824___512.txt", "imagesource:GF-2\ngsd:null\n")
    put(tmp_path / "labelTxt" / "P3__0.5__0___0.txt", "")
    whole, chip, shrunk = read_dota(tmp_path / "labelTxt", tmp_path / "images")
    assert (whole.scene, whole.gsd, whole.offset) == ("P1", 0.25, None)
    assert whole.facts == {"imagesource": "GoogleEarth"}
    assert whole.objects[0].xyxy == (10, 20, 30, 40)
    assert whole.objects[0].polygon == ((10, 30), (20, 20), (30, 30), (20, 40))
    assert [o.ignored for o in whole.objects] == [True, False]
    assert (chip.scene, chip.gsd, chip.offset) == ("P2", None, (824, 512))
    assert (shrunk.scene, shrunk.offset) == ("P3", None)


def test_coco(tmp_path: Path) -> None:
    put_image(tmp_path / "images" / "sub" / "a.png")
    put_image(tmp_path / "images" / "b.png")
    path = put(
        tmp_path / "train.json",
        {
            "images": [
                {
                    "id": 7,
                    "file_name": "sub/a.png",
                    "width": 200,
                    "height": 100,
                    "scene": "s",
                    "gsd": 0.5,
                    "x": 1,
                },
                {"id": 8, "file_name": "b.png"},
            ],
            "annotations": [
                {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 1, "length_m": 12.5},
                {
                    "image_id": 7,
                    "category_id": 3,
                    "segmentation": [[1, 2, 9, 2, 9, 8]],
                    "source_label": "tug",
                },
                {"image_id": 7, "category_id": 3, "bbox": [1, 2, -3, None]},
            ],
            "categories": [{"id": 3, "name": "ship"}],
        },
    )
    a, b = read_coco(path)
    assert (a.width, a.height, a.scene, a.gsd, a.facts) == (200, 100, "s", 0.5, {"x": 1})
    assert a.objects[0].xyxy == (1, 2, 4, 6)
    assert (a.objects[0].ignored, a.objects[0].facts) == (True, {"length_m": 12.5})
    assert (a.objects[1].source_label, a.objects[1].xyxy) == ("tug", (1, 2, 9, 8))
    # Unusable boxes are handed on, so that the report can name them.
    assert a.objects[2].xyxy[2] == -2
    assert math.isnan(a.objects[2].xyxy[3])
    assert b.objects == ()
    assert b.source


def test_iml(tmp_path: Path) -> None:
    put_image(tmp_path / "images" / "PA1.JPG")
    box = {"x": "10", "y": "-2", "h": "40", "w": "30"}
    path = put(
        tmp_path / "annotations.json",
        [{"image_name": "PA1.JPG", "objects": [{"type": "red blood cell", "bbox": box}]}],
    )
    assert only(read_iml(path, tmp_path)).objects[0].xyxy == (10, -2, 40, 38)


def test_bbbc041(tmp_path: Path) -> None:
    put_image(tmp_path / "images" / "8d02.png", 1600, 1200)
    box = {"minimum": {"r": 1057, "c": 1440}, "maximum": {"r": 1158, "c": 1540}}
    path = put(
        tmp_path / "training.json",
        [
            {
                "image": {"pathname": "/images/8d02.png", "shape": {"r": 1200, "c": 1600, "channels": 3}},
                "objects": [{"bounding_box": box, "category": "ring"}],
            }
        ],
    )
    image = only(read_bbbc041(path, tmp_path, "train"))
    assert (image.width, image.height, image.split) == (1600, 1200, "train")
    assert image.objects[0].xyxy == (1440, 1057, 1540, 1158)


def test_an_image_is_found_by_as_much_of_its_path_as_is_told(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        put_image(tmp_path / folder / "a.tif")
    finder = ImageFinder(tmp_path)
    assert finder.find("set/two/a.png", "x.json") == tmp_path / "two" / "a.tif"
    assert finder.find("C:\\data\\one\\a.png", "x.json") == tmp_path / "one" / "a.tif"
    with pytest.raises(LabelError, match=r"x.json: image 'a.png' may be .*one/a.tif or .*two/a.tif"):
        finder.find("a.png", "x.json")
    with pytest.raises(InputFileError, match=r"x.json: image 'c.png' is not below .*--images"):
        finder.find("c.png", "x.json")


BROKEN: dict[str, tuple[str, str, str]] = {
    "voc, not well-formed": ("voc", "<annotation>", "not well-formed XML"),
    "voc, another root": ("voc", "<html/>", "its root is <html>"),
    "voc, words for numbers": ("voc", VOC.replace("41.5", "wide"), "expected numbers"),
    "yolo, too few": ("yolo", "0 0.5 0.5 0.1", "3 numbers after the class"),
    "yolo, words": ("yolo", "ship 0.5 0.5 0.1 0.1", "expected class x y width height"),
    "yolo, no such class": ("yolo", "7 0.5 0.5 0.1 0.1", "class 7, but the classes are 0 pf, 1 wbc"),
    "yolo, a class between two": ("yolo", "0.7 0.5 0.5 0.1 0.1", "class 0.7, but the classes are 0 pf"),
    "yolo, no end of classes": ("yolo", "inf 0.5 0.5 0.1 0.1", "class inf, but the classes are 0 pf"),
    "dota, too few": ("dota", "1 2 3 4 ship", "expected x1 y1"),
    "coco, no COCO": ("coco", "{}", "is not COCO"),
    "coco, not JSON": ("coco", "{", "is not JSON"),
    "iml, no list": ("iml", "{}", "expected a list of records"),
    "bbbc041, no box": ("bbbc041", '[{"image": {"pathname": "a.png"}, "objects": [{}]}]', "KeyError"),
    "label studio, JSON-MIN": ("label-studio", '[{"image": "a.png"}]', "JSON export"),
    "cvat, a video": ("cvat", "<annotations><track/></annotations>", "CVAT for images 1.1"),
    "cvat, a shape that is no outline": (
        "cvat",
        '<annotations><image name="a.png" width="200" height="100"><cuboid label="a"/></image></annotations>',
        "holds a shape <cuboid>",
    ),
    "label studio, strokes of a brush": (
        "label-studio",
        json.dumps(
            [{"data": {"i": "a.png"}, "annotations": [{"result": [{"type": "brushlabels", "value": {}}]}]}]
        ),
        "a region of type 'brushlabels'",
    ),
    "label studio, two images in a task": (
        "label-studio",
        json.dumps(
            [
                {
                    "data": {"left": "a.png", "right": "b.png"},
                    "annotations": [
                        {"result": [{"type": "rectanglelabels", "to_name": name} for name in ("l", "r")]}
                    ],
                }
            ]
        ),
        "regions of several images in one task",
    ),
    "coco, a mask without a box": (
        "coco",
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png"}],
                "categories": [{"id": 1, "name": "a"}],
                "annotations": [{"image_id": 1, "category_id": 1, "segmentation": {"counts": "x"}}],
            }
        ),
        "an annotation with bbox None",
    ),
    "qupath, no features": ("qupath", '{"type": "FeatureCollection"}', "FeatureCollection"),
    "xview3, another table": ("xview3", "a,b\n1,2\n", "no column detect_scene_column"),
    "xview3, words": ("xview3", f"{HEADER}1,2,long,ais,10,50,True,,,a,HIGH,,,,,a", "expected numbers"),
    "xview3, a line that ends early": ("xview3", f"{HEADER}1,2,30,ais,10", "expected numbers"),
    "xview3, words for a distance": (
        "xview3",
        f"{HEADER}1,2,30,ais,10,50,True,,far,a,HIGH,,,,,a",
        "expected numbers",
    ),
}


@pytest.mark.parametrize(("kind", "content", "told"), BROKEN.values(), ids=list(BROKEN))
def test_broken_labels_are_one_line_that_names_the_file(
    tmp_path: Path, kind: str, content: str, told: str
) -> None:
    put_image(tmp_path / "a.png")
    put(tmp_path / "classes.txt", "pf\nwbc\n")
    file = put(
        tmp_path / "labels" / f"a.{ {'voc': 'xml', 'yolo': 'txt', 'dota': 'txt'}.get(kind, 'x') }", content
    )
    read = {
        "voc": lambda: read_voc(file.parent, tmp_path),
        "yolo": lambda: read_yolo(tmp_path),
        "dota": lambda: read_dota(file.parent, tmp_path),
        "coco": lambda: read_coco(file, tmp_path),
        "iml": lambda: read_iml(file, tmp_path),
        "bbbc041": lambda: read_bbbc041(file, tmp_path),
        "label-studio": lambda: read_label_studio(file, tmp_path),
        "cvat": lambda: read_cvat(file, tmp_path),
        "qupath": lambda: read_qupath(file, tmp_path),
        "xview3": lambda: read_xview3(file, tmp_path),
    }[kind]
    with pytest.raises(RetinaDomainsError) as caught:
        read()
    line = str(caught.value)
    assert told in line
    assert str(file) in line
    assert "\n" not in line


def test_two_annotators_of_one_image_are_not_mixed(tmp_path: Path) -> None:
    put_image(tmp_path / "a.png")
    task = {"id": 4, "data": {"image": "a.png"}, "annotations": [{"result": []}, {"result": []}]}
    path = put(tmp_path / "export.json", [task])
    with pytest.raises(LabelError, match=r"export.json, task 4: 2 annotations of one image: star"):
        read_label_studio(path)
    task["annotations"][0]["ground_truth"] = True  # type: ignore[index]
    assert only(read_label_studio(put(path, [task]))).source


def test_only_what_is_hidden_below_a_folder_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / ".cache" / "set"
    for name in ("a.png", ".hidden/b.png", "inner/c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for way in (folder, folder / ".." / "set"):
        found = files_in([way], (".png",))
        assert [p.relative_to(way).as_posix() for p in found] == ["a.png", "inner/c.png"]
