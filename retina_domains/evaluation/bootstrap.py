"""Percentile bootstrap intervals by scene, patient or image, for any figure that can be reweighted.

The unit that is drawn is the group within which errors go together: a scene, a patient, at least an
image, never a single object. Drawing groups with replacement is the same as giving each the number of
times it was drawn as a weight, so that matching is done once and only sums are made anew. Efron and
Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 and 16.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from retina_domains.errors import InvalidValueError
from retina_domains.types import FloatArray, IntArray

Statistic = Callable[[FloatArray], ArrayLike]
"""From ``(G,)`` weights of the groups to a number, or to M of them."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its percentile interval.

    Args:
        value: on the data as they are.
        low: lower end; NaN with fewer than two groups, or where more than one resample in twenty does not
            define the figure: it then rests on some three groups or fewer, too few to draw from.
        high: upper end, likewise.
        level: share of resampled figures inside.
        groups: how many were drawn from.
        replicates: how many times, less those in which the figure was not defined.
        over: what a group is: ``"groups"`` as given, or ``"objects"`` where there is one scene only, whose
            objects are then taken as independent; such an interval says nothing of other scenes.
    """

    value: float
    low: float
    high: float
    level: float
    groups: int
    replicates: int
    over: Literal["groups", "objects"] = "groups"

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much B exceeds A on the same groups.

    Args:
        interval: of the difference B less A.
        p_value: two-sided share of resamples on the far side of zero, doubled; at least 1 / replicates.
    """

    interval: Interval
    p_value: float

    @property
    def real(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval.low > 0 or self.interval.high < 0


@dataclass(frozen=True, slots=True)
class BootstrapSpec:
    """How to draw.

    Args:
        replicates: number of resamples.
        level: share of them that the interval holds.
        seed: same seed, same interval.
    """

    replicates: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.replicates < 1:
            raise InvalidValueError(f"{self.replicates} bootstrap replicates: expected 1 or more")
        if not 0 < self.level < 1:
            raise InvalidValueError(f"interval level {self.level}: expected between 0 and 1")


DEFAULT_SPEC = BootstrapSpec()
_LEAST_DEFINED = 0.95


def group_index(keys: Sequence[Hashable]) -> tuple[IntArray, int]:
    """Positions of each key among the distinct ones, in order of first appearance; their number."""
    places: dict[Hashable, int] = {}
    index = np.array([places.setdefault(key, len(places)) for key in keys], np.int64)
    return index, len(places)


def draw_weights(n_groups: int, spec: BootstrapSpec = DEFAULT_SPEC) -> FloatArray:
    """``(replicates, n_groups)`` times that each group was drawn; every row sums to ``n_groups``."""
    rng = np.random.default_rng(spec.seed)
    shares = np.full(n_groups, 1.0 / max(n_groups, 1))
    return rng.multinomial(n_groups, shares, size=spec.replicates).astype(np.float64)


def _enough(draws: FloatArray) -> bool:
    """Whether nearly all resamples define the figure."""
    return len(draws) > 0 and float(np.isfinite(draws).mean()) >= _LEAST_DEFINED


def _percentiles(value: float, draws: FloatArray, n_groups: int, level: float) -> Interval:
    defined = draws[np.isfinite(draws)]
    if n_groups < 2 or not _enough(draws) or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"), level, n_groups, len(defined))
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), level, n_groups, len(defined))


def percentile_interval(value: float, draws: FloatArray, n_units: int, level: float) -> Interval:
    """The interval of a figure from resampled ones, each unit of which was a single object."""
    return replace(_percentiles(value, draws, n_units, level), over="objects")


def _evaluate(statistic: Statistic, n_groups: int, spec: BootstrapSpec) -> tuple[FloatArray, FloatArray]:
    """The ``(M,)`` figures as they are, and the ``(R, M)`` resampled ones."""
    values = np.atleast_1d(np.asarray(statistic(np.ones(n_groups)), np.float64))
    if n_groups < 2:
        return values, np.full((0, len(values)), np.nan)
    weights = draw_weights(n_groups, spec)
    draws = np.array([np.atleast_1d(np.asarray(statistic(row), np.float64)) for row in weights])
    return values, draws


