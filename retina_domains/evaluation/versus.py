"""Two runs on the same images: which is better, by how much, and whether it may be chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from retina_domains.errors import LabelError
from retina_domains.evaluation.align import Comparison
from retina_domains.evaluation.bootstrap import PairedDifference, group_index, paired_bootstrap
from retina_domains.evaluation.coco import coco_matches
from retina_domains.evaluation.counts import field_counts
from retina_domains.evaluation.curves import rates
from retina_domains.evaluation.matching import FALSE_POSITIVE, TRUE_POSITIVE, Matched, match_objects
from retina_domains.evaluation.report import COCO_NAMES, ReportSpec, distance_ap, plain, size_ranges
from retina_domains.evaluation.values import ImagePredictions, ImageTruth, reaching
from retina_domains.types import BoolArray, FloatArray, IntArray

ALPHA = 0.05
Figures = Callable[[FloatArray], list[float]]


@dataclass(frozen=True, slots=True)
class Contrast:
    """One figure of both runs.

    Args:
        name: of the figure.
        a: run A's.
        b: run B's.
        difference: B less A, with its interval.
        real: whether it is beyond chance, all figures taken together (Holm 1979 at 5 %).
        higher_is_better: false for errors.
    """

    name: str
    a: float
    b: float
    difference: PairedDifference
    real: bool
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True)
class Versus:
    """Both runs.

    Args:
        a: run A, aligned with the truth.
        b: run B.
        matched: of A and of B.
        contrasts: all figures.
        groups: number of scenes or patients.
    """

    a: Comparison
    b: Comparison
    matched: tuple[Matched, Matched]
    contrasts: tuple[Contrast, ...]
    groups: int


def versus(a: Comparison, b: Comparison, spec: ReportSpec | None = None) -> Versus:
    """Compare two runs against one truth, drawing the same scenes for both.

    Raises:
        LabelError: they were aligned to different images, classes or rules.
    """
    spec = spec or ReportSpec()
    if [t.image for t in a.truth] != [t.image for t in b.truth] or a.classes != b.classes or a.rule != b.rule:
        raise LabelError("the two runs are not of the same images, classes and rule: compare like with like")
    groups, n_groups = group_index(a.groups)
    ours, theirs = (match_objects(c.truth, c.predictions, c.classes, c.rule, spec.min_score) for c in (a, b))
    names, worse = _names(a, b, spec)
    of_a, of_b = _figures(a, ours, groups, spec, names), _figures(b, theirs, groups, spec, names)
    differences = paired_bootstrap(of_a, of_b, n_groups, spec.bootstrap)
    once = np.ones(n_groups)
    rows = zip(
        names, of_a(once), of_b(once), differences, holm([d.p_value for d in differences]), strict=True
    )
    contrasts = tuple(Contrast(*row, higher_is_better=row[0] not in worse) for row in rows)
    return Versus(a, b, (ours, theirs), contrasts, n_groups)


def holm(p_values: list[float], alpha: float = ALPHA) -> list[bool]:
    """Which of several differences hold together at ``alpha`` (Holm's step-down procedure); NaN never do."""
    known = [i for i, p in enumerate(p_values) if math.isfinite(p)]
    holds = [False] * len(p_values)
    for rank, i in enumerate(sorted(known, key=lambda i: p_values[i])):
        if p_values[i] > alpha / (len(known) - rank):
            break
        holds[i] = True
    return holds


def _names(a: Comparison, b: Comparison, spec: ReportSpec) -> tuple[list[str], set[str]]:
    """Figures that both runs allow, and those of which less is better."""
    names = ["precision", "recall", "F1"]
    if a.scored and b.scored:
        boxes = a.rule.kind == "iou" and a.has_extent and b.has_extent
        names += COCO_NAMES if boxes else ["AP"]
        if boxes and a.unit == b.unit:
            names += [f"AP_{area.name}" for area in size_ranges(a, spec)[1:]]
        if boxes and len(a.classes) > 1:
            names += [f"AP_class_{name}" for name in a.classes]
    error = "count error"
    return ([*names, error] if len(a.truth) > 1 else names), {error}


def _figures(
    c: Comparison, matched: Matched, groups: IntArray, spec: ReportSpec, names: list[str]
) -> Figures:
    """All named figures of one run, by weights of the groups."""
    counts = matched.counts()
    predicted, true = field_counts(matched)
    gap = np.abs(predicted - true)
    family = any(name in names for name in COCO_NAMES[1:])
    areas = size_ranges(c, spec)
    matches = (
        coco_matches(c.truth, c.predictions, c.classes, max_dets=spec.max_dets, areas=areas)
        if family
        else None
    )
    ranked = match_objects(c.truth, c.predictions, c.classes, c.rule)
    by_distance = distance_ap(ranked, groups)

    def figures(weights: FloatArray) -> list[float]:
        w = weights[groups]
        found = dict(zip(("precision", "recall", "F1"), rates(w @ counts).tolist(), strict=True))
        if "count error" in names:
            found["count error"] = float(w @ gap / w.sum()) if w.sum() else math.nan
        if matches is not None:
            found |= matches.metrics(w).as_dict()
        elif "AP" in names:
            found["AP"] = float(np.asarray(by_distance(weights)))
        return [found[name] for name in names]

    return figures


@dataclass(frozen=True, slots=True)
class Change:
    """One thing on which the runs differ.

    Args:
        kind: ``"only a"`` or ``"only b"`` found the object; ``"false a"`` or ``"false b"``: only that run has
            this false prediction.
        image: position among the images.
        truth: position among its objects, -1 for a false prediction.
        pred: position among that run's predictions of the image, -1 for an object.
        score: of the false prediction, NaN for an object.
    """

    kind: str
    image: int
    truth: int
    pred: int
    score: float


def changes(
    result: Versus, min_score: float | tuple[float, ...] = -math.inf, most: int = 12
) -> dict[str, tuple[Change, ...]]:
    """Up to ``most`` of each kind: the largest objects, the surest false predictions."""
    a, b = result.matched
    out: dict[str, tuple[Change, ...]] = {}
    start = np.searchsorted(a.truth_image, np.arange(len(a.images)))
    for kind, here, there in (("only b", b, a), ("only a", a, b)):
        own = np.flatnonzero(here.counted & here.found & ~there.found)
        own = own[np.argsort(-here.truth_area[own], kind="stable")][:most]
        out[kind] = tuple(
            Change(kind, int(here.truth_image[i]), int(i - start[here.truth_image[i]]), -1, math.nan)
            for i in own
        )
    sides = (("false b", b, a, result.b), ("false a", a, b, result.a))
    for kind, here, there, comparison in sides:
        own = np.flatnonzero(_false_alone(here, there))
        own = own[np.argsort(-here.pred_scores[own], kind="stable")][:most]
        out[kind] = tuple(_false(kind, here, int(i), comparison, min_score) for i in own)
    return out


def _false(kind: str, m: Matched, index: int, c: Comparison, min_score: float | tuple[float, ...]) -> Change:
    image = int(m.pred_image[index])
    kept = np.flatnonzero(reaching(c.predictions[image], min_score))
    return Change(kind, image, -1, int(kept[m.pred_index[index]]), float(m.pred_scores[index]))


def _false_alone(here: Matched, there: Matched) -> BoolArray:
    """``(N,)`` false predictions of one run with no false one of the other in their place."""
    false, others = here.status == FALSE_POSITIVE, there.status == FALSE_POSITIVE
    truth = [
        ImageTruth.of(i, there.pred_boxes[pick], there.pred_labels[pick])
        for i in range(len(there.images))
        for pick in [others & (there.pred_image == i)]
    ]
    found = [
        ImagePredictions.of(i, here.pred_boxes[pick], np.zeros(len(pick)), here.pred_labels[pick])
        for i in range(len(here.images))
        for pick in [np.flatnonzero(false & (here.pred_image == i))]
    ]
    near = 0.1 if here.rule.kind == "iou" else here.rule.threshold
    matched = match_objects(truth, found, here.classes, replace(here.rule, threshold=near))
    alone = np.zeros(len(false), np.bool_)
    # Both are image by image, and alike in score, so that the order is the same.
    alone[np.flatnonzero(false)] = matched.status != TRUE_POSITIVE
    return alone


def versus_as_dict(result: Versus) -> dict[str, Any]:
    """Plain values for JSON."""
    facts = {
        "images": len(result.a.truth),
        "groups": result.groups,
        "contrasts": [asdict(contrast) for contrast in result.contrasts],
        "notes": list(dict.fromkeys((*result.a.notes, *result.b.notes))),
    }
    return {name: plain(value) for name, value in facts.items()}
