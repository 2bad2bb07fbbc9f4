"""A slip of the pen in a config is one line that names what and where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config

import retina_domains.plugin  # noqa: F401  (registers what is looked up)
from retina_domains.cli import main
from retina_domains.errors import ConfigError
from retina_domains.plugin.config_check import check_names
from retina_domains.plugin.training import load_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*/*.py"))
TREES = ROOT / "configs" / "aerial" / "small-object-retinanet_r18-slim_800_trees.py"


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.parent.name != "_base_"], ids=lambda p: p.stem)
def test_our_configs_pass(path: Path) -> None:
    check_names(load_config(path))


def _step(**step: object) -> Callable[[Config], None]:
    return lambda config: config.train_dataloader.dataset.pipeline.append(step)


SLIPS: dict[str, tuple[Callable[[Config], None], str]] = {
    "argument of a transform": (
        _step(type="ZoomMosaic", scale=3),
        r"train_dataloader\.dataset\.pipeline: ZoomMosaic has no argument 'scale': it takes size, cells,",
    ),
    "transform": (_step(type="ZomMosaic"), r"there is no transform 'ZomMosaic': did you mean ZoomMosaic\?"),
    "transform within another": (
        _step(type="RandomApply", transforms=[{"type": "Dihedral", "prob": 1}]),
        r"pipeline\.transforms: Dihedral has no argument 'prob': it takes none",
    ),
    "argument that is needed": (
        _step(type="RandomApply"),
        r"RandomApply needs the argument 'transforms': it takes transforms, prob",
    ),
    "data set": (
        lambda config: config.val_dataloader.dataset.update(type="CocoObject"),
        r"val_dataloader\.dataset: there is no data set 'CocoObject': did you mean CocoObjects\?",
    ),
    "metric": (
        lambda config: config.val_evaluator.update(max_det=9),
        r"val_evaluator: SmallObjectMetric has no argument 'max_det': it takes max_dets,",
    ),
    "argument of a loader": (
        lambda config: config.train_dataloader.update(batch_sise=3),
        r"train_dataloader: DataLoader has no argument 'batch_sise': it takes dataset, batch_size,",
    ),
    "argument of the optimizer": (
        lambda config: config.optim_wrapper.optimizer.update(lrr=1),
        r"optim_wrapper\.optimizer: AdamW has no argument 'lrr': it takes lr, betas,",
    ),
    "hook": (
        lambda config: config.custom_hooks.append({"type": "EMAHok"}),
        r"custom_hooks: there is no hook 'EMAHok': did you mean EMAHook\?",
    ),
    "sampler": (
        lambda config: config.train_dataloader.sampler.update(type="SceneBalanced"),
        r"dataloader\.sampler: there is no sampler 'SceneBalanced': did you mean SceneBalancedSampler\?",
    ),
    "argument of a sampler": (
        lambda config: config.train_dataloader.sampler.update(power=1),
        r"dataloader\.sampler: InfiniteSampler has no argument 'power': it takes dataset, shuffle, seed",
    ),
    "pipeline that is no list": (
        lambda config: config.train_dataloader.dataset.update(pipeline=3),
        r"train_dataloader\.dataset\.pipeline: 3 of type int: expected a list of dicts",
    ),
    "step that is no dict": (
        lambda config: config.train_dataloader.dataset.pipeline.insert(1, "Dihedral"),
        r"dataset\.pipeline\[1\]: 'Dihedral': expected a dict with a type",
    ),
    "step without a type": (
        _step(size=3),
        r"dataset\.pipeline\[\d\]: \{'size': 3\}: expected a dict with a type",
    ),
    "data set that is no dict": (
        lambda config: config.val_dataloader.update(dataset="val.json"),
        r"val_dataloader\.dataset: 'val\.json' of type str: expected a dict",
    ),
    "loader that is no dict": (
        lambda config: config.update(train_dataloader=4),
        r"train_dataloader: 4 of type int: expected a dict",
    ),
    "part of a model that is no dict": (
        lambda config: config.model.update(backbone="resnet18"),
        r"model\.backbone: 'resnet18' of type str: expected a dict",
    ),
    "word for a number": (
        lambda config: config.model.bbox_head.update(num_classes="3"),
        r"model\.bbox_head: SmallObjectHead has num_classes='3' of type str: expected int",
    ),
    "word for a rate": (
        lambda config: config.optim_wrapper.optimizer.update(lr="1e-3"),
        r"optim_wrapper\.optimizer: AdamW has lr='1e-3' of type str: expected a number",
    ),
    "number for a truth value": (
        lambda config: config.model.bbox_head.update(shared_tower=1),
        r"SmallObjectHead has shared_tower=1 of type int: expected bool",
    ),
    "truth value for a number": (
        lambda config: config.model.bbox_head.update(stacked_convs=True),
        r"SmallObjectHead has stacked_convs=True of type bool: expected int",
    ),
    "part of our model": (
        lambda config: config.model.bbox_head.update(stacked=3),
        r"model\.bbox_head: SmallObjectHead has no argument 'stacked': it takes num_classes,",
    ),
}


def test_what_others_declare_too_narrowly_passes() -> None:
    config = load_config(TREES)
    # Of torch: batch_size is declared int, timeout float; None stands for what is built without it.
    config.train_dataloader.update(batch_size=None, timeout=True)
    check_names(config)


@pytest.mark.parametrize(("slip", "told"), SLIPS.values(), ids=list(SLIPS))
def test_a_slip_is_named(slip: Callable[[Config], None], told: str) -> None:
    config = load_config(TREES)
    slip(config)
    with pytest.raises(ConfigError, match=told) as caught:
        check_names(config)
    assert str(TREES) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("command", ["train", "browse"])
def test_commands_tell_it_in_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "slip.py"
    path.write_text(
        'custom_imports = dict(imports=["retina_domains.plugin"])\n'
        'train_dataloader = dict(dataset=dict(type="CocoObjects", ann_file="none.json", classes=("a",),\n'
        '    pipeline=[dict(type="ZoomMosaic", scale=3)]))\n'
    )
    where = (
        ["--work-dir", str(tmp_path / "work")] if command == "train" else ["--out", str(tmp_path / "s.png")]
    )
    assert main([command, str(path), *where]) == 2
    error = capsys.readouterr().err
    assert "slip.py: train_dataloader.dataset.pipeline: ZoomMosaic has no argument 'scale'" in error
    assert error.count("\n") == 1
