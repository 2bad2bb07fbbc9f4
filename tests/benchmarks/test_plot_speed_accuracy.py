"""The figure of speed against accuracy, from made-up times and values."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bench_script import script

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def plot() -> ModuleType:
    return script("plot_speed_accuracy")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    def timing(model: str, backbone: str, milliseconds: float) -> dict[str, Any]:
        return {"model": model, "backbone": backbone, "milliseconds": milliseconds}

    rows = [("ours", "r18", 80.0), ("stock", "r18", 200.0), ("fcos", "r18", 190.0), ("ours", "r50", 120.0)]
    times = {"setting": "1 x 512 px, made up", "timings": [timing(*row) for row in rows]}
    shared = {"figure": "pf: AP50", "reference": "stock", "reference_runs": [0.2, 0.3]}
    accuracy = {
        "figures": [
            {**shared, "side": "ours", "side_runs": [0.4, 0.5]},
            {**shared, "side": "ours-r50", "side_runs": [0.5]},
            {**shared, "side": "yolo", "side_runs": [0.9]},
        ]
    }
    paths = tmp_path / "times.json", tmp_path / "accuracy.json"
    for path, content in zip(paths, (times, accuracy), strict=True):
        path.write_text(json.dumps(content))
    return paths


def call(files: tuple[Path, Path], out: Path, figure: str = "pf: AP50") -> list[str]:
    times, accuracy = map(str, files)
    return ["--times", times, "--accuracy", accuracy, "--figure", figure, "--out", str(out)]


def test_table_and_drawing_say_the_same(
    plot: ModuleType, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plot.main(call(files, tmp_path / "a.svg")) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[2:] == [
        "| ours | R18 | 80.0 | .450 | .400, .500 |",
        "| ours | R50 | 120.0 | .500 | .500 |",
        "| stock RetinaNet | R18 | 200.0 | .250 | .200, .300 |",
    ]
    assert told.err.splitlines() == [
        "left out: yolo was not timed",
        "left out: fcos, R18 has no measured accuracy",
    ]
    root = ET.parse(tmp_path / "a.svg").getroot()
    names = [element.text for element in root.iter(f"{SVG}text")]
    assert {"ours, R18", "ours, R50", "stock RetinaNet, R18"} < set(names)
    # Axes from 0 to 1.15 times the largest: 230 ms over 552 px, 0.575 over 296 px.
    dots = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter(f"{SVG}circle")]
    assert dots[0] == pytest.approx((64 + 552 * 80 / 230, 344 - 296 * 0.45 / 0.575), abs=0.06)
    assert dots[1] == pytest.approx((64 + 552 * 200 / 230, 344 - 296 * 0.25 / 0.575), abs=0.06)


def test_nothing_from_outside_is_needed(plot: ModuleType, files: tuple[Path, Path], tmp_path: Path) -> None:
    assert plot.main(call(files, tmp_path / "a.svg")) == 0
    text = (tmp_path / "a.svg").read_text()
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert "script" not in text


def test_what_is_wrong_is_said_in_a_line(
    plot: ModuleType, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plot.main(call(files, tmp_path / "a.svg", "pv: AP50")) == 2
    assert capsys.readouterr().err == "error: no figure 'pv: AP50': there are 'pf: AP50'\n"
    assert plot.main(call((files[1], files[0]), tmp_path / "a.svg")) == 2
    assert "expected what bench_predict.py writes" in capsys.readouterr().err
    assert not (tmp_path / "a.svg").exists()


def test_names_do_not_lie_over_each_other(plot: ModuleType) -> None:
    near = [
        plot.Point("stock", "stock", "r18", 100.0, (0.30,)),
        plot.Point("fcos", "fcos", "r18", 101.0, (0.29,)),
    ]
    root = ET.fromstring(plot.svg(near, "pf: AP50", "Title", "about"))
    lines = [float(t.get("y", "")) for t in root.iter(f"{SVG}text") if t.get("paint-order")]
    assert lines[1] - lines[0] == pytest.approx(15, abs=0.11)
