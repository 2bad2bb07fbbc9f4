"""Steps that move pixels and boxes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from numpy.typing import NDArray

from retina_domains.errors import ConfigError

Array = NDArray[Any]

# Masks (H, W) that follow the pixels, and what holds where an image has no such mask.
MASKS = {"valid": True, "land": False}


def dihedral(image: Array, boxes: Array, turn: int, flip: bool) -> tuple[Array, Array]:
    """One of the eight symmetries of the square: ``turn`` quarter turns counter-clockwise after a flip.

    Args:
        image: ``(H, W, C)``.
        boxes: ``(N, 4)`` half-open xyxy px.
        turn: quarter turns, 0 to 3.
        flip: mirror left and right first.

    Returns:
        The turned image and boxes.
    """
    boxes = boxes.copy()
    if flip:
        image = image[:, ::-1]
        boxes[:, [0, 2]] = image.shape[1] - boxes[:, [2, 0]]
    for _ in range(turn % 4):
        width = image.shape[1]
        image = np.rot90(image)
        x1, y1, x2, y2 = boxes.T
        boxes = np.stack([y1, width - x2, y2, width - x1], axis=1)
    return np.ascontiguousarray(image), boxes


def turned(mask: Array, turn: int, flip: bool) -> Array:
    """An ``(H, W)`` mask as :func:`dihedral` turns its image."""
    return np.ascontiguousarray(np.rot90(mask[:, ::-1] if flip else mask, turn))


@TRANSFORMS.register_module()
class Dihedral(BaseTransform):  # type: ignore[misc]
    """One of the eight flips and quarter turns, each as likely."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turn ``img``, ``gt_bboxes`` and the masks ``valid`` and ``land`` where there are any."""
        turn, flip = int(np.random.randint(4)), bool(np.random.randint(2))
        results["img"], results["gt_bboxes"] = dihedral(results["img"], results["gt_bboxes"], turn, flip)
        for name in MASKS:
            if results.get(name) is not None:
                results[name] = turned(results[name], turn, flip)
        results["img_shape"] = results["img"].shape[:2]
        return results


