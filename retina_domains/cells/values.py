"""Names of blood objects, a figure with its interval, and how intervals are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import poisson

from retina_domains.errors import InvalidValueError
from retina_domains.types import FloatArray

RBC, WBC, PLATELET, GAMETOCYTE = "RBC", "WBC", "platelet", "gametocyte"
STAGES = ("ring", "trophozoite", "schizont")
"""Asexual stages in a red cell: what makes it an infected one. Gametocytes do not."""
SPECIES = ("pf", "pm", "po", "pv")
"""Parasites of thick smears, by species."""
SELDOM_FOUND = 0.5
"""Share of true objects that a detector reports, below which a reader is told that most are missed."""
RESEARCH_ONLY = "research use only, not a medical device"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its equal-tailed interval, in one unit.

    Args:
        value: the figure.
        low: lower end.
        high: upper end.
        level: share of repetitions in which such an interval holds the truth.
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.value, self.low, self.high)):
            raise InvalidValueError(
                f"estimate {self.value} [{self.low}, {self.high}]: expected finite numbers; too little was "
                "counted"
            )
        if self.low > self.high:
            raise InvalidValueError(f"interval {self.low} to {self.high}: expected the lower end first")
        if not 0 < self.level < 1:
            raise InvalidValueError(f"interval level {self.level}: expected between 0 and 1")

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2

    def scaled(self, factor: float) -> Estimate:
        """The same in a unit of which one old unit holds ``factor``."""
        if factor < 0:
            raise InvalidValueError(f"factor {factor}: expected 0 or more")
        return Estimate(self.value * factor, self.low * factor, self.high * factor, self.level)

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def raised(estimate: Estimate, unseen: FloatArray) -> Estimate:
    """An estimate whose upper end is at least the one-sided limit where nothing was counted.

    Args:
        estimate: with its interval.
        unseen: ``(M,)`` draws of what may be there though nothing of it was counted; may be infinite.

    Raises:
        InvalidValueError: the limit is not finite.
    """
    limit = float(np.quantile(unseen, estimate.level, method="higher"))
    return replace(estimate, high=max(estimate.high, limit))


def refuted(count: int, false: FloatArray, chance: float = 0.05) -> bool:
    """Whether so few reports show that a detector's rates of false ones do not hold for what was counted.

    Args:
        count: reports, right and false.
        false: ``(M,)`` draws of the expected false ones.
        chance: below which so few reports, or fewer, are too rare to be believed.
    """
    return float(poisson.cdf(count, false).mean()) < chance


@dataclass(frozen=True, slots=True)
class DrawSpec:
    """How intervals are drawn.

    Args:
        draws: number of Monte Carlo draws.
        level: of the intervals.
        seed: same seed, same interval.
        field_spread: scale of the half-Cauchy prior of the standard deviation, between fields of one
            smear, of the log odds (or log rate) of what is counted; see ``spread.py``.
        slide_spread: likewise of a detector's error rates between labelled slides.
        new_slide: the detector's error rates are those of one more slide, which differs from the labelled
            slides as these do from each other, instead of their average. More honest where many slides are
            labelled; of few, it mostly tells that they are few.
    """

    draws: int = 20_000
    level: float = 0.95
    seed: int = 0
    field_spread: float = 0.5
    slide_spread: float = 0.25
    new_slide: bool = False

    def __post_init__(self) -> None:
        if self.draws < 1000:
            raise InvalidValueError(f"{self.draws} draws: expected 1000 or more for an interval")
        if not 0 < self.level < 1:
            raise InvalidValueError(f"interval level {self.level}: expected between 0 and 1")
        for name in ("field_spread", "slide_spread"):
            if not getattr(self, name) > 0:
                raise InvalidValueError(f"{name} {getattr(self, name)}: expected above 0")


DEFAULT_DRAWS = DrawSpec()
