"""True objects of a scene, and what a tile shows of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retina_domains.errors import InvalidValueError, LabelError
from retina_domains.types import BoolArray, FloatArray, IntArray, Window


@dataclass(frozen=True, slots=True)
class SceneObjects:
    """True objects of one scene or tile, by column.

    Args:
        xyxy: ``(N, 4)`` float64, half-open px; in a scene they may stick out of it.
        labels: ``(N,)`` int64, 0-based index into the classes.
        ignored: ``(N,)`` bool; regions that are neither learnt nor called background.

    Raises:
        LabelError: columns of unequal length, a box without area, or one that is not finite.
    """

    xyxy: FloatArray
    labels: IntArray
    ignored: BoolArray

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.xyxy.shape != (n, 4) or self.labels.shape != (n,) or self.ignored.shape != (n,):
            raise LabelError(
                f"objects of shapes {self.xyxy.shape}, {self.labels.shape} and {self.ignored.shape}: "
                "expected (N, 4), (N,) and (N,)"
            )
        if not np.isfinite(self.xyxy).all():
            raise LabelError("a box has a NaN or infinite corner: mend or remove it")
        empty = (self.xyxy[:, 2:] <= self.xyxy[:, :2]).any(axis=1)
        if empty.any():
            raise LabelError(
                f"box {self.xyxy[empty][0].tolist()} has no area: give points a size, or remove it"
            )
        for name in ("xyxy", "labels", "ignored"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @classmethod
    def of(cls, xyxy: ArrayLike, labels: ArrayLike, ignored: ArrayLike | None = None) -> SceneObjects:
        """From anything array-like; nothing is ignored unless it says so."""
        boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
        flags = np.zeros(len(boxes), bool) if ignored is None else np.asarray(ignored, bool).reshape(-1)
        return cls(boxes, np.asarray(labels, np.int64).reshape(-1), flags)

    @classmethod
    def none(cls) -> SceneObjects:
        """No objects."""
        return cls.of((), ())

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[Any]) -> SceneObjects:
        """The objects picked by an index or boolean array."""
        return replace(self, xyxy=self.xyxy[index], labels=self.labels[index], ignored=self.ignored[index])


@dataclass(frozen=True, slots=True)
class CutRule:
    """What becomes of an object of which a tile shows only a part.

    The share of its box's area that is visible decides: from ``keep`` on it is learnt, clipped to the tile;
    from ``ignore`` on it is an ignored region; below, it is dropped and counts as background.

    Args:
        keep: share in (0, 1].
        ignore: share in [0, keep].
        min_size: objects of smaller sqrt(w h), px of the tile, are ignored however much is visible.
    """

    keep: float = 0.5
    ignore: float = 0.1
    min_size: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.ignore <= self.keep <= 1 or self.keep == 0:
            raise InvalidValueError(
                f"visible shares: keep {self.keep}, ignore {self.ignore}: expected 0 <= ignore <= keep <= 1, "
                "keep above 0"
            )
        if self.min_size < 0:
            raise InvalidValueError(f"smallest object {self.min_size} px: expected 0 or more")


def objects_in_window(
    objects: SceneObjects, window: Window, rule: CutRule, scale: tuple[float, float] = (1.0, 1.0)
) -> SceneObjects:
    """What a tile shows of a scene's objects, in the frame of the tile.

    Args:
        objects: in the frame of the scene.
        window: of the tile, scene px.
        rule: what becomes of objects that it cuts.
        scale: tile px a scene px, along x and y.

    Returns:
        The objects that are left, clipped to the tile, in their order.
    """
    x1, y1, x2, y2 = window.xyxy
    # Of the thousands in a large scene a tile shows few.
    box = objects.xyxy
    near = np.flatnonzero((box[:, 0] < x2) & (box[:, 2] > x1) & (box[:, 1] < y2) & (box[:, 3] > y1))
    if not len(near):
        return SceneObjects.none()
    xyxy, labels = objects.xyxy[near], objects.labels[near]
    clipped = np.clip(xyxy, [x1, y1, x1, y1], [x2, y2, x2, y2])
    sides = clipped[:, 2:] - clipped[:, :2]
    area = (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)
    visible = sides.prod(axis=1) / area
    there = visible >= rule.ignore
    small = np.sqrt((sides * scale).prod(axis=1)) < rule.min_size
    ignored = objects.ignored[near] | (visible < rule.keep) | small
    factors = np.array([*scale, *scale])
    boxes = (clipped - np.array([x1, y1, x1, y1], np.float64)) * factors
    return SceneObjects(boxes[there], labels[there], ignored[there])
