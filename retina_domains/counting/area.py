"""Where on a field cells are looked for: not on letterbox bars, scale bars or bare glass."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from retina_domains.cells.frame import CountingFrame
from retina_domains.errors import BlockReadError
from retina_domains.field_mask import field_mask, smear_mask
from retina_domains.screening import Screen, SkipReason
from retina_domains.types import BoolArray, FloatArray, Merged, SceneReader, SlideGrid, Tile, Window

# Up to here a field is looked at pixel by pixel; of larger ones, slides, a picture of this side.
WHOLE_PX = 2**25
# Fine enough for a lone red cell to be seen (`smear_mask`), coarse enough for memory not to matter.
_OVERVIEW_UM = 8.0
_OVERVIEW_PX = (64, 2048)
# Cells touch the border of a field when they come within a pixel of it.
_TOUCH_PX = 1.0


@dataclass(frozen=True, slots=True)
class FieldArea:
    """What of a field is searched, in its full-resolution px.

    Args:
        window: what lies within the bars; its right and lower edge are those of the counting frame.
        mask: ``(h, w)`` of the whole field, true where the smear is seen; None: everywhere in the window.
        step: full-resolution px that a px of the mask spans along x and y.
        exact: what is found off the mask is dropped; else only tiles that lie off it are left out.
    """

    window: Window
    mask: BoolArray | None = None
    step: tuple[float, float] = (1.0, 1.0)
    exact: bool = True

    @classmethod
    def whole(cls, height: int, width: int) -> FieldArea:
        """All of a field."""
        return cls(Window(0, 0, height, width))

    @property
    def frame(self) -> CountingFrame:
        """The counting frame."""
        left, top, right, bottom = self.window.xyxy
        return CountingFrame(left, top, right, bottom, _TOUCH_PX)

    @property
    def searched_px(self) -> float:
        """Area of the frame that is searched, px²."""
        if self.mask is None:
            return float(self.window.height * self.window.width)
        return float(self.mask.sum()) * self.step[0] * self.step[1]

    def holds(self, xy: FloatArray) -> BoolArray:
        """``(N,)`` which of ``(N, 2)`` points are kept where something is found at them."""
        if self.mask is None or not self.exact:
            return np.ones(len(xy), bool)
        height, width = self.mask.shape
        col = np.clip((xy[:, 0] / self.step[0]).astype(np.int64), 0, width - 1)
        row = np.clip((xy[:, 1] / self.step[1]).astype(np.int64), 0, height - 1)
        inside: BoolArray = self.mask[row, col]
        return inside

    def meets(self, window: Window) -> bool:
        """Whether any of a window, in full-resolution px, is searched."""
        if self.mask is None:
            return True
        (left, right), (top, bottom) = (
            (max(0, int(start / step)), math.ceil(stop / step))
            for start, stop, step in (
                (window.col, window.col_stop, self.step[0]),
                (window.row, window.row_stop, self.step[1]),
            )
        )
        return bool(self.mask[top:bottom, left:right].any())

    def touching(self, xyxy: FloatArray) -> BoolArray:
        """``(N,)`` which boxes come within a pixel of the edge of the window."""
        left, top, right, bottom = self.window.xyxy
        low = xyxy[:, :2] <= np.array([left, top]) + _TOUCH_PX
        high = xyxy[:, 2:] >= np.array([right, bottom]) - _TOUCH_PX
        edge: BoolArray = low[:, 0] | low[:, 1] | high[:, 0] | high[:, 1]
        return edge


def field_area(reader: SceneReader) -> FieldArea:
    """Look at a field, opened at its own pixels, for what of it is to be searched.

    A picture is looked at pixel by pixel; of a slide, an overview tells bare glass. Where that cannot be
    decoded all of the field is searched: the tiles that cannot be read are told of one by one.
    """
    scene = reader.scene
    whole = Window(0, 0, scene.height, scene.width)
    try:
        if scene.height * scene.width > WHOLE_PX:
            return _slide_area(reader, whole)
        found = field_mask(*reader.read(whole))
    except BlockReadError:
        return FieldArea(whole)
    if not found.valid.any():
        return FieldArea(whole)
    top, bottom, left, right = found.bars
    window = Window(top, left, scene.height - top - bottom, scene.width - left - right)
    return FieldArea(window, None if found.valid.all() else found.valid)


def _slide_area(reader: SceneReader, whole: Window) -> FieldArea:
    grid = reader.scene.grid
    side, (least, most) = max(whole.height, whole.width), _OVERVIEW_PX
    if grid is not None and grid.mpp is not None:
        most = min(most, max(least, math.ceil(side * grid.mpp[0] / _OVERVIEW_UM)))
    overview, valid = reader.read_overview(most)
    mask = smear_mask(overview, valid)
    step = (whole.width / mask.shape[1], whole.height / mask.shape[0])
    return FieldArea(whole, mask, step, exact=False) if mask.any() else FieldArea(whole)


class AreaScreen(Screen):
    """Leaves out tiles that own nothing of a field's area, and detections whose centre is not on it.

    Args:
        area: of the field.
        grid: how the searched scene lies on the field's own px.
        margin: px of the scene by which two tiles may disagree about an object's centre.
    """

    def __init__(self, area: FieldArea, grid: SlideGrid, margin: float) -> None:
        super().__init__()
        self._area, self._grid, self._reach = area, grid, math.ceil(margin)
        self.dropped = {"mask": 0}

    def skip(self, tile: Tile) -> SkipReason | None:
        """Why a tile need not be read, or None where it must be."""
        core, reach = tile.core, self._reach
        box = np.array([core.col - reach, core.row - reach, core.col_stop + reach, core.row_stop + reach])
        x1, y1, x2, y2 = self._grid.to_level0(box.astype(np.float64)).tolist()
        row, col = math.floor(y1), math.floor(x1)
        own = Window(row, col, math.ceil(y2) - row, math.ceil(x2) - col)
        return None if self._area.meets(own) else "mask"

    def keep(self, merged: Merged) -> Merged:
        """The objects on the area, in their order; the others are counted in ``dropped``."""
        boxes = self._grid.to_level0(merged.detections.xyxy)
        wanted = self._area.holds((boxes[:, :2] + boxes[:, 2:]) / 2)
        self.dropped["mask"] += int((~wanted).sum())
        return Merged(merged.detections.take(wanted), merged.tiles[wanted])
