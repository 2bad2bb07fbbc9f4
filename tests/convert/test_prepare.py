"""From a folder of labels to a training set: splits, reports, links, and one clear line for what is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

from retina_domains.cli import main
from retina_domains.convert import DataSource, PrepareOptions, prepare
from retina_domains.convert.formats import layout_of
from retina_domains.errors import InputFileError, InvalidValueError, LabelError, RetinaDomainsError
from retina_domains.labelled import ClassMap, ImageLabels, LabelledObject

WIDTH, HEIGHT = 64, 48


def put_images(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Fields of noise, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"field_{k:03d}.png" for k in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH), np.uint8)).save(path)
    return paths


def source_for(images: list[ImageLabels], **changes: Any) -> DataSource:
    facts: dict[str, Any] = {
        "name": "trial",
        "title": "A trial",
        "licence": "none",
        "origin": "here",
        "layout": "anything",
        "read": lambda root, folder: images,
    }
    return DataSource(**(facts | changes))


CHECK_LEAKS = PrepareOptions(allow_leaks=True)


def put_raster(path: Path, number: int) -> None:
    """A raster of 20 m a side, 10 km east of the one before."""
    profile = {"driver": "GTiff", "width": 20, "height": 20, "count": 1, "dtype": "uint8"}
    transform = Affine(1, 0, 500_000 + 10_000 * number, 0, -1, 5_000_000)
    pixels = np.random.default_rng(number).integers(0, 255, (1, 20, 20), np.uint8)
    with rasterio.open(path, "w", crs="EPSG:32631", transform=transform, **profile) as file:
        file.write(pixels)


def labelled(paths: list[Path], per_scene: int = 2) -> list[ImageLabels]:
    box = (10.0, 10.0, 20.0, 20.0)
    return [
        ImageLabels(path, (LabelledObject("ship", box),), scene=f"s{k // per_scene}", source="labels.json")
        for k, path in enumerate(paths)
    ]


@pytest.fixture
def images(tmp_path: Path) -> list[ImageLabels]:
    return labelled(put_images(tmp_path / "in" / "images", 12))


def load(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    return data


def test_what_is_written(tmp_path: Path, images: list[ImageLabels]) -> None:
    out = tmp_path / "out"
    prepare(source_for(images, unit="mpp"), tmp_path / "in", out, PrepareOptions(mpp=0.11, seed=3))
    train, val = load(out / "train.json"), load(out / "val.json")
    assert len(train["images"]) + len(val["images"]) == 12
    assert not {i["scene"] for i in train["images"]} & {i["scene"] for i in val["images"]}
    first = train["images"][0]
    assert {k: first[k] for k in ("width", "height", "mpp")} == {"width": 64, "height": 48, "mpp": 0.11}
    assert train["annotations"][0] == {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [10, 10, 10, 10],
        "area": 100,
        "iscrowd": 0,
        "source_label": "ship",
    }
    assert train["categories"] == [{"id": 1, "name": "ship"}]
    link = out / "images" / first["file_name"]
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.read_bytes() == (tmp_path / "in" / "images" / first["file_name"]).read_bytes()
    report = load(out / "report.json")
    assert report["splits"]["train"]["images"] == len(train["images"])
    assert "train: " in (out / "report.txt").read_text()


def test_images_may_stay_where_they_are(tmp_path: Path, images: list[ImageLabels]) -> None:
    out = tmp_path / "deep" / "out"
    prepare(source_for(images), tmp_path / "in", out, PrepareOptions(image_mode="reference"))
    name = load(out / "val.json")["images"][0]["file_name"]
    assert name.startswith("../../in/images/")
    assert (out / name).is_file()
    assert not (out / "images").exists()


def test_images_are_copied_where_it_is_asked_for(tmp_path: Path, images: list[ImageLabels]) -> None:
    prepare(source_for(images), tmp_path / "in", tmp_path / "out", PrepareOptions(image_mode="copy"))
    assert len([p for p in (tmp_path / "out" / "images").iterdir() if not p.is_symlink()]) == 12


def test_a_check_writes_nothing(tmp_path: Path, images: list[ImageLabels]) -> None:
    report = prepare(source_for(images), tmp_path / "in", tmp_path / "out", check=True)
    assert sum(map(len, report.splits.values())) == 12
    assert not (tmp_path / "out").exists()


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path, images: list[ImageLabels]) -> None:
    for name in ("a", "b"):
        prepare(source_for(images), tmp_path / "in", tmp_path / name, PrepareOptions(seed=5))
    for file in ("train.json", "val.json", "report.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_split_that_is_not_made_any_more_is_removed(tmp_path: Path, images: list[ImageLabels]) -> None:
    out = tmp_path / "out"
    (tmp_path / "out").mkdir()
    (out / "mine.json").write_text("{}")
    prepare(source_for(images), tmp_path / "in", out)
    prepare(source_for(images), tmp_path / "in", out, PrepareOptions(split="none"))
    assert sorted(p.name for p in out.glob("*.json")) == ["all.json", "mine.json", "report.json"]


def test_what_is_done_to_objects_is_listed(tmp_path: Path) -> None:
    path = put_images(tmp_path / "in", 1)[0]
    objects = (
        LabelledObject("ship", (-4.0, 10.0, 20.0, 20.0)),
        LabelledObject("ship", (70.0, 10.0, 80.0, 20.0)),
        LabelledObject("ship", (5.0, 5.0, 5.0, 9.0)),
        LabelledObject("rock", (5.0, 5.0, 9.0, 9.0)),
        LabelledObject("blur", (1.0, 1.0, 9.0, 9.0)),
    )
    classes = ClassMap(("ship", "buoy"), {"ship": "ship", "buoy": "buoy", "rock": "drop", "blur": "ignore"})
    image = ImageLabels(path, objects, source="labels.json")
    out = tmp_path / "out"
    prepare(source_for([image], classes=classes), tmp_path / "in", out, PrepareOptions(split="none"))
    report = load(out / "report.json")
    assert report["counts"] == {"clipped": 1, "outside": 1, "degenerate": 1, "dropped": 1}
    assert report["findings"][0] == {
        "kind": "clipped",
        "image": "field_000.png",
        "object": 1,
        "source_label": "ship",
        "xyxy": [-4, 10, 20, 20],
        "why": "stuck out by 4 px",
    }
    # What is ignored whatever its class is told once for each class.
    told = [(a["category_id"], a["iscrowd"]) for a in load(out / "all.json")["annotations"]]
    assert told == [(1, 0), (1, 1), (2, 1)]


def test_copies_across_splits_are_a_leak(tmp_path: Path, images: list[ImageLabels]) -> None:
    published = [
        ImageLabels(i.path, i.objects, split="train" if k < 8 else "val", source=i.source)
        for k, i in enumerate(images)
    ]
    published[11].path.write_bytes(published[0].path.read_bytes())
    source = source_for(published, split="source")
    with pytest.raises(LabelError) as caught:
        prepare(source, tmp_path / "in", tmp_path / "out")
    assert (
        "1 leaks between splits, the first: same content in train and val: field_000.png, field_011.png"
        in str(caught.value)
    )
    assert "--allow-leaks" in str(caught.value)
    assert not (tmp_path / "out").exists()
    report = prepare(source, tmp_path / "in", tmp_path / "out", PrepareOptions(allow_leaks=True))
    assert report.duplicates == [("field_000.png", "field_011.png")]
    assert len(load(tmp_path / "out" / "report.json")["leaks"]) == 1
    # A split of our own keeps the copies together.
    split = prepare(source, tmp_path / "in", tmp_path / "out", PrepareOptions(split="scene"))
    where = [
        name for name, members in split.splits.items() for i in members if i.file_name in report.duplicates[0]
    ]
    assert len(set(where)) == 1


def test_scenes_on_both_sides_of_a_published_split_are_a_leak(
    tmp_path: Path, images: list[ImageLabels]
) -> None:
    published = [
        ImageLabels(i.path, i.objects, scene=i.scene, split="train" if k < 7 else "val", source=i.source)
        for k, i in enumerate(images)
    ]
    with pytest.raises(LabelError, match="same scene s3 in train and val"):
        prepare(source_for(published, split="source"), tmp_path / "in", tmp_path / "out")


def test_groups_by_a_pattern(tmp_path: Path, images: list[ImageLabels]) -> None:
    alone = [ImageLabels(i.path, i.objects, source=i.source) for i in images]
    report = prepare(source_for(alone), tmp_path / "in", tmp_path / "a", check=True)
    assert "No scene, patient or slide is named" in report.notes[-1]
    options = PrepareOptions(group_by=re.compile(r"field_\d\d(\d)"))
    report = prepare(source_for(alone), tmp_path / "in", tmp_path / "a", options, check=True)
    assert {i.labels.scene for members in report.splits.values() for i in members} == set("0123456789")
    with pytest.raises(InvalidValueError, match="must match every image"):
        prepare(
            source_for(alone), tmp_path / "in", tmp_path / "a", PrepareOptions(group_by=re.compile("patient"))
        )


# What is wrong, and how it is told: one line that names the file and the remedy.


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
