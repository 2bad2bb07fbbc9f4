"""What scores mean, and from which on to believe them: learnt on validation data, and told honestly.

For each class, or several judged as one, a curve on the log-odds (Platt, 1999) turns scores into chances, and
the threshold is where F-beta is largest (van Rijsbergen, 1979), or where as many are kept as there are
objects. What is told of both comes from cross-validation over scenes: each scene's scores are corrected and
cut by what the others taught, so that nothing is judged by what it was fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.align import Comparison
from retina_domains.evaluation.bootstrap import DEFAULT_SPEC, BootstrapSpec, Interval, group_index
from retina_domains.evaluation.calibration import LEAST_EACH, fit_calibration, reliability
from retina_domains.evaluation.curves import rate_intervals
from retina_domains.evaluation.matching import IGNORED, TRUE_POSITIVE, match_objects
from retina_domains.score_report import Prefer
from retina_domains.types import BoolArray, FloatArray, IntArray

_BETA: dict[Prefer, float] = {"f1": 1.0, "precision": 0.5, "recall": 2.0}
PREFERENCES: tuple[Prefer, ...] = (*_BETA, "count", "expected")
LEAST_RIGHT = 20
# A curve needs odds that are finite.
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class FitSpec:
    """How scores are judged.

    Args:
        together: classes that are judged as one: an object of one of them that is reported as another is
            right.
        prefer: what thresholds are chosen by: ``"f1"``, or ``"precision"`` or ``"recall"``, which then weighs
            twice as much (F0.5, F2), ``"count"``: as many are kept as there are objects, or ``"expected"``:
            half of the largest F1, where F1 is largest if each score is the chance that it says (Lipton et
            al., 2014).
        folds: of the cross-validation, or as many as there are scenes.
        bootstrap: of the intervals.
        prefer_of: classes for which thresholds are chosen by something else, and what; one of those that are
            judged as one speaks for them all.
    """

    together: tuple[tuple[str, ...], ...] = ()
    prefer: Prefer = "f1"
    folds: int = 5
    bootstrap: BootstrapSpec = DEFAULT_SPEC
    prefer_of: tuple[tuple[str, Prefer], ...] = ()

    def preferred(self, names: Sequence[str]) -> Prefer:
        """What the threshold of a class, or of several judged as one, is chosen by.

        Raises:
            InvalidValueError: several things were asked for.
        """
        asked = {kind for name, kind in self.prefer_of if name in names}
        if len(asked) > 1:
            raise InvalidValueError(
                f"{', '.join(names)} have one threshold, to be chosen by {' and by '.join(sorted(asked))}: "
                "name one of these"
            )
        return asked.pop() if asked else self.prefer


DEFAULT_FIT = FitSpec()


@dataclass(frozen=True, slots=True)
class Evidence:
    """N predictions that count, and what there was to find, by U units: classes, or several judged as one.

    Args:
        units: names of the classes of each.
        scores: ``(N,)`` in [0, 1].
        hits: ``(N,)`` bool, found an object.
        unit: ``(N,)`` position in ``units``.
        part: ``(N,)`` scene, or image where there is but one scene.
        truth: ``(parts, U)`` objects.
        scenes: there are several, so that ``part`` is one.
    """

    units: tuple[tuple[str, ...], ...]
    scores: FloatArray
    hits: BoolArray
    unit: IntArray
    part: IntArray
    truth: FloatArray
    scenes: bool


@dataclass(frozen=True, slots=True)
class Learned:
    """Curves and thresholds of U units.

    Args:
        curves: ``(U, 2)`` slope and intercept.
        own: ``(U,)`` bool; the others were too few and take the curve of all.
        cuts: ``(U,)`` thresholds on corrected scores.
        own_cut: ``(U,)`` bool; the others were too few and take the threshold of all.
        pooled: slope and intercept of all.
        pooled_cut: threshold of all.
    """

    curves: FloatArray
    own: BoolArray
    cuts: FloatArray
    own_cut: BoolArray
    pooled: tuple[float, float]
    pooled_cut: float

    def corrected(self, scores: FloatArray, unit: IntArray) -> FloatArray:
        """``(N,)`` chances."""
        return on_curve(scores, self.curves[unit, 0], self.curves[unit, 1])


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the folds that were left out say of N predictions.

    Args:
        folds: how many.
        corrected: ``(N,)`` scores.
        kept: ``(N,)`` bool; reached the threshold.
    """

    folds: int
    corrected: FloatArray
    kept: BoolArray


