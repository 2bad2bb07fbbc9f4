from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def split() -> ModuleType:
    spec = importlib.util.spec_from_file_location("split_inshore", ROOT / "datasets" / "split_inshore.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_files_hold_their_own(
    split: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name, land in (("sea.png", 0), ("quay.png", 128)):
        chip = rng.rayleigh(10, (320, 320))
        chip[:land] *= 5
        Image.fromarray(chip.clip(0, 255).astype(np.uint8)).save(tmp_path / "images" / name)
    content = {
        "info": {"licence": "of the set"},
        "images": [
            {"id": 3, "file_name": "sea.png", "width": 320, "height": 320, "scene": "A"},
            {"id": 8, "file_name": "quay.png", "width": 320, "height": 320, "scene": "B"},
        ],
        "annotations": [
            {"id": 1, "image_id": 8, "category_id": 1, "bbox": [5, 200, 9, 9], "area": 81},
            {"id": 2, "image_id": 3, "category_id": 1, "bbox": [50, 50, 9, 9], "area": 81},
            {"id": 3, "image_id": 8, "category_id": 1, "bbox": [50, 200, 9, 9], "area": 81},
        ],
        "categories": [{"id": 1, "name": "ship"}],
    }
    (tmp_path / "val.json").write_text(json.dumps(content))
    assert split.main([str(tmp_path / "val.json"), "--out", str(tmp_path / "parts")]) == 0
    assert "val_inshore.json: 1 chips, 2 ships" in capsys.readouterr().out
    inshore, offshore = (
        json.loads((tmp_path / "parts" / f"val_{where}.json").read_text())
        for where in ("inshore", "offshore")
    )
    assert [image["file_name"] for image in inshore["images"]] == ["quay.png"]
    assert inshore["images"][0]["scene"] == "B"
    # 128 of 320 rows are four of ten rows of blocks.
    assert inshore["images"][0]["land_share"] == pytest.approx(0.4)
    assert [a["id"] for a in inshore["annotations"]] == [1, 3]
    assert [a["id"] for a in offshore["annotations"]] == [2]
    assert offshore["info"] == content["info"]


def test_what_is_missing_is_named(
    split: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "val.json"
    for text, told in (
        ("[]", "expected COCO annotations"),
        ("{", "cannot be read as JSON"),
        (
            '{"images": [{"id": 1, "file_name": "x.png"}], "annotations": [], "categories": []}',
            "no such image",
        ),
    ):
        path.write_text(text)
        assert split.main([str(path), "--out", str(tmp_path)]) == 2
        assert told in capsys.readouterr().err


def test_hrsid_parts_as_seen(split: ModuleType, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "sar_ships_hrsid"
    if not folder.is_dir():
        pytest.skip("no HRSID chips")
    assert split.main([str(folder / "val.json"), "--out", str(tmp_path)]) == 0
    inshore = json.loads((tmp_path / "val_inshore.json").read_text())
    assert {image["scene"] for image in inshore["images"]} == {"P0002", "P0006", "P0027", "P0086", "P0096"}
    assert len(inshore["images"]) == 5
