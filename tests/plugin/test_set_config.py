"""Configs fitted to prepared sets: what is filled in builds a model and loaders that belong together."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import rasterio
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import HOOKS, init_default_scope
from rasterio.transform import Affine

from retina_domains.bundle_making import read_facts
from retina_domains.cli import main
from retina_domains.errors import ConfigError
from retina_domains.plugin.bundling import make_bundle
from retina_domains.plugin.checkpoints import read_weights
from retina_domains.plugin.detector import build_model
from retina_domains.plugin.set_config import Fitted, load_fitted
from retina_domains.plugin.training import load_config, shortened
from retina_domains.resources import config_root

ANY = "generic/small-object-retinanet_r18-slim_any.py"
# So small that building it takes no time.
SLIM = {
    "model.backbone.base_channels": 8,
    "model.backbone.stem_channels": 8,
    "model.neck.in_channels": [8, 16, 32],
}


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope("mmdet")


def write_set(folder: Path, count: int, bands: int, dtype: str = "uint8", side: int = 96) -> Path:
    """Noise with ten bright objects of 6 to 20 px an image, two classes, as GeoTIFFs of 2 m."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for k in range(1, count + 1):
        pixels = rng.integers(0, 60, (bands, side, side)).astype(dtype)
        for n in range(10):
            w, h = rng.integers(6, 20, 2).tolist()
            x, y = int(rng.integers(0, side - w)), int(rng.integers(0, side - h))
            pixels[:, y : y + h, x : x + w] = 200
            annotations.append(
                {"image_id": k, "category_id": 1 + n % 2, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0}
            )
        name = f"i{k}.tif"
        profile = {"driver": "GTiff", "height": side, "width": side, "count": bands, "dtype": dtype}
        place = Affine(2, 0, 500_000, 0, -2, 5_000_000)
        with rasterio.open(
            folder / "images" / name, "w", crs="EPSG:32633", transform=place, **profile
        ) as file:
            file.write(pixels)
        images.append(
            {"id": k, "file_name": name, "width": side, "height": side, "scene": f"s{k}", "gsd": 2.0}
        )
    data: dict[str, Any] = {
        "info": {"description": "Noise", "licence": "CC0-1.0", "origin": "nowhere"},
        "images": images,
        "annotations": [{"id": n, **a} for n, a in enumerate(annotations, start=1)],
        "categories": [{"id": 1, "name": "tank"}, {"id": 2, "name": "car"}, {"id": 3, "name": "plane"}],
    }
    for split in ("train", "val"):
        (folder / f"{split}.json").write_text(json.dumps(data))
    return folder


def fitted(folder: Path, **options: Any) -> Fitted:
    return load_fitted(ANY, str(folder), {"from_set.num_workers": 0, **SLIM, **options})


def test_model_and_loaders_belong_together(tmp_path: Path) -> None:
    found = fitted(write_set(tmp_path / "fields", 3, 3))
    config = found.config
    assert "from_set" not in config
    model = build_model(config.model)
    assert model.bbox_head.num_classes == 3
    # Two kinds of objects, 6 to 20 px; three levels at least.
    assert model.bbox_head.prior_generator.object_size_range[0] == pytest.approx(6, abs=2)
    assert config.model.neck.num_outs == len(model.bbox_head.prior_generator.strides) >= 3
    data = DATASETS.build(config.train_dataloader.dataset)
    np.random.seed(0)
    sample = data[0]
    assert sample["inputs"].shape == (3, 96, 96)
    assert len(sample["data_samples"].gt_instances) > 0
    assert data.metainfo["classes"] == ("tank", "car", "plane")
    held = DATASETS.build(config.val_dataloader.dataset)[0]["data_samples"]
    assert held.scene == "s1"
    assert config.bundle.name == "fields"
    assert tuple(config.bundle.input.gsd_range) == (1.6, 2.5)
    assert any("no object to learn from of plane" in line for line in found.lines)


def test_bands_that_are_alike_make_radar_of_a_uint16_set(tmp_path: Path) -> None:
    config = fitted(write_set(tmp_path / "sar", 2, 1, "uint16")).config
    assert config.model.backbone.in_channels == 1
    assert config.bundle.input.radiometry == "amplitude"
    np.random.seed(0)
    data = DATASETS.build(config.train_dataloader.dataset)
    steps = [step.type for step in config.train_dataloader.dataset.pipeline]
    assert steps == ["ZoomMosaic", "Dihedral", "SarRadiometry", "PackObjects"]
    pixels = data[0]["inputs"].numpy()
    assert 0 <= pixels.min() < 80
    assert 180 < pixels.max() <= 255


def test_settings_of_the_fit_go_before_it_and_others_over_it(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "s", 2, 3)
    config = fitted(folder, **{"from_set.chip": 64, "train_dataloader.batch_size": 7}).config
    assert config.train_dataloader.dataset.pipeline[0].size == 64
    assert config.train_dataloader.batch_size == 7
    with pytest.raises(ConfigError, match="from_set: unknown field chips"):
        fitted(folder, **{"from_set.chips": 64})
    with pytest.raises(ConfigError, match="from_set: chips of 8 px"):
        fitted(folder, **{"from_set.chip": 8})


