"""Samples of a config's data set after all transforms, as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config

from retina_domains.errors import ConfigError, InvalidValueError
from retina_domains.plugin.config_check import check_names
from retina_domains.plugin.from_config import class_names
from retina_domains.samples.objects import SceneObjects
from retina_domains.writers.contact_sheet import SeenChip

Split = Literal["train", "val", "test"]


def seen_chips(config: Config, split: Split, count: int, seed: int) -> tuple[list[SeenChip], tuple[str, ...]]:
    """Random samples of a config's data set, exactly as its loader hands them to the model.

    Args:
        config: from :func:`~retina_domains.plugin.training.load_config`.
        split: whose loader.
        count: how many; all, in order, where the set is smaller.
        seed: of everything random.

    Returns:
        The samples and the names of the classes.

    Raises:
        ConfigError: the config has no such loader, or names something that there is not.
        InvalidValueError: ``count`` is none.
    """
    if count < 1:
        raise InvalidValueError(f"{count} samples: expected 1 or more")
    loader = config.get(f"{split}_dataloader")
    if not loader:
        raise ConfigError(f"{config.filename}: has no {split}_dataloader: name another split")
    check_names(config)
    dataset = DATASETS.build(loader.dataset)
    if not len(dataset):
        raise ConfigError(f"{config.filename}: the {split} set is empty: check its paths and filters")
    np.random.seed(seed)
    torch.manual_seed(seed)
    picked = np.random.permutation(len(dataset))[:count]
    return [_chip(dataset[int(index)]) for index in np.sort(picked)], class_names(config)


def _chip(sample: dict[str, Any]) -> SeenChip:
    """One packed sample as values; boxes and ignored regions in one table."""
    data = sample["data_samples"]
    learnt, aside = _columns(data, "gt_instances"), _columns(data, "ignored_instances")
    boxes = np.concatenate([learnt[0], aside[0]])
    # A transform that leaves a box without area is a fault to be seen on the sheet, not one to stop it.
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1e-3)
    objects = SceneObjects.of(
        boxes, np.concatenate([learnt[1], aside[1]]), np.arange(len(boxes)) >= len(learnt[1])
    )
    path = Path(str(data.metainfo.get("img_path", ""))).name
    return SeenChip(sample["inputs"].float().numpy(), objects, path)


def _columns(data: Any, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Boxes ``(N, 4)`` and labels ``(N,)`` of one kind of instances, empty where there is none."""
    instances = data.get(name)
    if instances is None or "bboxes" not in instances:
        return np.zeros((0, 4)), np.zeros(0, np.int64)
    boxes = getattr(instances.bboxes, "tensor", instances.bboxes)
    return boxes.double().numpy().reshape(-1, 4), instances.labels.numpy()
