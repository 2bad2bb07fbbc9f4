"""Detectors from a config and a checkpoint: models in training, and those of other people.

A config is Python that is executed: run only those that you trust. The checkpoint is read without running
what it holds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet.models.detectors import BaseDetector
from mmengine.config import Config

from retina_domains import __version__
from retina_domains.bundle import file_sha256
from retina_domains.errors import ConfigError, InputFileError, InvalidValueError
from retina_domains.plugin.checkpoints import read_weights
from retina_domains.plugin.config_file import execute_config
from retina_domains.plugin.detector import COUNTERS, DetectorTraits, MMDetDetector, build_model
from retina_domains.schema import from_json
from retina_domains.types import InputSpec

DEFAULT_TILE_SIZE = 1024
DEFAULT_MAX_OBJECT_PX = 128
DEFAULT_HALO_PX = 32
DEFAULT_SCORE_THRESHOLD = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class UseFields:
    """How a model is to be used: the dict ``bundle`` of a config; fields as in ``bundle.Manifest``.

    What is left out is taken from the architecture, or from the defaults of this module.
    """

    name: str | None = None
    version: str | None = None
    input: InputSpec | None = None
    tile_size: int | None = None
    overlap: int | None = None
    score_threshold: float | None = None
    max_object_px: int | None = None
    halo_px: int | None = None


def read_config(path: str | Path) -> Config:
    """Execute a config file, by path or by a name of ours.

    Raises:
        InputFileError: it is missing.
        ConfigError: it cannot be executed, or has no ``model``.
    """
    cfg = execute_config(path)
    if "model" not in cfg:
        raise ConfigError(f"config {cfg.filename}: has no 'model': name the config of a detector")
    return cfg


def use_fields(cfg: Config) -> UseFields:
    """The dict ``bundle`` of a config, checked.

    Raises:
        ConfigError: it has an unknown field or one of a wrong type.
    """
    try:
        # Through JSON, as tuples become lists there and the schema reads those.
        return from_json(UseFields, json.loads(json.dumps(dict(cfg.get("bundle", {})))))
    except (InvalidValueError, TypeError) as error:
        raise ConfigError(f"config {cfg.filename}: bundle: {error}") from error


def detector_from_config(
    config: str | Path,
    checkpoint: str | Path,
    device: str = "auto",
    threads: int | None = None,
) -> MMDetDetector:
    """A detector from an MMDetection config and weights for it.

    Args:
        config: one of ours, or any of MMDetection's that a registry builds.
        checkpoint: ``.pth`` or ``.safetensors``; averaged weights are used where there are some.
        device: as in ``load_bundle``.
        threads: as in ``load_bundle``.

    Raises:
        InputFileError: a file is missing or the checkpoint does not fit the model.
        ConfigError: the config builds no detector or does not say its classes.
    """
    cfg = read_config(config)
    model = model_of_config(cfg, checkpoint)
    traits = traits_of_config(cfg, model, Path(checkpoint))
    return MMDetDetector(model, traits, device, threads)


@dataclass(frozen=True, slots=True)
class ConfigFactory:
    """Makes the detector of a config and checkpoint; fields as in ``detector_from_config``."""

    config: str
    checkpoint: str
    device: str = "auto"
    threads: int | None = None

    def __call__(self) -> MMDetDetector:
        """Build it."""
        return detector_from_config(self.config, self.checkpoint, self.device, self.threads)


def model_of_config(cfg: Config, checkpoint: str | Path) -> BaseDetector:
    """The model of a config with the weights of a checkpoint, on the CPU.

    Raises:
        InputFileError: the checkpoint is not readable or does not fit the model, every tensor of it.
        ConfigError: the config's model is not a detector.
    """
    model = build_model(cfg.model)
    if not isinstance(model, BaseDetector):
        raise ConfigError(f"config {cfg.filename}: builds a {type(model).__name__}, not a detector")
    try:
        missing, unexpected = model.load_state_dict(read_weights(checkpoint), strict=False)
    except RuntimeError as error:
        mismatch = str(error).strip().splitlines()[-1].strip()
        raise InputFileError(f"checkpoint {checkpoint} does not fit {cfg.filename}: {mismatch}") from error
    wrong = [f"{key} is missing" for key in missing if not key.endswith(COUNTERS)]
    wrong += [f"{key} is not expected" for key in unexpected]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise InputFileError(f"checkpoint {checkpoint} does not fit {cfg.filename}: {wrong[0]}{more}")
    return model


def traits_of_config(cfg: Config, model: BaseDetector, checkpoint: Path) -> DetectorTraits:
    """What a config says of its model.

    Raises:
        ConfigError: it does not name its classes, or as many means as channels.
    """
    use = use_fields(cfg)
    mean, std = pixel_statistics(cfg, model)
    return DetectorTraits(
        classes=class_names(cfg),
        input_spec=use.input or InputSpec(len(mean), low=(0.0,) * len(mean), high=(255.0,) * len(mean)),
        mean=mean,
        std=std,
        max_object_px=use.max_object_px or DEFAULT_MAX_OBJECT_PX,
        halo_px=DEFAULT_HALO_PX if use.halo_px is None else use.halo_px,
        tile_multiple=coarsest_stride(model),
        tile_size=use.tile_size or DEFAULT_TILE_SIZE,
        score_threshold=DEFAULT_SCORE_THRESHOLD if use.score_threshold is None else use.score_threshold,
        reverse_bands=takes_bgr(cfg),
        provenance={
            "model": use.name or Path(cfg.filename).stem,
            "model_sha256": file_sha256(checkpoint),
            "software": f"retina-domains {__version__}",
        },
    )


def class_names(cfg: Config) -> tuple[str, ...]:
    """The classes of the data that a config tests or trains on, in the order of labels.

    Raises:
        ConfigError: it names none.
    """
    for loader in ("test_dataloader", "val_dataloader", "train_dataloader"):
        data: Any = (cfg.get(loader) or {}).get("dataset")
        while data is not None:
            names = data.get("classes") or (data.get("metainfo") or {}).get("classes")
            if names:
                return (names,) if isinstance(names, str) else tuple(names)
            inner = data.get("dataset") or data.get("datasets")
            data = inner[0] if isinstance(inner, list | tuple) else inner
    raise ConfigError(
        f"config {cfg.filename}: names no classes: give its dataset metainfo=dict(classes=(...,))"
    )


def pixel_statistics(cfg: Config, model: BaseDetector) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation that the model's data preprocessor applies to 0..255 pixels.

    Raises:
        ConfigError: not one a channel.
    """
    channels = int(next(model.backbone.parameters()).shape[1])
    preprocessor = cfg.model.get("data_preprocessor") or {}
    mean = tuple(float(v) for v in preprocessor.get("mean") or (0.0,) * channels)
    std = tuple(float(v) for v in preprocessor.get("std") or (1.0,) * channels)
    if len(mean) != channels or len(std) != channels:
        raise ConfigError(
            f"config {cfg.filename}: {len(mean)} means and {len(std)} stds for {channels} channels"
        )
    return mean, std


def takes_bgr(cfg: Config) -> bool:
    """Whether the network itself sees blue first."""
    preprocessor = cfg.model.get("data_preprocessor") or {}
    if preprocessor.get("rgb_to_bgr", False):
        return True
    pipeline = ((cfg.get("test_dataloader") or {}).get("dataset") or {}).get("pipeline") or []
    # MMDetection's own loader gives BGR, ours RGB.
    loads_bgr = any(step.get("type") == "LoadImageFromFile" for step in pipeline)
    return loads_bgr and not preprocessor.get("bgr_to_rgb", False)


def coarsest_stride(model: BaseDetector) -> int:
    """Largest level_stride of the model's anchors or points, px.

    Raises:
        ConfigError: the model has neither.
    """
    head = getattr(model, "bbox_head", None) or getattr(model, "rpn_head", None)
    generator = getattr(head, "prior_generator", None)
    if generator is None:
        raise ConfigError(f"{type(model).__name__} has no dense head whose strides could be read")
    return max(
        int(v) for stride in generator.strides for v in (stride if isinstance(stride, tuple) else (stride,))
    )
