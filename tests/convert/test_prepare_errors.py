"""What is wrong with a labelled set, and how it is told: one line that names the file and the remedy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine
from set_cases import CHECK_LEAKS, HEIGHT, WIDTH, labelled, load, put_images, put_raster, source_for

from retina_domains.cli import main
from retina_domains.convert import PrepareOptions, prepare
from retina_domains.convert.formats import layout_of
from retina_domains.errors import InputFileError, InvalidValueError, LabelError, RetinaDomainsError
from retina_domains.labelled import ClassMap, ImageLabels, LabelledObject


def told(call: Any) -> str:
    with pytest.raises(RetinaDomainsError) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_class_that_is_not_in_the_map(tmp_path: Path, images: list[ImageLabels]) -> None:
    source = source_for(images, classes=ClassMap.of({"boat": "boat"}))
    line = told(lambda: prepare(source, tmp_path / "in", tmp_path / "out"))
    assert line.startswith("labels.json: class 'ship' is not in the map")
    assert "--class-map 'ship=CLASS'" in line


def test_a_change_of_a_class_that_does_not_occur(tmp_path: Path, images: list[ImageLabels]) -> None:
    options = PrepareOptions(class_changes=(("Ship", "ship"),))
    line = told(lambda: prepare(source_for(images), tmp_path / "in", tmp_path / "out", options))
    assert line == "--class-map names 'Ship', which does not occur: the set has ship"


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_an_image_that_does_not_decode(tmp_path: Path, images: list[ImageLabels], damage: str) -> None:
    path = images[4].path
    path.write_bytes({"cut": path.read_bytes()[:900], "text": b"no image at all", "empty": b""}[damage])
    line = told(lambda: prepare(source_for(images), tmp_path / "in", tmp_path / "out"))
    assert str(path) in line
    assert "--skip-unreadable" in line
    report = prepare(
        source_for(images), tmp_path / "in", tmp_path / "out", PrepareOptions(skip_unreadable=True)
    )
    assert list(report.left_out) == [path.name]
    assert sum(map(len, report.splits.values())) == 11


def test_an_image_that_is_missing(tmp_path: Path, images: list[ImageLabels]) -> None:
    images[4].path.unlink()
    line = told(lambda: prepare(source_for(images), tmp_path / "in", tmp_path / "out"))
    assert line == f"{images[4].path}: no such image: is the folder of images the right one?"


def test_an_image_of_another_size_than_labelled(tmp_path: Path, images: list[ImageLabels]) -> None:
    images[0] = ImageLabels(images[0].path, images[0].objects, 640, 480, source="labels.json")
    line = told(lambda: prepare(source_for(images), tmp_path / "in", tmp_path / "out"))
    assert "has 64 x 48 px, labels.json says 640 x 480: are these the images that were labelled?" in line


def test_an_empty_set(tmp_path: Path, images: list[ImageLabels]) -> None:
    root = tmp_path / "in"
    assert f"{root}: no labelled images" in told(lambda: prepare(source_for([]), root, tmp_path / "out"))
    unlabelled = [ImageLabels(i.path) for i in images]
    assert "no labelled images" in told(lambda: prepare(source_for(unlabelled), root, tmp_path / "out"))
    empty = [ImageLabels(i.path, source="labels.json") for i in images]
    assert "labels.json: no objects in 12 images" in told(
        lambda: prepare(source_for(empty), root, tmp_path / "out")
    )
    outside = [
        ImageLabels(i.path, (LabelledObject("ship", (900.0, 900.0, 990.0, 990.0)),), source="labels.json")
        for i in images
    ]
    assert (
        "none of 12 images has an object that can be used (12 were left out, the first, in field_000.png,"
        in told(lambda: prepare(source_for(outside), root, tmp_path / "out"))
    )


def test_images_that_viewers_turn_are_told(tmp_path: Path, images: list[ImageLabels]) -> None:
    path = tmp_path / "in" / "images" / "turned.jpg"
    record = Image.Exif()
    record[0x0112] = 6
    Image.fromarray(np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)).save(path, exif=record)
    report = prepare(source_for([*images, *labelled([path])]), tmp_path / "in", tmp_path / "out")
    assert any("1 images are to be turned by viewers" in n and "turned.jpg" in n for n in report.notes)
    data = [i for split in ("train", "val") for i in load(tmp_path / "out" / f"{split}.json")["images"]]
    turned = next(i for i in data if i["file_name"].endswith("turned.jpg"))
    assert (turned["width"], turned["height"]) == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "shares", [{"val_share": 2.0}, {"val_share": 0.6, "test_share": 0.6}, {"test_share": -1.0}]
)
def test_shares_that_leave_nothing_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(
        InvalidValueError, match=r"--val-share .*, --test-share .*: expected shares from 0 to 1"
    ):
        PrepareOptions(**shares)  # type: ignore[arg-type]


def test_a_split_without_an_object_is_told(tmp_path: Path, images: list[ImageLabels]) -> None:
    parted = [replace(i, split="train" if k else "val") for k, i in enumerate(images)]
    parted[0] = replace(parted[0], objects=(), scene="alone")
    report = prepare(source_for(parted, split="source"), tmp_path / "in", tmp_path / "out", CHECK_LEAKS)
    assert [note for note in report.notes if "no object that counts" in note] == [
        "val has no object that counts: give it more with --val-share or --test-share, or another --seed."
    ]


def test_an_unreadable_image_of_yolo_is_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for path in put_images(folder / "images", 4):
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{path.stem}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (folder / "classes.txt").write_text("ship\n")
    (folder / "images" / "field_002.png").write_bytes(b"")
    call = ["prepare", str(folder), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(call) == 2
    assert main([*call, "--skip-unreadable"]) == 0
    assert list(load(tmp_path / "out" / "report.json")["left_out"]) == ["field_002.png"]


def test_labels_that_lie_on_no_raster_are_counted(tmp_path: Path) -> None:
    tmp_path.joinpath("scenes").mkdir()
    for k in range(2):
        put_raster(tmp_path / "scenes" / f"s{k}.tif", k)
    squares = [[(500_005 + 10_000 * k, 4_999_990), 3] for k in (0, 1, 7, 8, 9)]
    features = [
        {
            "type": "Feature",
            "properties": {"label": "ship"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x, y], [x + s, y], [x + s, y - s], [x, y - s], [x, y]]],
            },
        }
        for (x, y), s in squares
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}
    labels = tmp_path / "labels.geojson"
    labels.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    call = ["prepare", str(labels), "--images", str(tmp_path / "scenes"), "--out", str(tmp_path / "out")]
    assert main([*call, "--val-share", "0.5", "--quiet"]) == 0
    notes = load(tmp_path / "out" / "report.json")["notes"]
    assert "3 objects lie on none of the images and are in no split." in notes


def test_a_slide_of_a_scanner_is_found_by_its_labels(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("openslide")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "small.svs").symlink_to(shared_data / "slides" / "small.svs")
    square = [[1, 1], [8, 1], [8, 8], [1, 8], [1, 1]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [square]},
        "properties": {"objectType": "annotation", "classification": {"name": "RBC"}},
    }
    labels = tmp_path / "in" / "small.geojson"
    labels.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert main(["prepare", str(labels), "--out", str(tmp_path / "out"), "--split", "none", "--quiet"]) == 0
    image = load(tmp_path / "out" / "all.json")["images"][0]
    # The micrometres a pixel of Aperio's header.
    assert (image["width"], image["height"], image["mpp"]) == (16, 16, 0.499)


def test_the_folder_of_the_source_is_not_written_to(tmp_path: Path, images: list[ImageLabels]) -> None:
    for out in ("in", "in/images/prepared"):
        line = told(lambda out=out: prepare(source_for(images), tmp_path / "in", tmp_path / out))
        assert "name a folder outside of it" in line


def test_a_set_beside_its_source_is_prepared_again(tmp_path: Path, images: list[ImageLabels]) -> None:
    root = tmp_path / "in"
    prepare(source_for(images), root, tmp_path / "first", PrepareOptions(split="none"))
    labels = root / "labels.json"
    labels.write_text((tmp_path / "first" / "all.json").read_text())
    for _ in range(2):
        assert main(["prepare", str(labels), "--out", str(root / "out"), "--quiet"]) == 0
    assert len(load(root / "out" / "report.json")["source_labels"]) == 1


def test_labels_in_the_wrong_crs(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    raster = folder / "scene.tif"
    transform = Affine(10, 0, 380000, 0, -10, 3740000)
    profile = {
        "driver": "GTiff",
        "width": 64,
        "height": 48,
        "count": 1,
        "dtype": "uint8",
        "crs": "EPSG:32611",
    }
    with rasterio.open(raster, "w", transform=transform, **profile) as file:
        file.write(np.ones((1, 48, 64), np.uint8))
    square = [[380100, 3739900], [380200, 3739900], [380200, 3739800], [380100, 3739800], [380100, 3739900]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [square]},
        "properties": {"label": "ship"},
    }
    labels = folder / "labels.geojson"

    def write(crs: str | None) -> None:
        member = {"type": "name", "properties": {"name": crs}}
        data = {"type": "FeatureCollection", "features": [feature]} | ({"crs": member} if crs else {})
        labels.write_text(json.dumps(data))

    # Metres without a CRS are no degrees; metres of another zone are another place; of the right one, right.
    write(None)
    assert main(["prepare", str(labels), "--out", str(tmp_path / "out"), "--split", "none", "--quiet"]) == 2
    write("EPSG:32633")
    assert main(["prepare", str(labels), "--out", str(tmp_path / "out"), "--split", "none", "--quiet"]) == 2
    write("EPSG:32611")
    assert main(["prepare", str(labels), "--out", str(tmp_path / "out"), "--split", "none", "--quiet"]) == 0
    data = load(tmp_path / "out" / "all.json")
    assert data["annotations"][0]["bbox"] == pytest.approx([10, 10, 10, 10], abs=1e-3)
    assert data["images"][0]["gsd"] == pytest.approx(10, rel=2e-3)


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.parquet", "a.geoparquet", "a.shp"])
def test_vector_files_are_told_by_their_endings(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    assert layout_of(tmp_path / name)[0] == "vector"


def test_how_the_wrong_crs_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test_labels_in_the_wrong_crs(tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 2
    assert "labels.geojson: coordinates of 3739900 are no degrees" in lines[0]
    assert "labels.geojson: none of 1 objects lies on any of 1 rasters: its CRS is EPSG:32633" in lines[1]
    assert "assign the CRS that the labels were drawn in" in lines[1]


def test_a_big_scene_is_split_by_blocks(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "scene.tif"
    pixels = np.random.default_rng(0).integers(0, 4000, (2, 300, 400), np.uint16)
    profile = {"driver": "GTiff", "width": 400, "height": 300, "count": 2, "dtype": "uint16", "nodata": 0}
    with rasterio.open(
        path, "w", crs="EPSG:32611", transform=Affine(10, 0, 380000, 0, -10, 3740000), **profile
    ) as file:
        file.write(pixels)
    rng = np.random.default_rng(1)
    objects = tuple(
        LabelledObject("ship", (float(x), float(y), float(x) + 8, float(y) + 6))
        for x, y in rng.uniform((0, 0), (390, 290), (80, 2))
    )
    odd = (LabelledObject("ship", (-90.0, 0.0, -80.0, 9.0)), LabelledObject("ship", (7.0, 7.0, 7.0, 9.0)))
    objects += odd
    image = ImageLabels(path, objects, scene="scene", source="labels.json")
    out = tmp_path / "out"
    options = PrepareOptions(split="blocks", block_px=100, gap_px=12)
    prepare(source_for([image]), folder, out, options)
    whole = 0
    for split in ("train", "val"):
        data = load(out / f"{split}.json")
        for record in data["images"]:
            x, y = map(int, record["offset"])
            with rasterio.open(out / "images" / record["file_name"]) as block:
                assert (block.width, block.height) == (record["width"], record["height"])
                np.testing.assert_array_equal(
                    block.read(), pixels[:, y : y + block.height, x : x + block.width]
                )
                assert (block.transform.c, block.transform.f) == (380000 + 10 * x, 3740000 - 10 * y)
                assert block.nodata == 0
            for annotation in data["annotations"]:
                if annotation["image_id"] == record["id"] and not annotation["iscrowd"]:
                    bx, by, w, h = annotation["bbox"]
                    at = (bx + x, by + y, bx + x + w, by + y + h)
                    assert min(np.abs(np.subtract(o.xyxy, at)).max() for o in objects) < 1e-3
                    whole += 1
    report = load(out / "report.json")
    assert report["leaks"] == []
    # What cannot be used is told once, for the whole scene.
    assert [(f["kind"], f["object"]) for f in report["findings"]] == [("outside", 81), ("degenerate", 82)]
    windows = [
        i["offset"] + [i["width"], i["height"]]
        for s in ("train", "val")
        for i in load(out / f"{s}.json")["images"]
    ]
    between = sum(
        not any(
            o.xyxy[0] < x + w and x < o.xyxy[2] and o.xyxy[1] < y + h and y < o.xyxy[3]
            for x, y, w, h in windows
        )
        for o in objects[:80]
    )
    assert between > 0
    assert f"; {between} objects lie between blocks" in report["notes"][-1]
    assert whole > 40


def test_other_tools_read_what_is_written_also(tmp_path: Path, images: list[ImageLabels]) -> None:
    out = tmp_path / "out"
    prepare(source_for(images), tmp_path / "in", out, PrepareOptions(also=("voc", "yolo", "dota"), seed=1))
    for layout in ("voc", "yolo", "dota"):
        name = str(out / layout / "val")
        arguments = ["prepare", name, "--images", str(out / "images"), "--out", str(tmp_path / layout)]
        if layout == "dota":
            Path(name).rename(out / layout / "labelTxt")
            arguments[1] = str(out / layout)
        assert main([*arguments, "--split", "none", "--quiet"]) == 0
        before, after = load(out / "val.json"), load(tmp_path / layout / "all.json")
        assert [a["bbox"] for a in after["annotations"]] == [a["bbox"] for a in before["annotations"]]


def test_an_unknown_layout_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("nothing")
    with pytest.raises(LabelError, match="holds no labels of a known layout"):
        layout_of(tmp_path)
    with pytest.raises(InputFileError, match="no such file or folder"):
        layout_of(tmp_path / "absent")


def test_files_of_one_name_are_told_apart_by_their_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [put_images(tmp_path / "in" / scene, 1, seed)[0] for seed, scene in enumerate(("a1", "b2"))]
    prepare(source_for(labelled(paths, per_scene=1)), tmp_path / "in", tmp_path / "out")
    named = {i["file_name"] for s in ("train", "val") for i in load(tmp_path / "out" / f"{s}.json")["images"]}
    assert named == {"a1_field_000.png", "b2_field_000.png"}
    assert all((tmp_path / "out" / "images" / name).is_file() for name in named)
    # What looks at a set names an image by its file alone.
    prepare(source_for(labelled(paths)), tmp_path / "in", tmp_path / "all", PrepareOptions(split="none"))
    assert main(["stats", str(tmp_path / "all" / "all.json")]) == 0
    assert "2 images, 2 objects" in capsys.readouterr().out
