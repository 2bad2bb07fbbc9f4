"""What was measured of a detector's scores on labelled data: ``scores.json``, as ``calibrate`` writes it.

A bundle is made with it, keeps it, and tells it on its card.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from retina_domains.cells.confusion import DetectorConfusion
from retina_domains.errors import InvalidValueError
from retina_domains.schema import from_text, to_json
from retina_domains.score_calibration import Calibration, LogitCurve
from retina_domains.thresholds import ScoreThresholds

SCORES_FILE = "scores.json"
FORMAT_VERSION = 1
Prefer = Literal["f1", "precision", "recall", "count", "expected"]
Span = tuple[float, float, float]
"""A figure and the ends of its 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBin:
    """Predictions of like score.

    Args:
        score: their mean.
        count: of them.
        right: of them, that found an object.
        low: end of the Wilson 95 % interval of the share that is right.
        high: the other.
    """

    score: float
    count: int
    right: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedScores:
    """One class, or several that were judged as one.

    Args:
        classes: their names.
        objects: that there were to find.
        predictions: that were judged, at whatever score.
        right: of them.
        curve: that corrects the scores.
        own_curve: fitted on these classes; else there were too few right ones, and it is that of all classes.
        threshold: on corrected scores.
        own_threshold: likewise.
        precision: cross-validated, at thresholds of the other folds; None where there are too few folds.
        recall: likewise.
        f1: likewise.
        error_before: expected calibration error of the raw scores.
        error_after: of the corrected ones, cross-validated.
        kept_error_before: the same of those alone that reach the threshold.
        kept_error_after: likewise.
        before: raw scores by bin.
        after: corrected ones, cross-validated.
        prefer: what the threshold was chosen by, where that is not what the report says of all.
    """

    classes: tuple[str, ...]
    objects: int
    predictions: int
    right: int
    curve: LogitCurve
    own_curve: bool
    threshold: float
    own_threshold: bool
    precision: Span | None
    recall: Span | None
    f1: Span | None
    error_before: float | None
    error_after: float | None
    kept_error_before: float | None
    kept_error_after: float | None
    before: tuple[ScoreBin, ...]
    after: tuple[ScoreBin, ...]
    prefer: Prefer | None = None

    @property
    def name(self) -> str:
        """Of the classes."""
        return ", ".join(self.classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One error at the thresholds.

    Args:
        image: its name.
        what: ``missed``, or a kind of false detection: ``background``, ``localisation``, ``classification``,
            ``duplicate``, ``both``.
        class_name: that was reported, or that was missed.
        score: of the detection, or None.
        x: of the centre, px.
        y: of the centre, px.
        size: square root of the box's area, px.
    """

    image: str
    what: str
    class_name: str
    score: float | None
    x: float
    y: float
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount:
    """Errors of one kind at the thresholds; kinds as in ``Failure``."""

    what: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReport:
    """``scores.json``, field by field.

    Args:
        format_version: of this schema.
        model: name of the model.
        classes: its names, in the order of labels.
        data: the labels, and how many images, scenes and objects they hold.
        folds: how it was cross-validated, in words; empty where it could not be.
        match: rule by which predictions were matched, such as ``iou:0.5``.
        prefer: what thresholds were chosen by, but where a class says otherwise.
        kept_thresholds: thresholds were not chosen, but are those that the model had.
        calibration: for a bundle.
        score_threshold: for a bundle.
        class_thresholds: for a bundle.
        judged: one a class, or several judged as one.
        errors: at the thresholds, by kind.
        failures: the worst of them.
        notes: what else must be known, in sentences.
        command: that wrote this.
        confusion: for counts, of a detector of blood cells.
    """

    format_version: int
    model: str
    classes: tuple[str, ...]
    data: str
    folds: str
    match: str
    prefer: Prefer
    kept_thresholds: bool
    calibration: Calibration
    score_threshold: float
    class_thresholds: tuple[float, ...]
    judged: tuple[JudgedScores, ...]
    errors: tuple[ErrorCount, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    command: str | None = None
    confusion: DetectorConfusion | None = None

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise InvalidValueError(
                f"scores of format_version {self.format_version}: this release reads {FORMAT_VERSION}"
            )
        _ = self.thresholds

    @property
    def thresholds(self) -> ScoreThresholds:
        """Class by class."""
        return ScoreThresholds(self.classes, self.class_thresholds)


def format_scores(report: ScoreReport) -> str:
    """The text of a ``scores.json``; :func:`parse_scores` reads it back."""
    return json.dumps(to_json(report), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def parse_scores(text: str, name: str = SCORES_FILE) -> ScoreReport:
    """Check and take in the text of a ``scores.json``; ``name`` is for messages.

    Raises:
        InvalidValueError: it is not JSON, or a field is unknown, missing or of a wrong type.
    """
    return from_text(ScoreReport, text, name)
