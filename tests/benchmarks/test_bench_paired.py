"""The table of paired runs, from run folders whose predictions are there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bench_script import script

from retina_domains.errors import InputFileError


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    return script("bench_paired")


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Four scenes of one image, a parasite (pf or pv) and a white cell in each."""
    images = [
        {"id": k, "file_name": f"{k}.png", "width": 100, "height": 100, "scene": f"s{k}"} for k in range(1, 5)
    ]
    species = [1, 1, 2, 2]
    annotations: list[dict[str, Any]] = []
    for image, category in zip(images, species, strict=True):
        for kind, box in ((category, [10, 10, 10, 10]), (3, [60, 60, 30, 30])):
            number = len(annotations) + 1
            annotations.append(
                {
                    "id": number,
                    "image_id": image["id"],
                    "category_id": kind,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 1, "name": "pf"}, {"id": 2, "name": "pv"}, {"id": 3, "name": "WBC"}]
    path = tmp_path / "val.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def run_folder(path: Path, labels: Path, found: list[tuple[int, int]]) -> Path:
    """A finished run that found ``(image, category)`` in the parasite's place."""
    path.mkdir()
    (path / "config.py").write_text("max_iters = 8\n")
    (path / "iter_4.pth").write_bytes(b"earlier")
    (path / "iter_8.pth").write_bytes(path.name.encode())
    digest = hashlib.sha256(path.name.encode() + labels.read_bytes()).hexdigest()[:12]
    results = [
        {"image_id": image, "category_id": category, "bbox": [10, 10, 10, 10], "score": 0.9}
        for image, category in found
    ]
    # A white cell in a false place, which no figure of parasites may count.
    results.append({"image_id": 1, "category_id": 3, "bbox": [0, 80, 9, 9], "score": 0.95})
    (path / f"val-iter_8-{digest}.coco.json").write_text(json.dumps(results))
    return path


def test_figures_of_two_seeds_by_hand(
    bench: ModuleType, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Species that are wrong count for a parasite of any species and not for pf."""
    stock = run_folder(tmp_path / "stock", labels, [(1, 2), (2, 2)])
    ours = [
        run_folder(tmp_path / "ours0", labels, [(1, 1), (2, 1), (3, 2), (4, 2)]),
        run_folder(tmp_path / "ours1", labels, [(1, 1), (2, 2), (3, 2), (4, 1)]),
    ]
    call = ["--reference", "stock", str(stock), "--side", "ours", *map(str, ours), "--data", str(labels)]
    call += ["--figure", "parasite=pf+pv:AP50", "pf:AP50", "--out", str(tmp_path / "out.json")]
    bench.run(bench.options().parse_args(call))
    lines = capsys.readouterr().out.splitlines()
    # Half of the parasites: 51 of 101 steps of recall at precision 1.
    assert lines[2] == "| parasite: AP50 | stock | .505 | .505 | | | |"
    assert lines[3].startswith("| parasite: AP50 | ours | 1.000 | 1.000, 1.000 | +49.5 | ")
    assert lines[3].endswith("| 4 scenes |")
    assert lines[4] == "| pf: AP50 | stock | .000 | .000 | | | |"
    # ours1 says pf of image 1, which is right, and of image 4, which is pv: of equal scores the first image
    # goes first, so precision is 1 up to recall 1/2.
    assert lines[5].startswith("| pf: AP50 | ours | .752 | 1.000, .505 | +75.2 | ")
    facts = json.loads((tmp_path / "out.json").read_text())["figures"]
    assert [f["side"] for f in facts] == ["ours", "ours"]
    assert facts[0]["difference"] == pytest.approx(50 / 101)
    assert facts[0]["side_runs"] == [1.0, 1.0]
    assert facts[0]["low"] == 0.0


def test_only_finished_runs_are_compared(bench: ModuleType, labels: Path, tmp_path: Path) -> None:
    run = run_folder(tmp_path / "r", labels, [])
    assert bench.last_state(run) == (run / "config.py", run / "iter_8.pth")
    (run / "iter_8.pth").unlink()
    with pytest.raises(InputFileError, match="is at iteration 4, its config has max_iters 8"):
        bench.last_state(run)
    (run / "config.py").unlink()
    with pytest.raises(InputFileError, match="0 configs and 1 iter"):
        bench.last_state(run)
