"""Precision, recall and F1 over score thresholds; FROC; all with a weight for each image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.bootstrap import (
    DEFAULT_SPEC,
    BootstrapSpec,
    Interval,
    bootstrap_intervals,
    group_index,
    percentile_interval,
)
from retina_domains.evaluation.matching import FALSE_POSITIVE, TRUE_POSITIVE, Matched
from retina_domains.types import FloatArray, IntArray

FROC_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives an image at which sensitivity is told: those of the LUNA16 challenge."""


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """Figures at every threshold, in descending order of threshold.

    Args:
        thresholds: ``(N,)`` distinct scores; predictions of at least that score count.
        true_positives: ``(N,)``.
        false_positives: ``(N,)``.
        truth_count: objects there were to find.
        images: images, weighted.
    """

    thresholds: FloatArray
    true_positives: FloatArray
    false_positives: FloatArray
    truth_count: float
    images: float

    @property
    def precision(self) -> FloatArray:
        """``(N,)``; NaN where nothing is predicted."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> FloatArray:
        """``(N,)``; NaN where there is nothing to find."""
        return _ratio(self.true_positives, np.full(len(self.thresholds), self.truth_count))

    @property
    def f1(self) -> FloatArray:
        """``(N,)`` 2 TP / (predicted + true)."""
        return self.f_beta(1.0)

    def f_beta(self, beta: float) -> FloatArray:
        """``(N,)`` F-measure: recall weighs ``beta`` times as much as precision (van Rijsbergen 1979)."""
        weight = beta**2
        predicted = self.true_positives + self.false_positives
        return _ratio((1 + weight) * self.true_positives, predicted + weight * self.truth_count)

    @property
    def false_positives_per_image(self) -> FloatArray:
        """``(N,)``."""
        return _ratio(self.false_positives, np.full(len(self.thresholds), self.images))

    def best_threshold(self, beta: float = 1.0) -> float:
        """Where F-beta is highest, the higher one of two alike; NaN without predictions or objects."""
        f = self.f_beta(beta)
        if not len(f) or np.isnan(f).all() or not self.truth_count:
            return float("nan")
        return float(self.thresholds[int(np.nanargmax(f))])

    def froc(self, rates: tuple[float, ...] = FROC_RATES) -> FloatArray:
        """Sensitivity at each rate of false positives an image.

        The curve is a step: sensitivity at a rate is the highest that is reached without exceeding it.
        """
        reached = np.searchsorted(self.false_positives_per_image, np.asarray(rates), side="right") - 1
        recall: FloatArray = np.append(self.recall, 0.0 if self.truth_count else np.nan)
        return np.asarray(recall[reached], np.float64)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    result: FloatArray = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return result


def score_curve(matched: Matched, weights: FloatArray | None = None, label: int | None = None) -> ScoreCurve:
    """The curve of all classes together, or of one.

    Args:
        matched: all predictions, without a lower limit of score.
        weights: ``(images,)`` how often each image counts.
        label: of the class.
    """
    image_weights = np.ones(len(matched.images)) if weights is None else weights
    keep = matched.status >= FALSE_POSITIVE
    wanted = matched.counted
    if label is not None:
        keep, wanted = keep & (matched.pred_labels == label), wanted & (matched.truth_labels == label)
    order = np.flatnonzero(keep)
    order = order[np.argsort(-matched.pred_scores[order], kind="stable")]
    scores, status = matched.pred_scores[order], matched.status[order]
    weight = image_weights[matched.pred_image[order]]
    last = np.r_[np.flatnonzero(np.diff(scores)), len(scores) - 1] if len(scores) else np.zeros(0, np.int64)
    return ScoreCurve(
        thresholds=scores[last],
        true_positives=np.cumsum(weight * (status == TRUE_POSITIVE))[last],
        false_positives=np.cumsum(weight * (status == FALSE_POSITIVE))[last],
        truth_count=float(image_weights[matched.truth_image[wanted]].sum()),
        images=float(image_weights.sum()),
    )


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """Counts and rates at one threshold, with intervals by group.

    Args:
        true_positives: predictions that found an object.
        false_positives: predictions that found none.
        false_negatives: objects not found.
        precision: NaN where nothing is predicted.
        recall: NaN where there is nothing to find.
        f1: NaN where there is neither.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    precision: Interval
    recall: Interval
    f1: Interval


def rates(counts: FloatArray) -> FloatArray:
    """``(..., 3)`` true positives, false positives, false negatives to ``(..., 3)`` precision, recall, F1."""
    tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
    return np.stack([_ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(2 * tp, 2 * tp + fp + fn)], axis=-1)


def rate_intervals(by_group: FloatArray, spec: BootstrapSpec = DEFAULT_SPEC) -> tuple[Interval, ...]:
    """Precision, recall and F1 with their intervals.

    Args:
        by_group: ``(G, 3)`` true positives, false positives, false negatives of each scene or patient. Of a
            single one, hits, false predictions and misses are drawn instead.
        spec: how.
    """
    if len(by_group) != 1:
        return bootstrap_intervals(lambda weights: rates(weights @ by_group), len(by_group), spec)
    counts = by_group[0]
    total = round(counts.sum())
    values = rates(counts)
    if not total:
        return tuple(percentile_interval(np.nan, np.zeros(0), 0, spec.level) for _ in range(3))
    # Drawing that many objects with replacement is drawing their three sums from a multinomial.
    drawn = np.random.default_rng(spec.seed).multinomial(total, counts / total, size=spec.replicates)
    draws = rates(drawn.astype(np.float64))
    return tuple(percentile_interval(float(values[m]), draws[:, m], total, spec.level) for m in range(3))


def precision_recall_f1(
    matched: Matched, groups: IntArray | None = None, spec: BootstrapSpec = DEFAULT_SPEC
) -> PrecisionRecall:
    """Rates of all predictions in ``matched``: match with ``min_score`` to have them at a threshold.

    Args:
        matched: predictions and objects.
        groups: ``(images,)`` scene or patient of each image, from 0; each image is its own if not given.
        spec: how intervals are drawn.
    """
    counts = matched.counts()
    index = group_index(list(range(len(counts))))[0] if groups is None else groups
    if len(index) != len(counts):
        raise InvalidValueError(f"{len(index)} groups for {len(counts)} images: expected one each")
    n_groups = int(index.max()) + 1 if len(index) else 0
    by_group = np.zeros((n_groups, 3))
    np.add.at(by_group, index, counts)
    tp, fp, fn = (round(v) for v in counts.sum(axis=0))
    return PrecisionRecall(tp, fp, fn, *rate_intervals(by_group, spec))
