"""The scripts of published data sets, on files made after their description and on true ones."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

from retina_domains.commands.prepare import run_source
from retina_domains.errors import RetinaDomainsError

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(p.stem for p in (ROOT / "datasets").glob("prepare_*.py"))
PUBLISHED = [name for name in SCRIPTS if name != "prepare_generic" and "simulated" not in name]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "datasets" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, root: Path, out: Path, *arguments: str) -> dict[str, Any]:
    """Run a script; its report."""
    assert (
        run_source(script(f"prepare_{name}").SOURCE, [str(root), "--out", str(out), "--quiet", *arguments])
        == 0
    )
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def put_image(path: Path, seed: int, size: tuple[int, int] = (80, 80)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, size[::-1], np.uint8)
    Image.fromarray(pixels).save(path)


def put_voc(path: Path, boxes: list[tuple[int, int, int, int]], name: str = "ship") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = ("xmin", "ymin", "xmax", "ymax")
    objects = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{s}>{v}</{s}>" for s, v in zip(sides, box, strict=True))
        + "</bndbox></object>"
        for box in boxes
    )
    path.write_text(f"<annotation><size><width>80</width><height>80</height></size>{objects}</annotation>")


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_has_a_card_and_is_short(name: str) -> None:
    card = ROOT / "datasets" / f"{name.removeprefix('prepare_')}.md"
    text = card.read_text(encoding="utf-8")
    assert f"datasets/{name}.py" in text
    for word in ("licence", "tested"):
        assert name == "prepare_simulated_sar" or word in text.lower()
    assert len((ROOT / "datasets" / f"{name}.py").read_text().splitlines()) <= 150


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_empty_folder_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(RetinaDomainsError) as caught:
        run(name.removeprefix("prepare_"), tmp_path, tmp_path / "out")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


# Files made after the description.


def test_ssdd(tmp_path: Path) -> None:
    base = tmp_path / "Official-SSDD" / "BBox_SSDD" / "voc_style"
    for split, numbers in (("train", (2, 3, 4)), ("test", (1, 9))):
        for n in numbers:
            put_image(base / f"JPEGImages_{split}" / f"{n:06d}.jpg", n)
            put_voc(base / f"Annotations_{split}" / f"{n:06d}.xml", [(10, 10, 30, 20)])
    report = run("ssdd", tmp_path / "Official-SSDD", tmp_path / "out")
    assert {k: v["images"] for k, v in report["splits"].items()} == {"train": 3, "test": 2}


def test_ssdd_takes_no_label_twice(tmp_path: Path) -> None:
    for folder in ("train", "test", "test_inshore"):
        n = {"train": 2, "test": 1, "test_inshore": 1}[folder]
        put_image(tmp_path / "in" / f"JPEGImages_{folder}" / f"{n:06d}.jpg", n)
        put_voc(tmp_path / "in" / f"Annotations_{folder}" / f"{n:06d}.xml", [(10, 10, 30, 20)])
    report = run("ssdd", tmp_path / "in", tmp_path / "out")
    assert {k: v["images"] for k, v in report["splits"].items()} == {"train": 1, "test": 1}


def test_ssdd_in_one_folder_is_split_by_its_rule(tmp_path: Path) -> None:
    for n in (1, 2, 9, 10):
        put_image(tmp_path / "in" / "JPEGImages" / f"{n:06d}.jpg", n)
        put_voc(tmp_path / "in" / "Annotations" / f"{n:06d}.xml", [(10, 10, 30, 20)])
    report = run("ssdd", tmp_path / "in", tmp_path / "out")
    assert {k: v["images"] for k, v in report["splits"].items()} == {"train": 2, "test": 2}


def test_ls_ssdd(tmp_path: Path) -> None:
    root = tmp_path / "LS-SSDD-v1.0-OPEN"
    for k, (scene, row, col) in enumerate(
        ((1, 1, 1), (1, 20, 30), (2, 3, 4), (10, 1, 2), (11, 1, 1), (15, 2, 2))
    ):
        name = f"{scene:02d}_{row}_{col}"
        part = "train" if scene <= 10 else "test"
        put_image(root / f"JPEGImages_sub_{part}" / f"{name}.jpg", k)
        put_voc(root / "Annotations_sub" / f"{name}.xml", [(10, 10, 30, 20)] if k else [])
    report = run("ls_ssdd", root, tmp_path / "out", "--val-share", "0.3", "--seed", "1")
    assert {k: v["images"] for k, v in report["splits"].items()} == {"train": 3, "val": 1, "test": 2}
    records = [
        image
        for split in ("train", "val", "test")
        for image in json.loads((tmp_path / "out" / f"{split}.json").read_text())["images"]
    ]
    # The last chip of the first scene ends at 24,000 x 16,000 px.
    last = next(r for r in records if r["file_name"].endswith("01_20_30.jpg"))
    assert (last["scene"], last["offset"]) == ("01", [24000 - 800, 16000 - 800])


def test_xview3(tmp_path: Path) -> None:
    header = "detect_scene_row,detect_scene_column,scene_id,is_vessel,is_fishing,vessel_length_m,confidence\n"
    for k, (table, scene) in enumerate((("train", "aa"), ("validation", "bb"))):
        folder = tmp_path / "in" / table / scene
        folder.mkdir(parents=True)
        profile = {"driver": "GTiff", "width": 90, "height": 80, "count": 1, "dtype": "float32"}
        transform = Affine(10, 0, 500000, 0, -10, 5000000)
        with rasterio.open(
            folder / "VH_dB.tif", "w", crs="EPSG:32631", transform=transform, **profile
        ) as file:
            file.write(np.full((1, 80, 90), -20.0 - k, np.float32))
        rows = f"40,50,{scene},True,False,80,HIGH\n10,10,{scene},False,,,HIGH\n20,20,{scene},,,,LOW\n"
        (tmp_path / "in" / f"{table}.csv").write_text(header + rows)
    unnamed = tmp_path / "in" / "train" / "cc"
    unnamed.mkdir()
    (unnamed / "VH_dB.tif").touch()
    report = run("xview3", tmp_path / "in", tmp_path / "out")
    assert report["unlabelled"] == ["train/cc/VH_dB.tif"]
    assert report["splits"]["train"]["objects"] == {"ship": 1}
    assert report["splits"]["val"]["ignored"] == 1
    assert report["counts"]["dropped"] == 2
    data = json.loads((tmp_path / "out" / "train.json").read_text())
    assert data["images"][0]["gsd"] == 10
    assert data["annotations"][0]["bbox"] == [46.5, 36.5, 8, 8]
    assert data["annotations"][0]["length_m"] == 80


def test_bbbc041(tmp_path: Path) -> None:
    base = tmp_path / "in" / "malaria"
    for n, file in enumerate(("training", "test")):
        name = f"{n}.png"
        put_image(base / "images" / name, n)
        boxes = {"red blood cell": (10, 10), "difficult": (30, 40)}
        objects = [
            {
                "category": c,
                "bounding_box": {"minimum": {"r": y, "c": x}, "maximum": {"r": y + 9, "c": x + 12}},
            }
            for c, (x, y) in boxes.items()
        ]
        record = {
            "image": {"pathname": f"/images/{name}", "shape": {"r": 80, "c": 80, "channels": 3}},
            "objects": objects,
        }
        (base / f"{file}.json").write_text(json.dumps([record]))
    report = run("bbbc041", tmp_path / "in", tmp_path / "out")
    for split in ("train", "test"):
        assert report["splits"][split]["objects"]["RBC"] == 1
        assert report["splits"][split]["ignored"] == 1
    data = json.loads((tmp_path / "out" / "test.json").read_text())
    assert data["annotations"][0]["bbox"] == [10, 10, 12, 9]
    # Difficult cells are ignored whatever the class: once for each.
    assert sum(a["iscrowd"] for a in data["annotations"]) == 6


BLOOD = {
    "iml_malaria": (
        {"red blood cell": "RBC", "difficult": "ignore"},
        ("RBC", "ring", "trophozoite", "schizont", "gametocyte"),
    ),
    "bbbc041": (
        {"red blood cell": "RBC", "leukocyte": "WBC", "difficult": "ignore"},
        ("RBC", "WBC", "ring", "trophozoite", "schizont", "gametocyte"),
    ),
    "bccd": ({"Platelets": "platelet"}, ("RBC", "WBC", "platelet")),
    "yolo_malaria": ({"wbc": "WBC"}, ("pf", "pm", "po", "pv", "WBC")),
}


@pytest.mark.parametrize("name", BLOOD)
def test_blood_classes_have_the_same_names_in_every_set(name: str) -> None:
    renamed, classes = BLOOD[name]
    found = script(f"prepare_{name}").SOURCE.classes
    assert found.classes == classes
    kept = {source: source for source in found.targets if source not in renamed}
    assert found.targets == {**kept, **renamed}


def test_a_class_map_of_the_user_goes_before_the_blood_names(tmp_path: Path) -> None:
    base = tmp_path / "in" / "BCCD"
    for k, name in enumerate(("RBC", "Platelets")):
        put_image(base / "JPEGImages" / f"BloodImage_{k:05d}.jpg", k)
        put_voc(base / "Annotations" / f"BloodImage_{k:05d}.xml", [(10, 10, 30, 20)], name)
    changes = ("--class-map", "Platelets=thrombocyte", "RBC=drop", "WBC=drop")
    report = run("bccd", tmp_path / "in", tmp_path / "out", "--split", "none", *changes)
    assert report["splits"]["all"]["objects"] == {"thrombocyte": 1}


# True files: counts by another way of counting than ours, or from the publishers' own words.


def test_true_hrsid(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "sar_ships_hrsid"
    report = run("hrsid", root, tmp_path, "--split", "source")
    for split in ("train", "val"):
        told = json.loads((root / f"{split}.json").read_text())
        assert report["splits"][split]["images"] == len(told["images"])
        assert report["splits"][split]["objects"] == {"ship": len(told["annotations"])}
    assert report["leaks"] == []


def test_true_hrsid_chips_lie_where_their_names_say(shared_data: Path, tmp_path: Path) -> None:
    run("hrsid", shared_data / "sar_ships_hrsid", tmp_path, "--split", "none")
    chips = [i for i in json.loads((tmp_path / "all.json").read_text())["images"] if i["scene"] == "P0001"]

    def pixels(chip: dict[str, Any]) -> np.ndarray:
        return np.asarray(Image.open(tmp_path / "images" / chip["file_name"]).convert("L"), float)

    compared = 0
    for a in chips:
        for b in chips:
            dx, dy = (int(b["offset"][k] - a["offset"][k]) for k in (0, 1))
            if (dx, dy) > (0, 0) and dx < 700 and 0 <= dy < 700:
                left, right = pixels(a)[dy:, dx:], pixels(b)[: 800 - dy, : 800 - dx]
                assert np.corrcoef(left.ravel(), right.ravel())[0, 1] > 0.95
                compared += 1
    assert compared


def test_true_iml_malaria(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "malaria_thin_json"
    report = run("iml_malaria", root, tmp_path)
    told = json.loads((root / "annotations.json").read_text())
    boxes = [{k: int(v) for k, v in o["bbox"].items()} for i in told for o in i["objects"]]
    sticks_out = sum(b["x"] + b["w"] > 1280 or b["y"] + b["h"] > 960 for b in boxes)
    assert report["counts"] == {"clipped": sticks_out, "outside": 0, "degenerate": 0, "dropped": 0}
    assert sum(s["ignored"] for s in report["splits"].values()) == 6
    assert sum(sum(s["objects"].values()) for s in report["splits"].values()) == len(boxes) - 6
    for split in report["splits"].values():
        assert min(split["objects"].values()) > 0


def test_true_yolo_malaria(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "malaria_thick_yolo"
    report = run("yolo_malaria", root, tmp_path)
    lines = sum(len(p.read_text().split("\n")) - 1 for p in (root / "labels").glob("*.txt"))
    last = sum(
        not p.read_text().endswith("\n") and bool(p.read_text()) for p in (root / "labels").glob("*.txt")
    )
    total = {name: sum(s["objects"][name] for s in report["splits"].values()) for name in report["classes"]}
    assert sum(total.values()) == lines + last
    assert sum(s["images"] for s in report["splits"].values()) == 310
    for split in report["splits"].values():
        assert min(split["objects"].values()) > 0
    # Neighbours in a series lie in one split, but where the look changes.
    where = {}
    for split in ("train", "val"):
        for image in json.loads((tmp_path / f"{split}.json").read_text())["images"]:
            series, number = image["file_name"].split("_")[:2]
            where[series, int(number)] = split
    changes = sum(
        a[0] == b[0] and where[a] != where[b] for a, b in zip(sorted(where), sorted(where)[1:], strict=False)
    )
    assert changes <= 25


def test_true_bccd(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "bccd_voc"
    report = run("bccd", root, tmp_path)
    text = "".join(p.read_text() for p in (root / "Annotations").glob("*.xml"))
    total = {name: sum(s["objects"][name] for s in report["splits"].values()) for name in report["classes"]}
    names = {"RBC": "RBC", "WBC": "WBC", "platelet": "Platelets"}
    assert total == {name: text.count(f"<name>{said}</name>") for name, said in names.items()}


def test_true_dota(shared_data: Path, tmp_path: Path) -> None:
    report = run("dota", shared_data / "dota", tmp_path, "--split", "none")
    assert report["splits"]["all"]["objects"]["large-vehicle"] == 50
    assert report["splits"]["all"]["objects"]["small-vehicle"] == 14
    data = json.loads((tmp_path / "all.json").read_text())
    assert data["images"][0]["gsd"] == pytest.approx(0.266170468393)
    first = data["annotations"][0]
    assert first["segmentation"] == [[674, 375, 683, 375, 684, 394, 675, 395]]
    assert first["bbox"] == [674, 375, 10, 20]


def test_true_neon_trees(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "trees_geotiff_voc"
    report = run("neon_trees", root, tmp_path, "--also", "geojson")
    text = "".join(p.read_text() for p in root.glob("*.xml"))
    assert sum(s["objects"]["tree"] for s in report["splits"].values()) == text.count("<object>")
    data = json.loads((tmp_path / "train.json").read_text())
    # The files state 0.1 m in a projection whose scale differs from 1 by less than a thousandth.
    assert all(image["gsd"] == pytest.approx(0.1, rel=2e-3) for image in data["images"])
    name = Path(data["images"][0]["file_name"])
    with rasterio.open(root / name) as raster:
        west, south, east, north = transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
    for feature in json.loads((tmp_path / "geojson" / "train" / f"{name.stem}.geojson").read_text())[
        "features"
    ]:
        for lon, lat in feature["geometry"]["coordinates"][0]:
            assert west - 1e-6 <= lon <= east + 1e-6
            assert south - 1e-6 <= lat <= north + 1e-6
