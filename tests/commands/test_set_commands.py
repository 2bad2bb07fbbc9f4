"""stats and tune-anchors, from the command line to their files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retina_domains.cli import main
from retina_domains.commands.set_arguments import parse_point_size, parse_rename
from retina_domains.errors import InvalidValueError


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Four images of noise with ten ships of 8 to 30 px each, and one buoy of 3 px."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for k in range(1, 5):
        Image.fromarray(rng.integers(0, 255, (256, 256), dtype=np.uint8)).save(
            tmp_path / "images" / f"{k}.png"
        )
        images.append({"id": k, "file_name": f"{k}.png", "width": 256, "height": 256})
        for side in np.geomspace(8, 30, 10):
            x, y = rng.uniform(0, 220, 2).tolist()
            annotations.append({"image_id": k, "category_id": 1, "bbox": [x, y, side, side], "area": 1})
    annotations.append({"image_id": 1, "category_id": 2, "bbox": [100, 100, 3, 3], "area": 9})
    data = {
        "images": images,
        "annotations": [{"id": n, "iscrowd": 0, **a} for n, a in enumerate(annotations)],
        "categories": [{"id": 1, "name": "ship"}, {"id": 2, "name": "buoy"}],
    }
    path = tmp_path / "l.json"
    path.write_text(json.dumps(data))
    return path


def test_stats_prints_warns_and_writes(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, facts = tmp_path / "p.html", tmp_path / "f.json"
    call = [
        "stats",
        str(coco),
        "--mpp",
        "0.1",
        "--tile-size",
        "128",
        "--html",
        str(page),
        "--json",
        str(facts),
    ]
    assert main(call) == 0
    out = capsys.readouterr().out
    assert "l.json: COCO annotations, 4 images, 41 objects" in out
    assert re.search(r"^ship +40 +0 +4 .* px, 0\.8 1\.55 3 µm", out, re.MULTILINE)
    assert "warning: 1 of 41 objects are under 4 px" in out
    assert "warning: class buoy has 1 objects" in out
    told = json.loads(facts.read_text())
    assert told["tiles"]["number"] == 16
    assert told["classes"][1]["size_true"][2] == pytest.approx(1.55, abs=0.01)
    html = page.read_text()
    assert html.count("<svg") == 4
    assert f"<title>{coco.parent.name}/l.json</title>" in html
    assert "class buoy has 1 objects" in html
    assert "<script" not in html


def test_stats_says_where_pixels_could_not_be_looked_at(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "note: no images beside the labels: bands, and whether labels are shifted, were not looked at"
    alone = tmp_path / "alone" / "l.json"
    alone.parent.mkdir()
    alone.write_bytes(coco.read_bytes())
    assert main(["stats", str(alone)]) == 0
    assert note in capsys.readouterr().out
    assert main(["stats", str(coco)]) == 0
    assert note not in capsys.readouterr().out


def test_stats_of_labels_alone(coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "p.html"
    assert main(["stats", str(coco), "--no-pixels", "--classes", "ship", "--html", str(page)]) == 0
    assert "40 objects" in capsys.readouterr().out
    assert page.read_text().count("<svg") == 3


def test_tuned_anchors_are_told_beside_stock_ones(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out_file = tmp_path / "anchors.py"
    assert main(["tune-anchors", str(coco), "--classes", "ship", "--out", str(out_file)]) == 0
    out = capsys.readouterr().out
    stock, tuned = map(float, re.findall(r"recall at IoU 0\.5 +(\S+) +(\S+)", out)[0])
    assert stock < 0.5 < 0.99 <= tuned
    assert "warning" not in out
    assert sum(int(n) for n in re.findall(r"stride +\d+ +(\d+) objects", out)) == 40
    assert "SizeRangeAnchorGenerator" in out_file.read_text()


def test_a_recall_out_of_reach_is_said_with_a_remedy(coco: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune-anchors", str(coco), "--finest-stride", "16"]) == 2
    assert "start at a finer level" in capsys.readouterr().err
    assert main(["tune-anchors", str(coco), "--one-centre", "--target", "1"]) == 0
    assert (
        "warning: recall 1 is not reached: use a finer level (--finest-stride 2)" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stats", "nothing.json"], "no such file"),
        (["stats", "LABELS", "--gsd", "-1"], "--gsd -1.0: expected above 0"),
        (["stats", "LABELS", "--class-map", "ship"], "--class-map 'ship': expected OLD=NEW"),
        (["stats", "LABELS", "--point-size", "big"], "expected such as 20m or 10px"),
        (["tune-anchors", "LABELS", "--target", "2"], "expected above 0, at most 1"),
    ],
)
def test_wrong_calls_are_told_in_one_line(
    coco: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([str(coco) if a == "LABELS" else a for a in arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_sizes_of_points_have_a_unit() -> None:
    assert parse_point_size("20m") == (20, None)
    assert parse_point_size("10px") == (None, 10)
    assert parse_point_size(None) == (None, None)
    assert parse_rename("a b=c") == ("a b", "c")
    with pytest.raises(InvalidValueError, match="expected such as"):
        parse_point_size("m")
