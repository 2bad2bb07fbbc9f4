"""From a config of ours and a checkpoint to a bundle that anyone can load without running code."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from safetensors.torch import save_file
from torch import Tensor

from retina_domains.bundle import FORMAT_VERSION, WEIGHTS, Bundle, Manifest, read_bundle
from retina_domains.bundle_making import (
    NOTHING_MEASURED,
    Facts,
    Measured,
    check_out,
    replacing,
    write_about,
)
from retina_domains.errors import BundleError, ConfigError, InvalidValueError
from retina_domains.plugin.detector import model_of, weight_slots
from retina_domains.plugin.from_config import (
    UseFields,
    class_names,
    model_of_config,
    pixel_statistics,
    read_config,
    takes_bgr,
    use_fields,
)
from retina_domains.plugin.models.architecture import spec_of_model
from retina_domains.plugin.models.detector import SmallObjectRetinaNet
from retina_domains.tiling import TileNeeds

# Seam boxes of two tiles differ by this much at most (MergeSpec's default margin).
SEAM_MARGIN_PX = 4.0
# Rounding weights to float16 (11 bits) moves a score by a few thousandths and a box by less.
SCORE_TOLERANCE = 0.02
DELTA_TOLERANCE = 0.05


def make_bundle(
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    facts: Facts,
    measured: Measured = NOTHING_MEASURED,
) -> Bundle:
    """Write a bundle, read it back and check that it predicts what the checkpoint predicts.

    Args:
        config: of a ``SmallObjectRetinaNet``, with a dict ``bundle`` (see ``from_config.UseFields``).
        checkpoint: weights of that model; averaged ones are used where there are some.
        out: folder to make; an existing bundle there is replaced, anything else is left alone.
        facts: for the manifest and the card.
        measured: what was measured of scores and training objects, if it was.

    Raises:
        ConfigError: the config lacks a field or builds another kind of model.
        InputFileError: the checkpoint does not fit.
        BundleError: the bundle would not predict what the checkpoint predicts.
        OutputError: ``out`` is there and no bundle, or cannot be written.
    """
    check_out(out)
    cfg = read_config(config)
    model = model_of_config(cfg, checkpoint)
    if not isinstance(model, SmallObjectRetinaNet):
        raise ConfigError(
            f"config {config}: builds a {type(model).__name__}; bundles hold a SmallObjectRetinaNet"
        )
    manifest = measured.into(_manifest(cfg, model, facts), facts)
    with replacing(out) as folder:
        _write_weights(folder, model)
        write_about(folder, manifest, facts.notes, measured.scores)
        check_same(model, model_of(read_bundle(folder)))
    return read_bundle(out)


def _manifest(cfg: Config, model: SmallObjectRetinaNet, facts: Facts) -> Manifest:
    """The manifest, but for the hash of the weights."""
    use = use_fields(cfg)
    if use.name is None or use.input is None or not use.tile_size or not use.max_object_px:
        raise ConfigError(
            f"config {cfg.filename}: a bundle needs bundle=dict(name, input, tile_size, max_object_px, ...)"
        )
    threshold = use.score_threshold if facts.score_threshold is None else facts.score_threshold
    version = facts.version or use.version
    if threshold is None or use.halo_px is None or version is None:
        missing = {"halo_px": use.halo_px, "score_threshold": threshold, "version": version}
        names = ", ".join(name for name, value in missing.items() if value is None)
        raise ConfigError(f"config {cfg.filename}: bundle has no {names}")
    if takes_bgr(cfg):
        raise ConfigError(f"config {cfg.filename}: trains on BGR; bundles take RGB: load with LoadPixels")
    spec = spec_of_model(model)
    mean, std = pixel_statistics(cfg, model)
    try:
        return Manifest(
            format_version=FORMAT_VERSION,
            name=use.name,
            version=version,
            architecture=spec,
            classes=class_names(cfg),
            input=use.input,
            mean=mean,
            std=std,
            tile_size=use.tile_size,
            overlap=_overlap(use, use.tile_size, use.max_object_px, spec.strides[-1]),
            score_threshold=threshold,
            class_thresholds=facts.class_thresholds,
            max_object_px=use.max_object_px,
            halo_px=use.halo_px,
            tile_multiple=spec.strides[-1],
            research_only=facts.research_only,
            training=facts.training,
            metrics=facts.metrics,
            weights_sha256="",
            calibration=facts.calibration,
            command=facts.command,
            seed=facts.seed,
        )
    except InvalidValueError as error:
        raise ConfigError(f"config {cfg.filename}: {error}") from error


def _overlap(use: UseFields, tile_size: int, max_object_px: int, multiple: int) -> int:
    """The config's overlap, or the smallest that serves, so that the step is a multiple."""
    if use.overlap is not None:
        return use.overlap
    needed = TileNeeds(tile_size, multiple, max_object_px, use.halo_px or 0, SEAM_MARGIN_PX).overlap
    return math.ceil(needed / multiple) * multiple


