"""From a folder of labels to a training set: splits, reports, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from set_cases import load, put_images, source_for

from retina_domains.convert import PrepareOptions, prepare
from retina_domains.errors import InvalidValueError, LabelError
from retina_domains.labelled import ClassMap, ImageLabels, LabelledObject


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
