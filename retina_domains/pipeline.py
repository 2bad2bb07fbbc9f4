"""From an open scene to rows of detections: read ahead, normalise, batch, detect.

Threads. A few reader threads fetch and normalise chips ahead of need; the detector runs in a thread of its
own, so that merging and writing, done by whoever consumes the rows, never keep it waiting. Every queue is
bounded, so memory does not grow with the scene.

Batches run across the ends of tile rows and are cut from the sequence of tiles that reach the detector, so
that they hold the same chips whatever the number of threads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, TypeVar

from retina_domains.errors import BlockReadError, DeviceMemoryError, InvalidValueError
from retina_domains.merge import keep_near_core
from retina_domains.radiometry import BandScaling
from retina_domains.screening import Screen, SkipReason
from retina_domains.thresholds import ScoreThresholds
from retina_domains.tiling import TileGrid
from retina_domains.types import Chip, Detections, Detector, MergeSpec, SceneReader, Tile
from retina_domains.writers.base import TileStatus

T = TypeVar("T")
Stage = Literal["prescreen", "read", "normalise", "forward", "merge", "measure", "write"]
STAGES: tuple[Stage, ...] = ("prescreen", "read", "normalise", "forward", "merge", "measure", "write")
ROWS_AHEAD = 4


@dataclass(frozen=True, slots=True)
class TileRow:
    """What one row of tiles gave.

    Args:
        row: the tile row.
        status: what became of each tile, from left to right.
        found: column and detections (scene frame, near the core) of the tiles that have some.
        failures: column and reason of the tiles that could not be read.
        skipped: column and reason of the tiles that did not reach the detector.
        saturated: number of tiles whose candidates were cut.
        recovered: number of tiles that were decoded again with larger caps.
    """

    row: int
    status: tuple[TileStatus, ...]
    found: tuple[tuple[int, Detections], ...] = ()
    failures: tuple[tuple[int, str], ...] = ()
    saturated: int = 0
    recovered: int = 0
    skipped: tuple[tuple[int, SkipReason], ...] = ()


class StageClock:
    """Seconds spent by stage, summed over threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Add the time that the block takes."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            with self._lock:
                self.seconds[name] += spent


@dataclass(frozen=True, slots=True)
class SceneWork:
    """All that is needed to find the objects of one scene.

    Args:
        reader: the open scene.
        grid: its tiles.
        scaling: its radiometry.
        merge: margin and thresholds, for what is kept of a tile.
        thresholds: boxes below that of their class are dropped.
        screen: what need not be computed, and which objects are not wanted.
        clock: where time is booked.
        stop: when set, the work ends before the next tile.
    """

    reader: SceneReader
    grid: TileGrid
    scaling: BandScaling
    merge: MergeSpec
    thresholds: ScoreThresholds
    screen: Screen = field(default_factory=Screen)
    clock: StageClock = field(default_factory=StageClock)
    stop: threading.Event = field(default_factory=threading.Event)

    def load(self, tile: Tile) -> Chip | SkipReason:
        """The normalised chip of a tile, or why the detector need not see it.

        That is so where a rule of the screen says it, or where the tile's core and the margin around hold no
        valid pixel.

        Raises:
            BlockReadError: the file cannot be decoded there.
        """
        reason = self.screen.skip(tile)
        if reason is None:
            with self.clock.stage("prescreen"):
                reason = self.screen.dark(tile)
        if reason is not None:
            return reason
        with self.clock.stage("read"):
            pixels, valid = self.reader.read(tile.window)
        if not valid[self._own_part(tile)].any():
            return "nodata"
        with self.clock.stage("normalise"):
            return Chip(self.scaling.apply(pixels, valid), valid, tile)

    def _own_part(self, tile: Tile) -> tuple[slice, slice]:
        grown = int(self.merge.margin) + 1
        own = tile.window.intersection(tile.core.grown(grown))
        row, col = own.row - tile.window.row, own.col - tile.window.col
        return slice(row, row + own.height), slice(col, col + own.width)

    def keep(self, tile: Tile, found: Detections) -> Detections:
        """What the merge needs of a tile's detections, in the scene's frame."""
        strong = found.take(self.thresholds.reached(found.scores, found.labels)).to_scene(tile.window)
        return keep_near_core(strong, tile, self.grid, self.merge)


class Forward:
    """Runs a detector on batches, and on smaller ones where the device is full.

    Args:
        detector: finds the objects.
        batch_size: chips at a time.
        clock: where time is booked.
    """

    def __init__(self, detector: Detector, batch_size: int, clock: StageClock) -> None:
        if batch_size < 1:
            raise InvalidValueError(f"batch size {batch_size}: expected 1 or more")
        self._detector = detector
        self._clock = clock
        self.batch_size = batch_size
        self.halvings = 0

    def __call__(self, chips: Sequence[Chip]) -> list[Detections]:
        """Detections of each chip.

        Raises:
            DeviceMemoryError: not even one chip fits the device.
        """
        results: list[Detections] = []
        while len(results) < len(chips):
            part = chips[len(results) : len(results) + self.batch_size]
            try:
                with self._clock.stage("forward"):
                    found = self._detector.predict(part)
            except DeviceMemoryError:
                if len(part) == 1:
                    raise
                self.batch_size = len(part) // 2
                self.halvings += 1
                continue
            if len(found) != len(part):
                raise InvalidValueError(f"the detector gave {len(found)} results for {len(part)} chips")
            results.extend(found)
        return results


