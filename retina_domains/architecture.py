"""The networks that a bundle may name, as typed fields: nothing here runs code or builds a layer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from retina_domains.errors import InvalidValueError

FINEST_STRIDE = 4
RESNET_WIDTH = 64
_TIMM_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec:
    """A backbone that is not MMDetection's ResNet.

    Args:
        library: that builds it.
        name: there, such as ``"convnext_tiny"`` or ``"mobilenetv3_large_100"``; never a path or an address.
        widths: channels of its outputs at level strides 4, 8, 16, ...
    """

    library: Literal["torchvision", "timm"]
    name: str
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not _TIMM_NAME.fullmatch(self.name):
            raise InvalidValueError(
                f"backbone name {self.name!r}: expected lower-case letters, digits and underscores"
            )
        if len(self.widths) not in (3, 4) or min(self.widths) < 1:
            raise InvalidValueError(f"backbone widths {self.widths}: expected 3 or 4, each 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallObjectRetinaNetSpec:
    """All that decides the layers of a small-object RetinaNet and how it decodes.

    A field that came after the first bundles defaults to None, which stands for what was built before it.

    Args:
        num_classes: classes, background not counted.
        object_size_range: 1st and 99th percentile of sqrt(w h) over the training objects, px; the anchors
            follow from it.
        in_channels: bands.
        depth: of the ResNet: 18, 34, 50 or 101; None where ``backbone`` names another kind.
        base_channels: channels of its first stage, 64 in the paper; None where ``backbone`` is given.
        num_stages: stages used, 3 or 4.
        neck_channels: channels of the feature levels.
        num_levels: feature levels, from ``finest_stride`` on, each twice the last.
        head_channels: channels of the head's towers.
        head_convs: convolutions a tower.
        shared_tower: one tower for classes and boxes instead of two.
        scales_per_octave: anchor sizes a level.
        ratios: height over width of the anchors.
        nms_pre: candidates a level kept before suppression.
        nms_iou: boxes of one class that overlap more are one.
        max_per_img: detections a chip.
        norm: kind of normalisation.
        backbone: another backbone than a ResNet, or None.
        stem_channels: channels of the ResNet's first convolution; None for ``base_channels``.
        centres_per_cell: anchor centres a cell; None for 1.
        level_scales: anchor sizes of each level; None for ``scales_per_octave`` on all.
        level_ratios: ratios of each level; None for ``ratios`` on all.
        level_convs: convolutions a tower on each level; None for ``head_convs`` on all.
        separable_tower: depthwise-separable convolutions in the towers; None for plain ones.
        finest_stride: of the first feature level, px: 4 (P2), 8 (P3), or 2 for a network that sees the chip
            enlarged twice; None for 4.
        exclusive_classes: groups of labels of which an object has one: boxes of a group that overlap more
            than ``nms_iou`` are one, whatever their labels; None where a class only competes with itself.
    """

    num_classes: int
    object_size_range: tuple[float, float]
    in_channels: int = 3
    depth: Literal[18, 34, 50, 101] | None = 18
    base_channels: int | None = RESNET_WIDTH
    num_stages: Literal[3, 4] = 4
    neck_channels: int = 128
    num_levels: int = 4
    head_channels: int = 128
    head_convs: int = 2
    shared_tower: bool = False
    scales_per_octave: int = 1
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    nms_pre: int = 2000
    nms_iou: float = 0.5
    max_per_img: int = 1000
    norm: Literal["BN"] = "BN"
    backbone: BackboneSpec | None = None
    stem_channels: int | None = None
    centres_per_cell: Literal[1, 2] | None = None
    level_scales: tuple[int, ...] | None = None
    level_ratios: tuple[tuple[float, ...], ...] | None = None
    level_convs: tuple[int, ...] | None = None
    separable_tower: bool | None = None
    finest_stride: Literal[2, 4, 8] | None = None
    exclusive_classes: tuple[tuple[int, ...], ...] | None = None

    def __post_init__(self) -> None:
        for name in (
            "num_classes in_channels base_channels neck_channels num_levels head_channels scales_per_octave "
            "nms_pre max_per_img stem_channels"
        ).split():
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidValueError(f"{name} {value}: expected 1 or more")
        if self.head_convs < 0:
            raise InvalidValueError(f"head_convs {self.head_convs}: expected 0 or more")
        if self.num_levels < len(self.stages):
            raise InvalidValueError(
                f"num_levels {self.num_levels} for {len(self.stages)} stages: expected as many or more"
            )
        labels = [label for group in self.exclusive_classes or () for label in group]
        if len(set(labels)) != len(labels) or not set(labels) <= set(range(self.num_classes)):
            raise InvalidValueError(
                f"exclusive_classes {self.exclusive_classes}: expected labels below {self.num_classes}, each "
                "once"
            )
        low, high = self.object_size_range
        if not 0 < low < high:
            raise InvalidValueError(f"object_size_range {low} to {high} px: expected 0 < smallest < largest")
        if not 0 < self.nms_iou <= 1:
            raise InvalidValueError(f"nms_iou {self.nms_iou}: expected above 0, at most 1")
        self._check_backbone()
        self._check_levels()

    def _check_backbone(self) -> None:
        if self.backbone is None:
            if self.depth is None or self.base_channels is None:
                raise InvalidValueError("neither a ResNet's depth and base_channels nor a backbone: name one")
            return
        if (self.depth, self.base_channels, self.stem_channels) != (None, None, None):
            raise InvalidValueError(
                f"backbone {self.backbone.name} with depth, base_channels or stem_channels of a ResNet: "
                "expected null for these three"
            )
        if self.finest_stride == 2 * FINEST_STRIDE:
            raise InvalidValueError(
                f"backbone {self.backbone.name} from level_stride {self.finest_stride}: only a ResNet's "
                f"pyramid may start above {FINEST_STRIDE}"
            )
        if len(self.backbone.widths) != self.num_stages:
            raise InvalidValueError(
                f"backbone {self.backbone.name} of {len(self.backbone.widths)} widths for {self.num_stages} "
                "stages: expected as many"
            )

    def _check_levels(self) -> None:
        for name in ("level_scales", "level_ratios", "level_convs"):
            values = getattr(self, name)
            if values is not None and len(values) != self.num_levels:
                raise InvalidValueError(
                    f"{name} of {len(values)} levels for {self.num_levels}: expected one a level"
                )
        for ratios in (self.ratios, *(self.level_ratios or ())):
            if not ratios or min(ratios) <= 0:
                raise InvalidValueError(f"ratios {ratios}: expected one or more above 0")
        if min(self.level_scales or (1,)) < 1:
            raise InvalidValueError(f"level_scales {self.level_scales}: expected 1 or more each")
        if min(self.level_convs or (0,)) < 0:
            raise InvalidValueError(f"level_convs {self.level_convs}: expected 0 or more each")

    @property
    def strides(self) -> tuple[int, ...]:
        """Level strides, px a feature cell."""
        return tuple((self.finest_stride or FINEST_STRIDE) * 2**level for level in range(self.num_levels))

    @property
    def enlargement(self) -> int:
        """How many times the chip is enlarged before the backbone."""
        return FINEST_STRIDE // min(FINEST_STRIDE, self.finest_stride or FINEST_STRIDE)

    @property
    def stages(self) -> range:
        """The stages of the backbone, from 0, whose outputs the pyramid takes."""
        return range(1 if self.finest_stride == 2 * FINEST_STRIDE else 0, self.num_stages)

    @property
    def backbone_name(self) -> str:
        """What people call it."""
        return f"ResNet-{self.depth}" if self.backbone is None else self.backbone.name
