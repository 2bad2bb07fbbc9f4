"""The average precision family as COCO defines it, for dense scenes of tiny objects.

Definitions: Lin et al. 2014 and the evaluation code published with the data set. Differences to that
code are of form alone: one cap on detections (1,500 an image and class instead of 100), any ranges of
area, NaN where a class or range holds no true object, and time that grows with the number of overlapping
pairs. All figures can be recomputed with a weight for each image, which is what a bootstrap needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.overlap import Pairs, assign_greedily, overlapping_pairs
from retina_domains.evaluation.values import (
    COCO_AREAS,
    AreaRange,
    Columns,
    ImageKey,
    ImagePredictions,
    ImageTruth,
    columns_of,
)
from retina_domains.types import BoolArray, FloatArray, IntArray

COCO_IOU_THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
RECALL_STEPS: FloatArray = np.linspace(0.0, 1.0, 101)
TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = 1, 0, -1


@dataclass(frozen=True, slots=True)
class CocoMetrics:
    """The figures of one evaluation; NaN where no true object is there to be found.

    Args:
        iou_thresholds: T of them.
        areas: names of the A ranges; the first is the headline's.
        classes: names of the K classes.
        average_precision: ``(A, T, K)``.
        average_recall: ``(A, T, K)`` highest recall reached.
        truth_count: ``(A, K)`` true objects, weighted.
        max_dets: detections kept an image and class.
    """

    iou_thresholds: tuple[float, ...]
    areas: tuple[str, ...]
    classes: tuple[str, ...]
    average_precision: FloatArray
    average_recall: FloatArray
    truth_count: FloatArray
    max_dets: int

    def _mean(self, table: FloatArray, area: str | None, iou: float | None, label: int | None) -> float:
        if area is not None and area not in self.areas:
            raise InvalidValueError(f"no area range {area!r}: there are {', '.join(self.areas)}")
        picked = table[0 if area is None else self.areas.index(area)]
        if iou is not None:
            near = np.isclose(self.iou_thresholds, iou)
            if not near.any():
                raise InvalidValueError(f"IoU threshold {iou} was not evaluated: {self.iou_thresholds}")
            picked = picked[near]
        if label is not None:
            picked = picked[:, [label]]
        known = picked[np.isfinite(picked)]
        return float(known.mean()) if len(known) else float("nan")

    def ap(self, *, area: str | None = None, iou: float | None = None, label: int | None = None) -> float:
        """Mean average precision over all thresholds and classes, or those named."""
        return self._mean(self.average_precision, area, iou, label)

    def ar(self, *, area: str | None = None, iou: float | None = None, label: int | None = None) -> float:
        """Mean highest recall over all thresholds and classes, or those named."""
        return self._mean(self.average_recall, area, iou, label)

    def as_dict(self) -> dict[str, float]:
        """``AP``, ``AP50``, ``AP75`` (where evaluated), ``AR``, ``AP_<area>``, ``AP_<class>``, … by name."""
        out = {"AP": self.ap(), "AR": self.ar()}
        for iou in (0.5, 0.75):
            if np.isclose(self.iou_thresholds, iou).any():
                out[f"AP{iou * 100:.0f}"] = self.ap(iou=iou)
        for area in self.areas[1:]:
            out[f"AP_{area}"] = self.ap(area=area)
            out[f"AR_{area}"] = self.ar(area=area)
        if len(self.classes) > 1:
            for label, name in enumerate(self.classes):
                out[f"AP_class_{name}"] = self.ap(label=label)
        return out


@dataclass(frozen=True, slots=True)
class CocoMatches:
    """Who matched whom, kept so that figures can be had again with other weights of the images.

    Predictions are ordered by class, then descending score, then image.

    Args:
        images: keys, in the order of the weights.
        classes: names of the K classes.
        areas: the A ranges.
        iou_thresholds: T of them.
        image: ``(N,)`` position in ``images`` of each prediction.
        labels: ``(N,)``, ascending.
        scores: ``(N,)``.
        rank: ``(N,)`` place by score within its image and class, from 0.
        status: ``(A, T, N)`` int8: 1 true positive, 0 false positive, -1 does not count.
        truth_counts: ``(A, K, images)`` true objects that count.
        max_dets: detections kept an image and class.
    """

    images: tuple[ImageKey, ...]
    classes: tuple[str, ...]
    areas: tuple[AreaRange, ...]
    iou_thresholds: tuple[float, ...]
    image: IntArray
    labels: IntArray
    scores: FloatArray
    rank: IntArray
    status: NDArray[np.int8]
    truth_counts: IntArray
    max_dets: int

    def narrowed(
        self, areas: Sequence[str] | None = None, iou_thresholds: Sequence[float] | None = None
    ) -> CocoMatches:
        """The same matches for some ranges and thresholds only, so that weighted figures come faster."""
        names = [area.name for area in self.areas]
        a = list(range(len(names))) if areas is None else [names.index(name) for name in areas]
        t = list(range(len(self.iou_thresholds)))
        if iou_thresholds is not None:
            wanted = np.asarray(iou_thresholds)[:, None]
            t = np.nonzero(np.isclose(np.asarray(self.iou_thresholds)[None], wanted))[1].tolist()
        return replace(
            self,
            areas=tuple(self.areas[i] for i in a),
            iou_thresholds=tuple(self.iou_thresholds[i] for i in t),
            status=self.status[np.ix_(a, t)],
            truth_counts=self.truth_counts[a],
        )

    def metrics(self, weights: FloatArray | None = None, max_dets: int | None = None) -> CocoMetrics:
        """All figures, with image ``i`` counted ``weights[i]`` times (once each, if not given).

        Args:
            weights: ``(images,)``, 0 or more.
            max_dets: a lower cap on detections an image and class than the one matched with.
        """
        image_weights = np.ones(len(self.images)) if weights is None else np.asarray(weights, np.float64)
        counts = self.truth_counts @ image_weights
        cap = self.max_dets if max_dets is None else min(max_dets, self.max_dets)
        weight = np.where(self.rank < cap, image_weights[self.image], 0.0)
        shape = (len(self.areas), len(self.iou_thresholds), len(self.classes))
        precision, recall = np.full(shape, np.nan), np.full(shape, np.nan)
        edges = np.searchsorted(self.labels, np.arange(len(self.classes) + 1))
        for a, k in zip(*np.nonzero(counts > 0), strict=True):
            part = slice(edges[k], edges[k + 1])
            for t in range(len(self.iou_thresholds)):
                precision[a, t, k], recall[a, t, k] = average_precision(
                    self.status[a, t, part], weight[part], float(counts[a, k])
                )
        names = tuple(area.name for area in self.areas)
        return CocoMetrics(self.iou_thresholds, names, self.classes, precision, recall, counts, cap)


def average_precision(
    status: NDArray[np.int8], weight: FloatArray, truth_count: float
) -> tuple[float, float]:
    """COCO's 101-point average precision, and the highest recall, of one ranked list.

    Args:
        status: ``(N,)`` in descending order of score: 1 true positive, 0 false positive, -1 not counted.
        weight: ``(N,)`` how often each counts.
        truth_count: true objects there were to find, above 0.
    """
    counted = (status != IGNORED) & (weight > 0)
    true = (status[counted] == TRUE_POSITIVE) * weight[counted]
    if not true.size:
        return 0.0, 0.0
    found = np.cumsum(true)
    precision = found / (np.cumsum(weight[counted]) + np.spacing(1))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    recall = found / truth_count
    at = np.searchsorted(recall, RECALL_STEPS, side="left")
    reached = at[at < len(envelope)]
    return float(envelope[reached].sum() / len(RECALL_STEPS)), float(recall[-1])


def _offered(pairs: Pairs, ignored: BoolArray) -> Pairs:
    """Pairs by prediction in order of score; of one prediction's, countable objects first, best IoU first.

    Between equal IoUs the object listed last goes first, as in the reference code.
    """
    order = np.lexsort((-pairs.truth, -pairs.iou, ignored[pairs.truth], pairs.pred))
    return pairs.take(order)


def _ranked(columns: Columns, max_dets: int) -> tuple[IntArray, IntArray]:
    """Predictions by class, score, image, cut to ``max_dets`` an image and class; their ranks in that."""
    order = np.lexsort((columns.pred_image, -columns.pred_scores, columns.pred_labels))
    group = columns.pred_labels[order] * max(len(columns.images), 1) + columns.pred_image[order]
    by_group = np.argsort(group, kind="stable")
    new = np.r_[True, np.diff(group[by_group]) != 0][: len(group)]
    starts = np.flatnonzero(new)
    sizes = np.diff(np.r_[starts, len(group)])
    rank = np.empty(len(group), np.int64)
    rank[by_group] = np.arange(len(group)) - np.repeat(starts, sizes)
    keep = rank < max_dets
    return order[keep], rank[keep]


def coco_matches(
    truth: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    classes: Sequence[str],
    *,
    max_dets: int = 1500,
    iou_thresholds: Sequence[float] = COCO_IOU_THRESHOLDS,
    areas: Sequence[AreaRange] = COCO_AREAS,
) -> CocoMatches:
    """Match predictions to true objects at every threshold and range of area, greedily by score.

    Args:
        truth: one an image, images without objects included. Equal scores of two images are ranked in this
            order (the reference code ranks by ascending image id).
        predictions: at most one an image.
        classes: names, in the order of the labels.
        max_dets: detections kept an image and class, best first.
        iou_thresholds: in (0, 1].
        areas: ranges of the ``area`` columns; the first one is the headline's.

    Raises:
        LabelError: predictions are for images that the truth does not hold, or labels have no class.
        InvalidValueError: a threshold or cap is impossible.
    """
    _check_asked(max_dets, iou_thresholds, areas)
    columns = columns_of(truth, predictions, len(classes))
    order, rank = _ranked(columns, max_dets)
    boxes, area = columns.pred_boxes[order], columns.pred_area[order]
    image, labels = columns.pred_image[order], columns.pred_labels[order]
    n_images = len(columns.images)
    pairs = overlapping_pairs(
        boxes,
        labels * n_images + image,
        columns.truth_boxes,
        columns.truth_labels * n_images + columns.truth_image,
        columns.truth_crowd,
    )
    pairs = pairs.take(pairs.iou >= min(iou_thresholds) - 1e-9)
    status = np.empty((len(areas), len(iou_thresholds), len(order)), np.int8)
    counts = np.zeros((len(areas), len(classes), n_images), np.int64)
    for a, limits in enumerate(areas):
        outside = (columns.truth_area < limits.low) | (columns.truth_area > limits.high)
        ignored = columns.truth_crowd | columns.truth_ignore | outside
        np.add.at(counts[a], (columns.truth_labels[~ignored], columns.truth_image[~ignored]), 1)
        beyond = (area < limits.low) | (area > limits.high)
        status[a] = _statuses(pairs, iou_thresholds, (ignored, columns.truth_crowd), beyond)
    return CocoMatches(
        columns.images,
        tuple(classes),
        tuple(areas),
        tuple(iou_thresholds),
        image,
        labels,
        columns.pred_scores[order],
        rank,
        status,
        counts,
        max_dets,
    )


def _check_asked(max_dets: int, iou_thresholds: Sequence[float], areas: Sequence[AreaRange]) -> None:
    if not iou_thresholds or not all(0 < t <= 1 for t in iou_thresholds):
        raise InvalidValueError(f"IoU thresholds {tuple(iou_thresholds)}: expected some in (0, 1]")
    if max_dets < 1 or not areas:
        raise InvalidValueError(
            f"max_dets {max_dets} with {len(areas)} area ranges: expected 1 or more of each"
        )


def _statuses(
    pairs: Pairs, iou_thresholds: Sequence[float], aside: tuple[BoolArray, BoolArray], beyond: BoolArray
) -> NDArray[np.int8]:
    """``(T, N)`` true positive, false positive or not counted, for one range of area.

    Args:
        pairs: all that overlap enough for the lowest threshold.
        iou_thresholds: T of them.
        aside: objects that do not count, and those of them that are never used up.
        beyond: ``(N,)`` predictions outside the range: where they find nothing, they do not count.
    """
    ignored, crowd = aside
    offered = _offered(pairs, ignored)
    status = np.empty((len(iou_thresholds), len(beyond)), np.int8)
    for t, threshold in enumerate(iou_thresholds):
        near = offered.take(offered.iou >= min(threshold, 1 - 1e-10))
        match = assign_greedily(near, len(beyond), len(ignored), crowd)
        matched = match >= 0
        silent = beyond.copy()
        silent[matched] = ignored[match[matched]]
        status[t] = np.where(silent, IGNORED, np.where(matched, TRUE_POSITIVE, FALSE_POSITIVE))
    return status


def coco_metrics(
    truth: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    classes: Sequence[str],
    *,
    max_dets: int = 1500,
    iou_thresholds: Sequence[float] = COCO_IOU_THRESHOLDS,
    areas: Sequence[AreaRange] = COCO_AREAS,
) -> CocoMetrics:
    """The average precision family; arguments and errors as in :func:`coco_matches`."""
    matches = coco_matches(
        truth, predictions, classes, max_dets=max_dets, iou_thresholds=iou_thresholds, areas=areas
    )
    return matches.metrics()