@dataclass(slots=True)
class _RowInWork:
    row: int
    status: list[TileStatus | None]
    found: list[tuple[int, Detections]] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    saturated: int = 0
    recovered: int = 0
    skipped: list[tuple[int, SkipReason]] = field(default_factory=list)

    def done(self, col: int, kept: Detections) -> None:
        self.status[col] = "done"
        self.saturated += kept.saturated
        self.recovered += kept.recovered
        if len(kept):
            self.found.append((col, kept))

    def finished(self) -> TileRow | None:
        status = tuple(s for s in self.status if s is not None)
        if len(status) < len(self.status):
            return None
        return TileRow(
            self.row,
            status,
            tuple(self.found),
            tuple(self.failures),
            self.saturated,
            self.recovered,
            tuple(self.skipped),
        )


def detect_rows(
    work: SceneWork, forward: Forward, threads: int, first_row: int = 0, done_before: int = 0
) -> Iterator[TileRow]:
    """Find the objects of a scene, row of tiles by row of tiles.

    Args:
        work: the scene and its tiles.
        forward: the detector.
        threads: reader threads.
        first_row: where to start; the rows above were done by an earlier run.
        done_before: tiles of those rows that reached the detector: batches go on as if not interrupted.
    """
    grid = work.grid
    tiles = (tile for row in range(first_row, grid.rows) for tile in grid.row(row))
    rows: deque[_RowInWork] = deque()
    waiting: list[Chip] = []
    room = forward.batch_size - done_before % forward.batch_size
    depth = threads + 2 * forward.batch_size
    with closing(read_ahead(work.load, tiles, threads, depth)) as ahead:
        for tile, loaded in ahead:
            if work.stop.is_set():
                return
            if not rows or rows[-1].row != tile.row:
                rows.append(_RowInWork(tile.row, [None] * grid.cols))
            if isinstance(loaded, BlockReadError):
                rows[-1].status[tile.col] = "failed"
                rows[-1].failures.append((tile.col, str(loaded)))
            elif not isinstance(loaded, Chip):
                rows[-1].status[tile.col] = "skipped"
                rows[-1].skipped.append((tile.col, loaded))
            else:
                waiting.append(loaded)
            if len(waiting) >= room:
                _detect(work, forward, waiting, rows)
                room = forward.batch_size
            yield from _finished(rows)
    _detect(work, forward, waiting, rows)
    yield from _finished(rows)


def _detect(work: SceneWork, forward: Forward, waiting: list[Chip], rows: Iterable[_RowInWork]) -> None:
    by_row = {row.row: row for row in rows}
    for chip, found in zip(waiting, forward(waiting), strict=True):
        by_row[chip.tile.row].done(chip.tile.col, work.keep(chip.tile, found))
    waiting.clear()


def _finished(rows: deque[_RowInWork]) -> Iterator[TileRow]:
    while rows and (row := rows[0].finished()) is not None:
        rows.popleft()
        yield row


def read_ahead(
    load: Callable[[Tile], Chip | SkipReason], tiles: Iterable[Tile], threads: int, depth: int
) -> Generator[tuple[Tile, Chip | SkipReason | BlockReadError], None, None]:
    """Load tiles in their order, up to ``depth`` of them ahead of the one that is taken.

    A tile that cannot be decoded gives its error instead of a chip.
    """
    upcoming = iter(tiles)
    ahead: deque[tuple[Tile, Future[Chip | SkipReason]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    try:
        for tile in islice(upcoming, depth):
            ahead.append((tile, pool.submit(load, tile)))
        while ahead:
            tile, future = ahead.popleft()
            try:
                loaded: Chip | SkipReason | BlockReadError = future.result()
            except BlockReadError as error:
                loaded = error
            yield tile, loaded
            for further in islice(upcoming, 1):
                ahead.append((further, pool.submit(load, further)))
    finally:
        pool.shutdown(cancel_futures=True)


def in_background(
    rows: Iterator[T], stop: threading.Event, backlog: int = ROWS_AHEAD
) -> Generator[T, None, None]:
    """Give the items of an iterator that is advanced in a thread of its own, at most ``backlog`` ahead.

    Its errors are raised here. When this generator is closed, or an interrupt reaches it, ``stop`` is set,
    at which the iterator is expected to end soon.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="detect")
    ahead = deque(pool.submit(next, rows, None) for _ in range(backlog))
    try:
        while (row := ahead.popleft().result()) is not None:
            ahead.append(pool.submit(next, rows, None))
            yield row
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
