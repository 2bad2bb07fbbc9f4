"""A whole job: several inputs, several outputs, a journal between them, and an account of it all."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace

from retina_domains import __version__
from retina_domains.accounts import JobResult, SceneAccount, job_facts
from retina_domains.across_scenes import SeenObjects
from retina_domains.errors import (
    GeoreferenceError,
    InputFileError,
    InvalidValueError,
    RadiometryError,
    ResumeError,
    TilingError,
)
from retina_domains.inference import (
    RowTally,
    axes_facts,
    merge_rows,
    open_with,
    place,
    plan_scene,
    prepare,
    ruler_of,
    scene_facts,
)
from retina_domains.job_options import JobOptions, JobOutputs, OutputFile
from retina_domains.journal import Journal, journal_path
from retina_domains.pipeline import Forward, SceneWork, TileRow, detect_rows, in_background
from retina_domains.progress import Progress
from retina_domains.readers import SceneSource, bounded_block_cache, expand_inputs
from retina_domains.readers.fingerprint import fingerprint, modified_ns
from retina_domains.screening import Screening
from retina_domains.showcase import Showcase
from retina_domains.thresholds import thresholds_of
from retina_domains.tiling import TileGrid, TileNeeds
from retina_domains.types import Detector, DetectorFactory, GeoDetections, RunHeader, Scene
from retina_domains.writers import (
    CocoIds,
    TileReport,
    Writer,
    check_writable,
    open_writer,
    write_summary,
)

__all__ = ["JobOptions", "JobOutputs", "OutputFile", "run_job"]

# What one scene of several may be guilty of without ending the job for the others.
SCENE_ERRORS = (InputFileError, GeoreferenceError, RadiometryError, TilingError)


def run_job(
    inputs: Sequence[str | os.PathLike[str]],
    factory: DetectorFactory,
    outputs: JobOutputs,
    options: JobOptions | None = None,
    progress: Progress | None = None,
) -> JobResult:
    """Find the objects of every input and write them to every output.

    Outputs appear whole at the end, or not at all. After an interrupt, a kill or a full disk a journal
    remains beside the first output, and the same call with ``resume`` goes on from it.

    Args:
        inputs: rasters, folders, patterns or lists of them.
        factory: makes the detector, once the inputs were looked at.
        outputs: what to write.
        options: how.
        progress: told of tiles done; None: nobody is.

    Raises:
        InputFileError: no input can be read. Where only some cannot, the others are done and the result
            says so.
        ResumeError: the journal is of another job.
        OutputError: an output cannot be written.
    """
    options = options or JobOptions()
    progress = progress or Progress(quiet=True)
    for output in outputs.files:
        _ = output.format_name  # an unknown ending is told before anything is read
    for path in (outputs.preview, outputs.report, outputs.summary):
        if path is not None:
            check_writable(path)
    with bounded_block_cache():
        sources = expand_inputs(inputs)
        job = _Job(sources, outputs, options, progress)
        job.survey()
        return job.run(factory())


class _Job:
    """The state of one run: what every step needs, so that each step has a short name."""

    def __init__(
        self, sources: Sequence[SceneSource], outputs: JobOutputs, options: JobOptions, progress: Progress
    ) -> None:
        self.started = time.monotonic()
        self.sources = list(enumerate(sources))
        self.outputs = outputs
        self.options = options
        self.progress = progress
        self.screening = Screening.read(options.inference.screen)
        self.scenes: dict[int, Scene] = {}
        self.accounts: list[SceneAccount] = []
        across = options.merge_scenes_m
        self.seen = None if across is None else SeenObjects(across)
        self.failures: dict[str, str] = {}

    def survey(self) -> None:
        """Open every input once, so that what is wrong is told before anything is computed."""
        for index, source in self.sources:
            try:
                with open_with(source.path, self.options.inference, source.name) as reader:
                    self.outputs.check_scene(reader.scene)
                    self.screening.check(reader.scene)
                    self.scenes[index] = reader.scene
            except (*SCENE_ERRORS, InvalidValueError) as error:
                self._fail(source, error)

    def _fail(self, source: SceneSource, error: Exception) -> None:
        """Note a scene's failure; it ends the job where there is no other scene."""
        if len(self.failures) + 1 == len(self.sources):
            raise error
        self.failures[source.name] = str(error)
        self.progress.note(f"{source.name}: left out: {error}")

    def run(self, detector: Detector) -> JobResult:
        """Do the scenes one after another, and account for them."""
        self.screening.check_detector(detector)
        header = self.outputs.header(self._provenance(detector), detector.classes)
        outputs = self.outputs
        showcase = Showcase(
            detector.classes, outputs.preview, outputs.report, len(self.sources) > 1, self.progress.note
        )
        with ExitStack() as open_files:
            writers = self._open_writers(header, open_files)
            journal = self._open_journal(detector)
            open_files.callback(journal.close)
            self.progress.start(self._count_tiles(detector))
            sinks = _Sinks(writers, showcase, journal)
            for index, source in self.sources:
                if index in self.scenes:
                    try:
                        self._run_scene(index, source, detector, sinks)
                    except SCENE_ERRORS as error:
                        self._fail(source, error)
        self.progress.finish()
        facts = job_facts(detector, self.accounts, self.failures, time.monotonic() - self.started)
        facts["screening"] = self.screening.facts()
        facts["outputs"] = [str(output.path) for output in outputs.files]
        showcase.finish(self._title(), facts, header.research_only)
        facts["pictures"] = [str(path) for path in showcase.written]
        if outputs.summary is not None:
            write_summary(outputs.summary, facts)
        journal.remove()
        return JobResult(facts)

    def _provenance(self, detector: Detector) -> dict[str, str]:
        thresholds = thresholds_of(detector, self.options.inference.score_threshold)
        ours = {"software": f"retina-domains {__version__}", "score_threshold": thresholds.text}
        return {**detector.provenance, **ours}

    def _title(self) -> str:
        first = self.sources[0][1].name
        return first if len(self.sources) == 1 else f"{first} and {len(self.sources) - 1} more"

    def _open_writers(self, header: RunHeader, open_files: ExitStack) -> list[Writer]:
        images = self.outputs.coco_images
        coco_ids = None if images is None else CocoIds.read(images)
        scenes = list(self.scenes.values())
        return [
            open_files.enter_context(
                open_writer(output.path, output.format_name, header, scenes=scenes, coco_ids=coco_ids)
            )
            for output in self.outputs.files
        ]

    def _open_journal(self, detector: Detector) -> Journal:
        """With everything on which the result depends; batch size, threads and device are not among it."""
        options = self.options
        inference = options.inference
        job = {
            "version": __version__,
            "model": detector.provenance,
            "inputs": [source.path for _, source in self.sources],
            "tile size": options.tile.size,
            "overlap": options.tile.overlap,
            "origin": inference.origin,
            "merge": [options.merge.iou_threshold, options.merge.centre_distance, options.merge.margin],
            "score threshold": inference.score_threshold,
            "merge scenes": options.merge_scenes_m,
            "radiometry": inference.radiometry,
            "bands": inference.bands,
            "rules": self.screening.facts(),
        }
        path = journal_path(self.outputs.files[0].path)
        if path.exists() and not options.resume:
            self.progress.note(
                f"{path.name} is there from an unfinished run: starting over, as --resume is not set"
            )
        return Journal(path, job, options.resume)

    def _count_tiles(self, detector: Detector) -> int:
        options = self.options
        needs = TileNeeds.of(detector, options.merge.margin)
        total = 0
        for scene in self.scenes.values():
            with suppress(TilingError):  # told when its turn comes
                total += len(plan_scene(scene, options.tile, needs, options.inference))
        return total

    def _run_scene(self, index: int, source: SceneSource, detector: Detector, sinks: _Sinks) -> None:
        options = self.options
        if self.seen is not None:
            self.seen.begin_scene()
        sinks.showcase.begin_scene()
        with open_with(source.path, options.inference, source.name) as reader:
            content = self._identify(index, source, sinks.journal)
            info = replace(reader.scene.info, extra={**reader.scene.info.extra, "input_sha256": content})
            scene = replace(reader.scene, info=info)
            work = prepare(reader, detector, options.tile, options.merge, options.inference, self.screening)
            ruler = ruler_of(work, detector, options.inference)
            forward = Forward(detector, options.inference.batch_size, work.clock)
            tally = RowTally()
            by_class: Counter[int] = Counter()
            replayed = sinks.journal.rows_of(index)
            with closing(self._rows(index, work, forward, tally, sinks.journal)) as rows:
                for row, final in merge_rows(work, rows):
                    found = self._unseen(place(work, ruler, scene, final), tally)
                    with work.clock.stage("write"):
                        sinks.write(found, row, work.grid)
                    by_class.update(found.merged.detections.labels.tolist())
                    tiles = 0 if row is None else work.grid.cols
                    self.progress.advance(tiles, len(found), row is not None and row.row < replayed)
            sinks.showcase.end_scene(reader, work.scaling, by_class)
            facts = {"sha256": content, **scene_facts(work, forward, tally), "axes": axes_facts(ruler)}
            self.accounts.append(SceneAccount(scene, facts, by_class))

    def _unseen(self, found: GeoDetections, tally: RowTally) -> GeoDetections:
        """Without the objects that an earlier scene of the job has shown, where that is asked for."""
        if self.seen is None:
            return found
        fresh = self.seen.fresh(found)
        tally.seen_before += int((~fresh).sum())
        return found.take(fresh)

    def _identify(self, index: int, source: SceneSource, journal: Journal) -> str:
        """The input's fingerprint; refuses to go on with an input that has changed."""
        content = fingerprint(source.path)
        identity = {"content": content, "modified": modified_ns(source.path)}
        known = journal.scene(index)
        if known is None:
            journal.begin_scene(index, identity)
        elif known != identity:
            raise ResumeError(
                f"cannot resume: {source.name} has changed since the journal was written: leave out --resume "
                "to start over"
            )
        return content

    def _rows(
        self, index: int, work: SceneWork, forward: Forward, tally: RowTally, journal: Journal
    ) -> Generator[TileRow, None, None]:
        for row in journal.replay(index):
            yield tally.count(row)
        first = journal.rows_of(index)
        if first == work.grid.rows:
            return
        fresh = detect_rows(work, forward, self.options.inference.threads, first, tally.done)
        with closing(in_background(fresh, work.stop)) as rows:
            for row in rows:
                yield tally.count(journal.append(index, row))


@dataclass(frozen=True, slots=True)
class _Sinks:
    """Where results go."""

    writers: Sequence[Writer]
    showcase: Showcase
    journal: Journal

    def write(self, found: GeoDetections, row: TileRow | None, grid: TileGrid) -> None:
        """Write objects, and what became of a row of tiles."""
        self.showcase.add(found)
        for writer in self.writers:
            writer.write(found)
            if row is not None:
                writer.write_tiles(TileReport(found.scene, tuple(grid.row(row.row)), row.status))
