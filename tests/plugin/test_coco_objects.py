from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio

from retina_domains.errors import ConfigError, InputFileError, LabelError, RadiometryError
from retina_domains.image_pixels import ImagePixels
from retina_domains.plugin.datasets import CocoObjects
from retina_domains.plugin.transforms import LoadObjects, LoadPixels, PackObjects
from retina_domains.types import InputSpec, Window
from retina_domains.writers.vrt import write_window_vrt


def write(folder: Path, annotations: list[dict[str, Any]], name: str = "ship") -> Path:
    path = folder / "train.json"
    images = [{"id": i, "file_name": f"{i}.png", "width": 100, "height": 80} for i in (1, 2)]
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 7, "name": name}]})
    )
    return path


def box(xywh: list[float], **more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 1, "category_id": 7, "bbox": xywh, "area": 1, **more}


def load(path: Path, classes: tuple[str, ...] = ("ship",)) -> CocoObjects:
    return CocoObjects(ann_file=str(path), classes=classes, images=str(path.parent))


def test_empty_images_and_tiny_objects_are_kept(tmp_path: Path) -> None:
    data = load(write(tmp_path, [box([10, 20, 2, 1.5])]))
    assert len(data) == 2
    assert data.get_data_info(0)["instances"] == [
        {"bbox": [10, 20, 12, 21.5], "bbox_label": 0, "ignore_flag": 0}
    ]
    assert data.get_data_info(1)["instances"] == []


def test_boxes_are_clipped_and_those_outside_are_dropped(tmp_path: Path) -> None:
    data = load(write(tmp_path, [box([90, 70, 30, 30]), box([200, 10, 5, 5])]))
    assert [i["bbox"] for i in data.get_data_info(0)["instances"]] == [[90, 70, 100, 80]]


def test_crowds_are_ignored_regions(tmp_path: Path) -> None:
    data = load(write(tmp_path, [box([1, 1, 5, 5], iscrowd=1), box([9, 9, 5, 5], ignore=True)]))
    assert [i["ignore_flag"] for i in data.get_data_info(0)["instances"]] == [1, 1]


def test_a_class_that_differs_in_case_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="no category ship; the file has Ship"):
        load(write(tmp_path, [], name="Ship"))


def test_objects_of_other_classes_are_left_out_when_asked_only(tmp_path: Path) -> None:
    path = write(tmp_path, [box([1, 1, 5, 5]), box([9, 9, 5, 5], category_id=8)])
    coco = json.loads(path.read_text())
    coco["categories"] += [{"id": 8, "name": "buoy"}, {"id": 9, "name": "never seen"}]
    path.write_text(json.dumps(coco))
    with pytest.raises(LabelError, match=r"train\.json: 1 of buoy would be left out.*name them in drop"):
        load(path)
    data = CocoObjects(ann_file=str(path), classes=("ship",), images=str(tmp_path), drop=("buoy",))
    assert [i["bbox"] for i in data.get_data_info(0)["instances"]] == [[1, 1, 6, 6]]


def test_an_annotation_of_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="names image 99"):
        load(write(tmp_path, [box([1, 1, 5, 5], image_id=99)]))