def gather(comparison: Comparison, together: Sequence[Sequence[str]] = ()) -> Evidence:
    """Match class by class, those judged together as one.

    Raises:
        InvalidValueError: a class is to be judged as one with others twice.
    """
    c = comparison
    units = judged_units(c.classes, together)
    of_label = np.array([next(u for u, names in enumerate(units) if name in names) for name in c.classes])
    truth = [replace(t, labels=of_label[t.labels]) for t in c.truth]
    found = [replace(p, labels=of_label[p.labels]) for p in c.predictions]
    matched = match_objects(truth, found, [", ".join(names) for names in units], c.rule)
    scenes = len(set(c.groups)) > 1
    part_of, n_parts = group_index(c.groups if scenes else [str(t.image) for t in c.truth])
    counted = matched.status != IGNORED
    objects = np.zeros((n_parts, len(units)))
    asked = matched.counted
    np.add.at(objects, (part_of[matched.truth_image[asked]], matched.truth_labels[asked]), 1)
    return Evidence(
        units,
        matched.pred_scores[counted],
        matched.status[counted] == TRUE_POSITIVE,
        matched.pred_labels[counted],
        part_of[matched.pred_image[counted]],
        objects,
        scenes,
    )


def judged_units(classes: Sequence[str], together: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """The classes, in their order, those judged as one in the place of the first of them.

    Args:
        classes: that are there.
        together: may name classes that are not there, which belong to their unit all the same.

    Raises:
        InvalidValueError: a class is named twice.
    """
    named = [name for names in together for name in names]
    if twice := [name for name in named if named.count(name) > 1]:
        raise InvalidValueError(f"class {twice[0]!r} is to be judged as one with others twice: name it once")
    by_first = {}
    for names in together:
        here = [name for name in classes if name in names]
        if here:
            by_first[here[0]] = tuple(names)
    return tuple(by_first.get(name, (name,)) for name in classes if name in by_first or name not in named)


def learn(evidence: Evidence, use: BoolArray, parts: BoolArray, spec: FitSpec = DEFAULT_FIT) -> Learned:
    """Curves and thresholds from some of the evidence.

    Args:
        evidence: all of it.
        use: ``(N,)`` predictions to learn from.
        parts: ``(parts,)`` the scenes they are of.
        spec: what thresholds are chosen by.

    Raises:
        InvalidValueError: fewer than five right or five wrong predictions in all.
    """
    e, n_units = evidence, len(evidence.units)
    pooled = _curve(e.scores[use], e.hits[use])
    curves = np.tile(np.array(pooled), (n_units, 1))
    own, cuts = np.zeros(n_units, np.bool_), np.zeros(n_units)
    own_cut = np.zeros(n_units, np.bool_)
    masks = [use & (e.unit == u) for u in range(n_units)]
    for u, mask in enumerate(masks):
        right = int(e.hits[mask].sum())
        if right >= LEAST_RIGHT and int(mask.sum()) - right >= LEAST_EACH:
            curves[u], own[u] = _curve(e.scores[mask], e.hits[mask]), True
    corrected = on_curve(e.scores, curves[e.unit, 0], curves[e.unit, 1])
    truth = e.truth[parts].sum(axis=0)
    pooled_cut = best_cut(corrected[use], e.hits[use], float(truth.sum()), spec.prefer)
    for u, mask in enumerate(masks):
        own_cut[u] = int(e.hits[mask].sum()) >= LEAST_EACH
        if own_cut[u]:
            cuts[u] = best_cut(corrected[mask], e.hits[mask], truth[u], spec.preferred(e.units[u]))
        else:
            cuts[u] = pooled_cut
    return Learned(curves, own, cuts, own_cut, pooled, pooled_cut)


def held_out(evidence: Evidence, spec: FitSpec) -> HeldOut | None:
    """Each part corrected and cut by what the others taught; None where they are too few to teach."""
    e = evidence
    fold = deal_folds(e.truth.sum(axis=1), spec.folds)
    n_folds = int(fold.max(initial=-1)) + 1
    corrected, kept = np.zeros(len(e.scores)), np.zeros(len(e.scores), np.bool_)
    if n_folds < 2:
        return None
    for k in range(n_folds):
        out = fold[e.part] == k
        right, total = int(e.hits[~out].sum()), int((~out).sum())
        if min(right, total - right) < LEAST_EACH:
            return None
        taught = learn(e, ~out, fold != k, spec)
        corrected[out] = taught.corrected(e.scores[out], e.unit[out])
        kept[out] = corrected[out] >= taught.cuts[e.unit[out]]
    return HeldOut(n_folds, corrected, kept)


def deal_folds(sizes: FloatArray, folds: int) -> IntArray:
    """``(parts,)`` fold of each: the largest first, each to the fold that has least."""
    count = min(folds, len(sizes))
    load, fold = np.zeros(count), np.zeros(len(sizes), np.int64)
    for part in np.argsort(-sizes, kind="stable"):
        fold[part] = int(np.argmin(load))
        # Parts without objects are dealt out too.
        load[fold[part]] += sizes[part] + 1e-3
    return fold


def best_cut(scores: FloatArray, hits: BoolArray, truth: float, prefer: Prefer = "f1") -> float:
    """Threshold that is best by what is preferred: halfway to the next lower score, so that rounding is safe.

    Args:
        scores: ``(N,)``, one or more.
        hits: ``(N,)``.
        truth: objects there are to find.
        prefer: as in :class:`FitSpec`.
    """
    order = np.argsort(-scores, kind="stable")
    at, right = scores[order], np.cumsum(hits[order], dtype=np.float64)
    last = np.r_[np.flatnonzero(np.diff(at)), len(at) - 1]
    if prefer == "expected":
        return float(_worth(last + 1.0, right[last], truth, "f1").max()) / 2
    best = int(np.argmax(_worth(last + 1.0, right[last], truth, prefer)))
    below = at[last[best + 1]] if best + 1 < len(last) else at[last[best]]
    return float((at[last[best]] + below) / 2)


def _worth(kept: FloatArray, right: FloatArray, truth: float, prefer: Prefer) -> FloatArray:
    if prefer == "count":
        worth: FloatArray = -np.abs(kept - truth)
    else:
        weight = _BETA[prefer] ** 2
        worth = (1 + weight) * right / (kept + weight * truth)
    return worth


def kept_rates(
    evidence: Evidence, kept: BoolArray, unit: int, bootstrap: BootstrapSpec
) -> tuple[Interval, ...]:
    """Precision, recall and F1 of a unit's predictions that are kept, with intervals over parts."""
    e = evidence
    mine = kept & (e.unit == unit)
    counts = np.zeros((len(e.truth), 3))
    np.add.at(counts[:, 0], e.part[mine & e.hits], 1)
    np.add.at(counts[:, 1], e.part[mine & ~e.hits], 1)
    counts[:, 2] = e.truth[:, unit] - counts[:, 0]
    return rate_intervals(counts, bootstrap)


def calibration_error(scores: FloatArray, hits: BoolArray) -> float | None:
    """Expected calibration error over 15 bins; None without predictions."""
    return reliability(scores, hits).ece if len(scores) else None


def on_curve(scores: FloatArray, slope: FloatArray | float, intercept: FloatArray | float) -> FloatArray:
    """sigmoid(slope logit(score) + intercept)."""
    corrected: FloatArray = expit(slope * logit(np.clip(scores, _EDGE, 1 - _EDGE)) + intercept)
    return corrected


def _curve(scores: FloatArray, hits: BoolArray) -> tuple[float, float]:
    slope, intercept = fit_calibration(scores, hits, "platt").knots
    return slope, intercept
