"""From the typed fields of a bundle to the model that MMDetection builds, for prediction, and back."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, cast

from mmdet.models.backbones import ResNet
from mmengine.config import ConfigDict
from torch import nn

from retina_domains.architecture import FINEST_STRIDE, BackboneSpec, SmallObjectRetinaNetSpec
from retina_domains.errors import ConfigError
from retina_domains.plugin.models.backbones import TimmBackbone, TorchvisionBackbone
from retina_domains.plugin.models.detector import SmallObjectRetinaNet

T = TypeVar("T")

BOTTLENECK_DEPTHS = (50, 101)
BOTTLENECK_EXPANSION = 4
BOX_STDS = (0.1, 0.1, 0.2, 0.2)


def build_architecture(spec: SmallObjectRetinaNetSpec, score_floor: float = 0.02) -> ConfigDict:
    """Config of the model that ``spec`` names; each value comes from a typed field or stands here.

    Args:
        spec: architecture of a bundle.
        score_floor: candidates that score less are not decoded.
    """
    backbone, widths = _backbone(spec)
    norm = {"type": spec.norm}
    model = {
        "type": "SmallObjectRetinaNet",
        "max_objects": min(spec.max_per_img, spec.nms_pre // 2),
        "enlargement": spec.enlargement,
        "backbone": backbone,
        "neck": {
            "type": "FPN",
            "in_channels": widths,
            "out_channels": spec.neck_channels,
            "start_level": 0,
            "add_extra_convs": "on_output",
            "num_outs": spec.num_levels,
            "norm_cfg": norm,
        },
        "bbox_head": _head(spec),
        "test_cfg": {
            "nms_pre": spec.nms_pre,
            "min_bbox_size": 0,
            "score_thr": score_floor,
            "nms": {"type": "nms", "iou_threshold": spec.nms_iou},
            "max_per_img": spec.max_per_img,
            "exclusive_classes": spec.exclusive_classes or (),
        },
    }
    # MMDetection reads settings as attributes.
    return ConfigDict(model)


def _backbone(spec: SmallObjectRetinaNetSpec) -> tuple[dict[str, Any], list[int]]:
    """Config of the backbone, and the channels of its outputs."""
    if spec.backbone is not None:
        kind = {"torchvision": "TorchvisionBackbone", "timm": "TimmBackbone"}[spec.backbone.library]
        built = {
            "type": kind,
            "name": spec.backbone.name,
            "in_channels": spec.in_channels,
            "num_stages": spec.num_stages,
        }
        return built, list(spec.backbone.widths)
    base = spec.base_channels
    # The spec's own check; a ResNet has both.
    assert spec.depth is not None
    assert base is not None
    expansion = BOTTLENECK_EXPANSION if spec.depth in BOTTLENECK_DEPTHS else 1
    resnet = {
        "type": "ResNet",
        "depth": spec.depth,
        "in_channels": spec.in_channels,
        "stem_channels": base if spec.stem_channels is None else spec.stem_channels,
        "base_channels": base,
        "num_stages": spec.num_stages,
        "strides": (1, 2, 2, 2)[: spec.num_stages],
        "dilations": (1,) * spec.num_stages,
        "out_indices": tuple(spec.stages),
        "norm_cfg": {"type": spec.norm},
        "style": "pytorch",
    }
    return resnet, [base * 2**stage * expansion for stage in spec.stages]


def _head(spec: SmallObjectRetinaNetSpec) -> dict[str, Any]:
    return {
        "type": "SmallObjectHead",
        "num_classes": spec.num_classes,
        "in_channels": spec.neck_channels,
        "num_levels": spec.num_levels,
        "feat_channels": spec.head_channels,
        "stacked_convs": spec.head_convs,
        "shared_tower": spec.shared_tower,
        "level_convs": spec.level_convs,
        "separable_tower": bool(spec.separable_tower),
        "anchor_generator": {
            "type": "SizeRangeAnchorGenerator",
            "object_size_range": spec.object_size_range,
            "strides": list(spec.strides),
            "scales_per_octave": spec.scales_per_octave,
            "ratios": list(spec.ratios),
            "centres_per_cell": spec.centres_per_cell or 1,
            "level_scales": spec.level_scales,
            "level_ratios": spec.level_ratios,
        },
        "bbox_coder": {
            "type": "DeltaXYWHBBoxCoder",
            "target_means": [0.0, 0.0, 0.0, 0.0],
            "target_stds": list(BOX_STDS),
        },
        # Losses are not computed here, but the class loss decides that there is no background channel.
        "loss_cls": {"type": "FocalLoss", "use_sigmoid": True},
        "loss_bbox": {"type": "GIoULoss"},
    }


def spec_of_model(model: SmallObjectRetinaNet) -> SmallObjectRetinaNetSpec:
    """The typed fields that build the same network and decode its outputs in the same way."""
    neck, head, caps = model.neck, model.bbox_head, model.test_cfg
    anchors = head.prior_generator
    finest = anchors.strides[0][0]
    exclusive = tuple(tuple(group) for group in caps.get("exclusive_classes", ()))
    ratios = tuple(tuple(float(f"{ratio:.7g}") for ratio in level) for level in anchors.level_ratios)
    return SmallObjectRetinaNetSpec(
        num_classes=head.num_classes,
        object_size_range=anchors.object_size_range,
        in_channels=int(next(model.backbone.parameters()).shape[1]),
        # The schema refuses other numbers when the bundle is written.
        num_stages=cast(Literal[3, 4], len(neck.in_channels) + (finest == 2 * FINEST_STRIDE)),
        neck_channels=neck.out_channels,
        num_levels=head.num_levels,
        head_channels=head.feat_channels,
        head_convs=head.level_convs[-1],
        shared_tower=head.shared_tower,
        scales_per_octave=anchors.level_scales[-1],
        ratios=ratios[-1],
        nms_pre=caps["nms_pre"],
        nms_iou=caps["nms"]["iou_threshold"],
        max_per_img=caps["max_per_img"],
        centres_per_cell=2 if anchors.centres_per_cell == 2 else None,
        level_scales=_where_they_differ(anchors.level_scales),
        level_ratios=_where_they_differ(ratios),
        level_convs=_where_they_differ(head.level_convs),
        separable_tower=head.separable_tower or None,
        finest_stride=None if finest == FINEST_STRIDE else cast(Literal[2, 4, 8], finest),
        exclusive_classes=exclusive or None,
        **_backbone_fields(model.backbone),
    )


def _backbone_fields(backbone: nn.Module) -> dict[str, Any]:
    if isinstance(backbone, ResNet):
        stem, base = int(next(backbone.parameters()).shape[0]), backbone.base_channels
        return {
            "depth": backbone.depth,
            "base_channels": base,
            "stem_channels": None if stem == base else stem,
        }
    if isinstance(backbone, TorchvisionBackbone | TimmBackbone):
        named = BackboneSpec(library=backbone.library, name=backbone.name, widths=backbone.widths)
        return {"depth": None, "base_channels": None, "backbone": named}
    raise ConfigError(
        f"backbone {type(backbone).__name__}: bundles hold ResNet, TorchvisionBackbone or TimmBackbone"
    )


def _where_they_differ(levels: tuple[T, ...]) -> tuple[T, ...] | None:
    """One value a level, or None where one value says it all."""
    return None if len(set(levels)) == 1 else levels
