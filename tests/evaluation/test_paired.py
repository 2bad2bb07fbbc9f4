"""Paired runs of several seeds, against values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from retina_domains.errors import InvalidValueError, LabelError
from retina_domains.evaluation.align import Comparison
from retina_domains.evaluation.bootstrap import (
    BootstrapSpec,
    draw_weights,
    paired_bootstrap,
    paired_bootstrap_of_runs,
)
from retina_domains.evaluation.coco import COCO_IOU_THRESHOLDS
from retina_domains.evaluation.matching import MatchRule
from retina_domains.evaluation.paired import AskedFigure, one_a_place, paired_figure
from retina_domains.evaluation.values import COCO_AREAS, ImagePredictions, ImageTruth
from retina_domains.types import FloatArray

PF = AskedFigure("pf", ("pf",))
BOX = [10.0, 10.0, 20.0, 20.0]
ELSEWHERE = [50.0, 50.0, 60.0, 60.0]


def share(of: Sequence[float]) -> Callable[[FloatArray], float]:
    values = np.asarray(of)
    return lambda weights: float(weights @ values / weights.sum())


def test_one_run_a_side_is_the_plain_paired_bootstrap() -> None:
    a, b = share([0.1, 0.5, 0.9, 0.2]), share([0.3, 0.4, 1.0, 0.6])
    spec = BootstrapSpec(300, seed=7)
    (found,) = paired_bootstrap_of_runs([a], [b], 4, spec)
    assert found == paired_bootstrap(a, b, 4, spec)[0]
    by_hand = [b(row) - a(row) for row in draw_weights(4, spec)]
    assert found.interval.value == pytest.approx(0.15)
    assert (found.interval.low, found.interval.high) == pytest.approx(
        tuple(np.quantile(by_hand, [0.025, 0.975]))
    )


def test_runs_are_drawn_beside_scenes() -> None:
    """Scenes that say all the same leave the luck of the seed alone: 0, 1/2 or 1 of a side's two runs."""
    a, b = [share([0.0, 0.0]), share([1.0, 1.0])], [share([0.5, 0.5])]
    (found,) = paired_bootstrap_of_runs(a, b, 2, BootstrapSpec(2000))
    assert found.interval.value == 0.0
    assert (found.interval.low, found.interval.high) == (-0.5, 0.5)
    # Half of the resamples draw one run of each kind and tell no difference.
    assert found.p_value == 1.0


def test_a_side_without_runs_and_runs_of_other_figures_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="without runs"):
        paired_bootstrap_of_runs([], [share([1.0])], 1)
    with pytest.raises(InvalidValueError, match=r"\[1, 2\] figures"):
        paired_bootstrap_of_runs([share([1.0, 1.0])], [lambda _: [1.0, 2.0]], 2)


def comparison(found: Sequence[Sequence[list[float]]], groups: Sequence[str]) -> Comparison:
    """One object an image; found boxes with falling scores."""
    names = [f"{k}.png" for k in range(len(found))]
    truth = tuple(ImageTruth.of(name, [BOX], [0]) for name in names)
    predictions = tuple(
        ImagePredictions.of(name, boxes, [0.9 - 0.1 * i for i in range(len(boxes))], [0] * len(boxes))
        for name, boxes in zip(names, found, strict=True)
    )
    rule = MatchRule("iou", 0.5)
    return Comparison(truth, predictions, ("pf",), rule, "px", tuple(groups), True, True, ())


def test_two_scenes_by_hand() -> None:
    """The reference finds one object of two: precision 1 up to recall 1/2, which are 51 of 101 steps."""
    reference = comparison([[BOX], []], ["a", "b"])
    side = comparison([[BOX], [BOX]], ["a", "b"])
    found = paired_figure(PF, [reference], [side], BootstrapSpec(400))
    assert found.reference == (pytest.approx(51 / 101),)
    assert found.side == (1.0,)
    i = found.difference.interval
    # Drawn twice, scene a tells no difference and scene b all of it.
    assert (i.value, i.low, i.high, i.groups) == (pytest.approx(50 / 101), 0.0, 1.0, 2)
    assert found.over == "scenes"


