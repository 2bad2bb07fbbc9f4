"""From which score on a detection is meant: one threshold for all classes, or one a class.

A ``Detector`` declares ``score_threshold``. One whose classes want thresholds of their own has an attribute
``class_thresholds`` besides, one a class in the order of ``classes``, or None; a detector without it is as
good as before. Nobody reads either attribute but :func:`thresholds_of`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from retina_domains.errors import InvalidValueError
from retina_domains.types import BoolArray, Detector, FloatArray, IntArray

Asked = float | tuple[float, ...] | None


@runtime_checkable
class TellsClassThresholds(Protocol):
    """A detector that recommends a threshold a class, in the order of its classes, or None for one of all."""

    class_thresholds: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class ScoreThresholds:
    """Least score of a detection of each class.

    Args:
        classes: names, in the order of labels.
        values: one a class, in [0, 1].
    """

    classes: tuple[str, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.classes):
            raise InvalidValueError(
                f"{len(self.values)} score thresholds for {len(self.classes)} classes "
                f"({', '.join(self.classes)}): expected one a class"
            )
        for name, value in zip(self.classes, self.values, strict=True):
            if not 0 <= value <= 1:
                raise InvalidValueError(f"score threshold {value} of class {name}: expected in [0, 1]")

    @property
    def lowest(self) -> float:
        """The least of them: below it nothing of any class is kept."""
        return min(self.values)

    @property
    def single(self) -> float | None:
        """The one that all classes have, or None where they differ."""
        return self.values[0] if len(set(self.values)) == 1 else None

    @property
    def text(self) -> str:
        """Such as ``0.3``, or ``RBC 0.384, ring 0.27`` where classes differ."""
        if self.single is not None:
            return f"{self.single:g}"
        return ", ".join(f"{name} {value:g}" for name, value in zip(self.classes, self.values, strict=True))

    @property
    def facts(self) -> float | dict[str, float]:
        """For JSON: the number, or numbers by class where they differ."""
        return dict(zip(self.classes, self.values, strict=True)) if self.single is None else self.single

    def reached(self, scores: FloatArray, labels: IntArray) -> BoolArray:
        """``(N,)`` which detections reach the threshold of their class; scores and labels ``(N,)``."""
        kept: BoolArray = scores >= np.asarray(self.values)[labels]
        return kept

    def named(self, classes: Sequence[str], renamed: Mapping[str, str]) -> tuple[float, ...]:
        """Thresholds of other classes, to which these were renamed.

        Args:
            classes: their names, in the order wanted.
            renamed: new name by old; classes that it does not hold keep theirs.

        Returns:
            One each: the lowest of those that became one class, or of all for a class that none became.
        """
        own = [(renamed.get(name, name), v) for name, v in zip(self.classes, self.values, strict=True)]
        return tuple(min((v for new, v in own if new == name), default=self.lowest) for name in classes)


def thresholds_of(detector: Detector, asked: Asked = None) -> ScoreThresholds:
    """What is to be applied to the detections of a detector.

    Args:
        detector: that recommends thresholds.
        asked: instead of what it recommends: one for all classes, or one a class.

    Raises:
        InvalidValueError: not as many as classes, or one outside [0, 1].
    """
    if asked is None and isinstance(detector, TellsClassThresholds):
        asked = detector.class_thresholds
    if asked is None:
        asked = detector.score_threshold
    values = asked if isinstance(asked, tuple) else (asked,) * len(detector.classes)
    return ScoreThresholds(tuple(detector.classes), values)
