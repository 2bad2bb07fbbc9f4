"""Everything that is said of one comparison: figures with intervals, curves, slices, kinds of errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from retina_domains.errors import LabelError
from retina_domains.evaluation.align import Comparison
from retina_domains.evaluation.bootstrap import (
    DEFAULT_SPEC,
    BootstrapSpec,
    Interval,
    Statistic,
    bootstrap_intervals,
    group_index,
)
from retina_domains.evaluation.calibration import (
    LEAST_EACH,
    METHODS,
    Calibration,
    Reliability,
    fit_calibration,
    held_out_ece,
    reliability,
    scored_outcomes,
)
from retina_domains.evaluation.coco import CocoMatches, average_precision, coco_matches
from retina_domains.evaluation.counts import CountErrors, count_errors, field_counts
from retina_domains.evaluation.curves import (
    FROC_RATES,
    PrecisionRecall,
    ScoreCurve,
    precision_recall_f1,
    score_curve,
)
from retina_domains.evaluation.matching import (
    IGNORED,
    XVIEW3_DISTANCE_M,
    XVIEW3_SHORE_M,
    Matched,
    close_to_shore,
    match_objects,
)
from retina_domains.evaluation.seams import SeamLines, SeamRates, seam_rates
from retina_domains.evaluation.slices import Slice, by_class, by_group, by_score, by_size
from retina_domains.evaluation.tide import TideErrors, tide_errors
from retina_domains.evaluation.values import COCO_AREAS, METRE_AREAS, AreaRange, reaching
from retina_domains.types import FloatArray, IntArray

COCO_NAMES = ("AP", "AP50", "AP75")
_LONGEST_SHIP_M = 500.0


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """What to work out.

    Args:
        min_score: predictions below are left out of precision, recall and F1, but not of the curves; one
            number for all, or one a label of the comparison.
        max_dets: detections that count an image and class in the AP family.
        areas: ranges of size in square pixels; the first is "all". Boxes in metres are sliced by
            ``METRE_AREAS`` instead.
        bootstrap: how intervals are drawn.
        tiling: side of the tiles and px that neighbours share, to tell what happens at their seams.
    """

    min_score: float | tuple[float, ...] = -math.inf
    max_dets: int = 1500
    areas: Sequence[AreaRange] = COCO_AREAS
    bootstrap: BootstrapSpec = DEFAULT_SPEC
    tiling: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one comparison.

    Args:
        comparison: what was compared.
        min_score: least score of ``at_threshold``, of all or of each label.
        groups: ``(images,)`` index of the scene or patient of each image.
        group_names: of the groups.
        matched: all predictions.
        at_threshold: those of at least ``min_score``.
        rates: their precision, recall and F1.
        ranking: AP figures with intervals by name; empty where predictions have no scores.
        coco: the whole AP family by name, for boxes.
        curve: over all scores.
        class_curves: likewise by class, where there are several.
        best_threshold: where F1 is highest on these data.
        slices: by what, then the parts.
        counts: errors of the number of objects an image; None for a single image.
        reliability: None where predictions have no scores.
        tide: for boxes.
        calibrations: corrections of the scores fitted on these data, with the calibration error that is left
            on held-out scenes; without scores, or with too few right or wrong ones, none.
        seams: rates near the seams of a tiling, where one is named.
        near_shore: rates close to the shore, where the distance is known.
        length: one less the mean relative error of the length of objects found, where both tell it.
    """

    comparison: Comparison
    min_score: float | tuple[float, ...]
    groups: IntArray
    group_names: tuple[str, ...]
    matched: Matched
    at_threshold: Matched
    rates: PrecisionRecall
    ranking: dict[str, Interval]
    coco: dict[str, float]
    curve: ScoreCurve
    class_curves: dict[str, ScoreCurve]
    best_threshold: float
    slices: dict[str, tuple[Slice, ...]]
    counts: CountErrors | None
    reliability: Reliability | None
    tide: TideErrors | None
    calibrations: tuple[tuple[Calibration, float], ...]
    seams: SeamRates | None
    near_shore: PrecisionRecall | None
    length: Interval | None


