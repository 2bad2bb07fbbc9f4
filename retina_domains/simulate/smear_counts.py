"""Counts of many simulated smears without pictures: truth, what a detector makes of it, and nothing else.

For studies of intervals: the parameters are known, so whether an interval covers them can be counted.
Two kinds of objects are told apart, called first and second: healthy and infected red cells of a thin smear,
parasites and white cells of a thick one.

Fields of a smear differ by more than chance. A thin field's number of red cells is a Poisson count whose
mean is gamma-distributed (together negative binomial), and the infected among them are binomial with a
beta-distributed share (together beta-binomial; Williams 1975, Biometrics 31:949). In a thick field both
counts are negative binomial and share one factor, the thickness of the film.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retina_domains.errors import InvalidValueError
from retina_domains.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class ThinPopulation:
    """What a thin smear is drawn from.

    Args:
        fields: of a smear.
        red_cells: mean number in a field, infected ones included.
        parasitaemia: share of red cells that are infected, in [0, 1]: the truth to be covered.
        spread: relative standard deviation of the mean number of red cells between fields.
        clustering: correlation of being infected between two cells of one field, in [0, 1).
    """

    fields: int
    red_cells: float
    parasitaemia: float
    spread: float = 0.2
    clustering: float = 0.0

    def __post_init__(self) -> None:
        if self.fields < 1 or self.red_cells <= 0 or self.spread < 0:
            raise InvalidValueError("expected fields 1 or more, red_cells above 0, spread 0 or more")
        if not (0 <= self.parasitaemia <= 1 and 0 <= self.clustering < 1):
            raise InvalidValueError("parasitaemia: expected in [0, 1]; clustering: in [0, 1)")


@dataclass(frozen=True, slots=True)
class ThickPopulation:
    """What a thick smear is drawn from.

    Args:
        fields: of a smear.
        parasites: mean number in a field.
        wbc: mean number in a field; ``parasites / wbc`` times WBC per uL is the truth to be covered.
        thickness: relative standard deviation, between fields, of the factor that both share.
        spread: relative standard deviation of each mean besides.
    """

    fields: int
    parasites: float
    wbc: float
    thickness: float = 0.3
    spread: float = 0.1

    def __post_init__(self) -> None:
        if self.fields < 1 or self.parasites < 0 or self.wbc < 0 or min(self.thickness, self.spread) < 0:
            raise InvalidValueError("expected fields 1 or more, and no negative mean or standard deviation")

    def per_ul(self, wbc_per_ul: float) -> float:
        """Parasites in a microlitre of blood that holds ``wbc_per_ul`` white cells."""
        if self.wbc <= 0:
            raise InvalidValueError("no WBC in a field: parasites per uL are not defined")
        return self.parasites / self.wbc * wbc_per_ul


@dataclass(frozen=True, slots=True)
class Confusing:
    """A detector by its error rates.

    Args:
        first: chances that a true first object is reported as first, as second; the rest is missed.
        second: likewise of a true second object: as first, as second.
        false_per_field: mean number of reports where nothing is: as first, as second.
        between_slides: standard deviation, between smears, of the logarithm of every chance's weight (and of
            ``false_per_field``): how much stain and focus matter. The logit of a chance moves with its own
            weight and those of the others, by up to 1.4 times as much.
    """

    first: tuple[float, float]
    second: tuple[float, float]
    false_per_field: tuple[float, float] = (0.0, 0.0)
    between_slides: float = 0.0

    def __post_init__(self) -> None:
        for chances in (self.first, self.second):
            if min(chances) < 0 or sum(chances) > 1:
                raise InvalidValueError(f"chances {chances}: expected 0 or more, at most 1 together")
        if min(self.false_per_field) < 0 or self.between_slides < 0:
            raise InvalidValueError("false_per_field and between_slides: expected 0 or more")


@dataclass(frozen=True, slots=True)
class SmearCounts:
    """Tables of S smears of F fields.

    Args:
        tables: ``(S, F, 3, 3)`` objects by what they are (first, second, nothing) and what was reported
            (first, second, nothing), as in :class:`retina_domains.cells.confusion.FieldConfusion`.
    """

    tables: IntArray

    def __post_init__(self) -> None:
        if self.tables.ndim != 4 or self.tables.shape[2:] != (3, 3):
            raise InvalidValueError(f"tables of shape {self.tables.shape}: expected (S, F, 3, 3)")

    @property
    def true(self) -> IntArray:
        """``(S, F, 2)`` objects that are there."""
        counts: IntArray = self.tables[:, :, :2].sum(3)
        return counts

    @property
    def reported(self) -> IntArray:
        """``(S, F, 2)`` objects that were reported."""
        counts: IntArray = self.tables[:, :, :, :2].sum(2)
        return counts


def thin_counts(
    population: ThinPopulation, detector: Confusing, smears: int, rng: np.random.Generator
) -> SmearCounts:
    """Healthy (first) and infected (second) red cells of many smears."""
    shape = (smears, population.fields)
    cells = rng.poisson(population.red_cells * _factors(rng, population.spread, shape))
    share: FloatArray | float = population.parasitaemia
    if population.clustering > 0 and 0 < population.parasitaemia < 1:
        total = 1 / population.clustering - 1
        share = rng.beta(total * population.parasitaemia, total * (1 - population.parasitaemia), shape)
    infected = rng.binomial(cells, share)
    return detected(np.stack([cells - infected, infected], -1), detector, rng)


def thick_counts(
    population: ThickPopulation, detector: Confusing, smears: int, rng: np.random.Generator
) -> SmearCounts:
    """Parasites (first) and white cells (second) of many smears."""
    shape = (smears, population.fields)
    film = _factors(rng, population.thickness, shape)
    counts = [
        rng.poisson(mean * film * _factors(rng, population.spread, shape))
        for mean in (population.parasites, population.wbc)
    ]
    return detected(np.stack(counts, -1), detector, rng)


def detected(true: IntArray, detector: Confusing, rng: np.random.Generator) -> SmearCounts:
    """What a detector makes of true counts ``(S, F, 2)``; its rates are those of each smear."""
    smears, fields, _ = true.shape
    chances = _logit_moved(np.array([detector.first, detector.second]), detector.between_slides, smears, rng)
    tables = np.zeros((smears, fields, 3, 3), np.int64)
    for kind in range(2):
        row = np.repeat(chances[:, None, kind], fields, 1)
        tables[:, :, kind] = rng.multinomial(true[:, :, kind], row)
    moved = np.exp(rng.normal(0, detector.between_slides, (smears, 1, 2)))
    tables[:, :, 2, :2] = rng.poisson(np.array(detector.false_per_field) * moved, (smears, fields, 2))
    return SmearCounts(tables)


def _logit_moved(chances: FloatArray, spread: float, smears: int, rng: np.random.Generator) -> FloatArray:
    """``(S, 2, 3)`` chances of each smear, the last of a row: missed."""
    whole = np.concatenate([chances, 1 - chances.sum(1, keepdims=True)], 1)
    # Weights moved on the logarithm and divided by their sum move logits; what is impossible stays so.
    weights = np.clip(whole, 0, 1) * np.exp(rng.normal(0, spread, (smears, 2, 3)))
    result: FloatArray = weights / weights.sum(2, keepdims=True)
    return result


def _factors(rng: np.random.Generator, spread: float, shape: tuple[int, int]) -> FloatArray:
    """Gamma-distributed factors of mean 1 and standard deviation ``spread``."""
    if spread == 0:
        return np.ones(shape)
    return rng.gamma(1 / spread**2, spread**2, shape)
