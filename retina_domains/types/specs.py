"""What is asked for: tiles, merging, and the pixels that a model takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retina_domains.errors import InvalidValueError

Radiometry = Literal["uint8", "amplitude", "intensity", "db"]
RADIOMETRIES: tuple[Radiometry, ...] = ("uint8", "amplitude", "intensity", "db")


@dataclass(frozen=True, slots=True)
class TileSpec:
    """How to cut a scene: side of a tile and pixels shared by neighbours. ``None``: from the detector."""

    size: int | None = None
    overlap: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise InvalidValueError(f"tile size {self.size} px: expected 1 or more")
        if self.overlap is not None and self.overlap < 0:
            raise InvalidValueError(f"overlap {self.overlap} px: expected 0 or more (pixels, not a ratio)")


@dataclass(frozen=True, slots=True)
class MergeSpec:
    """When two boxes of one class are one object.

    Args:
        iou_threshold: at least this intersection over union, or
        centre_distance: centres at most this far apart, as a share of the geometric mean of the smaller
            box's sides.
        margin: px by which two tiles may disagree about one object's centre.
    """

    iou_threshold: float = 0.5
    centre_distance: float = 0.35
    margin: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.iou_threshold <= 1:
            raise InvalidValueError(f"merge IoU threshold {self.iou_threshold}: expected above 0, at most 1")
        if not 0 <= self.centre_distance <= 1:
            raise InvalidValueError(f"merge centre distance {self.centre_distance}: expected in [0, 1]")
        if self.margin < 0:
            raise InvalidValueError(f"merge margin {self.margin} px: expected 0 or more")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a detector was trained on.

    Args:
        channels: bands it takes.
        radiometry: unit of the pixels that its fixed ``low``/``high`` range is in after conversion to
            amplitude; see ``radiometry.py``.
        low: value drawn as 0, one a channel.
        high: value drawn as 255, one a channel.
        gsd_range: metres a pixel that it serves, or None.
        mpp_range: micrometres a pixel that it serves, or None.
    """

    channels: int
    radiometry: Radiometry = "uint8"
    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (255.0,)
    gsd_range: tuple[float, float] | None = None
    mpp_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise InvalidValueError(f"{self.channels} channels: expected 1 or more")
        if self.radiometry not in RADIOMETRIES:
            raise InvalidValueError(
                f"radiometry {self.radiometry!r}: expected one of {', '.join(RADIOMETRIES)}"
            )
        if len(self.low) != self.channels or len(self.high) != self.channels:
            raise InvalidValueError(f"expected {self.channels} low and high values, one a channel")
        if any(h <= lo for lo, h in zip(self.low, self.high, strict=True)):
            raise InvalidValueError(f"band range {self.low} to {self.high}: high must be above low")