def test_data_goes_with_configs_that_wait_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["train", ANY], ["browse", ANY, "--out", str(tmp_path / "a.png")]):
        assert main(command) == 2
        err = capsys.readouterr().err
        assert "takes its data from a prepared set: name its folder with --data" in err
        assert err.count("\n") == 1
    other = "aerial/small-object-retinanet_r18-slim_800_trees.py"
    assert main(["train", other, "--data", str(tmp_path)]) == 2
    assert "has its own data: leave --data out" in capsys.readouterr().err
    assert main(["train", ANY, "--data", str(tmp_path / "none")]) == 2
    assert "no train.json or all.json there" in capsys.readouterr().err


def test_training_stops_where_validation_no_longer_gains() -> None:
    """Gains of less than 0.002 do not count; nothing to validate on is no reason to stop."""
    config = load_config(config_root() / "generic" / "small-object-retinanet_r18-slim_any.py")
    settings = [hook for hook in config.custom_hooks if hook.type == "EarlyStoppingHook"]

    def stops_after(values: list[float]) -> int | None:
        (hook,) = [HOOKS.build(one) for one in settings]
        runner = Mock()
        runner.train_loop.stop_training = False
        for k, value in enumerate(values):
            hook.after_val_epoch(runner, {"small_object/AP50": value})
            if runner.train_loop.stop_training:
                return k
        return None

    assert stops_after([0.1, 0.2, 0.201, 0.19, 0.2015, 0.1]) == 5
    assert stops_after([0.1, 0.2, 0.2, 0.2, 0.2, 0.21, 0.21, 0.21]) is None
    assert stops_after([math.nan] * 3) is None


def test_a_shortened_schedule_keeps_its_shape() -> None:
    config = Config(
        {
            "train_cfg": {"max_iters": 4000, "val_interval": 500},
            "default_hooks": {"checkpoint": {"interval": 250}},
            "param_scheduler": [{"begin": 0, "end": 300}, {"begin": 300, "end": 4000}],
        }
    )
    shortened(config, 1000)
    assert config.train_cfg == {"max_iters": 1000, "val_interval": 500}
    assert [(s.begin, s.end) for s in config.param_scheduler] == [(0, 75), (75, 1000)]
    shortened(config, 5)
    assert config.train_cfg == {"max_iters": 5, "val_interval": 5}
    assert config.default_hooks.checkpoint.interval == 5
    assert [(s.begin, s.end) for s in config.param_scheduler] == [(0, 1), (0, 5)]
    with pytest.raises(ConfigError, match="has no max_iters"):
        shortened(Config({"train_cfg": {"max_epochs": 3}}), 5)
    with pytest.raises(ValueError, match="--iters 0: expected 1 or more"):
        shortened(config, 0)


@pytest.mark.slow
def test_from_a_folder_to_a_bundle_by_two_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, work = write_set(tmp_path / "fields", 2, 3), tmp_path / "work"
    slim = [word for key, value in SLIM.items() for word in ("--set", f"{key}={value}")]
    call = ["train", ANY, "--data", str(folder), "--iters", "2", "--work-dir", str(work), "--seed", "1"]
    # No validation: an untrained model finds hundreds of objects.
    parts = [word for part in ("cfg", "dataloader", "evaluator") for word in ("--set", f"val_{part}=None")]
    assert main([*call, "--set", "from_set.num_workers=0", *parts, *slim]) == 0
    assert "classes: tank, car, plane" in capsys.readouterr().err
    facts = read_facts(work / "facts.json")
    assert (facts.training[0].name, facts.training[0].licence) == ("Noise", "CC0-1.0")
    assert facts.research_only
    assert facts.command is not None
    assert facts.command.startswith(f"retina-domains train {ANY} --data {folder} --iters 2 --seed 1")
    bundle = make_bundle(work / Path(ANY).name, work / "iter_2.pth", tmp_path / "bundle", facts)
    assert bundle.manifest.classes == ("tank", "car", "plane")
    assert bundle.manifest.input.gsd_range == (1.6, 2.5)


@pytest.mark.slow
def test_training_starts_from_the_weights_that_it_is_given(tmp_path: Path) -> None:
    """A step at a rate of nothing leaves them as they were; mmengine draws random ones unless told not to."""
    folder = write_set(tmp_path / "fields", 2, 3)
    slim = [word for key, value in SLIM.items() for word in ("--set", f"{key}={value}")]
    parts = [word for part in ("cfg", "dataloader", "evaluator") for word in ("--set", f"val_{part}=None")]
    common = ["train", ANY, "--data", str(folder), "--iters", "1", "--set", "from_set.num_workers=0"]
    still = ["--set", "optim_wrapper.optimizer.lr=0.0"]
    first, second = tmp_path / "first", tmp_path / "second"
    assert main([*common, *parts, *slim, "--work-dir", str(first), "--seed", "1"]) == 0
    given = first / "iter_1.pth"
    start = ["--init-from", str(given), "--seed", "2"]
    assert main([*common, *parts, *slim, *still, "--work-dir", str(second), *start]) == 0
    before, after = read_weights(str(given)), read_weights(str(second / "iter_1.pth"))
    learnt = [name for name in before if name.endswith(("weight", "bias"))]
    assert len(learnt) > 50
    for name in learnt:
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=0)
