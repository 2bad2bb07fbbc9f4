"""Parasites per microlitre: figures by hand, the published spread of counts, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retina_domains.cells.confusion import DetectorConfusion, FieldConfusion
from retina_domains.cells.density import ThickField, WbcCount, count_density
from retina_domains.cells.planning import plan_thick
from retina_domains.cells.values import DrawSpec
from retina_domains.errors import InvalidValueError

MEASURED = WbcCount(8000, assumed=False)


def known(parasites, wbc, nothing, slides=5, area=None):
    """Parasites and WBC: (found, missed); nothing: (false parasites, false WBC) a field."""
    table = ((parasites[0], 0, parasites[1]), (0, wbc[0], wbc[1]), (*nothing, 0))
    return DetectorConfusion(
        format_version=1,
        classes=("pf", "WBC"),
        score_threshold=0.5,
        match="iou:0.5",
        data="val",
        fields=tuple(
            FieldConfusion(field=str(k), slide=str(k), table=table, area_mm2=area) for k in range(slides)
        ),
    )


def smear(parasites, wbc, fields=50, area=None):
    return [ThickField(str(k), parasites, wbc, area) for k in range(fields)]


def test_the_raw_figure_and_who_counted_what():
    found = count_density(smear(3, 10), MEASURED)
    assert found.raw.value == pytest.approx(150 / 500 * 8000)
    assert (found.parasites, found.wbc, found.share_of_practice) == (150, 500, 1.0)
    assert found.corrected is None
    # Of two Poisson counts the logarithm of the ratio varies by 1 / 150 + 1 / 500.
    half = 1.96 * np.sqrt(1 / 150 + 1 / 500)
    assert found.raw.high / found.raw.value == pytest.approx(np.exp(half), rel=0.03)
    assert found.raw.low / found.raw.value == pytest.approx(np.exp(-half), rel=0.03)


def test_the_spread_of_counts_against_500_wbc_is_the_published_one():
    """Malaria Journal 2020 (10.1186/s12936-020-03352-z), table 3: at 200 per uL a standard deviation of 57.0.

    There 500 WBC are exact; here they vary too, by 1 / sqrt(500) more.
    """
    rng = np.random.default_rng(0)
    counts = rng.poisson(200 / 8000 * 500, 250)
    spec = DrawSpec(draws=1000, field_spread=0.001)
    inside = []
    for total in counts:
        fields = [
            ThickField(str(k), int(n), 10) for k, n in enumerate(rng.multinomial(total, np.full(50, 0.02)))
        ]
        inside.append(count_density(fields, MEASURED, spec=spec).raw)
    assert np.std([one.value for one in inside]) == pytest.approx(57.0, rel=0.12)
    assert 0.91 <= np.mean([one.low <= 200 <= one.high for one in inside]) <= 0.99


def test_the_corrected_figure_by_hand():
    # Of 15 parasites 12 are found and one a field is false; of 10 WBC 9 are found.
    found = count_density(smear(5, 10), MEASURED, known((12, 3), (9, 1), (1, 0)))
    assert found.corrected is not None
    assert found.corrected.value == pytest.approx((250 - 50) / 0.8 / (500 / 0.9) * 8000)


def test_false_reports_go_by_area_where_it_is_known():
    by_area = count_density(smear(5, 10, area=0.02), MEASURED, known((12, 3), (9, 1), (1, 0), area=0.01))
    assert by_area.corrected is not None
    assert by_area.corrected.value == pytest.approx((250 - 100) / 0.8 / (500 / 0.9) * 8000)


def test_the_assumed_wbc_count_is_told_and_its_error_can_be_held():
    assumed = count_density(smear(3, 10))
    assert any("assumed, not measured" in note for note in assumed.notes)
    held = count_density(smear(3, 10), WbcCount(relative_sd=0.4))
    assert held.raw.half_width > 2 * assumed.raw.half_width
    assert held.raw.value == assumed.raw.value
    assert not any("assumed" in note for note in count_density(smear(3, 10), MEASURED).notes)
    doubled = count_density(smear(3, 10), WbcCount(16_000, assumed=False))
    assert doubled.raw.low == pytest.approx(2 * count_density(smear(3, 10), MEASURED).raw.low)


def test_no_parasite_gives_an_upper_limit_and_no_wbc_a_refusal():
    found = count_density(smear(0, 10), MEASURED, spec=DrawSpec(draws=50_000))
    assert (found.raw.value, found.raw.low) == (0.0, 0.0)
    assert found.raw.high == pytest.approx(3 / 500 * 8000, rel=0.05)
    with pytest.raises(InvalidValueError, match="no WBC in 50 fields"):
        count_density(smear(4, 0))
    with pytest.raises(InvalidValueError, match="no field"):
        count_density([])


def test_wbc_that_may_all_be_false_are_refused():
    with pytest.raises(InvalidValueError, match="too few to count against"):
        count_density(smear(5, 1), MEASURED, known((12, 3), (9, 1), (0, 2)))
    with pytest.raises(InvalidValueError, match="too few WBC to count against"):
        count_density(smear(5, 1, fields=4), MEASURED, known((12, 3), (9, 1), (0, 0), slides=1))


def test_thickness_that_both_share_does_not_widen_the_interval():
    thin_and_thick = [ThickField(str(k), 3 * t, 10 * t) for k, t in enumerate([1, 2, 4, 1, 2, 4] * 5)]
    even = smear(7, 23, fields=30)
    widths = [count_density(fields, MEASURED).raw.half_width for fields in (thin_and_thick, even)]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)


def test_plan():
    plan = plan_thick(smear(3, 10), 0.1, spec=DrawSpec(field_spread=0.001))
    # 1.96 sqrt(1 / 150 + 1 / 500) = 18.2 % now, so (18.2 / 10)^2 as many.
    assert plan.now == pytest.approx(0.182, rel=0.04)
    assert plan.cells == pytest.approx(500 * 3.32, rel=0.06)
    assert plan.at_practice == plan.now
    limited = plan_thick(smear(30, 10), 0.02, known((12, 3), (9, 1), (1, 0)))
    assert limited.cells is None


def test_impossible_values_are_refused():
    with pytest.raises(InvalidValueError, match=r"8\.0 x 10\^9 per litre is 8000"):
        WbcCount(8.0)
    with pytest.raises(InvalidValueError, match="must not be negative"):
        ThickField("a", -1, 3)
    with pytest.raises(InvalidValueError, match="found no pf"):
        count_density(smear(3, 10), MEASURED, known((0, 15), (9, 1), (0, 0)))


def test_parasites_that_were_not_reported_falsely_rule_out_nothing():
    """Two false parasites a field are known, none was reported at all: the limit is 3 over Se, per WBC."""
    confusion = known((80, 20), (90, 10), (2, 0), slides=60)
    found = count_density(smear(0, 10), MEASURED, confusion, DrawSpec(draws=50_000))
    assert found.corrected is not None
    assert (found.corrected.value, found.corrected.low) == (0.0, 0.0)
    assert found.corrected.high == pytest.approx(3 / 0.8 / (500 / 0.9) * 8000, rel=0.1)
    assert any("do not fit this smear" in note for note in found.notes)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), min_size=1, max_size=12),
    st.integers(500, 40_000),
    st.booleans(),
)
def test_the_interval_holds_the_figure_which_goes_with_the_patients_count(counts, per_ul, corrected):
    confusion = known((80, 20), (90, 10), (1, 0), slides=20) if corrected else None
    fields = [ThickField(str(k), p, w + 20) for k, (p, w) in enumerate(counts)]
    spec = DrawSpec(draws=1000)
    found = count_density(fields, WbcCount(per_ul, assumed=False), confusion, spec)
    double = count_density(fields, WbcCount(2 * per_ul, assumed=False), confusion, spec)
    for one, other in ((found.raw, double.raw), (found.corrected, double.corrected)):
        if one is not None:
            assert other is not None
            assert 0 <= one.low <= one.value <= one.high
            assert one.high > 0
            for end in ("value", "low", "high"):
                assert getattr(other, end) == pytest.approx(2 * getattr(one, end), rel=1e-9)
    fewer = count_density([*fields, ThickField("none", 0, 10)], WbcCount(per_ul, assumed=False), None, spec)
    assert fewer.raw.value <= found.raw.value
