"""Shapes of small binary masks: erosion, holes, moments, the outline around them.

A field holds hundreds of cells and a slide a hundred thousand, each with a mask of its own of some 100 px
across; at that size the fixed cost of general functions exceeds their work, which is why these few are here.
"""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from retina_domains.types import BoolArray, FloatArray, IntArray

_FOUR = ndimage.generate_binary_structure(2, 1)
_TOP, _LEFT, _RIGHT, _BOTTOM = range(4)
# Where the outline goes through a square of 2 x 2 pixels, from one of its sides to another with the mask to
# the right of the way; by the pixels in the mask: 1 upper left, 2 upper right, 4 lower left, 8 lower right.
# Two pixels that touch at their corners alone are apart.
_WAYS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((_TOP, _LEFT),),
    2: ((_RIGHT, _TOP),),
    3: ((_RIGHT, _LEFT),),
    4: ((_LEFT, _BOTTOM),),
    5: ((_TOP, _BOTTOM),),
    6: ((_RIGHT, _TOP), (_LEFT, _BOTTOM)),
    7: ((_RIGHT, _BOTTOM),),
    8: ((_BOTTOM, _RIGHT),),
    9: ((_TOP, _LEFT), (_BOTTOM, _RIGHT)),
    10: ((_BOTTOM, _TOP),),
    11: ((_BOTTOM, _LEFT),),
    12: ((_LEFT, _RIGHT),),
    13: ((_TOP, _RIGHT),),
    14: ((_LEFT, _TOP),),
}
_SECOND = np.array([len(_WAYS.get(case, ())) > 1 for case in range(16)])
_FROM = np.array([_WAYS.get(case, ((0, 0),))[0][0] for case in range(16)])
_TO = np.array([_WAYS.get(case, ((0, 0),))[0][1] for case in range(16)])
_FROM_2 = np.array([_WAYS.get(case, ((0, 0),))[-1][0] for case in range(16)])
_TO_2 = np.array([_WAYS.get(case, ((0, 0),))[-1][1] for case in range(16)])


def eroded(mask: BoolArray) -> BoolArray:
    """The pixels all of whose four neighbours are in the mask; beyond its edges nothing is."""
    out = mask.copy()
    out[1:] &= mask[:-1]
    out[:-1] &= mask[1:]
    out[:, 1:] &= mask[:, :-1]
    out[:, :-1] &= mask[:, 1:]
    out[[0, -1]] = False
    out[:, [0, -1]] = False
    return out


def dilated(mask: BoolArray) -> BoolArray:
    """The mask and the four neighbours of its pixels."""
    out = mask.copy()
    out[1:] |= mask[:-1]
    out[:-1] |= mask[1:]
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    return out


def labelled(mask: BoolArray) -> tuple[NDArray[np.int32], int]:
    """Numbers from 1 for the parts that hang together by four neighbours, 0 elsewhere; how many there are."""
    parts = np.empty(mask.shape, np.int32)
    count = int(ndimage.label(mask, _FOUR, parts))
    return parts, count


def filled(mask: BoolArray) -> BoolArray:
    """The mask with its holes: what its background does not reach from the edges by four neighbours."""
    parts, count = labelled(~mask)
    is_hole = np.ones(count + 1, bool)
    for edge in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        is_hole[edge] = False
    is_hole[0] = True
    whole: BoolArray = is_hole[parts]
    return whole


def eccentricity(mask: BoolArray) -> float:
    """Of the ellipse with the mask's second moments; a pixel's own extent counts. NaN below 3 pixels."""
    weights = mask.astype(np.float64)
    n = float(weights.sum())
    if n < 3:
        return math.nan
    y, x = np.arange(mask.shape[0], dtype=np.float64), np.arange(mask.shape[1], dtype=np.float64)
    rows, cols = weights.sum(axis=1), weights.sum(axis=0)
    y -= float(rows @ y) / n
    x -= float(cols @ x) / n
    xx, yy = float(cols @ x**2) / n + 1 / 12, float(rows @ y**2) / n + 1 / 12
    xy = float(y @ (weights @ x)) / n
    middle, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return math.sqrt(max(0.0, 1.0 - (middle - half) / (middle + half)))


def outline_of(mask: BoolArray, tolerance: float) -> FloatArray | None:
    """``(K, 2)`` x, y of the longest outer edge of a mask, without the closing repeat; None without any.

    The edge runs through the middles between pixels of the mask and their neighbours, as marching squares at
    half way have it (Lorensen and Cline 1987, SIGGRAPH 21:163), in px whose corners are whole numbers. It is
    simplified by the rule of Douglas and Peucker.

    Args:
        mask: ``(H, W)``.
        tolerance: px by which the simplified edge may be off.
    """
    ring = _longest_ring(np.pad(mask, 1))
    if len(ring) < 3:
        return None
    polygon = shapely.Polygon(ring)
    simple = shapely.simplify(polygon, tolerance, preserve_topology=False)
    if not isinstance(simple, shapely.Polygon) or simple.is_empty or not simple.is_valid:
        # Narrow necks may cross; the slower rule keeps them apart.
        simple = shapely.simplify(polygon, tolerance)
    points: FloatArray = shapely.get_coordinates(simple)[:-1]
    return points


def _longest_ring(padded: BoolArray) -> FloatArray:
    """``(K, 2)`` x, y of the longest closed edge of a mask that was padded by a pixel."""
    width = padded.shape[1]
    bits = padded.astype(np.uint8)
    squares = bits[:-1, :-1] | bits[:-1, 1:] << 1 | bits[1:, :-1] << 2 | bits[1:, 1:] << 3
    row, col = np.nonzero((squares > 0) & (squares < 15))
    case = squares[row, col]
    twice = _SECOND[case]
    start = np.concatenate(
        [_side(row, col, _FROM[case], width), _side(row[twice], col[twice], _FROM_2[case[twice]], width)]
    )
    stop = np.concatenate(
        [_side(row, col, _TO[case], width), _side(row[twice], col[twice], _TO_2[case[twice]], width)]
    )
    follows = dict(zip(start.tolist(), stop.tolist(), strict=True))
    longest: list[int] = []
    step = follows.pop
    while len(follows) > len(longest):
        first, after = follows.popitem()
        ring = [first]
        while after != first:
            ring.append(after)
            after = step(after)
        longest = max(longest, ring, key=len)
    sides = np.array(longest, np.int64)
    upright = sides % 2
    y, x = (sides // 2) // width, (sides // 2) % width
    # From centres of padded pixels to corners of unpadded ones: one pixel less, and half a pixel more.
    return np.stack([x - upright * 0.5, y - (1 - upright) * 0.5], axis=1)


def _side(row: IntArray, col: IntArray, side: IntArray, width: int) -> IntArray:
    """One number for the side of each square: twice that of its upper or left pixel, plus 1 between rows."""
    pixel = (row + (side == _BOTTOM)) * width + col + (side == _RIGHT)
    between_rows = (side == _LEFT) | (side == _RIGHT)
    number: IntArray = 2 * pixel + between_rows
    return number
