"""Runs of two models that differ in their random seed alone: how much one model exceeds the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from retina_domains.errors import InvalidValueError, LabelError
from retina_domains.evaluation.align import Comparison
from retina_domains.evaluation.bootstrap import (
    DEFAULT_SPEC,
    BootstrapSpec,
    PairedDifference,
    Statistic,
    group_index,
    paired_bootstrap_of_runs,
)
from retina_domains.evaluation.coco import COCO_IOU_THRESHOLDS, CocoMatches, coco_matches
from retina_domains.evaluation.overlap import pair_iou
from retina_domains.evaluation.values import COCO_AREAS, AreaRange, ImagePredictions, take_predictions
from retina_domains.types import FloatArray, IntArray

MEASURES: Mapping[str, tuple[float, ...]] = {"AP": COCO_IOU_THRESHOLDS, "AP50": (0.5,), "AP75": (0.75,)}
_AREAS = {area.name: area for area in COCO_AREAS}


@dataclass(frozen=True, slots=True)
class AskedFigure:
    """One figure of average precision.

    Args:
        name: what the object is called.
        classes: the classes that are taken as this one; all others are left out, true and predicted.
        measure: one of ``MEASURES``.
        area: range of the objects' area, px².
    """

    name: str
    classes: tuple[str, ...]
    measure: str = "AP50"
    area: AreaRange = COCO_AREAS[0]

    def __post_init__(self) -> None:
        if not self.name or not all(self.classes) or not self.classes:
            raise InvalidValueError(f"figure {self.name!r} of classes {self.classes}: expected names")
        if self.measure not in MEASURES:
            raise InvalidValueError(f"measure {self.measure!r}: expected one of {', '.join(MEASURES)}")

    @classmethod
    def parse(cls, text: str) -> AskedFigure:
        """From ``NAME:AP50``, ``NAME=CLASS+CLASS:AP50`` or ``NAME:AP:small``.

        Raises:
            InvalidValueError: it is not of this form.
        """
        what, *how = text.split(":")
        name, _, classes = what.partition("=")
        measure = how[0] if how else ""
        area = how[1] if len(how) > 1 else "all"
        if not 1 <= len(how) <= 2 or measure not in MEASURES or area not in _AREAS:
            raise InvalidValueError(
                f"figure {text!r}: expected NAME[=CLASS+CLASS]:MEASURE[:AREA] with a measure of "
                f"{', '.join(MEASURES)} and an area of {', '.join(_AREAS)}, as in parasite=pf+pv:AP50"
            )
        return cls(name, tuple(classes.split("+")) if classes else (name,), measure, _AREAS[area])

    def class_map(self, classes: Sequence[str]) -> dict[str, str]:
        """New name of each of a set's classes, empty for those that are left out.

        Raises:
            LabelError: the set has none of a name.
        """
        strange = [name for name in self.classes if name not in classes]
        if strange:
            raise LabelError(f"no class {', '.join(strange)}: there are {', '.join(classes)}")
        return {name: self.name if name in self.classes else "" for name in classes}

    def __str__(self) -> str:
        size = "" if self.area.name == "all" else f", {self.area.name}"
        return f"{self.name}{size}: {self.measure}"


@dataclass(frozen=True, slots=True)
class PairedFigure:
    """One figure of both sides.

    Args:
        figure: which.
        reference: value of each run of the side that is compared with.
        side: value of each run of the other.
        difference: mean of ``side`` less mean of ``reference``.
        over: what was drawn; ``"images"`` where the objects lie in so few scenes that drawing scenes defines
            no interval. Such an interval says nothing of other scenes.
    """

    figure: AskedFigure
    reference: tuple[float, ...]
    side: tuple[float, ...]
    difference: PairedDifference
    over: Literal["scenes", "images"]


def paired_figure(
    figure: AskedFigure,
    reference: Sequence[Comparison],
    side: Sequence[Comparison],
    spec: BootstrapSpec = DEFAULT_SPEC,
    max_dets: int = 1500,
) -> PairedFigure:
    """One figure of two sides, each of one or more runs, on the same truth.

    Args:
        figure: which; the comparisons hold its classes as one (:meth:`AskedFigure.class_map`).
        reference: runs of the side that is compared with.
        side: runs of the other.
        spec: how to draw.
        max_dets: detections that count an image.

    Raises:
        LabelError: the runs are not of the same images.
    """
    runs = [*reference, *side]
    if any([t.image for t in c.truth] != [t.image for t in runs[0].truth] for c in runs):
        raise LabelError("the runs are not of the same images: predict the same set with each")
    matches = [_matches(figure, c, max_dets) for c in runs]
    values = [m.metrics().ap() for m in matches]
    images = tuple(str(t.image) for t in runs[0].truth)
    over: Literal["scenes", "images"] = "scenes"
    difference = _drawn(matches, len(reference), runs[0].groups, spec)
    if math.isnan(difference.interval.low):
        difference, over = _drawn(matches, len(reference), images, spec), "images"
    ours, theirs = values[: len(reference)], values[len(reference) :]
    return PairedFigure(figure, tuple(ours), tuple(theirs), difference, over)


def one_a_place(comparison: Comparison, iou: float) -> Comparison:
    """Of predictions that overlap by more than ``iou``, the one with the best score.

    For classes taken as one: a detector may have told the same object as of two classes.
    """
    kept = tuple(_best_of_each_place(p, iou) for p in comparison.predictions)
    return replace(comparison, predictions=kept)


def _best_of_each_place(predictions: ImagePredictions, iou: float) -> ImagePredictions:
    left = np.argsort(-predictions.scores, kind="stable")
    kept: list[int] = []
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        others = predictions.boxes[left]
        same = pair_iou(predictions.boxes[[best]], others, np.zeros(len(others), np.bool_))
        left = left[same <= iou]
    return take_predictions(predictions, np.sort(np.array(kept, np.int64)))


def _matches(figure: AskedFigure, c: Comparison, max_dets: int) -> CocoMatches:
    return coco_matches(
        c.truth,
        c.predictions,
        c.classes,
        max_dets=max_dets,
        iou_thresholds=MEASURES[figure.measure],
        areas=(figure.area,),
    )


def _drawn(
    matches: Sequence[CocoMatches], references: int, units: Sequence[str], spec: BootstrapSpec
) -> PairedDifference:
    """The difference with an interval from resampled units."""
    groups, n_groups = group_index(units)
    statistics = [_statistic(m, groups) for m in matches]
    return paired_bootstrap_of_runs(statistics[:references], statistics[references:], n_groups, spec)[0]


def _statistic(matches: CocoMatches, groups: IntArray) -> Statistic:
    def figure(weights: FloatArray) -> float:
        return matches.metrics(weights[groups]).ap()

    return figure
