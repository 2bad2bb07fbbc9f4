"""A whole count: smears in, cells, numbers and a page of each out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from retina_domains import __version__
from retina_domains.cell_table import CellTable
from retina_domains.corrections import check_names
from retina_domains.counting.corrected import corrected_cells, told_count
from retina_domains.counting.figures import smear_numbers, summarise_fields
from retina_domains.counting.findings import (
    marked,
    quality_findings,
    quality_limits,
    reading_findings,
    refuse_grey,
    twin_findings,
)
from retina_domains.counting.labelled import beside_labels
from retina_domains.counting.labelled_outputs import label_errors
from retina_domains.counting.objects import smear_kind
from retina_domains.counting.outputs import write_smear
from retina_domains.counting.overlapping import Layout, counted_once
from retina_domains.counting.results import CountResult, SmearResult
from retina_domains.counting.sampling import SmearSampling
from retina_domains.counting.search import FieldSearch
from retina_domains.counting.smears import Smear, group_smears
from retina_domains.counting.table import smear_table
from retina_domains.counting.values import CountOptions, CountOutputs, FoundField
from retina_domains.errors import (
    InputFileError,
    InvalidValueError,
    OutputError,
    RadiometryError,
    RetinaDomainsError,
    TilingError,
)
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.progress import Progress
from retina_domains.readers import bounded_block_cache
from retina_domains.smear_report import Finding, SmearKind, SmearReport, report_id
from retina_domains.thresholds import thresholds_of
from retina_domains.types import Detector, DetectorFactory
from retina_domains.writers.cell_accuracy import Accuracy

# What one field of several, or one smear of several, may be guilty of without ending the count of the others.
FIELD_ERRORS = (InputFileError, RadiometryError, TilingError, InvalidValueError)


def count_smears(
    inputs: Sequence[str | os.PathLike[str]],
    factory: DetectorFactory,
    outputs: CountOutputs,
    options: CountOptions | None = None,
    progress: Progress | None = None,
) -> CountResult:
    """Count the cells of smears and write what is found.

    Args:
        inputs: pictures, folders of them, patterns, lists or whole slides; pictures in one folder are the
            fields of one smear.
        factory: makes the detector, once the inputs were looked at.
        outputs: where to write.
        options: how to count.
        progress: told of tiles done; None: nobody is.

    Raises:
        InputFileError: no input can be read. Where only some cannot, the others are done and named.
        InvalidValueError: the call is wrong, or the only smear holds nothing to count.
        LabelError: corrections or positions are of other inputs.
        OutputError: an output cannot be written.
    """
    options, progress = options or CountOptions(), progress or Progress(quiet=True)
    smears = group_smears(inputs)
    _check_call(smears, outputs, options)
    done: list[SmearResult] = []
    failures: dict[str, str] = {}
    with bounded_block_cache():
        detector = factory()
        kind = smear_kind(detector.classes, options.kind)
        for smear in smears:
            folder = outputs.folder if len(smears) == 1 else outputs.folder / smear.name
            try:
                count = _SmearCount(smear, detector, kind, options, progress)
                done.append(count.run(folder, outputs.overlays))
            except FIELD_ERRORS as error:
                if len(failures) + 1 == len(smears):
                    raise
                failures[smear.name] = str(error)
                progress.note(f"{smear.name}: left out: {error}")
    return CountResult(tuple(done), failures)


def _check_call(smears: Sequence[Smear], outputs: CountOutputs, options: CountOptions) -> None:
    """What can be told before anything is computed."""
    names = {field.name for smear in smears for field in smear.fields}
    for name in options.exclude:
        if name not in names:
            raise InvalidValueError(
                f"field {name!r} is to be left out, and none of the {len(names)} has that name: expected a "
                f"file name such as {min(names)}"
            )
    if len(smears) > 1 and (options.corrections is not None or options.positions is not None):
        raise InvalidValueError(
            f"{len(smears)} smears ({', '.join(smear.name for smear in smears[:3])}, …) with corrections or "
            "positions of one: count that one by itself"
        )
    if options.corrections is not None:
        check_names(options.corrections, names)
    _check_folder(outputs.folder)


def _check_folder(folder: Path) -> None:
    """That a folder can be written to is told before an hour is spent on what is to go there."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise OutputError(f"cannot write into {folder}: {there} is a file; name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write into {folder}: there is no right to write in {there}; name another folder"
        )


