"""Calibrated scores by hand, there and back, and bundles that have one curve for all classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retina_domains.errors import InvalidValueError
from retina_domains.schema import from_json, to_json
from retina_domains.score_calibration import Calibration, LogitCurve

SCORES = np.array([0.0, 0.2, 0.5, 0.8, 1.0])
NO_LABELS = np.zeros(5, int)
APART = Calibration(
    slope=1.0,
    by_class=(LogitCurve(slope=2.0, intercept=0.0), None, LogitCurve(slope=1.0, intercept=math.log(3))),
)


def test_one_curve_by_hand() -> None:
    # Odds 1/4 squared are 1/16.
    assert Calibration(slope=2.0).apply(SCORES, NO_LABELS) == pytest.approx([0, 1 / 17, 0.5, 16 / 17, 1])
    shifted = Calibration(slope=1.0, intercept=math.log(3))
    assert shifted.apply(np.array([0.5]), np.array([4])) == pytest.approx([0.75])
    assert shifted.raw(0.75, 4) == pytest.approx(0.5)
    assert Calibration(slope=2.0).least_raw(16 / 17) == pytest.approx(0.8)
    assert Calibration(slope=2.0).apply(np.zeros(0), np.zeros(0, int)).shape == (0,)


def test_a_curve_for_each_class_by_hand() -> None:
    found = APART.apply(np.array([0.2, 0.2, 0.5, 0.8]), np.array([0, 1, 2, 0]))
    assert found == pytest.approx([1 / 17, 0.2, 0.75, 16 / 17])
    # .75 is odds of 3: the root of it, itself, a third of it.
    raws = [math.sqrt(3) / (1 + math.sqrt(3)), 0.75, 0.5]
    assert [APART.raw(0.75, label) for label in range(3)] == pytest.approx(raws)
    assert APART.least_raw(0.75) == pytest.approx(0.5)


@given(st.floats(0.001, 0.999), st.integers(0, 2))
def test_there_and_back(score: float, label: int) -> None:
    up = float(APART.apply(np.array([score]), np.array([label]))[0])
    assert APART.raw(up, label) == pytest.approx(score, rel=1e-6)


def test_one_of_before_reads_as_before() -> None:
    before = {"slope": 3.0, "intercept": 1.5, "data": "val"}
    assert from_json(Calibration, before) == Calibration(slope=3.0, intercept=1.5, data="val")
    assert from_json(Calibration, {**to_json(APART), "by_class": list(to_json(APART)["by_class"])}) == APART


@pytest.mark.parametrize("slope", [0.0, -1.0, float("nan")])
def test_a_curve_that_turns_the_order_around_is_refused(slope: float) -> None:
    with pytest.raises(InvalidValueError, match="the order flips"):
        Calibration(slope=slope)
    with pytest.raises(InvalidValueError, match="the order flips"):
        LogitCurve(slope=slope, intercept=0.0)
