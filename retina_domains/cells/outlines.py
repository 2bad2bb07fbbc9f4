"""Which pixels around a box are the cell's: absorbance, foreground, the part of its own, the part hidden.

Steps 1 to 4 of :mod:`retina_domains.cell_shapes`, on the pixels of one window around one box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retina_domains.cells.masks import dilated, eroded, filled, labelled
from retina_domains.errors import InvalidValueError
from retina_domains.types import BoolArray, FloatArray

Absorbance = NDArray[np.float32]
_SMOOTH_PX = 0.7
_GROUND_QUANTILE = 0.4  # of what lies outside of boxes, of which unlabelled cells may fill most
_LEAST_GROUND_PX = 30
_RIM = (0.6, 0.95)  # of the box's ellipse: outside of pallor and parasite, inside of the edge
_OUTSIDE = 1.1  # of all boxes' ellipses
_DEEP = 0.8
_LEAST_VISIBLE_POINTS = 12
_STRAY = 1.08  # radii of the fitted ellipse beyond which a hidden side is not the cell's
_BODY_SHARE = 0.8
_ROUND_PX = 4  # kept around what a cell may cover, so that its edges are told from those of the part
_ABSORBANCE = (-np.log10(np.maximum(np.arange(256), 1) / 255.0)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ShapeSpec:
    """How outlines are found.

    Args:
        margin: of the window around a box, as a share of its longer side.
        slack: by which an outline may leave its box, as a share of the longer side: boxes are not exact.
        contrast: least absorbance by which cells must differ from the ground.
        plausible: area of an outline as a share of the box's ellipse.
        visible: least share of an outline that must lie against the ground, not against neighbours.
    """

    margin: float = 0.25
    slack: float = 0.06
    contrast: float = 0.02
    plausible: tuple[float, float] = (0.4, 1.15)
    visible: float = 0.4

    def __post_init__(self) -> None:
        low, high = self.plausible
        if not 0 <= low < high:
            raise InvalidValueError(
                f"plausible area {low} to {high} of the box's ellipse: expected 0 <= low < high"
            )
        if self.margin <= 0 or self.slack < 0 or self.contrast <= 0 or not 0 <= self.visible <= 1:
            raise InvalidValueError(
                "outlines: expected margin and contrast above 0, slack 0 or more, visible in [0, 1]"
            )


@dataclass(frozen=True, slots=True)
class CellMask:
    """The pixels of a cell.

    Args:
        mask: ``(h, w)`` of a part of the window.
        part: that part.
        ground: ``(C,)`` absorbance of the ground.
        shown: share of the outline that lies against the ground.
    """

    mask: BoolArray
    part: tuple[slice, slice]
    ground: FloatArray
    shown: float


def absorbance(pixels: NDArray[np.generic]) -> Absorbance:
    """``(C, H, W)`` float32 absorbance of 8-bit values, smoothed against noise and the blocks of JPEG."""
    smooth: Absorbance = ndimage.gaussian_filter(_ABSORBANCE[eight_bit(pixels)], _SMOOTH_PX, axes=(1, 2))
    return smooth


def eight_bit(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Values as bytes, so that what follows from a value is looked up."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return np.clip(pixels.astype(np.float64), 0, 255).astype(np.uint8)


def cell_mask(
    absorbed: Absorbance, valid: BoolArray, box: FloatArray, neighbours: FloatArray, spec: ShapeSpec
) -> CellMask | None:
    """The pixels of the cell in ``box``, or None where they cannot be told.

    Args:
        absorbed: ``(C, H, W)`` absorbance of the box and some ground around it.
        valid: ``(H, W)`` bool; false outside of the field.
        box: ``(4,)`` xyxy in the same px.
        neighbours: ``(M, 4)`` boxes of other cells nearby.
        spec: how.
    """
    own, others = _depths(box[None], valid.shape), _depths(neighbours, valid.shape)
    found = _foreground(absorbed, valid, own, others, spec)
    if found is None:
        return None
    foreground, ground = found
    solid = filled(foreground)
    rows, cols, inside = _reach(box, valid.shape, spec)
    part = (rows, cols)
    allowed = solid[part] & inside
    mask = _central_part(allowed & (own[part] <= others[part]), own[part])
    if mask is None:
        return None
    edge = mask & ~eroded(mask)
    hidden = edge & dilated(dilated(solid[part] & ~mask))
    shown = 1.0 - float(hidden.sum()) / max(int(edge.sum()), 1)
    if shown >= spec.visible and hidden.any():
        radius = _fitted_radius(edge & ~hidden, part, valid.shape)
        if radius is not None:
            mask = _completed(mask, hidden, radius, allowed)
    return CellMask(mask, part, ground, shown)


def _depths(boxes: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """``(H, W)`` the smallest squared radius of each pixel's centre in any of the boxes' ellipses.

    0 in the middle, 1 on the edge of an ellipse; infinite without boxes.
    """
    least = np.full(shape, np.inf)
    x, y = np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5
    for x1, y1, x2, y2 in boxes.tolist():
        across = (x - (x1 + x2) / 2) / max((x2 - x1) / 2, 1e-9)
        down = (y - (y1 + y2) / 2) / max((y2 - y1) / 2, 1e-9)
        np.minimum(least, across**2 + (down**2)[:, None], out=least)
    return least


def _foreground(
    absorbed: Absorbance, valid: BoolArray, own: FloatArray, others: FloatArray, spec: ShapeSpec
) -> tuple[BoolArray, FloatArray] | None:
    """Where cells are, and the ground's absorbance ``(C,)``; None where they cannot be told apart."""
    bands = np.ascontiguousarray(absorbed).reshape(len(absorbed), -1)
    outside = np.flatnonzero(valid & (own > _OUTSIDE**2) & (others > _OUTSIDE**2))
    ring = valid & (own >= _RIM[0] ** 2) & (own <= _RIM[1] ** 2)
    rim = np.flatnonzero(ring & (others > 1.0))
    if len(rim) < _LEAST_GROUND_PX:
        rim = np.flatnonzero(ring)
    if len(outside) < _LEAST_GROUND_PX or not len(rim):
        return None
    total = bands[:, outside].sum(axis=0)
    bright = total <= _quantile(total, _GROUND_QUANTILE)
    ground = _medians(bands[:, outside[bright]])
    step = _medians(bands[:, rim]) - ground
    size = float(np.linalg.norm(step))
    if size < spec.contrast or step.sum() <= 0:
        return None
    # Half of the way from the ground along the step, which is as long as its norm.
    beyond = step.astype(np.float32) @ bands > float(step @ ground) + size**2 / 2
    return valid & beyond.reshape(valid.shape), ground