class _SmearCount:
    """The count of one smear: what every step needs, so that each step has a short name."""

    def __init__(
        self, smear: Smear, detector: Detector, kind: SmearKind, options: CountOptions, progress: Progress
    ) -> None:
        self.started = time.monotonic()
        self.smear, self.detector, self.kind = smear, detector, kind
        # Settled once, so that the search, the provenance and the choice of a confusion speak of the same.
        self.thresholds = thresholds_of(detector, options.inference.score_threshold)
        settled = replace(options.inference, score_threshold=self.thresholds.values)
        self.options = replace(options, inference=settled)
        self.progress = progress
        self.sampling = SmearSampling(detector, kind, options.mpp)
        self.failed: dict[str, str] = {}

    def run(self, folder: Path, overlays: bool) -> SmearResult:
        """Search, count, write."""
        options = self.options
        fields = self.sampling.settled(self._search())
        warned = quality_findings(fields, quality_limits(self.kind, options))
        refuse_grey(fields, warned)
        warned += twin_findings(fields)
        excluded = [self._is_excluded(found.image.name, warned) for found in fields]
        inputs = {found.image.name: found.image.sha256 for found in fields}
        provenance = self._provenance()
        name = report_id(self.detector.classes, inputs, provenance)
        cells = smear_table(self.smear.name, fields, self.detector.classes, options.frame)
        cells = corrected_cells(cells, fields, self.kind, options, (name, inputs))
        cells, areas = self._placed(cells, fields, excluded)
        summaries = summarise_fields(cells, areas, excluded, options.hosts.style)
        numbers = smear_numbers(cells, summaries, self.kind, options)
        out = {found.image.name for found, left in zip(fields, excluded, strict=True) if left}
        said = [*reading_findings(fields, self.failed), *warned]
        report = SmearReport(
            title=self.smear.name,
            kind=self.kind,
            classes=self.detector.classes,
            headline=numbers.headline,
            counts=numbers.counts,
            fields=summaries,
            findings=(*numbers.findings, *self.sampling.findings(), *marked(said, out)),
            provenance=provenance,
            inputs=inputs,
        )
        complete = not self.failed and not any(found.failures for found in fields)
        paths, windows = tuple(one.path for one in fields), tuple(one.area.window for one in fields)
        result = SmearResult(report, cells, folder, complete, paths, windows)
        write_smear(folder, report, cells, fields, overlays, self._accuracy(result), self._facts(fields))
        return result

    def _accuracy(self, result: SmearResult) -> Accuracy:
        """What is known of how right the count is."""
        options, labelled = self.options, self.options.labelled
        if labelled is None:
            return Accuracy(record=options.record)
        spec = BootstrapSpec(level=options.draws.level, seed=options.draws.seed)
        compared = beside_labels(CountResult((result,), {}), labelled, options.hosts, spec)
        return Accuracy(record=options.record, errors=label_errors(compared, labelled.truth.source))

    def _search(self) -> list[FoundField]:
        """All fields that can be read; anew at the right sampling once their cells have told it."""
        search = FieldSearch(self.detector, self.kind, self.options, self.progress.advance)
        found: list[FoundField] = []
        self.failed = {}
        self.progress.start(sum(search.tiles(source, self.sampling.mpp) for source in self.smear.fields))
        for source in self.smear.fields:
            try:
                found.append(search.field(source, self.sampling.mpp))
            except FIELD_ERRORS as error:
                self._fail(source.name, error)
            if self.sampling.is_off(found):
                self.progress.note(f"{self.smear.name}: searched anew at {self.sampling.mpp:.4g} um a pixel")
                return self._search()
        self.progress.finish()
        return found

    def _fail(self, name: str, error: RetinaDomainsError) -> None:
        """Note a field's failure; it ends the count where there is no other field."""
        if len(self.failed) + 1 == len(self.smear.fields):
            raise error
        self.failed[name] = str(error)
        self.progress.note(f"{name}: left out: {error}")

    def _is_excluded(self, name: str, warned: Sequence[Finding]) -> bool:
        if name in self.options.exclude:
            return True
        return self.options.exclude_bad and any(finding.field == name for finding in warned)

    def _placed(
        self, cells: CellTable, fields: Sequence[FoundField], excluded: Sequence[bool]
    ) -> tuple[CellTable, list[float]]:
        """Cells counted once where fields overlap, and the area of each field in which its cells count."""
        areas = [found.area for found in fields]
        if self.options.positions is None:
            return cells, [area.searched_px for area in areas]
        layout = Layout.of([image.name for image in cells.fields], areas, self.options.positions)
        used = [not left for left in excluded]
        return counted_once(cells, layout, used), layout.own_areas(used)

    def _provenance(self) -> dict[str, str]:
        options = self.options
        told = {
            **{name: value for name, value in self.detector.provenance.items() if name != "research_only"},
            "score_threshold": self.thresholds.text,
            "software": f"retina-domains {__version__}",
            "version": __version__,
            "smear": self.kind,
            "counting_frame": "right and lower edge exclude" if options.frame else "none: all cells count",
            "seed": str(options.draws.seed),
        }
        if options.corrections is not None:
            told["corrections"] = told_count(options.corrections)
        return told

    def _facts(self, fields: Sequence[FoundField]) -> dict[str, Any]:
        stages = dict.fromkeys(name for found in fields for name in found.seconds)
        seconds = {name: sum(found.seconds.get(name, 0.0) for found in fields) for name in stages}
        total = time.monotonic() - self.started
        return {
            "unreadable_fields": dict(self.failed),
            "seconds": {name: round(spent, 3) for name, spent in {**seconds, "total": total}.items()},
        }