@dataclass(frozen=True, slots=True)
class _Cut:
    """A part of an image, scaled into the upper left of a cell of ``height`` x ``width`` px."""

    rows: slice
    columns: slice
    scale: float
    height: int
    width: int

    @property
    def corner(self) -> list[int]:
        """Column and row of the part in the image."""
        return [self.columns.start, self.rows.start]

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height of the scaled part, before the cell cuts it."""
        sides = (self.columns.stop - self.columns.start, self.rows.stop - self.rows.start)
        return max(1, round(sides[0] * self.scale)), max(1, round(sides[1] * self.scale))

    @property
    def shown(self) -> list[int]:
        """Width and height of it in the cell."""
        return [min(self.shape[0], self.width), min(self.shape[1], self.height)]

    def pixels(self, image: Array, cell: Array) -> None:
        """Fill ``cell``; box-averaged where it shrinks."""
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        part = cv2.resize(image[self.rows, self.columns], self.shape, interpolation=how)
        width, height = self.shown
        cell[:height, :width] = part.reshape(*self.shape[::-1], -1)[:height, :width]

    def mask(self, mask: Array | None, absent: bool, cell: Array) -> None:
        """Fill ``cell`` with a mask, nearest neighbour, or with what holds where there is none."""
        width, height = self.shown
        if mask is None:
            cell[:height, :width] = absent
            return
        part = mask[self.rows, self.columns].astype(np.uint8)
        shown = cv2.resize(part, self.shape, interpolation=cv2.INTER_NEAREST)
        cell[:height, :width] = shown[:height, :width] > 0


@TRANSFORMS.register_module()
class ZoomMosaic(BaseTransform):  # type: ignore[misc]
    """A training chip of fixed size from 1, 4 or 9 images, each at a random scale.

    A grid of n x n cells is filled with crops; the more cells, the smaller the scale, so that a chip holds
    either a few objects near their true size or many shrunken ones, as coarser sampling would show them.
    Box-averaged shrinking is what a multilook does to amplitude. With ``prob_near_object`` a crop is placed
    so that it holds one of the image's objects. An object of which less than ``min_visible`` is left, or
    that is smaller than ``min_size`` px, becomes an ignored region: neither learnt nor called background.

    Args:
        size: side of the chip, px.
        cells: grid sizes to choose from.
        weights: how likely each is.
        scales: (lowest, highest) scale for one cell; it is divided by n for n x n cells.
        prob_near_object: share of crops placed on an object.
        by_class: that object's class is drawn first, each as likely, so that one ring among a hundred healthy
            cells is seen as often as they are.
        min_visible: share of an object's area that must be left.
        min_size: px, sqrt(w h).
    """

    def __init__(
        self,
        size: int = 640,
        cells: Sequence[int] = (1, 2, 3),
        weights: Sequence[float] = (0.6, 0.25, 0.15),
        scales: tuple[float, float] = (0.6, 1.6),
        prob_near_object: float = 0.7,
        min_visible: float = 0.4,
        min_size: float = 3.0,
        by_class: bool = False,
    ) -> None:
        if len(cells) != len(weights) or not cells:
            raise ConfigError(f"cells {list(cells)} and weights {list(weights)}: expected one weight a grid")
        self.size, self.cells, self.scales = size, tuple(cells), scales
        self.weights = np.asarray(weights, float) / sum(weights)
        self.prob_near_object = prob_near_object
        self.min_visible, self.min_size, self.by_class = min_visible, min_size, by_class

    def get_indexes(self, dataset: Sequence[Any]) -> list[int]:
        """Further images for the mosaic; called by MMDetection's MultiImageMixDataset."""
        n = int(np.random.choice(self.cells, p=self.weights))
        return [int(np.random.randint(len(dataset))) for _ in range(n**2 - 1)]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Fill the chip from ``results`` and its ``mix_results``."""
        sources = [results, *results.get("mix_results", [])]
        n = round(len(sources) ** 0.5)
        edges = np.linspace(0, self.size, n + 1).round().astype(int)
        chip = np.zeros((self.size, self.size, results["img"].shape[2]), np.float32)
        masks = {
            name: np.zeros(chip.shape[:2], np.bool_)
            for name in MASKS
            if any(source.get(name) is not None for source in sources)
        }
        boxes, labels, ignore = [], [], []
        for k, source in enumerate(sources):
            (top, bottom), (left, right) = edges[k // n :][:2], edges[k % n :][:2]
            cut = self._cut(source, int(bottom - top), int(right - left), n)
            cut.pixels(source["img"], chip[top:bottom, left:right])
            for name, mask in masks.items():
                cut.mask(source.get(name), MASKS[name], mask[top:bottom, left:right])
            b, keep, ignored = self._objects(source, cut)
            boxes.append(b + np.array([left, top, left, top], np.float32))
            labels.append(source["gt_labels"][keep])
            ignore.append(ignored)
        results.update(
            img=chip,
            img_shape=chip.shape[:2],
            gt_bboxes=np.concatenate(boxes).astype(np.float32),
            gt_labels=np.concatenate(labels),
            gt_ignore=np.concatenate(ignore),
            **masks,
        )
        return results

    def _cut(self, source: dict[str, Any], height: int, width: int, n: int) -> _Cut:
        """What of an image fills a cell of ``height`` x ``width`` px, at a random scale."""
        image, boxes = source["img"], source["gt_bboxes"]
        scale = float(np.exp(np.random.uniform(*np.log(self.scales)))) / n
        need_h, need_w = height / scale, width / scale
        learnt = ~source["gt_ignore"]
        x0, y0 = self._corner(
            image.shape, self._wanted(boxes[learnt], source["gt_labels"][learnt]), need_h, need_w
        )
        stop_y, stop_x = min(image.shape[0], int(y0 + need_h + 1)), min(image.shape[1], int(x0 + need_w + 1))
        return _Cut(slice(y0, stop_y), slice(x0, stop_x), scale, height, width)

    def _objects(self, source: dict[str, Any], cut: _Cut) -> tuple[Array, Array, Array]:
        """Boxes in the cell, which of the image's were kept, which of these are ignored."""
        moved = (source["gt_bboxes"] - np.array(cut.corner * 2, np.float32)) * cut.scale
        limit = np.array(cut.shown * 2, np.float32)
        clipped = np.clip(moved, 0, limit)
        area = np.maximum((moved[:, 2:] - moved[:, :2]).prod(1), 1e-6)
        left = (clipped[:, 2:] - clipped[:, :2]).prod(1)
        keep = left > 0
        ignored = source["gt_ignore"] | (left < self.min_visible * area) | (np.sqrt(left) < self.min_size)
        return clipped[keep], keep, ignored[keep]

    def _wanted(self, boxes: Array, labels: Array) -> Array:
        """The boxes that a crop may be placed on: all, or those of one class of the image."""
        if not self.by_class or not len(boxes):
            return boxes
        chosen: Array = boxes[labels == np.random.choice(np.unique(labels))]
        return chosen

    def _corner(self, shape: tuple[int, ...], boxes: Array, need_h: float, need_w: float) -> tuple[int, int]:
        """Upper left pixel of the crop in the source image."""
        free_x, free_y = max(0, int(shape[1] - need_w)), max(0, int(shape[0] - need_h))
        if len(boxes) and np.random.rand() < self.prob_near_object:
            cx, cy = boxes[np.random.randint(len(boxes))].reshape(2, 2).mean(0)
            x = cx - need_w * np.random.uniform(0.1, 0.9)
            y = cy - need_h * np.random.uniform(0.1, 0.9)
            return int(np.clip(x, 0, free_x)), int(np.clip(y, 0, free_y))
        return int(np.random.randint(free_x + 1)), int(np.random.randint(free_y + 1))
