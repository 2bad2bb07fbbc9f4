"""Parts of a raster: windows, planned tiles, and the pixels that were read for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from retina_domains.errors import InvalidValueError
from retina_domains.types.arrays import BoolArray


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A rectangle of whole pixels: columns ``col .. col + width``, rows ``row .. row + height``.

    ``row`` and ``col`` may be negative and the far side may lie outside the scene: a tile's window is
    then padded when it is read.
    """

    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 0 or self.width < 0:
            raise InvalidValueError(f"window {self.height} x {self.width} px: sides must not be negative")

    @property
    def row_stop(self) -> int:
        """First row below the window."""
        return self.row + self.height

    @property
    def col_stop(self) -> int:
        """First column right of the window."""
        return self.col + self.width

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        """The window as a half-open box in its own frame."""
        return (self.col, self.row, self.col_stop, self.row_stop)

    @property
    def empty(self) -> bool:
        """Whether no pixel lies inside."""
        return self.height == 0 or self.width == 0

    def grown(self, by: int) -> Window:
        """The window with ``by`` px more on every side."""
        return Window(self.row - by, self.col - by, self.height + 2 * by, self.width + 2 * by)

    def intersection(self, other: Window) -> Window:
        """The part shared with ``other``; empty (0 x 0) where they do not meet."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row_stop, other.row_stop) - row
        width = min(self.col_stop, other.col_stop) - col
        if height <= 0 or width <= 0:
            return Window(row, col, 0, 0)
        return Window(row, col, height, width)

    def contains(self, x: float, y: float) -> bool:
        """Whether the point lies inside, the right and lower edges excluded."""
        return self.col <= x < self.col_stop and self.row <= y < self.row_stop


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A planned read. ``row`` and ``col`` count tiles; ``core`` is the part of ``window`` it owns.

    The cores of all tiles of a grid cover the scene once.
    """

    row: int
    col: int
    window: Window
    core: Window


@dataclass(frozen=True, slots=True)
class Chip:
    """The pixels read for a tile.

    Args:
        pixels: ``(C, H, W)``; raw values as read, or float32 in 0..255 after ``BandScaling.apply``.
        valid: ``(H, W)`` bool; false for nodata, NaN, masked and padded pixels.
        tile: the tile they were read for.
    """

    pixels: NDArray[Any]
    valid: BoolArray
    tile: Tile

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[1:] != self.valid.shape:
            raise InvalidValueError(
                f"chip pixels {self.pixels.shape} and valid mask {self.valid.shape}: "
                "expected (C, H, W) and (H, W)"
            )
