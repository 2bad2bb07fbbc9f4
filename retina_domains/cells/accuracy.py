"""How far counts by field are from the labels: errors of the set and of single fields, with intervals.

*Signed error*: of the sum over all fields, in per cent of what is labelled. *Absolute error of a field*: in
per cent of what is labelled in that field, the mean over fields that have any. *Correlation*: Pearson's r of
found against labelled over the fields; it says nothing of a wrong scale, which the signed error does.

Intervals are percentile bootstrap intervals over scenes (runs, patients), whose fields go together, or over
fields where the labels name fewer than two scenes: such an interval says nothing of other slides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.bootstrap import DEFAULT_SPEC, BootstrapSpec, Interval, bootstrap_intervals
from retina_domains.evaluation.bootstrap import group_index as grouped
from retina_domains.types import FloatArray

_FEWEST_FOR_R = 3


@dataclass(frozen=True, slots=True)
class CountAccuracy:
    """Counts of one kind of object against the labels.

    Args:
        name: of the kind.
        fields: number of fields compared.
        found: in all of them.
        labelled: in all of them.
        signed_percent: error of the sum.
        absolute_percent: mean absolute error of a field.
        correlation: Pearson's r over the fields.
        over: what the intervals were drawn over.
        note: what limits the comparison, or empty.
    """

    name: str
    fields: int
    found: int
    labelled: int
    signed_percent: Interval
    absolute_percent: Interval
    correlation: Interval
    over: Literal["scenes", "fields"]
    note: str = ""


def count_accuracy(
    name: str,
    found: ArrayLike,
    labelled: ArrayLike,
    groups: Sequence[str | None],
    spec: BootstrapSpec = DEFAULT_SPEC,
    note: str = "",
) -> CountAccuracy:
    """Compare counts with labels.

    Args:
        name: of what is counted.
        found: ``(F,)`` by field.
        labelled: ``(F,)``.
        groups: F scenes of the fields; None where the labels name none, and such a field is its own.
        spec: how intervals are drawn.
        note: passed on.

    Raises:
        InvalidValueError: lengths differ, or there is no field.
    """
    f, t = np.asarray(found, np.float64).reshape(-1), np.asarray(labelled, np.float64).reshape(-1)
    if not len(f) == len(t) == len(groups):
        raise InvalidValueError(f"{len(f)} found, {len(t)} labelled, {len(groups)} scenes: expected as many")
    if not len(f):
        raise InvalidValueError(f"{name}: no labelled field to compare counts with")
    group, n_groups = grouped([k if scene is None else scene for k, scene in enumerate(groups)])
    by_scene = n_groups > 1 and any(scene is not None for scene in groups)
    if n_groups < 2:
        group, n_groups = np.arange(len(f)), len(f)
    share = np.divide(np.abs(f - t), t, out=np.zeros_like(t), where=t > 0)

    def figures(weights: FloatArray) -> list[float]:
        w = weights[group]
        asked = w * (t > 0)
        total, fields = float(w @ t), float(asked.sum())
        return [
            100 * float(w @ (f - t)) / total if total else math.nan,
            100 * float(asked @ share) / fields if fields else math.nan,
            _pearson(f, t, w),
        ]

    signed, absolute, correlation = bootstrap_intervals(figures, n_groups, spec)
    over: Literal["scenes", "fields"] = "scenes" if by_scene else "fields"
    return CountAccuracy(name, len(f), int(f.sum()), int(t.sum()), signed, absolute, correlation, over, note)


def _pearson(f: FloatArray, t: FloatArray, w: FloatArray) -> float:
    """Pearson's r with weights; NaN where either side does not vary."""
    if int((w > 0).sum()) < _FEWEST_FOR_R:
        return math.nan
    df, dt = f - np.average(f, weights=w), t - np.average(t, weights=w)
    size = math.sqrt(float(w @ df**2) * float(w @ dt**2))
    return float(w @ (df * dt)) / size if size > 1e-9 else math.nan
