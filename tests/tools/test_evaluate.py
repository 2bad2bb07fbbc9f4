"""``tools/evaluate.py`` on one scene in every format: the figures must not depend on the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_cases import (
    CLASSES,
    EXPECTED,
    FOUND_BOXES,
    FOUND_LABELS,
    GEOREF,
    SCENE,
    SCORES,
    TRUE_BOXES,
    write_coco_truth,
    write_csv,
    write_found,
    write_geojson_truth,
    write_voc_truth,
    write_yolo_truth,
)
from PIL import Image

from retina_domains.cli import main

FORMATS = ("geojson", "gpkg", "parquet", "csv", "coco.json", "qupath.geojson")


def evaluate(out: Path, *arguments: object) -> dict[str, Any]:
    path = out / "figures.json"
    status = main(["evaluate", *map(str, arguments), "--json", str(path), "--replicates", "20"])
    assert status == 0
    figures: dict[str, Any] = json.loads(path.read_text())
    return figures


def counts(figures: dict[str, Any]) -> tuple[int, int, int]:
    rates = figures["rates"]
    return rates["true_positives"], rates["false_positives"], rates["false_negatives"]


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["evaluate", *map(str, arguments)]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    return error


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("truth", ["coco", "voc", "yolo"])
def test_our_outputs_against_truth_in_pixels(tmp_path: Path, ending: str, truth: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    maker = {"coco": write_coco_truth, "voc": write_voc_truth, "yolo": write_yolo_truth}[truth]
    labels = maker(tmp_path / ("truth.json" if truth == "coco" else "truth"))
    found = write_found(tmp_path / f"found.{ending}", space="pixel" if "qupath" in ending else "ground")
    figures = evaluate(tmp_path, found, labels)
    assert counts(figures) == EXPECTED
    # By hand: ships 2 of 3 at precision 1 up to recall 2/3 (67 of the 101 steps), buoys all.
    assert figures["coco"]["AP50"] == pytest.approx((67 / 101 + 1) / 2)
    # All false predictions of the one image are fewer than eight: there, all that is found counts.
    assert figures["froc"]["8.0"] == pytest.approx(EXPECTED[0] / (EXPECTED[0] + EXPECTED[2]))
    assert list(figures["froc"].values()) == sorted(figures["froc"].values())


@pytest.mark.parametrize("ending", ["geojson", "gpkg", "parquet", "csv"])
@pytest.mark.parametrize("crs", [None, "urn:ogc:def:crs:EPSG::32611"])
def test_our_outputs_against_truth_on_the_ground(
    tmp_path: Path, ending: str, crs: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    labels = write_geojson_truth(tmp_path / "truth.geojson", crs, points=ending == "csv")
    found = write_found(tmp_path / f"found.{ending}")
    figures = evaluate(tmp_path, found, labels, *(["--match", "distance:50m"] if ending == "csv" else []))
    assert counts(figures) == EXPECTED
    # Ours are in the scene's CRS in tables and in degrees in GeoJSON and CSV.
    reprojected = (ending in ("gpkg", "parquet")) == (crs is None)
    assert any("Reprojected" in note for note in figures["notes"]) == reprojected
    assert ("EPSG:32611" in capsys.readouterr().err) == reprojected


def test_points_default_to_200_m_and_a_raster_joins_pixels_and_ground(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    points = write_geojson_truth(tmp_path / "points.geojson", points=True)
    found = write_found(tmp_path / "found.geojson")
    figures = evaluate(tmp_path, found, points)
    assert figures["match"] | {"assignment": ""} == {
        "kind": "distance", "threshold": 200.0, "unit": "m", "assignment": "", "by_class": True
    }  # fmt: skip
    raster = tmp_path / SCENE
    transform = rasterio.Affine(*GEOREF.transform)
    facts = {"driver": "GTiff", "width": 200, "height": 200, "count": 1, "dtype": "uint8"}
    with rasterio.open(raster, "w", crs="EPSG:32611", transform=transform, **facts) as file:
        file.write(np.zeros((1, 200, 200), np.uint8))
    boxes = write_geojson_truth(tmp_path / "boxes.geojson")
    pixels = write_found(tmp_path / "found.coco.json")
    figures = evaluate(tmp_path, pixels, boxes, "--images", raster, "--html", tmp_path / "page.html")
    assert counts(figures) == EXPECTED
    assert figures["match"]["unit"] == "px"


def test_a_sahi_result_goes_by_its_category_names(tmp_path: Path) -> None:
    truth = write_coco_truth(tmp_path / "truth.json")
    # SAHI writes the model's own category ids, counted from 0, with their names.
    rows = [
        {
            "image_id": 7,
            "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
            "score": score,
            "category_id": label,
            "category_name": CLASSES[label],
            "segmentation": [],
            "iscrowd": 0,
            "area": 1,
        }
        for box, label, score in zip(FOUND_BOXES, FOUND_LABELS, SCORES, strict=True)
    ]
    result = tmp_path / "result.json"
    result.write_text(json.dumps(rows))
    assert counts(evaluate(tmp_path, result, truth)) == EXPECTED


def test_xview3_tables_at_ten_metres_a_pixel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = [
        "detect_scene_row",
        "detect_scene_column",
        "scene_id",
        "is_vessel",
        "is_fishing",
        "vessel_length_m",
    ]
    # 19 px are 190 m: within 200 m; 21 px are not. The second scene holds a label of low confidence.
    truth = write_csv(
        tmp_path / "truth.csv",
        [*header, "confidence", "distance_from_shore_km"],
        [
            [100, 100, "a", True, False, 100, "HIGH", 1.0],
            [500, 500, "a", True, False, "", "MEDIUM", 5.0],
            [50, 50, "b", True, "", 200, "LOW", 9.0],
        ],
    )
    found = write_csv(
        tmp_path / "found.csv",
        header,
        [[100, 119, "a", True, False, 110], [521, 500, "a", True, False, 80], [50, 51, "b", True, True, 90]],
    )
    figures = evaluate(tmp_path, found, truth)
    assert counts(figures) == (1, 1, 1)
    assert "Pixels were taken as 10 m." in figures["notes"]
    assert figures["length_accuracy"]["value"] == pytest.approx(0.9)
    assert counts(evaluate(tmp_path, found, truth, "--gsd", "5")) == (2, 0, 0)


def test_area_and_shore(tmp_path: Path) -> None:
    points = write_geojson_truth(tmp_path / "points.geojson", points=True)
    found = write_found(tmp_path / "found.geojson")

    def polygon(name: str, box: list[float]) -> Path:
        ring = GEOREF.to_lonlat(
            np.array([[box[i], box[j]] for i, j in ((0, 1), (2, 1), (2, 3), (0, 3), (0, 1))])
        )
        feature = {"type": "Feature", "properties": {}}
        geometry = {"type": "Polygon", "coordinates": [ring.tolist()]}
        data = {"type": "FeatureCollection", "features": [feature | {"geometry": geometry}]}
        (tmp_path / name).write_text(json.dumps(data))
        return tmp_path / name

    # The area holds the first two ships and the false one; the shore is 40 px (400 m) left of the first.
    area = polygon("area.geojson", [0, 0, 200, 60])
    assert counts(evaluate(tmp_path, found, points, "--area", area)) == (2, 1, 0)
    shore = polygon("shore.geojson", [-400, -100, -120, 300])
    near = evaluate(tmp_path, found, points, "--shore", shore)["near_shore"]
    # Within 2 km: objects up to x = 80, predictions up to x = 100: one of each.
    assert (near["true_positives"], near["false_positives"], near["false_negatives"]) == (1, 0, 1)


def test_empty_predictions_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write_coco_truth(tmp_path / "truth.json")
    for ending in FORMATS:
        if ending == "parquet":
            pytest.importorskip("pyarrow")
        space = "pixel" if "qupath" in ending else "ground"
        found = write_found(tmp_path / f"empty.{ending}", empty=True, space=space)
        figures = evaluate(tmp_path, found, truth, "--html", tmp_path / "page.html")
        assert counts(figures) == (0, 0, 4)
        assert figures["rates"]["recall"]["value"] == 0
        assert figures["rates"]["precision"]["value"] is None


def test_what_does_not_fit_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write_coco_truth(tmp_path / "truth.json")
    found = write_found(tmp_path / "found.geojson")
    other = json.loads(truth.read_text())
    other["images"][0]["file_name"] = "other.png"
    (tmp_path / "other.json").write_text(json.dumps(other))
    assert "different images" in complaint(capsys, found, tmp_path / "other.json")
    other = json.loads(truth.read_text())
    other["categories"][0]["name"] = "Ship"
    (tmp_path / "classes.json").write_text(json.dumps(other))
    said = complaint(capsys, found, tmp_path / "classes.json")
    assert "--class-map ship=Ship" in said
    assert (
        counts(evaluate(tmp_path, found, tmp_path / "classes.json", "--class-map", "ship=Ship")) == EXPECTED
    )
    points = write_geojson_truth(tmp_path / "points.geojson", points=True)
    assert "points without extent" in complaint(capsys, found, points, "--match", "iou:0.5")
    far = json.loads(points.read_text())
    for feature in far["features"]:
        feature["geometry"]["coordinates"][0] += 3
    (tmp_path / "far.geojson").write_text(json.dumps(far))
    assert "km apart" in complaint(capsys, found, tmp_path / "far.geojson")
    metres = write_geojson_truth(tmp_path / "metres.geojson", "EPSG:32611")
    stripped = {k: v for k, v in json.loads(metres.read_text()).items() if k != "crs"}
    metres.write_text(json.dumps(stripped))
    assert "no degrees" in complaint(capsys, found, metres)
    pixels = write_found(tmp_path / "found.coco.json")
    assert "--gsd" in complaint(capsys, pixels, truth, "--match", "distance:200m")
    assert "--images" in complaint(capsys, pixels, points)
    assert "no such file" in complaint(capsys, tmp_path / "missing.json", truth)
    (tmp_path / "odd.json").write_text('{"a": 1}')
    assert "neither COCO" in complaint(capsys, tmp_path / "odd.json", truth)
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    assert "expected columns" in complaint(capsys, tmp_path / "odd.csv", truth)
    assert "expected iou:0.5" in complaint(capsys, found, truth, "--match", "near")


def test_the_page_stands_alone(tmp_path: Path) -> None:
    truth = write_yolo_truth(tmp_path / "truth")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (200, 200), np.uint8)).save(tmp_path / "truth" / "images" / SCENE)
    found = write_found(tmp_path / "found.csv")
    page = tmp_path / "page.html"
    evaluate(tmp_path, found, truth, "--images", tmp_path / "truth" / "images", "--html", page)
    text = page.read_text()
    assert "http:" not in text
    assert "https:" not in text
    assert "<script" not in text
    assert text.count("data:image/png;base64,") == 1 + 1 + 3  # one false, one missed, three doubtful hits
    assert "False predictions" in text
    assert len(TRUE_BOXES) == 4


def test_sizes_in_metres(tmp_path: Path) -> None:
    truth = write_coco_truth(tmp_path / "truth.json")
    found = write_found(tmp_path / "found.coco.json")
    figures = evaluate(tmp_path, found, truth, "--sizes", "metres", "--gsd", "10")
    assert counts(figures) == EXPECTED
    # Boxes of 20 x 8, 24 x 12, 20 x 10 and 6 x 6 px are 126, 170, 141 and 60 m across at 10 m a pixel.
    found_by_size = {s["name"]: s["true_positives"] + s["false_negatives"] for s in figures["slices"]["size"]}
    assert found_by_size == {"under_10_m": 0, "10_to_50_m": 0, "50_to_150_m": 3, "over_150_m": 1}
    assert figures["coco"]["AP_over_150_m"] is not None


def test_seams_of_a_tiling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write_coco_truth(tmp_path / "truth.json")
    found = write_found(tmp_path / "found.csv")
    # Tiles of 120 px that share 20 px meet at 110: the second object, its centre at x = 112, is near and
    # found; of the other three, with centres from 14 to 80 and from 125 on, one is missed.
    seams = evaluate(tmp_path, found, truth, "--tiles", "120,20")["seams"]
    assert (seams["objects_near"], seams["objects_away"]) == (1, 3)
    assert (seams["miss_near"], seams["miss_away"]) == pytest.approx((0, 1 / 3))
    assert "--tiles 512,128" in complaint(capsys, found, truth, "--tiles", "512")


def test_the_marked_anchorage_measures_itself(tmp_path: Path) -> None:
    data = Path(__file__).parents[1] / "data"
    ships = data / "anchorage_ships.geojson"
    figures = evaluate(
        tmp_path, ships, ships, "--area", data / "anchorage_area.geojson", "--match", "distance:240m"
    )
    assert counts(figures) == (36, 0, 0)
    assert figures["objects"] == 36
