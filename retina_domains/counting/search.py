"""From one field to its cells: opened at the model's sampling, searched, cells told apart and measured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from retina_domains.cell_shapes import CellShape, measure_cells
from retina_domains.cell_table import CellField
from retina_domains.cells.quality import FieldLook, field_look
from retina_domains.counting.area import AreaScreen, FieldArea, field_area
from retina_domains.counting.objects import FieldObjects, field_objects
from retina_domains.counting.values import CountOptions, FoundField
from retina_domains.errors import BlockReadError, InputFileError, InvalidValueError, RadiometryError
from retina_domains.inference import RowTally, merge_rows, plan_scene, prepare
from retina_domains.merge import join_merged
from retina_domains.pipeline import Forward, TileRow, detect_rows, in_background
from retina_domains.readers import OpenOptions, SceneSource, SlideReader
from retina_domains.readers.fingerprint import fingerprint
from retina_domains.readers.strips import by_strips
from retina_domains.smear_report import SmearKind
from retina_domains.tiling import TileNeeds
from retina_domains.types import Detections, Detector, FloatArray, Scene, SceneReader, SlideGrid, Window

T = TypeVar("T")
# Looks are judged on a square from the middle of a field.
_LOOK_PX = 2048
# Outlines of so many cells of one field are kept; of a slide with more, areas are told and boxes written.
KEPT_OUTLINES = 200_000
_BAND_ROWS = 4096
# Beyond it the pictures lack what the model looks for, and searching them takes for ever.
MOST_ENLARGED = 6.0


@dataclass(frozen=True, slots=True)
class FieldSearch:
    """How fields are searched.

    Args:
        detector: finds objects.
        kind: of the smear.
        options: how.
        advance: told of tiles done and objects found.
    """

    detector: Detector
    kind: SmearKind
    options: CountOptions
    advance: Callable[[int, int], None]

    def field(self, source: SceneSource, mpp: float | None) -> FoundField:
        """Find, tell apart and measure the cells of one field.

        Args:
            source: the image.
            mpp: micrometres a pixel, which go before what the file says.

        Raises:
            InputFileError: the field cannot be read at all.
            RadiometryError: it is no colour image of 8 bits.
            TilingError: tiles of the asked size cannot give a right result.
        """
        content = fingerprint(source.path).split(":")[-1]
        with ExitStack() as opened:
            reader, searched = self._open(opened, source, mpp)
            grid = reader.scene.grid
            assert grid is not None
            watch = _Watch()
            area = watch.timed("look", lambda: field_area(reader))
            tally = RowTally()
            found, seconds = self._detect(searched, area, tally)
            if tally.failed and not tally.done:
                raise InputFileError(f"{source.name}: {tally.failed[0][2]}")
            image = CellField("", source.name, grid.width, grid.height, field_mpp(grid), content)
            objects = field_objects(found, self.detector.classes, self.kind, self.options.hosts)
            shapes = watch.timed("measure", lambda: _shapes(reader, objects.found.xyxy))
            look = watch.timed("look", lambda: _look(reader, area, objects))
        return FoundField(
            image=image,
            path=source.path,
            objects=objects,
            area=area,
            shapes=shapes,
            look=look,
            failures=tuple(reason for _, _, reason in tally.failed),
            saturated=tally.saturated,
            seconds={**seconds, **watch.seconds},
        )

    def tiles(self, source: SceneSource, mpp: float | None) -> int:
        """Number of tiles of a field; 0 where it cannot be opened or tiled, which is told in its turn."""
        options = self.options
        needs = TileNeeds.of(self.detector, options.merge.margin)
        try:
            with ExitStack() as opened:
                _, searched = self._open(opened, source, mpp)
                return len(plan_scene(searched.scene, options.tile, needs, options.inference))
        except (InputFileError, InvalidValueError, RadiometryError):
            return 0

    def _open(
        self, opened: ExitStack, source: SceneSource, mpp: float | None
    ) -> tuple[SceneReader, SceneReader]:
        """The field at its own sampling, and at the model's: the same where there is nothing to change."""
        options = OpenOptions(name=source.name, mpp=mpp)
        reader = opened.enter_context(by_strips(SlideReader(source.path, options)))
        _check_bands(reader.scene, self.detector)
        own = field_mpp(reader.scene.grid)
        wanted = None if own is None else model_mpp(self.detector, own)
        if own is None or wanted is None:
            return reader, reader
        if own > MOST_ENLARGED * wanted:
            raise InvalidValueError(
                f"{source.name}: {own:g} um a pixel, and the model is made for about {wanted:.2g}: a "
                f"picture enlarged {own / wanted:.0f} times shows no more; check --mpp or what the file "
                "says, or take pictures at a higher magnification"
            )
        at_model = SlideReader(source.path, replace(options, to_mpp=wanted))
        return reader, opened.enter_context(by_strips(at_model))

    def _detect(
        self, reader: SceneReader, area: FieldArea, tally: RowTally
    ) -> tuple[Detections, dict[str, float]]:
        """Merged detections, full-resolution px, and seconds by stage."""
        options, grid = self.options, reader.scene.grid
        assert grid is not None
        work = prepare(reader, self.detector, options.tile, options.merge, options.inference)
        work = replace(work, screen=AreaScreen(area, grid, options.merge.margin))
        forward = Forward(self.detector, options.inference.batch_size, work.clock)

        def counted(row: TileRow) -> TileRow:
            self.advance(len(row.status), sum(len(found) for _, found in row.found))
            return tally.count(row)

        fresh = detect_rows(work, forward, options.inference.threads)
        with closing(in_background(fresh, work.stop)) as rows:
            merged = join_merged([part for _, part in merge_rows(work, map(counted, rows))]).detections
        boxes = Detections.of(grid.to_level0(merged.xyxy), merged.scores, merged.labels, frame="scene")
        return boxes, {str(stage): spent for stage, spent in work.clock.seconds.items() if spent}


