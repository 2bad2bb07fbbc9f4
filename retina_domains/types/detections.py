"""Objects as boxes in pixels: of one tile, of a scene, and merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retina_domains.errors import InvalidValueError
from retina_domains.types.arrays import FloatArray, IntArray, frozen
from retina_domains.types.tiles import Window

Frame = Literal["tile", "scene"]


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes of one tile or scene, by column.

    Args:
        xyxy: ``(N, 4)`` float64, half-open pixels in ``frame``.
        scores: ``(N,)`` float64 in [0, 1].
        labels: ``(N,)`` int64, 0-based index into the detector's classes.
        frame: ``"tile"`` or ``"scene"``.
        saturated: candidates were cut, so the list is not complete.
        recovered: caps were met and the chip was decoded again with larger ones; nothing is missing.
    """

    xyxy: FloatArray
    scores: FloatArray
    labels: IntArray
    frame: Frame = "tile"
    saturated: bool = False
    recovered: bool = False

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.xyxy.shape != (n, 4) or self.scores.shape != (n,) or self.labels.shape != (n,):
            raise InvalidValueError(
                f"detections of shapes {self.xyxy.shape}, {self.scores.shape}, {self.labels.shape}: "
                "expected (N, 4), (N,), (N,)"
            )
        if n and not (np.isfinite(self.xyxy).all() and np.isfinite(self.scores).all()):
            raise InvalidValueError("detections hold NaN or infinite values: the detector is at fault")
        if n and (self.scores.min() < 0 or self.scores.max() > 1):
            raise InvalidValueError("detection scores lie outside [0, 1]")
        if n and ((self.xyxy[:, 2] < self.xyxy[:, 0]) | (self.xyxy[:, 3] < self.xyxy[:, 1])).any():
            raise InvalidValueError("detection boxes have a right or lower edge before the left or upper one")
        for name in ("xyxy", "scores", "labels"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @classmethod
    def of(
        cls,
        xyxy: ArrayLike,
        scores: ArrayLike,
        labels: ArrayLike,
        frame: Frame = "tile",
        saturated: bool = False,
        recovered: bool = False,
    ) -> Detections:
        """From anything array-like, converted to the right types."""
        return cls(
            np.asarray(xyxy, np.float64).reshape(-1, 4),
            np.asarray(scores, np.float64).reshape(-1),
            np.asarray(labels, np.int64).reshape(-1),
            frame,
            saturated,
            recovered,
        )

    @classmethod
    def none(cls, frame: Frame = "tile") -> Detections:
        """No detections."""
        return cls.of((), (), (), frame)

    @classmethod
    def concatenate(cls, parts: Sequence[Detections], frame: Frame) -> Detections:
        """All boxes of ``parts``, in their order; every part must be in ``frame``."""
        if any(p.frame != frame for p in parts):
            raise InvalidValueError(f"cannot join detections of other frames into frame {frame!r}")
        if not parts:
            return cls.none(frame)
        return cls(
            np.concatenate([p.xyxy for p in parts]),
            np.concatenate([p.scores for p in parts]),
            np.concatenate([p.labels for p in parts]),
            frame,
            any(p.saturated for p in parts),
            any(p.recovered for p in parts),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: NDArray[Any]) -> Detections:
        """The boxes picked by an index or boolean array, in that order."""
        return replace(self, xyxy=self.xyxy[index], scores=self.scores[index], labels=self.labels[index])

    def to_scene(self, window: Window) -> Detections:
        """From the frame of a chip read at ``window`` to the frame of the scene."""
        if self.frame != "tile":
            raise InvalidValueError("these detections are in the scene's frame already")
        offset = np.array([window.col, window.row, window.col, window.row], np.float64)
        return replace(self, xyxy=self.xyxy + offset, frame="scene")


@dataclass(frozen=True, slots=True)
class Merged:
    """Objects after merging, each owned by one tile.

    Args:
        detections: ``frame="scene"``, in the stable order (owner tile row, then column, then y, x, label).
        tiles: ``(N, 2)`` int64, row and column of the tile whose core holds the merged centre.
    """

    detections: Detections
    tiles: IntArray

    def __post_init__(self) -> None:
        if self.detections.frame != "scene" or self.tiles.shape != (len(self.detections), 2):
            raise InvalidValueError("merged objects need scene-frame detections and one (row, column) each")

    def __len__(self) -> int:
        return len(self.detections)
