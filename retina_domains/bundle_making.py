"""What of a bundle needs no network to be written: manifest, card, figures; and one bundle made of another.

Recalibrated on data of one's own, a bundle keeps its weights and gets another manifest:
:func:`remake_bundle`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retina_domains.bundle import (
    CARD,
    FIGURE,
    MANIFEST,
    ONNX,
    WEIGHTS,
    Bundle,
    Calibration,
    Manifest,
    Metric,
    ObjectSizes,
    TrainingData,
    file_sha256,
    format_manifest,
    parse_manifest,
    read_bundle,
)
from retina_domains.card import format_card, notes_of
from retina_domains.cells.confusion import CONFUSION_FILE, format_confusion
from retina_domains.errors import InputFileError, InvalidValueError, LabelError, OutputError
from retina_domains.evaluation.class_names import with_standard_names
from retina_domains.readers.labels import LabelContext, read_objects
from retina_domains.schema import from_json
from retina_domains.score_report import SCORES_FILE, ScoreReport, format_scores, parse_scores
from retina_domains.writers.reliability import reliability_svg


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What no config knows: ``--card FACTS.json``. Fields as in ``bundle.Manifest``.

    ``version`` and ``score_threshold`` overrule the config's; ``notes`` is Markdown for the card: how it was
    made, what fails.
    """

    research_only: bool
    training: tuple[TrainingData, ...]
    metrics: tuple[Metric, ...]
    version: str | None = None
    score_threshold: float | None = None
    class_thresholds: tuple[float, ...] | None = None
    calibration: Calibration | None = None
    command: str | None = None
    seed: int | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured for a bundle.

    Args:
        scores: as ``calibrate`` wrote it: curves, thresholds, known errors; None: not measured.
        train_labels: labels that the model has learnt from, of which objects outside its range of sizes are
            counted; none: not counted.
    """

    scores: ScoreReport | None = None
    train_labels: tuple[str, ...] = ()

    def into(self, manifest: Manifest, facts: Facts | None) -> Manifest:
        """The manifest with what was measured.

        Raises:
            InvalidValueError: the scores are another model's, or ``facts`` tell something else.
            LabelError: the training labels hold a class that is none of the model's.
        """
        if self.train_labels:
            sizes = object_sizes(self.train_labels, manifest)
            manifest = replace(manifest, object_sizes=sizes)
        scores = self.scores
        if scores is None:
            return manifest
        if (scores.model, scores.classes) != (manifest.name, manifest.classes):
            raise InvalidValueError(
                f"scores of {scores.model} ({', '.join(scores.classes)}) for a bundle {manifest.name} "
                f"({', '.join(manifest.classes)}): calibrate the model that the bundle is made of"
            )
        for name in ("calibration", "score_threshold", "class_thresholds"):
            if facts is not None and getattr(facts, name) is not None:
                raise InvalidValueError(f"the facts tell {name} and so do the scores: leave it out of one")
        return replace(
            manifest,
            calibration=scores.calibration,
            score_threshold=scores.score_threshold,
            class_thresholds=scores.class_thresholds,
        )


NOTHING_MEASURED = Measured()


def read_facts(path: str | Path) -> Facts:
    """Read ``FACTS.json``.

    Raises:
        InputFileError: it is missing or not JSON.
        InvalidValueError: a field is unknown, missing or of a wrong type.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise InputFileError(f"facts {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputFileError(f"facts {path}: not JSON ({error})") from error
    try:
        return from_json(Facts, data)
    except InvalidValueError as error:
        raise InvalidValueError(f"facts {path}: {error}") from error


def read_scores(path: str | Path) -> ScoreReport:
    """Read what ``calibrate`` wrote.

    Raises:
        InputFileError: it cannot be read.
        InvalidValueError: it breaks its schema.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(f"scores {path}: {error}") from error
    return parse_scores(text, str(path))


def object_sizes(labels: Sequence[str], manifest: Manifest) -> tuple[ObjectSizes, ...]:
    """Training objects of each class, and how many lie outside the network's range of sizes.

    Raises:
        LabelError: an object is of no class of the model, or has no box in pixels.
    """
    low, high = manifest.architecture.object_size_range
    sides: dict[str, list[float]] = {name: [] for name in manifest.classes}
    for path in labels:
        table, _ = with_standard_names(read_objects(path, LabelContext(None)), list(manifest.classes))
        if table.pixel is None:
            raise LabelError(f"{path}: its objects have no boxes in pixels")
        extent = table.pixel[:, 2:] - table.pixel[:, :2]
        for row in np.flatnonzero(~(table.ignored | table.crowd)):
            name = str(table.names[row])
            if name not in sides:
                raise LabelError(f"{path}: class {name!r}, the model has {', '.join(manifest.classes)}")
            sides[name].append(float(np.sqrt(extent[row].prod())))
    return tuple(
        ObjectSizes(
            name=name,
            objects=len(found),
            below=sum(side < low for side in found),
            above=sum(side > high for side in found),
        )
        for name, found in sides.items()
    )


def check_out(out: str | Path) -> None:
    """Refuse a place that holds something else than a bundle.

    Raises:
        OutputError: it does.
    """
    if Path(out).exists() and not (Path(out) / MANIFEST).is_file():
        raise OutputError(f"{out} exists and is not a bundle: choose another folder or remove it")


@contextmanager
def replacing(out: str | Path) -> Iterator[Path]:
    """A new folder that takes the place of ``out`` once it is filled without an error.

    Raises:
        OutputError: it cannot be written.
    """
    out = Path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
            folder = Path(scratch) / "bundle"
            folder.mkdir()
            yield folder
            if out.exists():
                out.replace(Path(scratch) / "old")
            folder.replace(out)
    except OSError as error:
        raise OutputError(f"bundle {out}: {error.strerror or error}") from error


def write_about(folder: Path, manifest: Manifest, notes: str | None, scores: ScoreReport | None) -> None:
    """Write all but the weights, which must be there.

    Args:
        folder: of the bundle.
        manifest: all hashes are made anew.
        notes: for the card.
        scores: what was measured of its scores, or None.
    """
    hashes: dict[str, str | None] = {"scores_sha256": None, "confusion_sha256": None}
    if scores is not None:
        (folder / SCORES_FILE).write_text(format_scores(replace(scores, confusion=None)), encoding="utf-8")
        (folder / FIGURE).write_text(reliability_svg(scores), encoding="utf-8")
        hashes["scores_sha256"] = file_sha256(folder / SCORES_FILE)
        if scores.confusion is not None:
            (folder / CONFUSION_FILE).write_text(format_confusion(scores.confusion), encoding="utf-8")
    if (folder / CONFUSION_FILE).is_file():
        hashes["confusion_sha256"] = file_sha256(folder / CONFUSION_FILE)
    manifest = replace(
        manifest,
        weights_sha256=file_sha256(folder / WEIGHTS),
        onnx_sha256=file_sha256(folder / ONNX) if (folder / ONNX).is_file() else None,
        scores_sha256=hashes["scores_sha256"],
        confusion_sha256=hashes["confusion_sha256"],
    )
    raw = format_manifest(manifest).encode()
    # What the schema would refuse when it is read must not be written.
    parse_manifest(raw, folder / MANIFEST)
    (folder / MANIFEST).write_bytes(raw)
    card = format_card(manifest, hashlib.sha256(raw).hexdigest(), notes, scores)
    (folder / CARD).write_text(card, encoding="utf-8")


def remake_bundle(
    source: str | Path, out: str | Path, facts: Facts | None = None, measured: Measured = NOTHING_MEASURED
) -> Bundle:
    """A bundle with the weights of another one, and what is told of it made anew.

    Args:
        source: a shipped bundle's name, or a bundle's folder.
        out: folder to make, which may be the source; a bundle there is replaced.
        facts: instead of those that the source tells; None: they stay.
        measured: instead of what the source tells; what was not measured stays.

    Raises:
        BundleError: the source cannot be read.
        InvalidValueError: see ``Measured.into``.
        OutputError: ``out`` is there and no bundle, or cannot be written.
    """
    check_out(out)
    bundle = read_bundle(source)
    manifest, notes = bundle.manifest, notes_of(bundle.card)
    if facts is not None:
        manifest, notes = _retold(manifest, facts), facts.notes
    manifest = measured.into(manifest, facts)
    before = bundle.manifest
    unchanged = (manifest.calibration, manifest.thresholds) == (before.calibration, before.thresholds)
    # A bundle's own scores.json is nothing new, and does not hold the confusion that lies beside it.
    unchanged = unchanged and measured.scores in (None, bundle.scores)
    scores = bundle.scores if unchanged else measured.scores
    # What was measured of the source's errors holds for its thresholds alone.
    kept = (WEIGHTS, ONNX, CONFUSION_FILE) if unchanged else (WEIGHTS, ONNX)
    with replacing(out) as folder:
        for name in kept:
            if (bundle.folder / name).is_file():
                shutil.copyfile(bundle.folder / name, folder / name)
        write_about(folder, manifest, notes, scores)
    return read_bundle(out)


def _retold(manifest: Manifest, facts: Facts) -> Manifest:
    """With the facts; calibration and thresholds stay where the facts tell none."""
    if facts.score_threshold is not None or facts.class_thresholds is not None:
        manifest = replace(manifest, class_thresholds=facts.class_thresholds)
    threshold = manifest.score_threshold if facts.score_threshold is None else facts.score_threshold
    return replace(
        manifest,
        research_only=facts.research_only,
        training=facts.training,
        metrics=facts.metrics,
        version=facts.version or manifest.version,
        score_threshold=threshold,
        calibration=facts.calibration or manifest.calibration,
        command=facts.command or manifest.command,
        seed=manifest.seed if facts.seed is None else facts.seed,
    )
