"""The single errors that are most worth looking at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retina_domains.evaluation.matching import FALSE_POSITIVE, TRUE_POSITIVE
from retina_domains.evaluation.report import Evaluation
from retina_domains.evaluation.values import reaching
from retina_domains.types import IntArray

CaseKind = Literal["false", "duplicate", "missed", "doubtful"]


@dataclass(frozen=True, slots=True)
class ErrorCase:
    """One prediction or object.

    Args:
        kind: a false prediction, a second report of an object, an object that was not found, or one that
            was found with a low score only.
        image: position among the comparison's images.
        pred: position among its image's predictions, -1 for none.
        truth: position among its image's objects, -1 for none.
        score: of the prediction, NaN for none.
        label: of the prediction, else of the object.
        why: TIDE's kind of the error, where known.
    """

    kind: CaseKind
    image: int
    pred: int
    truth: int
    score: float
    label: int
    why: str = ""


def worst_cases(evaluation: Evaluation, most: int = 24) -> dict[CaseKind, tuple[ErrorCase, ...]]:
    """Up to ``most`` of each kind: the surest false ones, the largest missed ones, the most doubtful hits."""
    m = evaluation.at_threshold
    false = np.flatnonzero((m.status == FALSE_POSITIVE) & ~m.duplicate)
    again = np.flatnonzero(m.duplicate)
    hits = np.flatnonzero(m.status == TRUE_POSITIVE)
    missed = np.flatnonzero(m.counted & ~m.found)
    by_score = {
        "false": false[np.argsort(-m.pred_scores[false], kind="stable")],
        "duplicate": again[np.argsort(-m.pred_scores[again], kind="stable")],
        "doubtful": hits[np.argsort(m.pred_scores[hits], kind="stable")],
    }
    largest = missed[np.argsort(-m.truth_area[missed], kind="stable")][:most]
    return {
        "false": tuple(_of_pred(evaluation, "false", i) for i in by_score["false"][:most]),
        "missed": tuple(_of_truth(evaluation, i) for i in largest),
        "duplicate": tuple(_of_pred(evaluation, "duplicate", i) for i in by_score["duplicate"][:most]),
        "doubtful": tuple(_of_pred(evaluation, "doubtful", i) for i in by_score["doubtful"][:most]),
    }


def in_turn(cases: Sequence[ErrorCase], most: int) -> tuple[ErrorCase, ...]:
    """Up to ``most`` of the cases, the first of each class, then the second of each, and so on."""
    rank: list[tuple[int, int, ErrorCase]] = []
    seen: dict[int, int] = {}
    for place, case in enumerate(cases):
        seen[case.label] = seen.get(case.label, 0) + 1
        rank.append((seen[case.label], place, case))
    return tuple(case for _, _, case in sorted(rank, key=lambda row: row[:2])[:most])


def _of_pred(e: Evaluation, kind: CaseKind, index: int) -> ErrorCase:
    m = e.at_threshold
    image = int(m.pred_image[index])
    place = int(_kept(e, image)[m.pred_index[index]])
    return ErrorCase(
        kind,
        image,
        place,
        _within(e, int(m.pred_truth[index])),
        float(m.pred_scores[index]),
        int(m.pred_labels[index]),
        _why(e, image, place) if kind != "doubtful" else "",
    )


def _of_truth(e: Evaluation, index: int) -> ErrorCase:
    m = e.at_threshold
    label = int(m.truth_labels[index])
    return ErrorCase("missed", int(m.truth_image[index]), -1, _within(e, index), float("nan"), label)


def _kept(e: Evaluation, image: int) -> IntArray:
    """Positions of an image's predictions that reach the threshold."""
    return np.flatnonzero(reaching(e.comparison.predictions[image], e.min_score))


def _within(e: Evaluation, index: int) -> int:
    """From a position among all objects to one among its image's."""
    if index < 0:
        return -1
    image = e.at_threshold.truth_image[index]
    return int(index - np.searchsorted(e.at_threshold.truth_image, image))


def _why(e: Evaluation, image: int, place: int) -> str:
    if e.tide is None:
        return ""
    columns = e.tide.columns
    at = np.flatnonzero((columns.pred_image == image) & (columns.pred_index == place))
    return str(e.tide.kind[at[0]]) if len(at) else ""