def _write_weights(folder: Path, model: SmallObjectRetinaNet) -> None:
    save_file({name: _stored(name, slot) for name, slot in weight_slots(model).items()}, folder / WEIGHTS)
    # safetensors makes files that only their owner may read.
    (folder / WEIGHTS).chmod(0o644)


def _stored(name: str, slot: Tensor) -> Tensor:
    """As it is stored: matrices in float16, vectors (biases, BatchNorm) in float32, whole numbers as are.

    Running variances of dead or loud channels leave float16's range, and all vectors together weigh little.
    """
    value = slot.detach().cpu().contiguous()
    if value.is_floating_point():
        value = value.to(torch.float16 if value.ndim > 1 else torch.float32)
        if not torch.isfinite(value).all():
            raise BundleError(f"tensor {name!r} is not finite in float16: the checkpoint is of no use")
    return value.clone()


def check_same(model: SmallObjectRetinaNet, loaded: SmallObjectRetinaNet) -> None:
    """Both must answer alike: head outputs within float16's rounding, decoding exactly.

    Raises:
        BundleError: they do not; some setting of the config has no field in the manifest.
    """
    generator = torch.Generator().manual_seed(0)
    channels = int(next(model.backbone.parameters()).shape[1])
    side = 4 * int(model.bbox_head.level_strides[-1])
    images = torch.randn(2, channels, side, side, generator=generator)
    model, loaded = model.eval(), loaded.eval()
    with torch.inference_mode():
        scores, deltas = model.bbox_head(model.extract_feat(images))
        scores_again, deltas_again = loaded.bbox_head(loaded.extract_feat(images))
        worst_score = max(
            float((a.sigmoid() - b.sigmoid()).abs().max()) for a, b in zip(scores, scores_again, strict=True)
        )
        worst_delta = max(
            float((a - b).abs().max() / (1 + a.abs().max()))
            for a, b in zip(deltas, deltas_again, strict=True)
        )
        if not (worst_score <= SCORE_TOLERANCE and worst_delta <= DELTA_TOLERANCE):
            raise BundleError(
                f"scores differ by {worst_score:.3g} and box deltas by {worst_delta:.3g} from the "
                f"checkpoint's: expected at most {SCORE_TOLERANCE} and {DELTA_TOLERANCE}; a layer setting of "
                "the config has no field in the bundle"
            )
        # Invented outputs, as a trained model may find nothing in noise.
        scores = [torch.randn(s.shape, generator=generator) * 2 - 6 for s in scores]
        deltas = [torch.randn(d.shape, generator=generator) for d in deltas]
        pairs = zip(_decode(model, scores, deltas), _decode(loaded, scores, deltas), strict=True)
        for ours, theirs in pairs:
            if not all(torch.equal(ours[key], theirs[key]) for key in ("bboxes", "scores", "labels")):
                raise BundleError(
                    "boxes are decoded or suppressed otherwise than by the config: an anchor, coder or "
                    "test_cfg setting of it has no field in the bundle"
                )


def _decode(model: SmallObjectRetinaNet, scores: list[Tensor], deltas: list[Tensor]) -> list[InstanceData]:
    cfg = model.test_cfg.copy()
    # Settings of the call, not of the model.
    cfg.score_thr, cfg.max_candidates = 0.05, 0
    side = scores[0].shape[-1] * int(model.bbox_head.level_strides[0])
    metas = [{"img_shape": (side, side), "scale_factor": (1.0, 1.0)}] * len(scores[0])
    found: list[InstanceData] = model.bbox_head.predict_by_feat(
        scores, deltas, batch_img_metas=metas, cfg=cfg, rescale=False
    )
    return found
