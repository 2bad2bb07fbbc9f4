"""The small-object RetinaNet."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.detectors import RetinaNet
from mmdet.registry import MODELS
from mmdet.utils import ConfigType, OptConfigType
from torch import Tensor
from torch.nn.functional import interpolate

from retina_domains.errors import ConfigError
from retina_domains.plugin.models.anchors import SizeRangeAnchorGenerator


@MODELS.register_module()
class SmallObjectRetinaNet(RetinaNet):  # type: ignore[misc]
    """RetinaNet from P2 up that checks itself when it is built.

    Args:
        backbone: config; its outputs from stride 4 on feed the neck.
        neck: config of the FPN, ``start_level=0``.
        bbox_head: config of a :class:`SmallObjectHead`.
        max_objects: most objects that a tile is expected to hold; the caps are checked against it.
        enlargement: the chip is enlarged so many times before the backbone, for objects of which a backbone
            that begins at stride 4 loses the inside; boxes, anchors and strides stay in px of the chip.
        train_cfg: as in MMDetection.
        test_cfg: as in MMDetection.
        data_preprocessor: as in MMDetection.

    Raises:
        ConfigError: levels, anchors and caps contradict each other, or weights of other levels are loaded.
    """

    def __init__(
        self,
        backbone: ConfigType,
        neck: ConfigType,
        bbox_head: ConfigType,
        max_objects: int = 300,
        enlargement: int = 1,
        train_cfg: OptConfigType = None,
        test_cfg: OptConfigType = None,
        data_preprocessor: OptConfigType = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            neck=neck,
            bbox_head=bbox_head,
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            data_preprocessor=data_preprocessor,
        )
        self.enlargement = enlargement
        self._check_levels()
        self._check_caps(max_objects)
        self._register_load_state_dict_pre_hook(self._refuse_other_levels)

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Feature levels of ``(B, C, H, W)`` inputs, computed channels-last."""
        chips = batch_inputs.contiguous(memory_format=torch.channels_last)
        if self.enlargement > 1:
            chips = interpolate(chips, scale_factor=float(self.enlargement), mode="bilinear")
        features: tuple[Tensor, ...] = super().extract_feat(chips)
        return features

    def _check_levels(self) -> None:
        """Features must come at the strides that the anchors assume: measured on a small blank input."""
        generator = self.bbox_head.prior_generator
        if not isinstance(generator, SizeRangeAnchorGenerator):
            raise ConfigError(
                f"anchor generator {type(generator).__name__}: SmallObjectRetinaNet takes "
                "SizeRangeAnchorGenerator, whose anchors follow from object_size_range"
            )
        widths = getattr(self.backbone, "widths", None)
        if widths is not None and list(widths) != list(self.neck.in_channels):
            raise ConfigError(
                f"backbone {self.backbone.name} gives {list(widths)} channels, the neck reads "
                f"{list(self.neck.in_channels)}: set neck.in_channels to the former"
            )
        strides = [s[0] for s in generator.strides]
        side = strides[-1] * 2
        channels = next(self.backbone.parameters()).shape[1]
        was_training = self.training
        self.eval()
        with torch.no_grad():
            levels = self.extract_feat(torch.zeros(1, channels, side, side))
        self.train(was_training)
        found = [side // level.shape[-1] for level in levels]
        if found != strides:
            raise ConfigError(
                f"features come at strides {found}, anchors assume {strides}: let start_level, num_outs and "
                "the anchor strides agree"
            )
        if self.bbox_head.num_levels != len(strides):
            raise ConfigError(f"head of {self.bbox_head.num_levels} levels for {len(strides)} feature levels")

    def _check_caps(self, max_objects: int) -> None:
        cfg = self.test_cfg
        if cfg is None:
            return
        if cfg["max_per_img"] < max_objects:
            raise ConfigError(
                f"max_per_img {cfg['max_per_img']} is below the {max_objects} objects that a tile may hold"
            )
        if cfg["nms_pre"] < 2 * max_objects:
            raise ConfigError(
                f"nms_pre {cfg['nms_pre']} candidates a level for {max_objects} objects a tile: "
                f"expected at least {2 * max_objects}"
            )

    def _refuse_other_levels(self, state: dict[str, Any], prefix: str, *_: Any) -> None:
        """Before weights are loaded: a pyramid that starts elsewhere would load one level off."""
        mine = self.bbox_head.level_strides
        theirs = state.get(f"{prefix}bbox_head.level_strides")
        if theirs is not None and theirs.tolist() != mine.tolist():
            raise ConfigError(f"weights for level strides {theirs.tolist()}, this model has {mine.tolist()}")
        key = "neck.lateral_convs.0.conv.weight"
        lateral = state.get(prefix + key)
        own = dict(self.named_parameters()).get(key)
        if lateral is not None and own is not None and lateral.shape[1] != own.shape[1]:
            raise ConfigError(
                f"weights whose first pyramid level reads {lateral.shape[1]} channels, this model's reads "
                f"{own.shape[1]}: a P3-P7 checkpoint does not fit a pyramid that starts at P2"
            )