def evaluate(comparison: Comparison, spec: ReportSpec | None = None) -> Evaluation:
    """Work everything out that the data allow."""
    spec = spec or ReportSpec()
    c, boot = comparison, spec.bootstrap
    groups, _ = group_index(c.groups)
    matched = match_objects(c.truth, c.predictions, c.classes, c.rule)
    above = match_objects(c.truth, c.predictions, c.classes, c.rule, spec.min_score)
    boxes = c.rule.kind == "iou" and c.has_extent
    matches = _coco(c, spec) if boxes else None
    curve = score_curve(matched)
    return Evaluation(
        comparison=c,
        min_score=spec.min_score,
        groups=groups,
        group_names=tuple(dict.fromkeys(c.groups)),
        matched=matched,
        at_threshold=above,
        rates=precision_recall_f1(above, groups, boot),
        ranking=_ranking(c, matched, matches, groups, boot) if c.scored else {},
        coco=matches.metrics().as_dict() if matches is not None and c.scored else {},
        curve=curve,
        class_curves=_class_curves(matched, c),
        best_threshold=curve.best_threshold() if c.scored else math.nan,
        slices=_slices(above, groups, tuple(dict.fromkeys(c.groups)), spec, c),
        counts=count_errors(*field_counts(above), groups, boot) if len(c.truth) > 1 else None,
        reliability=_reliability(matched, c),
        tide=tide_errors(c.truth, c.predictions, c.classes, *_tide_limits(c)) if boxes else None,
        calibrations=_calibrations(matched, c, groups),
        seams=_seams(above, c, spec),
        near_shore=_near_shore(c, groups, spec),
        length=_length(matched, c, groups, boot),
    )


def _class_curves(matched: Matched, c: Comparison) -> dict[str, ScoreCurve]:
    if not c.scored or not c.rule.by_class or len(c.classes) < 2:
        return {}
    curves = {name: score_curve(matched, label=label) for label, name in enumerate(c.classes)}
    return {name: curve for name, curve in curves.items() if math.isfinite(curve.best_threshold())}


def _tide_limits(c: Comparison) -> tuple[float, float]:
    return c.rule.threshold, min(0.1, c.rule.threshold / 2)


def _coco(c: Comparison, spec: ReportSpec) -> CocoMatches:
    areas = size_ranges(c, spec)
    return coco_matches(c.truth, c.predictions, c.classes, max_dets=spec.max_dets, areas=areas)


def size_ranges(c: Comparison, spec: ReportSpec) -> Sequence[AreaRange]:
    """Ranges of area in the comparison's own unit."""
    return spec.areas if c.unit == "px" else METRE_AREAS


def _ranking(
    c: Comparison, matched: Matched, matches: CocoMatches | None, groups: IntArray, boot: BootstrapSpec
) -> dict[str, Interval]:
    """AP of the rule's own matching by distance, or COCO's AP, AP50 and AP75."""
    n_groups = len(set(c.groups))
    if matches is None:
        name = f"AP at {c.rule.threshold:g} {c.unit}"
        return {name: bootstrap_intervals(distance_ap(matched, groups), n_groups, boot)[0]}
    headline = matches.narrowed([matches.areas[0].name])

    def figures(weights: FloatArray) -> list[float]:
        found = headline.metrics(weights[groups]).as_dict()
        return [found[name] for name in COCO_NAMES]

    return dict(zip(COCO_NAMES, bootstrap_intervals(figures, n_groups, boot), strict=True))