def bootstrap_intervals(
    statistic: Statistic, n_groups: int, spec: BootstrapSpec = DEFAULT_SPEC
) -> tuple[Interval, ...]:
    """Intervals of the M figures that ``statistic`` gives.

    Args:
        statistic: figures from weights; NaN where not defined, and such resamples are left out.
        n_groups: length of the weights.
        spec: how to draw.
    """
    values, draws = _evaluate(statistic, n_groups, spec)
    return tuple(
        _percentiles(float(value), draws[:, m], n_groups, spec.level) for m, value in enumerate(values)
    )


def bootstrap_interval(statistic: Statistic, n_groups: int, spec: BootstrapSpec = DEFAULT_SPEC) -> Interval:
    """The interval of one figure; see :func:`bootstrap_intervals`."""
    intervals = bootstrap_intervals(statistic, n_groups, spec)
    if len(intervals) != 1:
        raise InvalidValueError(f"the statistic gives {len(intervals)} figures: use bootstrap_intervals")
    return intervals[0]


def paired_bootstrap(
    run_a: Statistic, run_b: Statistic, n_groups: int, spec: BootstrapSpec = DEFAULT_SPEC
) -> tuple[PairedDifference, ...]:
    """B less A for each of M figures, both on the same drawn groups.

    Pairing takes away the spread that both share because some scenes are hard for any detector.
    """
    return paired_bootstrap_of_runs([run_a], [run_b], n_groups, spec)


def paired_bootstrap_of_runs(
    runs_a: Sequence[Statistic],
    runs_b: Sequence[Statistic],
    n_groups: int,
    spec: BootstrapSpec = DEFAULT_SPEC,
) -> tuple[PairedDifference, ...]:
    """Mean of the runs of B less mean of the runs of A for each of M figures, all on the same drawn groups.

    Runs of a side differ in their random seed. Every resample draws groups, and for each side as many of its
    runs as it has, with replacement: the interval then holds what another seed would change as well, as far
    as so few runs tell it (of two runs, half of the variance between them).

    Args:
        runs_a: figures of each run of A.
        runs_b: likewise of B.
        n_groups: length of the weights.
        spec: how to draw.

    Raises:
        InvalidValueError: a side has no run, or runs give different numbers of figures.
    """
    if not runs_a or not runs_b:
        raise InvalidValueError("a side without runs: expected one or more of each")
    sides = [[_evaluate(run, n_groups, spec) for run in runs] for runs in (runs_a, runs_b)]
    counts = {len(values) for side in sides for values, _ in side}
    if len(counts) > 1:
        raise InvalidValueError(f"runs give {sorted(counts)} figures: expected as many of each")
    # Not the generator of the groups: with one run a side the drawn groups stay what they are without runs.
    rng = np.random.default_rng([spec.seed, 1])
    means, draws = zip(*(_mean_of_runs(side, rng) for side in sides), strict=True)
    differences = []
    for m, value in enumerate(means[1] - means[0]):
        gaps = draws[1][:, m] - draws[0][:, m]
        interval = _percentiles(float(value), gaps, n_groups, spec.level)
        differences.append(PairedDifference(interval, _two_sided(gaps)))
    return tuple(differences)


def _mean_of_runs(
    side: Sequence[tuple[FloatArray, FloatArray]], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """``(M,)`` mean figures of K runs, and ``(R, M)`` means of K runs drawn anew in each resample."""
    values = np.mean([value for value, _ in side], axis=0)
    draws = np.stack([drawn for _, drawn in side])
    replicates = draws.shape[1]
    chosen = rng.integers(len(side), size=(len(side), replicates))
    return values, draws[chosen, np.arange(replicates)].mean(axis=0)


def _two_sided(draws: FloatArray) -> float:
    if not _enough(draws):
        return float("nan")
    draws = draws[np.isfinite(draws)]
    tail = min(float(np.mean(draws <= 0)), float(np.mean(draws >= 0)))
    return min(1.0, max(2 * tail, 1 / len(draws)))
