"""Small drawn smears whose cells are known, and detectors that know them, for tests of counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retina_domains.types import Chip, Detections, InputSpec

THIN = ("RBC", "ring", "trophozoite", "schizont", "gametocyte")
THICK = ("pf", "pv", "WBC")
GLASS, CELL, PARASITE = (215, 225, 205), (170, 120, 130), (70, 30, 110)
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Cell:
    """A disc of ``diameter`` px at ``x``, ``y``; ``name`` is its class."""

    name: str
    x: float
    y: float
    diameter: float = 40.0
    score: float = 0.9

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Its box."""
        half = self.diameter / 2
        return (self.x - half, self.y - half, self.x + half, self.y + half)


@dataclass(frozen=True)
class Boxed:
    """A cell that is not drawn here: its class and box."""

    name: str
    xyxy: tuple[float, float, float, float]
    score: float = 0.9


def draw(cells: Sequence[Cell], width: int = 400, height: int = 300) -> Pixels:
    """``(H, W, 3)`` of pale glass with discs, parasites dark within theirs, and a little noise."""
    rng = np.random.default_rng(width + height)
    pixels = np.empty((height, width, 3), np.float64)
    pixels[:] = GLASS
    for cell in cells:
        left, top, right, bottom = (round(side) for side in np.clip(cell.xyxy, 0, [width, height] * 2))
        y, x = np.ogrid[top:bottom, left:right]
        depth = np.hypot(x + 0.5 - cell.x, y + 0.5 - cell.y) / (cell.diameter / 2)
        part = pixels[top:bottom, left:right]
        part[depth <= 1] = CELL
        if cell.name not in ("RBC", "WBC"):
            part[depth <= 0.35] = PARASITE
    pixels += rng.normal(0, 1.5, pixels.shape)
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def grid_of_cells(count: int, width: int = 400, diameter: float = 40.0, pitch: float = 48.0) -> list[Cell]:
    """Red cells side by side, none touching another or the border."""
    across = int((width - 8) // pitch)
    return [
        Cell("RBC", 6 + pitch * (k % across + 0.5), 6 + pitch * (k // across + 0.5), diameter)
        for k in range(count)
    ]


def save(path: Path, pixels: Pixels) -> Path:
    """As PNG, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@dataclass
class FieldOracle:
    """Knows the cells of some fields, which it recognises by their pixels.

    Args:
        known: pixels ``(H, W, 3)`` and cells of each field.
    """

    known: Sequence[tuple[Pixels, Sequence[Cell | Boxed]]]
    classes: tuple[str, ...] = THIN
    input_spec: InputSpec = field(default_factory=lambda: InputSpec(3, low=(0.0,) * 3, high=(255.0,) * 3))
    max_object_px: int = 64
    halo_px: int = 8
    tile_multiple: int = 8
    tile_size: int = 512
    score_threshold: float = 0.3
    class_thresholds: tuple[float, ...] | None = None
    provenance: dict[str, str] = field(
        default_factory=lambda: {"model": "oracle", "model_sha256": "0" * 64, "research_only": "true"}
    )

    def __call__(self) -> FieldOracle:
        """Its own factory."""
        return self

    def predict(self, batch: Sequence[Chip]) -> list[Detections]:
        """The cells of each chip, cut to it."""
        return [self._find(chip) for chip in batch]

    def _find(self, chip: Chip) -> Detections:
        window = chip.tile.window
        rows, cols = np.nonzero(chip.valid)
        for pixels, cells in self.known:
            y, x = rows + window.row, cols + window.col
            if not len(y) or y.max() >= pixels.shape[0] or x.max() >= pixels.shape[1]:
                continue
            if (pixels[y, x] == np.moveaxis(chip.pixels, 0, 2)[chip.valid]).all():
                return cut_to(chip, cells, self.classes)
        return Detections.none()


@dataclass
class SlideOracle(FieldOracle):
    """Knows the cells of one slide by where they lie, whatever its pixels.

    Args:
        scale: px of ``known``'s cells that a px of the searched scene spans.
    """

    scale: float = 1.0

    def _find(self, chip: Chip) -> Detections:
        (_, cells), *_ = self.known
        scaled = [Boxed(c.name, tuple(np.array(c.xyxy) / self.scale), c.score) for c in cells]
        return cut_to(chip, scaled, self.classes)


def cut_to(chip: Chip, cells: Sequence[Cell | Boxed], classes: tuple[str, ...]) -> Detections:
    """The cells whose box meets the valid part of a chip by a pixel or more, in the tile's frame."""
    if not cells or not chip.valid.any():
        return Detections.none()
    window = chip.tile.window
    boxes = np.array([cell.xyxy for cell in cells]) - np.tile([window.col, window.row], 2)
    y, x = np.nonzero(chip.valid)
    low, high = [x.min(), y.min()], [x.max() + 1, y.max() + 1]
    boxes = np.clip(boxes, [*low, *low], [*high, *high])
    seen = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)
    labels = np.array([classes.index(cell.name) for cell in cells])
    return Detections.of(boxes[seen], np.array([cell.score for cell in cells])[seen], labels[seen])