def _quantile(values: Absorbance, share: float) -> float:
    """Of ``(N,)``, between neighbours linear; ``np.quantile`` spends more time on what it might be asked."""
    place = share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    low, high = np.partition(values, (below, above))[[below, above]].tolist()
    return float(low + (high - low) * (place - below))


def _medians(values: Absorbance) -> FloatArray:
    """``(C,)`` of ``(C, N)``."""
    n = values.shape[1]
    middle = [(n - 1) // 2, n // 2]
    found: FloatArray = np.partition(values, middle, axis=1)[:, middle].mean(axis=1, dtype=np.float64)
    return found


def _reach(box: FloatArray, shape: tuple[int, ...], spec: ShapeSpec) -> tuple[slice, slice, BoolArray]:
    """Rows and columns of the window that the cell may cover, with some px around, and where in them."""
    x1, y1, x2, y2 = box.tolist()
    slack = spec.slack * max(x2 - x1, y2 - y1) + 0.5
    slices, within = [], []
    for start, stop, length in ((y1, y2, shape[0]), (x1, x2, shape[1])):
        first = max(0, math.floor(start - slack) - _ROUND_PX)
        last = min(length, math.ceil(stop + slack) + _ROUND_PX)
        middle = np.arange(first, max(first, last)) + 0.5
        slices.append(slice(first, max(first, last)))
        within.append((middle > start - slack) & (middle < stop + slack))
    return slices[0], slices[1], within[0][:, None] & within[1]


def _completed(mask: BoolArray, hidden: BoolArray, radius: FloatArray, allowed: BoolArray) -> BoolArray:
    """The mask, its hidden side as the fitted ellipse has it.

    Args:
        mask: the cell's pixels.
        hidden: those of its edge that lie against other cells.
        radius: of each pixel in the fitted ellipse.
        allowed: where the cell may be.
    """
    # What sticks out on the hidden side is a neighbour's that no box was found for.
    stray, count = labelled(mask & (radius > _STRAY))
    if count:
        gone = np.zeros(count + 1, bool)
        gone[stray[hidden]] = True
        gone[0] = False
        mask = mask & ~gone[stray]
    return filled(mask | ((radius <= 1) & allowed))


def _central_part(mask: BoolArray, own: FloatArray) -> BoolArray | None:
    """The connected part with most pixels deep in the box, without holes and threads; None without any."""
    parts, count = labelled(mask)
    if not count:
        return None
    deep = np.bincount(parts[own < _DEEP**2], minlength=count + 1)
    deep[0] = 0
    if not deep.any():
        return None
    part = filled(parts == int(np.argmax(deep)))
    # Threads to what a neighbour left behind; of tiny cells nothing would be left.
    opened = dilated(dilated(eroded(eroded(part))))
    return opened if opened.sum() > _BODY_SHARE * part.sum() else part


def _fitted_radius(edge: BoolArray, part: tuple[slice, slice], shape: tuple[int, ...]) -> FloatArray | None:
    """Radius of each pixel's centre in the ellipse that fits edge pixels best; None where none does.

    Direct least squares fit of Fitzgibbon et al. in the stable form of Halir and Flusser, "Numerically
    stable direct least squares fitting of ellipses" (WSCG 1998).

    Args:
        edge: ``(h, w)`` of a part of the window.
        part: that part.
        shape: of the window, in which the ellipse's size is taken.
    """
    y, x = np.nonzero(edge)
    if len(x) < _LEAST_VISIBLE_POINTS:
        return None
    middle, scale = (float(x.mean()), float(y.mean())), max(int(np.ptp(x)), int(np.ptp(y)), 1)
    conic = _fitted_conic((x - middle[0]) / scale, (y - middle[1]) / scale)
    if conic is None:
        return None
    rows, cols = part
    u = (np.arange(shape[1]) - cols.start - middle[0]) / scale
    v = (np.arange(shape[0]) - rows.start - middle[1])[:, None] / scale
    a, b, c, d, e, f = conic
    # The conic is proportional to radius² - 1, and -1 at the centre.
    square = (b * v) * u + ((a * u + d) * u + 1) + ((c * v + e) * v + f)
    # Edge pixels belong to the cell: its rim is half a pixel beyond their centres.
    size = math.sqrt(int((square <= 1).sum()) / math.pi)
    grown: FloatArray = np.sqrt(np.maximum(square[part], 0)) * (size / (size + 0.5))
    return grown


def _fitted_conic(u: FloatArray, v: FloatArray) -> tuple[float, ...] | None:
    """``a u² + b uv + c v² + d u + e v + f`` of the ellipse that fits points best, -1 at its centre."""
    curved, straight = np.stack([u * u, u * v, v * v], axis=1), np.stack([u, v, np.ones_like(u)], axis=1)
    inner = straight.T @ straight
    least, *_, most = np.linalg.eigvalsh(inner).tolist()
    if most > 1e10 * least:
        return None
    to_straight = -np.linalg.solve(inner, straight.T @ curved)
    reduced = curved.T @ curved + (curved.T @ straight) @ to_straight
    vectors: NDArray[Any] = np.linalg.eig(np.stack([reduced[2] / 2, -reduced[1], reduced[0] / 2]))[1]
    is_ellipse = 4 * vectors[0].real * vectors[2].real - vectors[1].real ** 2 > 0
    if is_ellipse.sum() != 1:
        return None
    first = vectors[:, np.argmax(is_ellipse)].real
    a, b, c, d, e, f = np.concatenate([first, to_straight @ first]).tolist()
    determinant = 4 * a * c - b * b
    centre = (b * e - 2 * c * d) / determinant, (b * d - 2 * a * e) / determinant
    at_centre = f + (d * centre[0] + e * centre[1]) / 2
    if at_centre == 0:
        return None
    return tuple(-term / at_centre for term in (a, b, c, d, e, f))
