"""Curves and thresholds on numbers worked out by hand, and nothing judged by what it was fitted on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.align import Comparison
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.evaluation.matching import MatchRule
from retina_domains.evaluation.score_fit import (
    Evidence,
    FitSpec,
    best_cut,
    deal_folds,
    gather,
    held_out,
    judged_units,
    kept_rates,
    learn,
)
from retina_domains.evaluation.values import ImagePredictions, ImageTruth

BLOOD = ("RBC", "gametocyte", "ring")


def evidence(scores, hits, unit, part, truth, units=(("a",), ("b",))) -> Evidence:
    return Evidence(
        units,
        np.asarray(scores, float),
        np.asarray(hits, bool),
        np.asarray(unit, int),
        np.asarray(part, int),
        np.asarray(truth, float),
        scenes=True,
    )


def drawn(count: int, seed: int, slope: float = 1.0, intercept: float = 0.0) -> Evidence:
    """Predictions of ten scenes that are right as often as sigmoid(slope logit(score) + intercept)."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.98, count)
    chance = 1 / (1 + np.exp(-slope * np.log(scores / (1 - scores)) - intercept))
    hits = rng.uniform(size=count) < chance
    part = rng.integers(0, 10, count)
    truth = np.bincount(part, hits, minlength=10)[:, None] + 1
    return evidence(scores, hits, np.zeros(count), part, truth, units=(("a",),))


def test_classes_judged_as_one() -> None:
    truth = [ImageTruth.of("x", [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], [0, 2, 1])]
    seen = [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [80, 0, 90, 10]]
    found = [ImagePredictions.of("x", seen, [0.9, 0.8, 0.7, 0.6], [2, 1, 1, 0])]
    c = Comparison(tuple(truth), tuple(found), BLOOD, MatchRule("iou", 0.5), "px", ("x",), True, True, ())
    apart, as_one = gather(c), gather(c, [("ring", "gametocyte")])
    assert dict(zip(apart.scores.tolist(), apart.hits.tolist(), strict=True)) == {
        0.9: False,
        0.8: False,
        0.7: True,
        0.6: False,
    }
    # A gametocyte where a ring is, is right; a ring where a red cell is, is not.
    assert as_one.units == (("RBC",), ("ring", "gametocyte"))
    assert dict(zip(as_one.scores.tolist(), as_one.hits.tolist(), strict=True)) == {
        0.9: False,
        0.8: True,
        0.7: True,
        0.6: False,
    }
    assert as_one.truth.tolist() == [[1, 2]]
    assert not as_one.scenes


def test_units_of_classes() -> None:
    assert judged_units(BLOOD, []) == (("RBC",), ("gametocyte",), ("ring",))
    # A schizont that is not there belongs to its unit all the same.
    assert judged_units(BLOOD, [("ring", "schizont")]) == (("RBC",), ("gametocyte",), ("ring", "schizont"))
    assert judged_units(BLOOD, [("pf", "pv")]) == judged_units(BLOOD, [])
    with pytest.raises(InvalidValueError, match="class 'ring' is to be judged as one with others twice"):
        judged_units(BLOOD, [("ring", "gametocyte"), ("ring", "RBC")])


def test_the_best_cut_by_hand() -> None:
    # Of 4 objects; F1 at .9: 2/5, at .8: 4/6, at .6: 4/7, at .5: 6/8, at .1: 6/9.
    scores, hits = np.array([0.5, 0.9, 0.6, 0.8, 0.1]), np.array([1, 1, 0, 1, 0], bool)
    assert best_cut(scores, hits, 4, "f1") == pytest.approx((0.5 + 0.1) / 2)
    # F0.5 at .8: 1.25 * 2 / (2 + .25 * 4) = .833, at .5: 1.25 * 3 / (4 + 1) = .75.
    assert best_cut(scores, hits, 4, "precision") == pytest.approx((0.8 + 0.6) / 2)
    assert best_cut(scores[[1]], hits[[1]], 1, "f1") == 0.9
    # As many as there are: four are kept at .5, though one of them is wrong; of none only the first is.
    assert best_cut(scores, hits, 4, "count") == pytest.approx((0.5 + 0.1) / 2)
    assert best_cut(scores, hits, 2, "count") == pytest.approx((0.8 + 0.6) / 2)
    assert best_cut(scores, hits, 0, "count") == pytest.approx((0.9 + 0.8) / 2)


def test_expected_f1_is_largest_at_half_of_itself() -> None:
    # Of the two scores F1 is 1 at .9: half of that.
    assert best_cut(np.array([0.9, 0.7]), np.array([True, False]), 1, "expected") == 0.5
    # Scores that are chances, all objects among them: no other threshold has a larger F1 in expectation.
    chance = np.random.default_rng(0).beta(0.3, 1.2, 20_000)
    ordered = np.sort(chance)[::-1]
    f1 = 2 * np.cumsum(ordered) / (np.arange(1, 20_001) + chance.sum())
    hits = np.random.default_rng(1).uniform(size=20_000) < chance
    found = best_cut(chance, hits, float(hits.sum()), "expected")
    assert found == pytest.approx(ordered[np.argmax(f1)], abs=0.01)
    assert found == pytest.approx(f1.max() / 2, abs=0.01)


