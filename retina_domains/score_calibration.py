"""From the scores that a network gives to chances: one curve of the log-odds for all classes, or one each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from retina_domains.errors import InvalidValueError
from retina_domains.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitCurve:
    """A raw score becomes sigmoid(slope logit(raw) + intercept) (Platt, 1999)."""

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        _check_slope(self.slope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is done to the scores of a network.

    Args:
        slope: of the curve of all classes, as in ``LogitCurve``; temperature scaling is slope 1 / T and
            intercept 0.
        intercept: of it.
        data: that the curves were fitted on, in words.
        by_class: one a class in the order of labels, None for a class that keeps the curve of all; None: all
            classes keep it.
    """

    slope: float
    intercept: float = 0.0
    data: str | None = None
    by_class: tuple[LogitCurve | None, ...] | None = None

    def __post_init__(self) -> None:
        _check_slope(self.slope)

    def curve(self, label: int) -> LogitCurve:
        """The curve of a class."""
        own = None if self.by_class is None else self.by_class[label]
        return own or LogitCurve(slope=self.slope, intercept=self.intercept)

    def apply(self, scores: FloatArray, labels: IntArray) -> FloatArray:
        """``(N,)`` calibrated scores of ``(N,)`` raw ones in [0, 1] and their labels."""
        curves = [self.curve(label) for label in range(int(labels.max(initial=0)) + 1)]
        slope = np.array([curve.slope for curve in curves])[labels]
        intercept = np.array([curve.intercept for curve in curves])[labels]
        calibrated: FloatArray = expit(slope * logit(scores) + intercept)
        return calibrated

    def raw(self, score: float, label: int) -> float:
        """The raw score that becomes ``score`` in a class."""
        curve = self.curve(label)
        return float(expit((logit(score) - curve.intercept) / curve.slope))

    def least_raw(self, score: float) -> float:
        """The least raw score that becomes ``score`` in some class: no other can reach it."""
        return min(self.raw(score, label) for label in range(len(self.by_class or (None,))))


def _check_slope(slope: float) -> None:
    if not slope > 0:
        raise InvalidValueError(f"calibration slope {slope}: expected above 0, or the order flips")