class _Watch:
    """Adds up the seconds of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, stage: str, work: Callable[[], T]) -> T:
        """What ``work`` returns; its time is booked."""
        started = time.perf_counter()
        done = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
        return done


def model_mpp(detector: Detector, mpp: float) -> float | None:
    """What a field of ``mpp`` micrometres a pixel is brought to for a detector, or None: its own will do."""
    usual = detector.input_spec.mpp_range
    if usual is None or usual[0] <= mpp <= usual[1]:
        return None
    return math.sqrt(usual[0] * usual[1])


def field_mpp(grid: SlideGrid | None) -> float | None:
    """Micrometres a full-resolution px of a field, the mean of both axes, or None."""
    return None if grid is None or grid.mpp is None else math.sqrt(grid.mpp[0] * grid.mpp[1])


def _check_bands(scene: Scene, detector: Detector) -> None:
    if scene.bands != detector.input_spec.channels:
        raise RadiometryError(
            f"{scene.name}: {scene.bands} band(s), expected {detector.input_spec.channels}: a grey image "
            "holds no stain to count by; take it in colour (RGB)"
        )
    if scene.dtype != "uint8":
        raise RadiometryError(
            f"{scene.name}: pixels of type {scene.dtype}, expected 8 bits a band (uint8): save pictures as "
            "the microscope shows them, in 8 bits"
        )


def _shapes(reader: SceneReader, xyxy: FloatArray) -> tuple[CellShape, ...]:
    """Shapes of all cells of a field; of very many, without their outlines and one band of rows at a time."""
    if len(xyxy) <= KEPT_OUTLINES:
        return measure_cells(reader.read, xyxy)
    shapes: list[CellShape] = [CellShape("unmeasured")] * len(xyxy)
    middle = (xyxy[:, 1] + xyxy[:, 3]) / 2
    # Cells beyond the band's edges have a say in the shapes of those within: they may be neighbours.
    reach = 2 * float((xyxy[:, 2:] - xyxy[:, :2]).max())
    for top in range(0, reader.scene.height, _BAND_ROWS):
        near = np.flatnonzero((middle >= top - reach) & (middle < top + _BAND_ROWS + reach))
        for row, shape in zip(near.tolist(), measure_cells(reader.read, xyxy[near]), strict=True):
            if top <= middle[row] < top + _BAND_ROWS:
                shapes[row] = replace(shape, outline=None)
    return tuple(shapes)


def look_window(area: FieldArea) -> Window:
    """The part of a field by which its quality is judged, px."""
    inner = area.window
    height, width = min(inner.height, _LOOK_PX), min(inner.width, _LOOK_PX)
    return Window(
        inner.row + (inner.height - height) // 2, inner.col + (inner.width - width) // 2, height, width
    )


def _look(reader: SceneReader, area: FieldArea, objects: FieldObjects) -> FieldLook | None:
    """What the field looks like, or None where there is nothing to see or its middle cannot be read."""
    window = look_window(area)
    boxes = objects.found.xyxy[objects.host < 0]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = np.array([window.contains(x, y) for x, y in centre.tolist()], bool)
    shift = np.array([window.col, window.row] * 2, np.float64)
    try:
        pixels, _ = reader.read(window)
        return field_look(np.ascontiguousarray(np.moveaxis(pixels, 0, 2)), (boxes - shift)[inside])
    except (BlockReadError, InvalidValueError):
        # All black, or told of as a part that cannot be read: either way there is nothing to judge.
        return None
