"""Calibration, thresholds and known errors of a detector, from what it found on labelled images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.align import Comparison
from retina_domains.evaluation.bootstrap import Interval
from retina_domains.evaluation.calibration import reliability
from retina_domains.evaluation.report import Evaluation
from retina_domains.evaluation.score_fit import (
    Evidence,
    FitSpec,
    HeldOut,
    Learned,
    calibration_error,
    gather,
    held_out,
    kept_rates,
    learn,
)
from retina_domains.known_errors import (
    Labelled,
    blood_confusion,
    error_counts,
    evaluate_kept,
    worst_failures,
)
from retina_domains.score_calibration import Calibration, LogitCurve
from retina_domains.score_report import FORMAT_VERSION, JudgedScores, ScoreBin, ScoreReport, Span
from retina_domains.scoring import compare_detections
from retina_domains.thresholds import ScoreThresholds
from retina_domains.types import BoolArray, FloatArray

DRAWN_BINS = 10
# Three decimals: what a person writes down, far finer than the figures can tell apart.
_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class MeasuredScores:
    """The outcome.

    Args:
        report: to be kept.
        errors: at the new thresholds and with corrected scores, to make pictures of.
    """

    report: ScoreReport
    errors: Evaluation


def measure_scores(
    labelled: Labelled, spec: FitSpec, kept_raw: Sequence[float] | None = None, command: str | None = None
) -> MeasuredScores:
    """Fit, choose, and tell how good both are.

    Args:
        labelled: the evidence.
        spec: how it is judged.
        kept_raw: raw thresholds, one a class of the detector, that must stay what they are.
        command: that asked for it.

    Raises:
        InvalidValueError: there are fewer than five right or five wrong predictions, or a class is unknown.
        LabelError: see ``compare_detections``.
    """
    _check_names(labelled.classes, spec)
    comparison = compare_detections(labelled.found, labelled.truth, labelled.classes, labelled.align)
    if not comparison.rule.by_class:
        raise InvalidValueError(f"{labelled.data} names no classes: scores are judged class by class")
    if strange := [name for name in comparison.classes if name not in labelled.classes]:
        raise InvalidValueError(
            f"class {strange[0]!r} is none of the model's: rename it to one of {', '.join(labelled.classes)}"
        )
    evidence = gather(comparison, spec.together)
    everything = np.ones(len(evidence.scores), np.bool_)
    learned = learn(evidence, everything, np.ones(len(evidence.truth), np.bool_), spec)
    calibration = _calibration(labelled, evidence, learned, len(comparison.truth))
    limits, single = _limits(labelled.classes, evidence, learned), round(learned.pooled_cut, _DECIMALS)
    if kept_raw is not None:
        limits = _same_limits(labelled.classes, calibration, kept_raw)
        single = limits.lowest
        tested = _at_kept(held_out(evidence, spec), evidence, labelled.classes, kept_raw)
    else:
        tested = held_out(evidence, spec)
    errors = evaluate_kept(labelled.classes, comparison, calibration, limits)
    report = ScoreReport(
        format_version=FORMAT_VERSION,
        model=labelled.model,
        classes=labelled.classes,
        data=f"{labelled.data}: {_told_data(comparison)}",
        folds=_told_folds(tested, evidence),
        match=labelled.match,
        prefer=spec.prefer,
        kept_thresholds=kept_raw is not None,
        calibration=calibration,
        score_threshold=single,
        class_thresholds=limits.values,
        judged=tuple(_judged(evidence, learned, tested, u, limits, spec) for u in range(len(evidence.units))),
        errors=error_counts(errors),
        failures=worst_failures(errors),
        notes=(*comparison.notes, *_notes(labelled, comparison, evidence, learned)),
        command=command,
        confusion=blood_confusion(labelled, comparison, calibration, limits),
    )
    return MeasuredScores(report, errors)


def _check_names(classes: Sequence[str], spec: FitSpec) -> None:
    as_one = [name for names in spec.together for name in names]
    if unknown := [name for name in as_one if name not in classes]:
        raise InvalidValueError(
            f"class {unknown[0]!r} is to be judged as one with others: expected some of {', '.join(classes)}"
        )
    if unknown := [name for name, _ in spec.prefer_of if name not in classes]:
        raise InvalidValueError(
            f"class {unknown[0]!r} is to have a threshold of its own kind: expected one of "
            f"{', '.join(classes)}"
        )


def _at_kept(
    tested: HeldOut | None, evidence: Evidence, classes: tuple[str, ...], kept_raw: Sequence[float]
) -> HeldOut | None:
    """With the thresholds that stay, which were not learnt from these data, instead of those of the folds."""
    if tested is None:
        return None
    raw = dict(zip(classes, kept_raw, strict=True))
    least = np.array([min(raw[name] for name in names) for names in evidence.units])
    return replace(tested, kept=evidence.scores >= least[evidence.unit])


def _told_data(c: Comparison) -> str:
    objects = sum(int((~(t.ignore | t.crowd)).sum()) for t in c.truth)
    scenes = len(set(c.groups))
    within = f" of {scenes} scene{'s' * (scenes != 1)}" if scenes < len(c.truth) else ""
    return f"{len(c.truth)} images{within}, {objects} objects"


def _told_folds(tested: HeldOut | None, evidence: Evidence) -> str:
    if tested is None:
        return ""
    what = "scenes" if evidence.scenes else "images of one scene, which says little of other scenes"
    return f"{tested.folds} folds of {len(evidence.truth)} {what}"


def _notes(labelled: Labelled, comparison: Comparison, evidence: Evidence, learned: Learned) -> list[str]:
    notes = []
    asked = set(comparison.classes)
    for name in labelled.classes:
        if name in asked:
            continue
        unit = _unit_of(evidence, name)
        others = "all classes" if unit is None else f"{', '.join(evidence.units[unit])} as one"
        notes.append(
            f"{name}: the labels hold none, so its detections are not judged; curve and threshold are those "
            f"of {others}."
        )
    for u, names in enumerate(evidence.units):
        right = int(evidence.hits[evidence.unit == u].sum())
        lacking = [
            what for what, own in (("curve", learned.own[u]), ("threshold", learned.own_cut[u])) if not own
        ]
        if lacking and len(evidence.units) > 1:
            notes.append(
                f"{', '.join(names)}: {right} right predictions are too few; {' and '.join(lacking)} "
                f"{'are those' if len(lacking) > 1 else 'is that'} of all classes."
            )
    return notes


def _calibration(labelled: Labelled, evidence: Evidence, learned: Learned, images: int) -> Calibration:
    """The curves, by class of the detector; one where all are the same."""
    slope, intercept = learned.pooled
    own: list[LogitCurve | None] = []
    for name in labelled.classes:
        unit = _unit_of(evidence, name)
        fitted = unit is not None and bool(learned.own[unit])
        own.append(_curve(learned, unit) if fitted and unit is not None else None)
    if len(labelled.classes) == 1:
        own = [None]
    data = f"{labelled.data}, {images} images"
    by_class = tuple(own) if any(own) else None
    return Calibration(slope=slope, intercept=intercept, data=data, by_class=by_class)


def _curve(learned: Learned, unit: int) -> LogitCurve:
    return LogitCurve(slope=float(learned.curves[unit, 0]), intercept=float(learned.curves[unit, 1]))


def _unit_of(evidence: Evidence, name: str) -> int | None:
    return next((u for u, names in enumerate(evidence.units) if name in names), None)


def _limits(classes: tuple[str, ...], evidence: Evidence, learned: Learned) -> ScoreThresholds:
    units = [_unit_of(evidence, name) for name in classes]
    cuts = [learned.pooled_cut if unit is None else float(learned.cuts[unit]) for unit in units]
    return ScoreThresholds(classes, tuple(round(cut, _DECIMALS) for cut in cuts))


def _same_limits(
    classes: tuple[str, ...], calibration: Calibration, kept_raw: Sequence[float]
) -> ScoreThresholds:
    raw = np.asarray(kept_raw, np.float64)
    return ScoreThresholds(classes, tuple(calibration.apply(raw, np.arange(len(classes))).tolist()))


def _judged(
    e: Evidence,
    learned: Learned,
    tested: HeldOut | None,
    unit: int,
    limits: ScoreThresholds,
    spec: FitSpec,
) -> JudgedScores:
    mine, names = e.unit == unit, e.units[unit]
    spans: tuple[Span | None, ...] = (None, None, None)
    after: tuple[float | None, float | None] = (None, None)
    kept = np.zeros(len(mine), np.bool_)
    bins: tuple[ScoreBin, ...] = ()
    if tested is not None:
        kept = tested.kept & mine
        spans = tuple(_span(interval) for interval in kept_rates(e, tested.kept, unit, spec.bootstrap))
        error = [calibration_error(tested.corrected[part], e.hits[part]) for part in (mine, kept)]
        after, bins = (error[0], error[1]), _bins(tested.corrected[mine], e.hits[mine])
    return JudgedScores(
        classes=names,
        objects=int(e.truth[:, unit].sum()),
        predictions=int(mine.sum()),
        right=int(e.hits[mine].sum()),
        curve=_curve(learned, unit),
        own_curve=bool(learned.own[unit]),
        threshold=limits.values[limits.classes.index(names[0])],
        own_threshold=bool(learned.own_cut[unit]),
        precision=spans[0],
        recall=spans[1],
        f1=spans[2],
        error_before=calibration_error(e.scores[mine], e.hits[mine]),
        error_after=after[0],
        kept_error_before=calibration_error(e.scores[kept], e.hits[kept]),
        kept_error_after=after[1],
        before=_bins(e.scores[mine], e.hits[mine]),
        after=bins,
        prefer=None if spec.preferred(names) == spec.prefer else spec.preferred(names),
    )


def _span(interval: Interval) -> Span | None:
    ends = (interval.value, interval.low, interval.high)
    return None if not all(math.isfinite(v) for v in ends) else ends


def _bins(scores: FloatArray, hits: BoolArray) -> tuple[ScoreBin, ...]:
    r = reliability(scores, hits, DRAWN_BINS)
    return tuple(
        ScoreBin(
            score=round(float(r.mean_score[k]), 4),
            count=int(r.count[k]),
            right=round(float(r.hit_rate[k] * r.count[k])),
            low=round(float(r.low[k]), 4),
            high=round(float(r.high[k]), 4),
        )
        for k in np.flatnonzero(r.count)
    )
