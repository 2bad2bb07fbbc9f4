"""Outline, area, eccentricity and stain of cells, each from a little around its box.

The detector's boxes say where cells are and how far they reach; the pixels say what shape they have. For a
cell that is darker than what surrounds it (in bright field: any stained cell on glass, a parasite on its red
cell):

1. *Absorbance* of each band, ``-log10(value / 255)``, lightly smoothed. *Ground*: outside of all boxes of
   the window, the bright end of what is there. *Level*: the median in the outer part of the box's ellipse,
   so that neither a pale centre nor a dark parasite decides.
2. *Foreground*: along the line from ground to level, what lies beyond half way. That is where an edge lies
   that was blurred by any symmetric optics.
3. *Own part*: a foreground pixel belongs to the box in whose ellipse it lies deepest, so that touching cells
   part at their waist; what does not hang together with the middle is dropped, holes (central pallor) are
   filled.
4. *Hidden part*: cells that overlap share pixels. Where the own part ends at a neighbour and not at the
   ground, the edge is that of an ellipse fitted to the part of the outline that lies against the ground.

What comes out is checked against the box: an outline whose area is not within ``ShapeSpec.plausible`` of
the box's ellipse is kept out of the measurements, which are NaN then, with a word that says why. A cell that
the field's border cuts keeps its outline, but not the area of the visible rest.

*Stain* is the mean over the outline of the three stains of Ruifrok and Johnston, "Quantification of
histochemical staining by color deconvolution", Anal. Quant. Cytol. Histol. 23 (2001), as scikit-image's
``rgb2hed`` has them, of the light relative to the ground. Its vectors were measured on haematoxylin, eosin
and DAB in tissue. Blood smears are stained with Giemsa or Wright: the columns serve to compare cells of one
staining (haematoxylin follows the blue-violet of chromatin, eosin the pink of haemoglobin), not as amounts
of a dye.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from skimage.color import hed_from_rgb

from retina_domains.cell_table import CellTable, OutlineStatus
from retina_domains.cells.masks import dilated, eccentricity, outline_of
from retina_domains.cells.outlines import Absorbance, ShapeSpec, absorbance, cell_mask, eight_bit
from retina_domains.errors import BlockReadError, InvalidValueError
from retina_domains.types import BoolArray, FloatArray, Window

__all__ = ["CellShape", "Read", "ShapeSpec", "measure_cells", "measure_table", "with_shapes"]

Read = Callable[[Window], tuple[NDArray[np.generic], BoolArray]]
_BLOCK_PX = 1024  # cells whose centres lie in one block share a read
_SAME_CELL = 0.5  # boxes of which one's centre lies that deep in the other are one cell, or cell and parasite
_TOLERANCE_PX = 0.3  # by which an outline may be simplified
_DARKEST = 3.0  # absorbance beyond which stain is not told apart
with np.errstate(divide="ignore"):
    _DENSITY = -np.log10(np.arange(256) / 255.0)
# scikit-image's unit of stain: absorbance over that of one part in a million.
_STAINS = hed_from_rgb / 6


@dataclass(frozen=True, slots=True)
class CellShape:
    """What was found of one cell.

    Args:
        status: ``"measured"``; ``"cut"`` by the border of the field: outline and stain of the visible part,
            no area; ``"implausible"`` or ``"unreadable"``: nothing is told.
        area_px: px², or NaN.
        eccentricity: or NaN.
        stain: haematoxylin, eosin, DAB, or NaN; NaN too where the image has no three bands.
        outline: ``(K, 2)`` px, without the closing repeat, or None.
    """

    status: OutlineStatus
    area_px: float = math.nan
    eccentricity: float = math.nan
    stain: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    outline: FloatArray | None = None


def measure_cells(read: Read, boxes: FloatArray, spec: ShapeSpec | None = None) -> tuple[CellShape, ...]:
    """The shapes of all cells of one field.

    Args:
        read: pixels ``(C, H, W)`` and valid mask of a window, as ``SceneReader.read`` gives them; called
            once for every 1024 px square that holds cells, with some margin.
        boxes: ``(N, 4)`` xyxy px of the field, of all cells: neighbours are told apart by them.
        spec: how; None takes the default.

    Returns:
        N shapes, outlines in px of the field.
    """
    how = spec or ShapeSpec()
    shapes: list[CellShape] = [CellShape("unreadable")] * len(boxes)
    if not len(boxes):
        return ()
    windows = np.array([_window(box, how).xyxy for box in boxes])
    tree = shapely.STRtree([shapely.box(*box) for box in boxes.tolist()])
    for rows in _blocks(boxes):
        x1, y1 = windows[rows, :2].min(axis=0).tolist()
        x2, y2 = windows[rows, 2:].max(axis=0).tolist()
        try:
            pixels, valid = read(Window(y1, x1, y2 - y1, x2 - x1))
        except BlockReadError:
            # These cells were found, so only this part of the file has gone bad: they stay "unreadable".
            continue
        block = _Around(eight_bit(pixels), absorbance(pixels), valid)
        for row in rows:
            left, top, right, bottom = windows[row].tolist()
            near = boxes[tree.query(shapely.box(left, top, right, bottom))]
            others = near[~_one_cell(near, boxes[row])]
            offset = np.array([left, top, left, top], np.float64)
            around = block.part(top - y1, bottom - y1, left - x1, right - x1)
            shape = _measure(around, boxes[row] - offset, others - offset, how)
            if shape.outline is not None:
                shape = replace(shape, outline=shape.outline + offset[:2])
            shapes[row] = shape
    return tuple(shapes)


def with_shapes(cells: CellTable, rows: Sequence[int], shapes: Sequence[CellShape]) -> CellTable:
    """A table with the shapes of some of its rows filled in."""
    if len(rows) != len(shapes):
        raise InvalidValueError(f"{len(shapes)} shapes for {len(rows)} cells: expected one each")
    area, eccentricity, stain = cells.area_px.copy(), cells.eccentricity.copy(), cells.stain.copy()
    status = list(cells.outline_status)
    outlines = list(cells.outlines or (None,) * len(cells))
    for row, shape in zip(rows, shapes, strict=True):
        area[row], eccentricity[row], stain[row] = shape.area_px, shape.eccentricity, shape.stain
        status[row], outlines[row] = shape.status, shape.outline
    return replace(
        cells,
        area_px=area,
        eccentricity=eccentricity,
        stain=stain,
        outline_status=tuple(status),
        outlines=tuple(outlines),
    )


def measure_table(cells: CellTable, field: int, read: Read, spec: ShapeSpec | None = None) -> CellTable:
    """A table with all cells of one field measured; see :func:`measure_cells`."""
    rows = np.flatnonzero(cells.field == field)
    return with_shapes(cells, rows.tolist(), measure_cells(read, cells.xyxy[rows], spec))


@dataclass(frozen=True, slots=True)
class _Around:
    """A window of a field.

    Args:
        pixels: ``(C, H, W)``.
        absorbed: ``(C, H, W)`` absorbance.
        valid: ``(H, W)`` bool; false outside of the field.
    """

    pixels: NDArray[np.uint8]
    absorbed: Absorbance
    valid: BoolArray

    def part(self, top: int, bottom: int, left: int, right: int) -> _Around:
        """Some rows and columns of it."""
        at = np.s_[top:bottom, left:right]
        return _Around(self.pixels[:, *at], self.absorbed[:, *at], self.valid[at])


def _measure(around: _Around, box: FloatArray, neighbours: FloatArray, spec: ShapeSpec) -> CellShape:
    """The shape of the cell in ``box``, in px of the given window."""
    found = cell_mask(around.absorbed, around.valid, box, neighbours, spec)
    if found is None or found.shown < spec.visible:
        return CellShape("implausible")
    mask, (rows, cols) = found.mask, found.part
    beyond = ~around.valid[found.part]
    cut = bool(beyond.any() and (beyond & dilated(dilated(mask))).any())
    area = float(mask.sum())
    share = area / _ellipse_area(box)
    if not (spec.plausible[0] <= share <= spec.plausible[1]) and not cut:
        return CellShape("implausible")
    outline = outline_of(mask, _TOLERANCE_PX)
    if outline is None:
        return CellShape("implausible")
    outline = outline + np.array([cols.start, rows.start], np.float64)
    stain = _stain(around.pixels[:, rows, cols], found.ground, mask)
    if cut:
        return CellShape("cut", stain=stain, outline=outline)
    return CellShape("measured", area, eccentricity(mask), stain, outline)


def _window(box: FloatArray, spec: ShapeSpec) -> Window:
    x1, y1, x2, y2 = box.tolist()
    margin = spec.margin * max(x2 - x1, y2 - y1) + 3
    col, row = math.floor(x1 - margin), math.floor(y1 - margin)
    return Window(row, col, math.ceil(y2 + margin) - row, math.ceil(x2 + margin) - col)


def _blocks(boxes: FloatArray) -> list[list[int]]:
    """Rows by the square that holds their centre, squares from the top left."""
    squares = ((boxes[:, :2] + boxes[:, 2:]) / 2 // _BLOCK_PX).astype(np.int64)
    groups: dict[tuple[int, int], list[int]] = {}
    for row, (col, line) in enumerate(squares.tolist()):
        groups.setdefault((line, col), []).append(row)
    return [groups[key] for key in sorted(groups)]


def _one_cell(boxes: FloatArray, box: FloatArray) -> BoolArray:
    """``(N,)`` whether one's centre lies deep in the other: a cell found twice, or a parasite in it."""
    apart = boxes[:, :2] + boxes[:, 2:] - box[:2] - box[2:]
    limit = _SAME_CELL**2
    one: BoolArray = np.zeros(len(boxes), bool)
    for side in (box[2:] - box[:2], boxes[:, 2:] - boxes[:, :2]):
        one |= ((apart / np.maximum(side, 1e-9)) ** 2).sum(axis=1) < limit
    return one


def _ellipse_area(box: FloatArray) -> float:
    return math.pi / 4 * float((box[2] - box[0]) * (box[3] - box[1]))


def _stain(pixels: NDArray[np.uint8], ground: FloatArray, mask: BoolArray) -> tuple[float, float, float]:
    """Mean stains over the mask, of the light relative to the ground."""
    if len(pixels) < 3:
        return (math.nan, math.nan, math.nan)
    density = np.clip(_DENSITY[pixels[:3, mask]] - ground[:3, None], 0, _DARKEST)
    haematoxylin, eosin, dab = np.maximum(_STAINS.T @ density, 0).mean(axis=1).tolist()
    return (haematoxylin, eosin, dab)