def test_files_that_are_not_coco_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="No such file"):
        load(tmp_path / "no.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(LabelError, match="is not JSON"):
        load(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(LabelError, match="expected the COCO keys"):
        load(tmp_path / "b.json")


def test_pixels_keep_their_values(tmp_path: Path) -> None:
    grey = np.arange(60, dtype=np.uint8).reshape(6, 10)
    cv2.imwrite(str(tmp_path / "a.png"), grey)
    np.testing.assert_array_equal(
        LoadPixels(1).transform({"img_path": str(tmp_path / "a.png")})["img"][:, :, 0], grey
    )
    colour = np.random.default_rng(0).integers(0, 255, (6, 10, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "b.png"), colour)
    np.testing.assert_array_equal(
        LoadPixels(3).transform({"img_path": str(tmp_path / "b.png")})["img"], colour[:, :, ::-1]
    )


def test_rasters_take_the_way_of_inference(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 4000, (40, 50)).astype(np.uint16)
    profile = {"driver": "GTiff", "height": 40, "width": 50, "count": 1, "dtype": "uint16"}
    with rasterio.open(tmp_path / "a.tif", "w", crs="EPSG:32633", nodata=0, **profile) as file:
        file.write(deep, 1)
    spec = {"channels": 1, "radiometry": "amplitude", "low": [0.0], "high": [1.0]}
    loaded = LoadPixels(1, spec).transform({"img_path": str(tmp_path / "a.tif")})
    expected, valid = ImagePixels(InputSpec(1, "amplitude", (0.0,), (1.0,))).read(tmp_path / "a.tif")
    np.testing.assert_array_equal(loaded["img"][:, :, 0], expected[0])
    np.testing.assert_array_equal(loaded["valid"], valid)
    assert loaded["img_shape"] == (40, 50)
    # A picture of 16 bits takes the same way, by what stands in it and not by its name.
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    picture = LoadPixels(1, spec).transform({"img_path": str(tmp_path / "a.png")})
    assert picture["img"].dtype == np.float32
    # Virtual windows, as a split by blocks leaves them.
    write_window_vrt(tmp_path / "part.vrt", tmp_path / "a.tif", Window(8, 10, 16, 20))
    part = LoadPixels(1, spec).transform({"img_path": str(tmp_path / "part.vrt")})
    np.testing.assert_array_equal(part["img"], loaded["img"][8:24, 10:30])


def test_rasters_without_a_word_on_their_scaling_must_be_8_bit(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "height": 4, "width": 5, "count": 3, "crs": "EPSG:32633"}
    for name, dtype in (("shallow", "uint8"), ("deep", "uint16")):
        with rasterio.open(tmp_path / f"{name}.tif", "w", dtype=dtype, **profile) as file:
            file.write(np.full((3, 4, 5), 60 if dtype == "uint8" else 600, dtype))
    shallow = LoadPixels(3).transform({"img_path": str(tmp_path / "shallow.tif")})
    assert (shallow["img"] == 60).all()
    with pytest.raises(
        RadiometryError, match=r"deep\.tif: .*say what the model takes with LoadPixels\(input"
    ):
        LoadPixels(3).transform({"img_path": str(tmp_path / "deep.tif")})
    with pytest.raises(RadiometryError, match=r"shallow\.tif: 3 bands are read and the detector takes 1"):
        LoadPixels(1).transform({"img_path": str(tmp_path / "shallow.tif")})
    (tmp_path / "broken.tif").write_bytes(b"II*\0 no image")
    with pytest.raises(InputFileError, match=r"broken\.tif: not a raster that can be read"):
        LoadPixels(3).transform({"img_path": str(tmp_path / "broken.tif")})
    with pytest.raises(ConfigError, match="LoadPixels of 3 channels, and its input has 1"):
        LoadPixels(3, {"channels": 1})


def test_scenes_reach_the_sample(tmp_path: Path) -> None:
    path = write(tmp_path, [])
    data = json.loads(path.read_text())
    data["images"][0]["scene"] = "P0001"
    path.write_text(json.dumps(data))
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((80, 100), np.uint8))
    record = load(path).get_data_info(0)
    for step in (LoadPixels(1), LoadObjects(), PackObjects()):
        record = step.transform(record)
    assert record["data_samples"].scene == "P0001"
    assert (
        "scene"
        not in PackObjects().transform(
            {"img": np.ones((4, 6, 1)), "img_id": 1, "img_path": "", **empty_objects()}
        )["data_samples"]
    )


def empty_objects() -> dict[str, Any]:
    return LoadObjects().transform({"instances": []})


def test_pixels_that_cannot_serve_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((4, 4), 40_000, np.uint16))
    with pytest.raises(InputFileError, match="uint16 pixels, expected 8 bits"):
        LoadPixels(1).transform({"img_path": str(tmp_path / "deep.png")})
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputFileError, match="is not an image"):
        LoadPixels(1).transform({"img_path": str(tmp_path / "broken.png")})
    with pytest.raises(InputFileError, match="cannot be read"):
        LoadPixels(1).transform({"img_path": str(tmp_path / "missing.png")})


def test_packing_keeps_ignored_objects_apart() -> None:
    record = {
        "img": np.ones((4, 6, 1), np.uint8),
        "img_id": 3,
        "img_path": "x.png",
        "instances": [
            {"bbox": [0, 1, 2, 3], "bbox_label": 0, "ignore_flag": 0},
            {"bbox": [1, 1, 4, 4], "bbox_label": 0, "ignore_flag": 1},
        ],
    }
    packed = PackObjects().transform(LoadObjects().transform(record))
    assert packed["inputs"].shape == (1, 4, 6)
    sample = packed["data_samples"]
    assert sample.gt_instances.bboxes.tolist() == [[0, 1, 2, 3]]
    assert sample.ignored_instances.bboxes.tolist() == [[1, 1, 4, 4]]
    assert sample.scale_factor == (1.0, 1.0)


def test_the_real_set_loads_whole(shared_data: Path) -> None:
    root = shared_data / "sar_ships_hrsid"
    data = CocoObjects(ann_file="val.json", classes=("ship",), data_root=str(root), images="images")
    assert len(data) == 66
    assert sum(len(data.get_data_info(i)["instances"]) for i in range(66)) == 148