def distance_ap(matched: Matched, groups: IntArray) -> Statistic:
    """Mean over classes of the 101-point average precision, by weights of the groups."""
    by_score = np.argsort(-matched.pred_scores, kind="stable")
    parts = [
        (by_score[matched.pred_labels[by_score] == k], matched.counted & (matched.truth_labels == k))
        for k in (range(len(matched.classes)) if matched.rule.by_class else (0,))
    ]
    if not matched.rule.by_class:
        parts = [(by_score, matched.counted)]

    def figure(weights: FloatArray) -> float:
        of_image = weights[groups]
        found = []
        for order, asked in parts:
            truth = float(of_image[matched.truth_image[asked]].sum())
            if truth > 0:
                weight = of_image[matched.pred_image[order]]
                found.append(average_precision(matched.status[order], weight, truth)[0])
        return float(np.mean(found)) if found else math.nan

    return figure


def _slices(
    matched: Matched, groups: IntArray, names: tuple[str, ...], spec: ReportSpec, c: Comparison
) -> dict[str, tuple[Slice, ...]]:
    out = {}
    if len(c.classes) > 1:
        out["class"] = by_class(matched, groups, spec.bootstrap)
    if c.has_extent and len(size_ranges(c, spec)) > 1:
        out["size"] = by_size(matched, size_ranges(c, spec)[1:], groups, spec.bootstrap)
    if c.scored:
        out["score"] = by_score(matched, groups, spec=spec.bootstrap)
    if len(names) > 1:
        out["scene"] = by_group(matched, groups, names, spec.bootstrap)
    return out


def _reliability(matched: Matched, c: Comparison) -> Reliability | None:
    scores, hits = scored_outcomes(matched)
    if not c.scored or not len(scores) or scores.min() < 0 or scores.max() > 1:
        return None
    return reliability(scores, hits)


def _calibrations(matched: Matched, c: Comparison, groups: IntArray) -> tuple[tuple[Calibration, float], ...]:
    if _reliability(matched, c) is None:
        return ()
    scores, hits = scored_outcomes(matched)
    right = int(hits.sum())
    if right < LEAST_EACH or len(hits) - right < LEAST_EACH:
        return ()
    group = groups[matched.pred_image[matched.status != IGNORED]]
    return tuple(
        (fit_calibration(scores, hits, method), held_out_ece(scores, hits, group, method))
        for method in METHODS
    )


def _seams(matched: Matched, c: Comparison, spec: ReportSpec) -> SeamRates | None:
    if spec.tiling is None:
        return None
    pixels: tuple[FloatArray, FloatArray] = (matched.truth_boxes, matched.pred_boxes)
    if c.unit != "px":
        if c.pixels is None:
            raise LabelError("seams are in pixels, and the files have none: give the raster with --images")
        kept = [np.flatnonzero(reaching(p, spec.min_score)) for p in c.predictions]
        found = [boxes[index] for boxes, index in zip(c.pixels[1], kept, strict=True)]
        start = np.r_[0, np.cumsum([len(index) for index in kept])]
        placed = np.concatenate([*found, np.zeros((0, 4))])[start[matched.pred_image] + matched.pred_index]
        pixels = np.concatenate([*c.pixels[0], np.zeros((0, 4))]), placed
    size, overlap = spec.tiling
    seams = SeamLines.of_grid(size, overlap, np.concatenate(pixels))
    return seam_rates(matched, seams, max(overlap / 2, 1.0), spec.bootstrap, pixels)


def _near_shore(c: Comparison, groups: IntArray, spec: ReportSpec) -> PrecisionRecall | None:
    if c.shore is None or c.unit != "m":
        return None
    tolerance = c.rule.threshold if c.rule.kind == "distance" else XVIEW3_DISTANCE_M
    near = close_to_shore(c.truth, c.predictions, c.shore, tolerance, XVIEW3_SHORE_M)
    matched = match_objects(*near, c.classes, c.rule, spec.min_score)
    return precision_recall_f1(matched, groups, spec.bootstrap)