def test_values_are_means_over_the_runs() -> None:
    half, whole = comparison([[BOX], []], "ab"), comparison([[BOX], [BOX]], "ab")
    none = comparison([[ELSEWHERE], []], "ab")
    found = paired_figure(PF, [half, none], [whole, half], BootstrapSpec(50))
    assert found.reference == (pytest.approx(51 / 101), 0.0)
    assert found.difference.interval.value == pytest.approx((1 + 51 / 101) / 2 - 51 / 202)


def test_images_are_drawn_where_one_scene_holds_all() -> None:
    groups = ["one"] * 5
    found = paired_figure(PF, [comparison([[]] * 5, groups)], [comparison([[BOX]] * 5, groups)])
    assert found.over == "images"
    assert (found.difference.interval.low, found.difference.interval.groups) == (1.0, 5)


def test_small_objects_leave_larger_ones_out() -> None:
    """An object of 40 px that nobody finds costs nothing under 32 px."""
    small = AskedFigure("ship", ("ship",), "AP", COCO_AREAS[1])
    boxes = [BOX, [100.0, 100.0, 140.0, 140.0]]
    truth = (ImageTruth.of("0.png", boxes, [0, 0]), ImageTruth.of("1.png", [BOX], [0]))
    # Of 10 x 10 px, moved by 1 px: an overlap of 9/11, enough for 7 of 10 thresholds from .5 to .8.
    moved = [11.0, 10.0, 21.0, 20.0]
    predictions = tuple(ImagePredictions.of(t.image, [moved], [0.9], [0]) for t in truth)
    c = Comparison(truth, predictions, ("ship",), MatchRule("iou", 0.5), "px", ("a", "b"), True, True, ())
    assert sum(t <= 9 / 11 for t in COCO_IOU_THRESHOLDS) == 7
    assert paired_figure(small, [c], [c]).side == (pytest.approx(0.7),)


def test_one_prediction_is_left_of_each_place() -> None:
    """Of 10 x 10 px, moved by 3 px: an overlap of 7/13; moved by 4 px: 6/14."""
    by_3, by_4 = [13.0, 10.0, 23.0, 20.0], [6.0, 10.0, 16.0, 20.0]
    c = comparison([[BOX, by_3, by_4, ELSEWHERE], []], "ab")
    assert one_a_place(c, 0.5).predictions[0].boxes.tolist() == [BOX, by_4, ELSEWHERE]
    assert one_a_place(c, 0.4).predictions[0].boxes.tolist() == [BOX, ELSEWHERE]
    assert one_a_place(c, 0.6).predictions[0].boxes.tolist() == [BOX, by_3, by_4, ELSEWHERE]
    assert len(one_a_place(c, 0.5).predictions[1]) == 0


def test_other_images_are_refused() -> None:
    with pytest.raises(LabelError, match="not of the same images"):
        paired_figure(PF, [comparison([[]], "a")], [comparison([[], []], "ab")])


def test_figures_are_named_in_one_word() -> None:
    any_species = AskedFigure.parse("parasite=pf+pm:AP50")
    assert any_species == AskedFigure("parasite", ("pf", "pm"), "AP50")
    assert any_species.class_map(["pf", "pm", "WBC"]) == {"pf": "parasite", "pm": "parasite", "WBC": ""}
    small = AskedFigure.parse("ship:AP:small")
    assert (small.classes, small.area.high, str(small)) == (("ship",), 1024.0, "ship, small: AP")
    for text in ("pf", "pf:AP60", "pf:AP:tiny", ":AP", "pf:AP:small:x", "x=a++b:AP"):
        with pytest.raises(InvalidValueError):
            AskedFigure.parse(text)
    with pytest.raises(LabelError, match="no class po: there are pf"):
        AskedFigure.parse("po:AP50").class_map(["pf"])
