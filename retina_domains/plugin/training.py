"""Training on mmengine's Runner: what ``tools/train.py`` calls."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import is_model_wrapper
from mmengine.runner import find_latest_checkpoint
from safetensors.torch import load_file
from torch import nn

from retina_domains.bundle import bundle_folder
from retina_domains.errors import BundleError, ConfigError, InvalidValueError
from retina_domains.plugin.checkpoints import ALLOWED, read_weights
from retina_domains.plugin.config_check import check_names
from retina_domains.plugin.config_file import execute_config
from retina_domains.plugin.detector import weight_slots
from retina_domains.plugin.workers import PluginRunner, worker_errors_as_told


def load_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """A config file, by path or by a name of ours, with ``options`` (dotted keys) set over it.

    Configs are executed Python: load only your own or those you trust.

    Raises:
        InputFileError: no such file.
        ConfigError: the file cannot be executed.
    """
    config = execute_config(path)
    if options:
        config.merge_from_dict(dict(options))
    return config


def shortened(config: Config, iters: int) -> None:
    """Train for ``iters`` steps, in place: the schedule keeps its shape, and its end is scored and saved.

    Raises:
        InvalidValueError: none are asked for.
        ConfigError: the config does not count in iterations.
    """
    if iters < 1:
        raise InvalidValueError(f"--iters {iters}: expected 1 or more")
    before = (config.get("train_cfg") or {}).get("max_iters")
    if not before:
        raise ConfigError(
            f"{config.filename}: train_cfg has no max_iters: it cannot be shortened with --iters"
        )
    config.train_cfg.max_iters = iters
    config.train_cfg.val_interval = min(config.train_cfg.get("val_interval", iters), iters)
    hook = config.get("default_hooks", {}).get("checkpoint")
    if hook is not None:
        hook.interval = min(hook.get("interval", iters), iters)
    for step in config.get("param_scheduler", ()):
        step.begin = step.get("begin", 0) * iters // before
        step.end = max(step.get("end", before) * iters // before, step.begin + 1)


def train(
    config: Config,
    work_dir: str | Path,
    *,
    resume: bool = False,
    seed: int | None = None,
    init_from: str | None = None,
) -> Path:
    """Train as ``config`` says, or go on where ``work_dir`` left off.

    Args:
        config: from :func:`load_config`.
        work_dir: checkpoints, logs and the resolved config go here.
        resume: continue from the last checkpoint in ``work_dir``, where there is one.
        seed: of everything random; None leaves the config's.
        init_from: bundle (name or folder) or checkpoint file whose weights to start from; with
            ``config.init_parts`` (``("backbone", "neck")``) only those of these parts.

    Returns:
        ``work_dir``.

    Raises:
        ConfigError: the config names something that there is not, or lacks an argument.
        BundleError: weights to start from do not fit.
    """
    check_names(config)
    work_dir = Path(work_dir)
    config.work_dir = str(work_dir)
    last = find_latest_checkpoint(str(work_dir)) if resume and work_dir.is_dir() else None
    config.resume = last is not None
    if last is not None:
        # mmengine resumes from load_from where a config has one, and would start over from there.
        config.load_from = last
        # What mmengine 0.10.7 pickles beside the weights, which torch from 2.6 on refuses by itself.
        torch.serialization.add_safe_globals(ALLOWED)
    if seed is not None:
        config.randomness = {"seed": seed}
    with warnings.catch_warnings():
        # Said by torch for every scheduler of mmengine, which steps them in its own order.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        # Said when mmengine comes to a model that has its start weights already.
        warnings.filterwarnings("ignore", message="init_weights of .* has been called more than once")
        runner = PluginRunner.from_cfg(config)
        if init_from is not None and last is None:
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            # mmengine draws random weights when training begins, over whatever is there, unless that is done.
            model.init_weights()
            load_start_weights(model, init_from, tuple(config.get("init_parts", ())))
        with worker_errors_as_told():
            runner.train()
    return work_dir


def load_start_weights(model: nn.Module, source: str, parts: Sequence[str] = ()) -> None:
    """Start ``model`` from a bundle's or a checkpoint's weights; every tensor must fit.

    Args:
        model: the model.
        source: name or folder of a bundle, or a checkpoint file.
        parts: modules of the model (``"backbone"``) to which it is limited; none: all of it.

    Raises:
        BundleError: no such bundle, or its tensors are not the model's.
        InputFileError: the checkpoint cannot be read.
    """
    is_file = Path(source).is_file()
    weights = read_weights(source) if is_file else load_file(bundle_folder(source) / "model.safetensors")
    own = weight_slots(model)
    # Checkpoints also hold BatchNorm's counts, and tensors that are shared once for each of their names.
    beside = model.state_dict().keys() - own.keys()
    weights = {name: value for name, value in weights.items() if name not in beside}
    if parts:
        starts = tuple(f"{part}." for part in parts)
        weights = {name: value for name, value in weights.items() if name.startswith(starts)}
        own = {name: value for name, value in own.items() if name.startswith(starts)}
    wrong = sorted(
        name
        for name in own.keys() | weights.keys()
        if name not in own or name not in weights or own[name].shape != weights[name].shape
    )
    if wrong or not own:
        what = f"{len(wrong)} tensors do not fit, first {wrong[0]}" if wrong else "there is no such part"
        raise BundleError(
            f"{source}: {what} ({', '.join(parts) or 'all'} of this config's model): use the config that its "
            "card names, or only the parts that fit, such as --set \"init_parts=['backbone']\""
        )
    with torch.no_grad():
        for name, slot in own.items():
            slot.copy_(weights[name])
