"""What a detector is known to get wrong on labelled images: its worst errors, and its confusion of cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retina_domains.cells.confusion import DetectorConfusion, FieldInfo, confusion_of
from retina_domains.cells.hosts import HostSpec, assign_hosts
from retina_domains.cells.values import RBC, SPECIES, WBC
from retina_domains.counting.objects import field_objects, smear_kind
from retina_domains.evaluation.align import AlignSpec, Comparison
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.evaluation.cases import ErrorCase, in_turn, worst_cases
from retina_domains.evaluation.matching import FALSE_POSITIVE, match_objects
from retina_domains.evaluation.objects import ObjectTable
from retina_domains.evaluation.report import Evaluation, ReportSpec, evaluate
from retina_domains.evaluation.values import ImagePredictions, ImageTruth, reaching, take_predictions
from retina_domains.score_calibration import Calibration
from retina_domains.score_report import ErrorCount, Failure
from retina_domains.smear_report import SmearKind
from retina_domains.thresholds import ScoreThresholds
from retina_domains.types import Detections, FloatArray

WORST = 6
# No interval of these is told.
_FEW = BootstrapSpec(20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What a detector found on labelled images, with its raw scores.

    Args:
        model: its name.
        classes: of the detector, in the order of labels.
        found: what it found.
        truth: what is there.
        data: name of the labels.
        align: how both are compared.
        match: the rule, in words.
    """

    model: str
    classes: tuple[str, ...]
    found: ObjectTable
    truth: ObjectTable
    data: str
    align: AlignSpec
    match: str


def evaluate_kept(
    classes: Sequence[str], comparison: Comparison, calibration: Calibration, limits: ScoreThresholds
) -> Evaluation:
    """Evaluate what reaches the thresholds, with corrected scores.

    Args:
        classes: of the detector, in the order of labels.
        comparison: with raw scores; its classes are some of the detector's, in an order of their own.
        calibration: of the detector.
        limits: on corrected scores.
    """
    label = np.array([list(classes).index(name) for name in comparison.classes])
    least = limits.named(comparison.classes, {})
    predictions, pixels = [], []
    for k, raw in enumerate(comparison.predictions):
        fixed = replace(raw, scores=calibration.apply(raw.scores, label[raw.labels]))
        kept = reaching(fixed, least)
        predictions.append(take_predictions(fixed, kept))
        if comparison.pixels is not None:
            pixels.append(comparison.pixels[1][k][kept])
    sides = None if comparison.pixels is None else (comparison.pixels[0], tuple(pixels))
    strong = replace(comparison, predictions=tuple(predictions), pixels=sides, lengths=None, shore=None)
    return evaluate(strong, ReportSpec(bootstrap=_FEW))


def error_counts(errors: Evaluation) -> tuple[ErrorCount, ...]:
    """Errors by kind, the most frequent first; without kinds of their own where boxes are not matched."""
    if errors.tide is not None:
        counts = dict(errors.tide.counts)
    else:
        m = errors.matched
        counts = {
            "false": int((m.status == FALSE_POSITIVE).sum()),
            "missed": int((m.counted & ~m.found).sum()),
        }
    by_count = sorted(counts.items(), key=lambda item: -item[1])
    return tuple(ErrorCount(what=what, count=count) for what, count in by_count if count)


def worst_failures(errors: Evaluation, most: int = WORST) -> tuple[Failure, ...]:
    """The surest false detections of each class, then its largest missed objects."""
    return tuple(_failure(errors, case) for case in worst_of_each(errors, most))


def worst_of_each(errors: Evaluation, most: int) -> tuple[ErrorCase, ...]:
    """Up to ``most`` false detections and as many missed objects, the classes by turns."""
    cases = worst_cases(errors, len(errors.matched.status) + len(errors.matched.found))
    return (*in_turn(cases["false"], most), *in_turn(cases["missed"], most))


def box_of(errors: Evaluation, case: ErrorCase) -> FloatArray:
    """``(4,)`` box of an error: of what was reported, else of what is there."""
    c = errors.comparison
    side, row = (c.predictions, case.pred) if case.pred >= 0 else (c.truth, case.truth)
    box: FloatArray = side[case.image].boxes[row]
    return box


def what_of(case: ErrorCase) -> str:
    """Kind of an error, in one word."""
    return case.why or case.kind


def _failure(errors: Evaluation, case: ErrorCase) -> Failure:
    x1, y1, x2, y2 = (float(v) for v in box_of(errors, case))
    return Failure(
        image=str(errors.comparison.truth[case.image].image),
        what=what_of(case),
        class_name=errors.comparison.classes[case.label],
        score=None if math.isnan(case.score) else round(case.score, 3),
        x=round((x1 + x2) / 2, 1),
        y=round((y1 + y2) / 2, 1),
        size=round(math.sqrt((x2 - x1) * (y2 - y1)), 1),
    )


def blood_confusion(
    labelled: Labelled, comparison: Comparison, calibration: Calibration, limits: ScoreThresholds
) -> DetectorConfusion | None:
    """What a detector of blood cells makes of each class, its reports told apart as ``count`` does.

    Returns:
        None for a detector of something else.
    """
    classes = labelled.classes
    if not {RBC, WBC, *SPECIES} & set(classes):
        return None
    kind = smear_kind(classes, None)
    label = np.array([classes.index(name) for name in comparison.classes])
    truth = [replace(t, labels=label[t.labels]) for t in comparison.truth]
    found = [_cells(labelled, str(t.image), calibration, limits, kind) for t in truth]
    matched = match_objects(truth, found, classes, replace(comparison.rule, by_class=False))
    info = [
        FieldInfo(group, judged=_judged(t, classes, comparison.classes, kind))
        for t, group in zip(truth, comparison.groups, strict=True)
    ]
    data = f"{labelled.data}, {len(truth)} fields"
    return confusion_of(matched, info, limits.values, labelled.match, data)


def _judged(
    truth: ImageTruth, classes: Sequence[str], asked: Sequence[str], kind: SmearKind
) -> tuple[str, ...] | None:
    """Classes whose labels a field holds; None for all.

    Of thick smears some fields are labelled without their white cells: one where none is labelled tells
    nothing of them.
    """
    held = [name for name in classes if name in asked]
    if kind == "thick" and WBC in held and not (truth.labels == classes.index(WBC)).any():
        held.remove(WBC)
    return None if len(held) == len(classes) else tuple(held)


def _cells(
    labelled: Labelled, scene: str, calibration: Calibration, limits: ScoreThresholds, kind: SmearKind
) -> ImagePredictions:
    """The cells of one image, each reported once."""
    table, classes = labelled.found, list(labelled.classes)
    assert table.pixel is not None
    assert table.scores is not None
    rows = np.flatnonzero(table.scene == table.scenes.index(scene))
    labels = np.array([classes.index(str(name)) for name in table.names[rows]], np.int64)
    scores = calibration.apply(table.scores[rows], labels)
    kept = limits.reached(scores, labels)
    found = Detections.of(table.pixel[rows][kept], scores[kept], labels[kept])
    if kind != "thin":
        cells = field_objects(found, classes, kind, HostSpec()).found
        return ImagePredictions.of(scene, cells.xyxy, cells.scores, cells.labels)
    assigned = assign_hosts(found, classes, HostSpec())
    # A red cell with a parasite in it is reported as infected.
    named = np.where(assigned.infected_by >= 0, assigned.infected_by, found.labels)
    use = assigned.objects
    return ImagePredictions.of(scene, found.xyxy[use], found.scores[use], named[use])