def test_a_class_has_its_own_preference() -> None:
    spec = FitSpec((("ring", "schizont"),), "f1", prefer_of=(("schizont", "recall"), ("RBC", "count")))
    assert spec.preferred(("ring", "schizont")) == "recall"
    assert spec.preferred(("RBC",)) == "count"
    assert spec.preferred(("gametocyte",)) == "f1"
    torn = FitSpec(prefer_of=(("ring", "recall"), ("schizont", "count")))
    with pytest.raises(InvalidValueError, match="chosen by count and by recall: name one"):
        torn.preferred(("ring", "schizont"))


def test_counts_are_right_by_preference() -> None:
    """What is kept on other scenes is as many as there are, where F1 keeps too few or too many."""
    e = drawn(4_000, seed=5, slope=0.6, intercept=-1.0)
    counted = held_out(e, FitSpec(prefer="count"))
    by_class = held_out(e, FitSpec(prefer_of=(("a", "count"),)))
    plain = held_out(e, FitSpec())
    assert counted is not None
    assert by_class is not None
    assert plain is not None
    assert counted.kept.sum() == pytest.approx(e.truth.sum(), rel=0.05)
    assert plain.kept.sum() > 1.2 * e.truth.sum()
    np.testing.assert_array_equal(by_class.kept, counted.kept)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(2, 6))
def test_folds_are_even_and_complete(sizes: list[int], folds: int) -> None:
    fold = deal_folds(np.asarray(sizes, float), folds)
    count = min(folds, len(sizes))
    assert set(fold.tolist()) == set(range(count))
    load = np.bincount(fold, sizes, minlength=count)
    # The fullest was the emptiest before its last one came.
    assert load.max() - load.min() <= max(sizes)


def test_the_curve_that_was_drawn_from_is_found() -> None:
    e = drawn(20_000, seed=1, slope=2.0, intercept=-0.5)
    learned = learn(e, np.ones(20_000, bool), np.ones(10, bool))
    assert learned.curves[0] == pytest.approx([2.0, -0.5], abs=0.08)
    assert learned.own.tolist() == [True]
    tested = held_out(e, FitSpec())
    assert tested is not None
    assert tested.folds == 5
    binned = np.digitize(tested.corrected, np.linspace(0, 1, 11)[1:-1])
    for k in range(10):
        assert e.hits[binned == k].mean() == pytest.approx(tested.corrected[binned == k].mean(), abs=0.05)


def test_a_class_of_few_takes_the_curve_of_all() -> None:
    many, few = drawn(2_000, seed=2), drawn(30, seed=3)
    both = evidence(
        np.r_[many.scores, few.scores],
        np.r_[many.hits, np.arange(30) < 4],
        np.r_[np.zeros(2_000), np.ones(30)],
        np.r_[many.part, few.part],
        np.c_[many.truth, np.ones(10)],
    )
    learned = learn(both, np.ones(2_030, bool), np.ones(10, bool))
    assert learned.own.tolist() == [True, False]
    assert learned.own_cut.tolist() == [True, False]
    assert learned.curves[1].tolist() == list(learned.pooled)
    assert learned.cuts[1] == learned.pooled_cut


def test_no_scene_is_judged_by_itself() -> None:
    """One scene scores all wrong: left in, it would bend its own curve."""
    e = drawn(4_000, seed=4)
    odd = e.part == 3
    turned = evidence(e.scores, np.where(odd, False, e.hits), e.unit, e.part, e.truth, units=(("a",),))
    spec = FitSpec(folds=10)
    tested, other = held_out(turned, spec), held_out(e, spec)
    assert tested is not None
    assert other is not None
    assert tested.corrected[odd] == pytest.approx(other.corrected[odd])
    assert not np.allclose(tested.corrected[~odd], other.corrected[~odd])


def test_too_little_to_teach() -> None:
    one_scene = evidence([0.5] * 20, [True, False] * 10, [0] * 20, [0] * 20, [[10]], units=(("a",),))
    assert held_out(one_scene, FitSpec()) is None
    few = evidence([0.5] * 6, [True, False] * 3, [0] * 6, [0, 1] * 3, [[2], [2]], units=(("a",),))
    assert held_out(few, FitSpec()) is None
    with pytest.raises(InvalidValueError, match="3 right and 3 wrong predictions"):
        learn(few, np.ones(6, bool), np.ones(2, bool))


def test_rates_of_what_is_kept_by_hand() -> None:
    e = evidence([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1, 1], [[2, 0], [1, 5]])
    kept = np.array([True, True, True, True])
    precision, recall, f1 = kept_rates(e, kept, 0, BootstrapSpec(50))
    assert (precision.value, recall.value) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert kept_rates(e, kept, 1, BootstrapSpec(50))[1].value == pytest.approx(1 / 5)
    assert f1.value == pytest.approx(2 / 3)
