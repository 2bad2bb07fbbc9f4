"""The straight line in one call: a raster and a detector in, located objects out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retina_domains.errors import InvalidValueError
from retina_domains.georef import GcpMethod
from retina_domains.locate import locate
from retina_domains.merge import SeamMerger, join_merged
from retina_domains.pipeline import Forward, SceneWork, TileRow, detect_rows, in_background
from retina_domains.radiometry import BandScaling, RadiometryChoice, resolve_scaling
from retina_domains.readers import ArrayReader, bounded_block_cache, open_scene, sample_scene
from retina_domains.readers.strips import by_strips
from retina_domains.screening import SKIP_REASONS, Screening, ScreenSpec, SkipReason
from retina_domains.second_read import MEASURING, Measuring, SecondRead, second_read
from retina_domains.thresholds import thresholds_of
from retina_domains.tiling import TileGrid, TileNeeds, plan_tiles
from retina_domains.types import (
    Detector,
    GeoDetections,
    Georeference,
    Merged,
    MergeSpec,
    Scene,
    SceneReader,
    TileSpec,
)

# On open sea a ship costs the tile in which it lies, so smaller ones leave more out.
PRESCREEN_TILE_PX = 512
SceneLike = str | os.PathLike[str] | NDArray[Any] | SceneReader


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceOptions:
    """How a job is done.

    Args:
        batch_size: chips that reach the detector together.
        threads: reader threads.
        score_threshold: boxes below are dropped: one for all classes, or one a class in the detector's
            order; None: as the detector recommends.
        radiometry: what the pixels are, or ``"auto"``.
        bands: bands to read, from 1; None: all but alpha.
        gcp_method: how ground control points become positions.
        rpc_height: metres above the ellipsoid at which rational polynomials are used.
        origin: the lattice of tile origins passes through this row and column.
        allow_small_overlap: accept a ``TileSpec.overlap`` below what the detector needs.
        screen: what need not be computed, and which objects are not wanted.
        measure: whether length, width and heading come from the objects' own pixels: ``"auto"`` where a
            detector of radar images works on a scene with a georeference, ``"on"`` in any single band with
            one, ``"off"`` never.
    """

    batch_size: int = 4
    threads: int = 2
    score_threshold: float | tuple[float, ...] | None = None
    radiometry: RadiometryChoice = "auto"
    bands: tuple[int, ...] | None = None
    gcp_method: GcpMethod = "tps"
    rpc_height: float = 0.0
    origin: tuple[int, int] = (0, 0)
    allow_small_overlap: bool = False
    screen: ScreenSpec = field(default_factory=ScreenSpec)
    measure: Measuring = "auto"

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.threads < 1:
            raise InvalidValueError(
                f"batch size {self.batch_size} and {self.threads} threads: expected 1 or more"
            )
        asked = self.score_threshold
        each = asked if isinstance(asked, tuple) else () if asked is None else (asked,)
        if not all(0 <= value <= 1 for value in each):
            raise InvalidValueError(f"score threshold {asked}: expected 0 to 1")
        if self.measure not in MEASURING:
            raise InvalidValueError(f"measure {self.measure!r}: expected one of {', '.join(MEASURING)}")


@dataclass(frozen=True, slots=True)
class SceneResult:
    """What was found in one scene.

    Args:
        detections: the objects, in the stable order.
        georeference: where the scene lies, or None.
        summary: facts about the run.
    """

    detections: GeoDetections
    georeference: Georeference | None
    summary: dict[str, Any]


def infer_scene(
    scene: SceneLike,
    detector: Detector,
    tile: TileSpec | None = None,
    merge: MergeSpec | None = None,
    options: InferenceOptions | None = None,
) -> SceneResult:
    """Find the objects of one scene.

    Args:
        scene: a path, as GDAL names it; an open reader; or an array ``(H, W)`` or ``(C, H, W)``.
        detector: finds them, tile by tile.
        tile: side and overlap of the tiles; None: from the detector.
        merge: when two boxes are one object.
        options: batch size, threads, threshold, radiometry.

    Raises:
        InputFileError: the file cannot be read.
        TilingError: size or overlap cannot give a right result.
        RadiometryError: pixels do not fit the detector, or what was declared.
        GeoreferenceError: a rule of ``options.screen`` has no place in the scene.
    """
    options = options or InferenceOptions()
    screening = Screening.read(options.screen)
    screening.check_detector(detector)
    with bounded_block_cache(), _opened(scene, options) as reader:
        work = prepare(reader, detector, tile or TileSpec(), merge or MergeSpec(), options, screening)
        forward = Forward(detector, options.batch_size, work.clock)
        tally = RowTally()
        with closing(in_background(detect_rows(work, forward, options.threads), work.stop)) as rows:
            merged = join_merged([part for _, part in merge_rows(work, map(tally.count, rows))])
        ruler = ruler_of(work, detector, options)
        found = place(work, ruler, reader.scene, merged)
    facts = {**scene_facts(work, forward, tally), "axes": axes_facts(ruler)}
    return SceneResult(found, reader.scene.georef, facts)


def prepare(
    reader: SceneReader,
    detector: Detector,
    tile: TileSpec,
    merge: MergeSpec,
    options: InferenceOptions,
    screening: Screening | None = None,
) -> SceneWork:
    """Decide tiles, radiometry and thresholds of one scene; the caller has read ``options.screen``."""
    grid = plan_scene(reader.scene, tile, TileNeeds.of(detector, merge.margin), options)
    thresholds = thresholds_of(detector, options.score_threshold)
    scaling = scene_scaling(reader, detector, options.radiometry)
    rules = screening or Screening()
    screen = rules.of_scene(reader.scene, grid, merge.margin, detector.max_object_px)
    screen.look(reader, scaling.radiometry)
    return SceneWork(reader, grid, scaling, merge, thresholds, screen)


def plan_scene(scene: Scene, tile: TileSpec, needs: TileNeeds, options: InferenceOptions) -> TileGrid:
    """The tiles of one scene. A prescreen works by tile, so with it they are smaller where none are named."""
    if options.screen.prescreen:
        small = max(PRESCREEN_TILE_PX, 2 * needs.overlap)
        needs = replace(needs, size=min(needs.size, -(-small // needs.multiple) * needs.multiple))
    return plan_tiles(
        scene.height,
        scene.width,
        tile,
        needs,
        origin=options.origin,
        allow_small_overlap=options.allow_small_overlap,
    )


def scene_scaling(reader: SceneReader, detector: Detector, radiometry: RadiometryChoice) -> BandScaling:
    """One stretch for the whole scene, from a sample of it."""
    scene = reader.scene
    sample, valid = sample_scene(reader)
    return resolve_scaling(detector.input_spec, radiometry, scene.dtype, sample, valid, scene.calibrated)


def merge_rows(work: SceneWork, rows: Iterator[TileRow]) -> Iterator[tuple[TileRow | None, Merged]]:
    """Merge rows of tiles as they come, and drop what is not wanted.

    The last item, without a row, holds what was still held back.
    """
    merger = SeamMerger(work.grid, work.merge)
    for row in rows:
        with work.clock.stage("merge"):
            found = [(work.grid.tile(row.row, col), detections) for col, detections in row.found]
            final = work.screen.keep(merger.push_row(row.row, found))
        yield row, final
    with work.clock.stage("merge"):
        final = work.screen.keep(merger.finish())
    yield None, final


def ruler_of(work: SceneWork, detector: Detector, options: InferenceOptions) -> SecondRead | str:
    """Who measures the objects of a scene; or, where they are not measured, why."""
    return second_read(work.reader, detector.input_spec, work.scaling.radiometry, options.measure)


def place(work: SceneWork, ruler: SecondRead | str, scene: Scene, merged: Merged) -> GeoDetections:
    """Measure and locate merged objects."""
    if isinstance(ruler, str) or not len(merged):
        return locate(scene, merged)
    with work.clock.stage("measure"):
        axes = ruler.axes(merged)
    return locate(scene, merged, axes)


def axes_facts(ruler: SecondRead | str) -> dict[str, Any] | str:
    """For the summary: how many objects were measured, or why none."""
    return ruler if isinstance(ruler, str) else ruler.facts()


@dataclass(slots=True)
class RowTally:
    """Counts what became of tiles."""

    done: int = 0
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    saturated: int = 0
    recovered: int = 0
    seen_before: int = 0
    failed: list[tuple[int, int, str]] = field(default_factory=list)

    def count(self, row: TileRow) -> TileRow:
        """Add one row and hand it on."""
        self.done += row.status.count("done")
        self.skipped.update(reason for _, reason in row.skipped)
        self.saturated += row.saturated
        self.recovered += row.recovered
        self.failed.extend((row.row, col, reason) for col, reason in row.failures)
        return row


def scene_facts(work: SceneWork, forward: Forward, tally: RowTally) -> dict[str, Any]:
    """Facts about one scene's run, for the summary."""
    grid = work.grid
    return {
        "tiles": {
            "size": grid.size,
            "overlap": grid.overlap,
            "planned": len(grid),
            "done": tally.done,
            "skipped": tally.skipped.total(),
            "failed": len(tally.failed),
            "saturated": tally.saturated,
            "recovered": tally.recovered,
        },
        "seen_before": tally.seen_before,
        "skipped": {reason: tally.skipped[reason] for reason in SKIP_REASONS},
        "dropped": dict(work.screen.dropped),
        "failures": [{"row": r, "col": c, "reason": reason} for r, c, reason in tally.failed],
        "radiometry": work.scaling.to_dict(),
        "score_threshold": work.thresholds.facts,
        "batch_halvings": forward.halvings,
        "seconds": {name: round(value, 4) for name, value in work.clock.seconds.items()},
    }


def open_with(
    path: str | os.PathLike[str], options: InferenceOptions, name: str | None = None
) -> SceneReader:
    """Open a scene as the options say; ``name`` is its name in outputs."""
    reader = open_scene(
        path, bands=options.bands, name=name, gcp_method=options.gcp_method, rpc_height=options.rpc_height
    )
    return by_strips(reader)


def _opened(scene: SceneLike, options: InferenceOptions) -> AbstractContextManager[SceneReader]:
    if isinstance(scene, str | os.PathLike):
        return open_with(scene, options)
    if options.bands is not None:
        raise InvalidValueError("bands are chosen of files only: pass the part of the array that is meant")
    if isinstance(scene, np.ndarray):
        return ArrayReader(scene)
    # The caller opened it, so the caller closes it.
    return nullcontext(scene)
