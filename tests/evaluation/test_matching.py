"""Matching by overlap and distance, and the rates made of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.curves import precision_recall_f1, score_curve
from retina_domains.evaluation.matching import (
    MatchRule,
    close_to_shore,
    match_objects,
    parse_rule,
)
from retina_domains.evaluation.values import ImagePredictions, ImageTruth
from retina_domains.types import FloatArray

RULE_200M = MatchRule("distance", 200.0, "optimal")


def points(xy: FloatArray) -> FloatArray:
    return np.concatenate([xy, xy], axis=1)


def scene(
    truth: FloatArray, found: FloatArray, scores: FloatArray | None = None
) -> tuple[list[ImageTruth], list[ImagePredictions]]:
    scores = np.linspace(1, 0.5, len(found)) if scores is None else scores
    return (
        [ImageTruth.of("s", points(truth), np.zeros(len(truth)))],
        [ImagePredictions.of("s", points(found), scores, np.zeros(len(found)))],
    )


@pytest.mark.parametrize("seed", range(8))
def test_count_equals_the_published_xview3_assignment(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = rng.uniform(0, 3000, (60, 2)), rng.uniform(0, 3000, (70, 2))
    # As the challenge scores it: one Hungarian assignment of a dense matrix, too far made prohibitive.
    apart = np.hypot(*(found[:, None] - truth[None]).transpose(2, 0, 1))
    rows, cols = linear_sum_assignment(np.where(apart > 200, 9999999.0, apart))
    pairs = apart[rows, cols] < 200
    matched = match_objects(*scene(truth, found), ["ship"], RULE_200M)
    assert (matched.status == 1).sum() == pairs.sum()
    assert matched.found.sum() == pairs.sum()
    own = matched.pred_truth >= 0
    reached = np.hypot(*(matched.pred_boxes[own, :2] - truth[matched.pred_truth[own]]).T)
    assert (reached < 200).all()
    assert len(np.unique(matched.pred_truth[own])) == own.sum()


def test_total_distance_is_the_least_when_all_can_be_paired() -> None:
    truth = np.array([[0.0, 0.0], [100.0, 0.0]])
    found = np.array([[90.0, 0.0], [110.0, 0.0]])
    # Greedy by score would give the first prediction the second object at 10 m; then the second one
    # is 110 m from the first object: 120 m in all, as is the crossed pairing 90 + 10 = 100 m.
    matched = match_objects(*scene(truth, found), ["ship"], RULE_200M)
    assert matched.pred_truth.tolist() == [0, 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6))
def test_every_threshold_has_the_count_of_an_assignment_of_its_own(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = rng.uniform(0, 500, (n, 2)), rng.uniform(0, 500, (m, 2))
    curve = score_curve(match_objects(*scene(truth, found), ["ship"], RULE_200M))
    near = np.hypot(*(found[:, None] - truth[None]).transpose(2, 0, 1)) < 200
    for k in range(1, m + 1):
        most = max(
            sum(near[p, t] for p, t in enumerate(order) if t < n)
            for order in itertools.permutations(range(max(n, k)), k)
        )
        assert curve.true_positives[k - 1] == most


def test_greedy_by_iou_and_duplicates() -> None:
    truth = [ImageTruth.of("a", [[0, 0, 10, 10]], [0])]
    boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40]]
    found = [ImagePredictions.of("a", boxes, [0.5, 0.9, 0.7], [0, 0, 0])]
    matched = match_objects(truth, found, ["x"], MatchRule("iou", 0.5))
    by_score = dict(zip(matched.pred_scores.tolist(), matched.status.tolist(), strict=True))
    assert by_score == {0.9: 1, 0.7: 0, 0.5: 0}
    assert matched.counts().tolist() == [[1.0, 2.0, 0.0]]


def test_ignored_objects_and_regions_blame_nobody() -> None:
    truth = [
        ImageTruth.of(
            "a",
            [[0, 0, 0, 0], [500, 0, 500, 0], [1000, 0, 2000, 1000]],
            [0, 0, 0],
            ignore=[False, True, False],
            crowd=[False, False, True],
        )
    ]
    at = np.array([[10.0, 0], [500, 10], [1500, 500], [1400, 500], [900, 0], [5000, 0]])
    found = [ImagePredictions.of("a", points(at), np.linspace(1, 0.1, 6), np.zeros(6))]
    for assignment in ("greedy", "optimal"):
        matched = match_objects(truth, found, ["x"], MatchRule("distance", 200.0, assignment))  # type: ignore[arg-type]
        assert matched.status.tolist() == [1, -1, -1, -1, -1, 0]
        assert matched.counts().tolist() == [[1.0, 1.0, 0.0]]


def test_classes_apart_unless_told() -> None:
    truth = [ImageTruth.of("a", [[0, 0, 10, 10]], [0])]
    found = [ImagePredictions.of("a", [[0, 0, 10, 10]], [0.9], [1])]
    assert match_objects(truth, found, "xy", MatchRule("iou", 0.5)).status.tolist() == [0]
    together = MatchRule("iou", 0.5, by_class=False)
    assert match_objects(truth, found, "xy", together).status.tolist() == [1]


def test_a_least_score_for_each_class() -> None:
    truth = [ImageTruth.of("a", [[0, 0, 10, 10], [20, 0, 30, 10]], [0, 1])]
    found = [
        ImagePredictions.of("a", [[0, 0, 10, 10], [20, 0, 30, 10], [60, 0, 70, 9]], [0.4] * 3, [0, 1, 1])
    ]
    rule = MatchRule("iou", 0.5)
    assert match_objects(truth, found, "xy", rule, (0.5, 0.3)).status.tolist() == [1, 0]
    assert match_objects(truth, found, "xy", rule, (0.4, 0.41)).pred_labels.tolist() == [0]


def test_rates_with_intervals_by_group() -> None:
    truth = [ImageTruth.of(k, [[0, 0, 10, 10], [50, 0, 60, 10]], [0, 0]) for k in range(4)]
    found = [ImagePredictions.of(k, [[0, 0, 10, 10], [90, 0, 95, 9]], [0.9, 0.2], [0, 0]) for k in range(4)]
    all_of_them = match_objects(truth, found, ["x"], MatchRule("iou", 0.5))
    result = precision_recall_f1(all_of_them)
    assert (result.true_positives, result.false_positives, result.false_negatives) == (4, 4, 4)
    assert result.f1.value == 0.5
    # All images are alike, so that resampling them changes nothing.
    assert (result.f1.low, result.f1.high) == (0.5, 0.5)
    sure = match_objects(truth, found, ["x"], MatchRule("iou", 0.5), min_score=0.5)
    assert precision_recall_f1(sure).precision.value == 1.0
    one_scene = precision_recall_f1(sure, groups=np.zeros(4, np.int64))
    # Of one scene, its objects are drawn: four hits, four misses; the share of hits is binomial.
    assert one_scene.recall.over == "objects"
    assert one_scene.recall.low == pytest.approx(1 / 6, abs=0.1)
    assert one_scene.recall.low < 0.5 < one_scene.recall.high
    with pytest.raises(InvalidValueError, match="one each"):
        precision_recall_f1(sure, groups=np.zeros(3, np.int64))


def test_curve_and_froc_by_hand() -> None:
    # Two images, three objects. By score: hit, miss, hit, then a tie of a miss and a hit.
    truth = [ImageTruth.of(0, [[0, 0, 9, 9], [20, 0, 29, 9]], [0, 0]), ImageTruth.of(1, [[0, 0, 9, 9]], [0])]
    found = [
        ImagePredictions.of(0, [[0, 0, 9, 9], [50, 0, 59, 9], [20, 0, 29, 9]], [0.9, 0.8, 0.7], [0, 0, 0]),
        ImagePredictions.of(1, [[60, 0, 69, 9], [0, 0, 9, 9]], [0.6, 0.6], [0, 0]),
    ]
    curve = score_curve(match_objects(truth, found, ["x"], MatchRule("iou", 0.5)))
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert curve.true_positives.tolist() == [1, 1, 2, 3]
    assert curve.false_positives.tolist() == [0, 1, 1, 2]
    assert curve.f1 == pytest.approx([2 / 4, 2 / 5, 4 / 6, 6 / 8])
    assert curve.best_threshold() == 0.6
    assert curve.false_positives_per_image == pytest.approx([0, 0.5, 0.5, 1.0])
    assert curve.froc((0.25, 0.5, 0.9, 1.0)) == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1.0])
    twice = score_curve(match_objects(truth, found, ["x"], MatchRule("iou", 0.5)), np.array([2.0, 0.0]))
    assert twice.true_positives[-1] == 4
    assert twice.truth_count == 4


def test_empty_sides() -> None:
    truth, found = scene(np.zeros((0, 2)), np.array([[1.0, 1.0]]))
    nothing_there = match_objects(truth, found, ["x"], RULE_200M)
    assert nothing_there.counts().tolist() == [[0.0, 1.0, 0.0]]
    result = precision_recall_f1(nothing_there)
    assert result.precision.value == 0.0
    assert np.isnan(result.recall.value)
    truth, found = scene(np.array([[1.0, 1.0]]), np.zeros((0, 2)))
    nothing_found = match_objects(truth, found, ["x"], RULE_200M)
    assert precision_recall_f1(nothing_found).f1.value == 0.0
    curve = score_curve(nothing_found)
    assert len(curve.thresholds) == 0
    assert np.isnan(curve.best_threshold())
    assert curve.froc((1.0,)).tolist() == [0.0]


def test_close_to_shore_as_xview3() -> None:
    truth, found = scene(np.array([[0.0, 0], [5000.0, 0]]), np.array([[10.0, 0], [2100.0, 0], [5000.0, 0]]))
    near = close_to_shore(
        truth, found, ([truth[0].boxes[:, 0]], [found[0].boxes[:, 0]]), tolerance=200, shore=2000
    )
    matched = match_objects(*near, ["x"], RULE_200M)
    assert matched.counts().tolist() == [[1.0, 1.0, 0.0]]


def test_rules_are_read() -> None:
    assert parse_rule("iou:0.5") == (MatchRule("iou", 0.5), "")
    assert parse_rule("distance:2km") == (MatchRule("distance", 2000.0, "optimal"), "m")
    assert parse_rule("distance:8px")[1] == "px"
    for bad in ("iou:0.5m", "distance", "iou:1.5", "iou:0", "near:3"):
        with pytest.raises(InvalidValueError, match="expected"):
            parse_rule(bad)
