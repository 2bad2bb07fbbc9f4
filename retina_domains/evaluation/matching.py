"""Which prediction found which true object, by overlap or by distance, and what that makes of precision.

Two assignments are to be had. *Greedy*: by descending score, each prediction takes the best object that is
still free (PASCAL VOC, COCO). *Optimal*: as many pairs as there can be, of these the closest (Hungarian),
which is how xView3 scores ships: "200 m, Hungarian", with distances above the limit made prohibitive
(``costly_dist`` in the challenge's published scoring code). Adding a prediction to an optimal assignment
never costs an earlier one its place, so a single pass by descending score tells every threshold's count.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import KDTree

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.overlap import Pairs, assign_greedily, overlapping_pairs
from retina_domains.evaluation.values import (
    Columns,
    ImageKey,
    ImagePredictions,
    ImageTruth,
    columns_of,
    reaching,
    take_predictions,
    take_truth,
)
from retina_domains.types import BoolArray, FloatArray, IntArray

TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = 1, 0, -1
XVIEW3_DISTANCE_M = 200.0
XVIEW3_SHORE_M = 2000.0
_RULE = re.compile(r"(iou|distance):(\d+(?:\.\d+)?)(m|km|px)?")


@dataclass(frozen=True, slots=True)
class MatchRule:
    """When a prediction has found an object.

    Args:
        kind: ``"iou"`` of the boxes at least ``threshold``, or ``"distance"`` of their centres below it.
        threshold: IoU in (0, 1]; or a distance, in the unit of the boxes.
        assignment: ``"greedy"`` or ``"optimal"``.
        by_class: only objects of the prediction's own class count.
    """

    kind: Literal["iou", "distance"]
    threshold: float
    assignment: Literal["greedy", "optimal"] = "greedy"
    by_class: bool = True

    def __post_init__(self) -> None:
        if self.kind == "iou" and not 0 < self.threshold <= 1:
            raise InvalidValueError(f"IoU {self.threshold}: expected above 0, at most 1")
        if self.kind == "distance" and not 0 < self.threshold < float("inf"):
            raise InvalidValueError(f"distance {self.threshold}: expected above 0")


def parse_rule(text: str) -> tuple[MatchRule, str]:
    """``iou:0.5``, ``distance:200m``, ``distance:2km`` or ``distance:8px`` to a rule and its unit.

    The unit is ``""`` for IoU, ``"m"`` (kilometres are turned to metres) or ``"px"``; IoU is assigned
    greedily, distance optimally.
    """
    found = _RULE.fullmatch(text.strip().lower())
    if found is None or (found[1] == "iou") == bool(found[3]):
        raise InvalidValueError(f"match {text!r}: expected iou:0.5, distance:200m or distance:8px")
    value = float(found[2])
    if found[1] == "iou":
        return MatchRule("iou", value), ""
    unit = "px" if found[3] == "px" else "m"
    return MatchRule("distance", value * (1000 if found[3] == "km" else 1), "optimal"), unit


@dataclass(frozen=True, slots=True)
class Matched:
    """Predictions and true objects of many images, and what became of each.

    Args:
        images: keys.
        classes: names, in the order of labels.
        rule: by which they were matched.
        pred_image: ``(N,)`` position in ``images``.
        pred_index: ``(N,)`` position among its image's predictions of at least the least score.
        pred_boxes: ``(N, 4)``.
        pred_scores: ``(N,)``.
        pred_labels: ``(N,)``.
        pred_area: ``(N,)``.
        status: ``(N,)`` int8: 1 found an object, 0 did not, -1 does not count.
        duplicate: ``(N,)`` bool; would have found an object, were it not for a stronger prediction.
        pred_truth: ``(N,)`` object that it was paired with among all predictions, -1 none.
        truth_image: ``(M,)``.
        truth_boxes: ``(M, 4)``.
        truth_labels: ``(M,)``.
        truth_area: ``(M,)``.
        counted: ``(M,)`` bool; objects that are to be found.
        found: ``(M,)`` bool; objects that were, by some prediction.
    """

    images: tuple[ImageKey, ...]
    classes: tuple[str, ...]
    rule: MatchRule
    pred_image: IntArray
    pred_index: IntArray
    pred_boxes: FloatArray
    pred_scores: FloatArray
    pred_labels: IntArray
    pred_area: FloatArray
    status: NDArray[np.int8]
    duplicate: BoolArray
    pred_truth: IntArray
    truth_image: IntArray
    truth_boxes: FloatArray
    truth_labels: IntArray
    truth_area: FloatArray
    counted: BoolArray
    found: BoolArray

    def counts(self) -> FloatArray:
        """``(images, 3)`` true positives, false positives and false negatives of each image."""
        table = np.zeros((len(self.images), 3))
        np.add.at(table[:, 0], self.pred_image[self.status == TRUE_POSITIVE], 1)
        np.add.at(table[:, 1], self.pred_image[self.status == FALSE_POSITIVE], 1)
        np.add.at(table[:, 2], self.truth_image[self.counted], 1)
        table[:, 2] -= table[:, 0]
        return table


def match_objects(
    truth: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    classes: Sequence[str],
    rule: MatchRule,
    min_score: float | Sequence[float] = -np.inf,
) -> Matched:
    """Pair the predictions of at least ``min_score`` with the true objects, image by image.

    Args:
        truth: one an image; objects that are ``ignore`` or ``crowd`` are asked of nobody, and a prediction
            that matches nothing else than such a one does not count.
        predictions: at most one an image, in the same frame and unit as the truth.
        classes: names, in the order of the labels.
        rule: when a prediction has found an object.
        min_score: predictions below are left out; one number for all, or one a label.

    Raises:
        LabelError: see ``columns_of``.
    """
    kept = [take_predictions(p, reaching(p, min_score)) for p in predictions]
    columns = columns_of(truth, kept, len(classes))
    ignored = columns.truth_crowd | columns.truth_ignore
    n_pred, n_truth = len(columns.pred_scores), len(ignored)
    place = np.empty(n_pred, np.int64)
    place[np.lexsort((columns.pred_image, -columns.pred_scores))] = np.arange(n_pred)
    pairs = _near_pairs(columns, rule)
    pairs = pairs.take(np.lexsort((-pairs.truth, -pairs.iou, ignored[pairs.truth], place[pairs.pred])))
    hit, match, silent = _assigned(pairs, n_pred, columns, rule)
    status = np.where(hit, TRUE_POSITIVE, np.where(silent, IGNORED, FALSE_POSITIVE)).astype(np.int8)
    found = np.zeros(n_truth, np.bool_)
    found[match[hit]] = True
    near = np.zeros(n_pred, np.bool_)
    near[pairs.pred[~ignored[pairs.truth]]] = True
    return Matched(
        columns.images,
        tuple(classes),
        rule,
        columns.pred_image,
        columns.pred_index,
        columns.pred_boxes,
        columns.pred_scores,
        columns.pred_labels,
        columns.pred_area,
        status,
        near & (status == FALSE_POSITIVE),
        np.where(hit, match, -1),
        columns.truth_image,
        columns.truth_boxes,
        columns.truth_labels,
        columns.truth_area,
        ~ignored,
        found,
    )


def _assigned(
    pairs: Pairs, n_pred: int, columns: Columns, rule: MatchRule
) -> tuple[BoolArray, IntArray, BoolArray]:
    """Which predictions are right, each one's object or -1, and which do not count.

    Args:
        pairs: by descending score of the prediction; of one, objects that count first, then the closest.
        n_pred: number of predictions.
        columns: predictions and objects.
        rule: how to assign.
    """
    ignored = columns.truth_crowd | columns.truth_ignore
    silent = np.zeros(n_pred, np.bool_)
    if rule.assignment == "greedy":
        match = assign_greedily(pairs, n_pred, len(ignored), columns.truth_crowd)
        taken = match >= 0
        silent[taken] = ignored[match[taken]]
        return taken & ~silent, match, silent
    hit, match = _assign_optimally(pairs.take(~ignored[pairs.truth]), n_pred, len(ignored))
    silent[pairs.pred[ignored[pairs.truth]]] = True
    return hit, match, silent & ~hit


def centres(boxes: FloatArray) -> FloatArray:
    """``(N, 4)`` boxes to ``(N, 2)`` centres."""
    middle: FloatArray = (boxes[:, :2] + boxes[:, 2:]) / 2
    return middle


def _near_pairs(columns: Columns, rule: MatchRule) -> Pairs:
    """Pairs that the rule allows; their ``iou`` is the closeness: IoU, or the distance made negative."""
    n = max(len(columns.images), 1)
    pred_group, truth_group = columns.pred_image, columns.truth_image
    if rule.by_class:
        pred_group = columns.pred_labels * n + pred_group
        truth_group = columns.truth_labels * n + truth_group
    if rule.kind == "iou":
        pairs = overlapping_pairs(
            columns.pred_boxes, pred_group, columns.truth_boxes, truth_group, columns.truth_crowd
        )
        return pairs.take(pairs.iou >= min(rule.threshold, 1 - 1e-10))
    return _pairs_within(columns, pred_group, truth_group, rule.threshold)


def close_to_shore(
    truth: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    distances: tuple[Sequence[FloatArray], Sequence[FloatArray]],
    tolerance: float = XVIEW3_DISTANCE_M,
    shore: float = XVIEW3_SHORE_M,
) -> tuple[list[ImageTruth], list[ImagePredictions]]:
    """The objects near the shore and the predictions that may be of them, to be matched by themselves.

    As xView3 has it: objects within ``shore`` of it, predictions within ``shore + tolerance``.

    Args:
        truth: one an image.
        predictions: one an image.
        distances: to the shore, of the objects of each of ``truth``, and of each of ``predictions``.
        tolerance: of the match, in the unit of the distances.
        shore: in the same unit.
    """
    objects, found = distances
    reach = shore + tolerance
    return (
        [take_truth(t, d <= shore) for t, d in zip(truth, objects, strict=True)],
        [take_predictions(p, d <= reach) for p, d in zip(predictions, found, strict=True)],
    )


def _pairs_within(columns: Columns, pred_group: IntArray, truth_group: IntArray, limit: float) -> Pairs:
    """Pairs of centres less than ``limit`` apart; a crowd region is as far away as its nearest edge."""
    middle = centres(columns.pred_boxes)
    preds: list[IntArray] = []
    truths: list[IntArray] = []
    for group in np.intersect1d(pred_group, truth_group):
        p, t = np.flatnonzero(pred_group == group), np.flatnonzero(truth_group == group)
        single = t[~columns.truth_crowd[t]]
        if len(single):
            tree = KDTree(middle[p])
            near = tree.query_ball_point(centres(columns.truth_boxes[single]), limit)
            truths.append(np.repeat(single, [len(found) for found in near]))
            preds.append(p[np.concatenate([np.asarray(found, np.int64) for found in near])])
        for region in t[columns.truth_crowd[t]]:
            preds.append(p)
            truths.append(np.full(len(p), region))
    if not preds:
        none = np.zeros(0, np.int64)
        return Pairs(none, none, np.zeros(0))
    pred, truth = np.concatenate(preds), np.concatenate(truths)
    box, at = columns.truth_boxes[truth], middle[pred]
    outside = np.maximum(np.maximum(box[:, :2] - at, at - box[:, 2:]), 0)
    between = np.where(columns.truth_crowd[truth][:, None], outside, centres(box) - at)
    apart: FloatArray = np.linalg.norm(between, axis=1)
    return Pairs(pred, truth, -apart).take(apart < limit)


def _assign_optimally(pairs: Pairs, n_pred: int, n_truth: int) -> tuple[BoolArray, IntArray]:
    """Most pairs, then closest. ``pairs`` are in order of prediction, by descending score.

    Returns:
        ``(n_pred,)`` whether the prediction raised the number of pairs when it came, and ``(n_pred,)`` its
        object in the final pairing, -1 where none.
    """
    match = np.full(n_pred, -1, np.int64)
    hit = np.zeros(n_pred, np.bool_)
    if not len(pairs.pred):
        return hit, match
    links = coo_array(
        (np.ones(len(pairs.pred)), (pairs.pred, pairs.truth + n_pred)), shape=(n_pred + n_truth,) * 2
    )
    _, part = connected_components(links, directed=False)
    by_part = np.argsort(part[pairs.pred], kind="stable")
    edges = np.flatnonzero(np.diff(part[pairs.pred][by_part])) + 1
    for members in np.split(by_part, edges):
        own = pairs.take(members)
        if len(members) == 1:
            hit[own.pred[0]], match[own.pred[0]] = True, own.truth[0]
            continue
        raising = _raising(own)
        hit[raising] = True
        paired = own.take(np.isin(own.pred, raising))
        _pair_closest(paired, match)
    return hit, match


def _raising(pairs: Pairs) -> IntArray:
    """Predictions that, coming in their order, each raise the size of the largest pairing (Kuhn 1955)."""
    options: dict[int, list[int]] = {}
    for p, t in zip(pairs.pred.tolist(), pairs.truth.tolist(), strict=True):
        options.setdefault(p, []).append(t)
    holder: dict[int, int] = {}
    held: dict[int, int] = {}
    # From what a search saw in vain no later one finds a way out (Hungarian trees): not looked at again.
    dead: set[int] = set()
    raising = []
    for start in options:
        came_from: dict[int, int] = {}
        queue, free = deque([start]), None
        while queue and free is None:
            p = queue.popleft()
            for t in options[p]:
                if t in came_from or t in dead:
                    continue
                came_from[t] = p
                if t not in holder:
                    free = t
                    break
                queue.append(holder[t])
        if free is None:
            dead.update(came_from)
            continue
        raising.append(start)
        step: int | None = free
        while step is not None:
            p = came_from[step]
            before = held.get(p)
            holder[step], held[p] = p, step
            step = before
    return np.array(raising, np.int64)


def _pair_closest(pairs: Pairs, match: IntArray) -> None:
    """Give every prediction its object so that the sum of closeness is largest; all can have one."""
    preds, rows = np.unique(pairs.pred, return_inverse=True)
    truths, cols = np.unique(pairs.truth, return_inverse=True)
    # The solver takes a missing weight for no pair, so that none may be zero.
    cost = pairs.iou.max() - pairs.iou + 1.0
    graph = coo_array((cost, (rows, cols)), shape=(len(preds), len(truths))).tocsr()
    row, col = min_weight_full_bipartite_matching(graph)
    match[preds[row]] = truths[col]