def _length(matched: Matched, c: Comparison, groups: IntArray, boot: BootstrapSpec) -> Interval | None:
    """xView3's length accuracy: one less the mean of |predicted - true| / true, lengths cut at 500 m."""
    if c.lengths is None:
        return None
    start = np.r_[0, np.cumsum([len(p) for p in c.predictions])]
    theirs = np.concatenate([*c.lengths[1], np.zeros(0)])[start[matched.pred_image] + matched.pred_index]
    ours = np.concatenate([*c.lengths[0], np.zeros(0)])
    pair = np.flatnonzero(matched.pred_truth >= 0)
    true = np.minimum(ours[matched.pred_truth[pair]], _LONGEST_SHIP_M)
    told = np.minimum(theirs[pair], _LONGEST_SHIP_M)
    known = np.isfinite(true) & np.isfinite(told) & (true > 0)
    error = np.abs(told - true)[known] / true[known]
    group = groups[matched.pred_image[pair[known]]]

    def figure(weights: FloatArray) -> float:
        weight = weights[group]
        return 1 - min(float(weight @ error / weight.sum()), 1.0) if weight.sum() else math.nan

    return bootstrap_intervals(figure, len(set(c.groups)), boot)[0] if known.any() else None


def as_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Plain values for JSON; what is not defined is None."""
    e, c = evaluation, evaluation.comparison
    out: dict[str, Any] = {
        "images": len(c.truth),
        "groups": len(e.group_names),
        "objects": int(e.matched.counted.sum()),
        "predictions": len(e.at_threshold.status),
        "match": {"kind": c.rule.kind, "threshold": c.rule.threshold, "unit": c.unit, **_assignment(c)},
        "notes": list(c.notes),
        "rates": asdict(e.rates),
        "ranking": {name: asdict(interval) for name, interval in e.ranking.items()},
        "coco": e.coco,
        "best_f1": {"threshold": e.best_threshold, "f1": _best_f(e.curve)},
        "best_f0.5": {"threshold": e.curve.best_threshold(0.5), "f0.5": _best_f(e.curve, 0.5)},
        "best_f2": {"threshold": e.curve.best_threshold(2.0), "f2": _best_f(e.curve, 2.0)},
        "froc": dict(zip(map(str, FROC_RATES), e.curve.froc().tolist(), strict=True)),
        "best_f1_by_class": {
            name: {"threshold": curve.best_threshold(), "f1": _best_f(curve)}
            for name, curve in e.class_curves.items()
        },
        "slices": {by: [asdict(part) for part in parts] for by, parts in e.slices.items()},
    }
    if e.counts is not None:
        fields = asdict(e.counts)
        out["counts"] = {name: fields[name] for name in fields if name not in ("predicted", "true")}
    if e.reliability is not None:
        out["calibration"] = {"ece": e.reliability.ece, "brier": e.reliability.brier}
        out["calibration"]["fits"] = [
            {**fit.as_dict(), "held_out_ece": left} for fit, left in e.calibrations if len(fit.knots) <= 2
        ]
    if e.seams is not None:
        out["seams"] = asdict(e.seams)
    if e.tide is not None:
        out["tide"] = {"ap": e.tide.ap, "counts": dict(e.tide.counts), "cost": dict(e.tide.cost)}
    if e.near_shore is not None:
        out["near_shore"] = asdict(e.near_shore)
    if e.length is not None:
        out["length_accuracy"] = asdict(e.length)
    return {name: plain(value) for name, value in out.items()}


def _assignment(c: Comparison) -> dict[str, Any]:
    return {"assignment": c.rule.assignment, "by_class": c.rule.by_class}


def _best_f(curve: ScoreCurve, beta: float = 1.0) -> float:
    f = curve.f_beta(beta)
    return float(np.nanmax(f)) if len(f) and not np.isnan(f).all() else math.nan


def plain(value: Any) -> Any:
    """A value for JSON: tuples as lists, what is not finite as None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
