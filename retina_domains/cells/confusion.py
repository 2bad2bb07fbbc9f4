"""What a detector makes of each class on labelled fields, kept so that counts can be corrected by it.

A bundle's is stored beside it as ``confusion.json`` (:func:`format_confusion`, :func:`parse_confusion`). It
holds the table of each field, not a few rates: sums by stage or species, their sampling error and how much
they differ between slides all follow from it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.matching import FALSE_POSITIVE, TRUE_POSITIVE, Matched
from retina_domains.schema import from_text, to_json
from retina_domains.thresholds import ScoreThresholds
from retina_domains.types import BoolArray, FloatArray, IntArray

CONFUSION_FILE = "confusion.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConfusion:
    """One labelled field.

    Args:
        field: its name.
        slide: slide or patient; errors of one slide go together.
        table: ``(C + 1, C + 1)`` objects by true class (rows; the last: nothing is there) and reported class
            (columns; the last: not reported).
        area_mm2: of the field, or None.
        judged: classes that are labelled in it, or None for all.
    """

    field: str
    slide: str
    table: tuple[tuple[int, ...], ...]
    area_mm2: float | None = None
    judged: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if any(len(row) != len(self.table) for row in self.table) or len(self.table) < 2:
            raise InvalidValueError(f"confusion of field {self.field}: expected a square table")
        if min(min(row) for row in self.table) < 0:
            raise InvalidValueError(f"confusion of field {self.field} holds a negative number of objects")
        if self.table[-1][-1] != 0:
            raise InvalidValueError(
                f"confusion of field {self.field}: nothing that is not reported is no object"
            )
        if self.area_mm2 is not None and not self.area_mm2 > 0:
            raise InvalidValueError(f"field {self.field}: area {self.area_mm2} mm2, expected above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfusion:
    """A detector's errors on labelled fields that it was not trained on.

    Args:
        format_version: of this schema.
        classes: names, in the order of the tables.
        score_threshold: at which it was made, or the lowest of ``class_thresholds``; it holds for no other.
        match: rule by which reports were matched to objects, such as ``iou:0.5``.
        data: data set and part.
        fields: one or more.
        class_thresholds: at which it was made, one a class; None: ``score_threshold`` for all.
    """

    format_version: int
    classes: tuple[str, ...]
    score_threshold: float
    match: str
    data: str
    fields: tuple[FieldConfusion, ...]
    class_thresholds: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise InvalidValueError(
                f"confusion of format_version {self.format_version}: this release reads {FORMAT_VERSION}"
            )
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise InvalidValueError(f"classes {', '.join(self.classes)}: expected one or more, each once")
        if self.thresholds.lowest != self.score_threshold:
            raise InvalidValueError(
                f"score_threshold {self.score_threshold} and class_thresholds {self.thresholds.text}: "
                "expected the lowest of them"
            )
        if not self.fields:
            raise InvalidValueError("a confusion of no field: expected one or more labelled fields")
        for one in self.fields:
            if len(one.table) != len(self.classes) + 1:
                raise InvalidValueError(
                    f"confusion of field {one.field}: table of {len(one.table)} rows for {len(self.classes)} "
                    "classes, expected one more than classes"
                )
            for name in one.judged or ():
                self.index((name,))

    @property
    def thresholds(self) -> ScoreThresholds:
        """At which it was made, class by class."""
        each = self.class_thresholds
        values = (self.score_threshold,) * len(self.classes) if each is None else each
        return ScoreThresholds(self.classes, values)

    def index(self, names: Sequence[str]) -> list[int]:
        """Positions of classes.

        Raises:
            InvalidValueError: one is not the detector's.
        """
        for name in names:
            if name not in self.classes:
                raise InvalidValueError(f"class {name!r}: the confusion holds {', '.join(self.classes)}")
        return [self.classes.index(name) for name in names]

    def totals(self) -> IntArray:
        """``(C + 1, C + 1)`` of all fields together."""
        summed: IntArray = np.array([one.table for one in self.fields], np.int64).sum(axis=0)
        return summed

    def found(self, names: Sequence[str]) -> SlideCounts:
        """True objects of the classes, any of them, that were reported as any of them; of all there are."""
        rows = self.index(names)
        tables = self._tables()
        hits = tables[:, rows][:, :, rows].sum(axis=(1, 2))
        return self._by_slide(hits, tables[:, rows].sum(axis=(1, 2)), names)

    def false(self, names: Sequence[str], per: Sequence[str]) -> SlideCounts:
        """Reports of the classes where there is none of them, against the number of true ``per`` objects."""
        wrong = self._wrong(names)
        return self._by_slide(wrong, self._tables()[:, self.index(per)].sum(axis=(1, 2)), [*names, *per])

    def false_by_field(self, names: Sequence[str], per_mm2: bool = False) -> SlideCounts:
        """Reports of the classes where there is none of them, against fields, or mm2 of them.

        Raises:
            InvalidValueError: areas are asked for, and a field has none.
        """
        sizes = [1.0 if not per_mm2 else one.area_mm2 for one in self.fields]
        known = [size for size in sizes if size is not None]
        if len(known) != len(sizes):
            raise InvalidValueError("false reports per mm2: not all fields of the confusion have an area")
        return self._by_slide(self._wrong(names), np.array(known), names)

    def reported(self, names: Sequence[str]) -> SlideCounts:
        """All reports of the classes taken together, right or wrong, against their true objects."""
        columns = self.index(names)
        tables = self._tables()
        return self._by_slide(
            tables[:, :, columns].sum(axis=(1, 2)), tables[:, columns].sum(axis=(1, 2)), names
        )

    def _wrong(self, names: Sequence[str]) -> FloatArray:
        columns = self.index(names)
        tables = self._tables()
        wrong: FloatArray = tables[:, :, columns].sum(axis=(1, 2)) - tables[:, columns][:, :, columns].sum(
            axis=(1, 2)
        )
        return wrong

    def _tables(self) -> FloatArray:
        return np.array([one.table for one in self.fields], np.float64)

    def _by_slide(self, part: FloatArray, whole: FloatArray, names: Sequence[str]) -> SlideCounts:
        use: BoolArray = np.array(
            [one.judged is None or set(names) <= set(one.judged) for one in self.fields]
        )
        if not use.any():
            raise InvalidValueError(f"no field of the confusion has {', '.join(names)} labelled")
        slides = [one.slide for one, used in zip(self.fields, use, strict=True) if used]
        _, at = np.unique(slides, return_inverse=True)
        sums = [np.bincount(at, column[use]).astype(np.float64) for column in (part, whole)]
        return SlideCounts(sums[0], sums[1], int(use.sum()))


@dataclass(frozen=True, slots=True)
class SlideCounts:
    """Counts of one kind by slide of the labelled fields.

    Args:
        part: ``(S,)``.
        whole: ``(S,)`` what they are of, or were found in.
        fields: labelled fields they come from.
    """

    part: FloatArray
    whole: FloatArray
    fields: int

    @property
    def ratio(self) -> float:
        """Of the totals.

        Raises:
            InvalidValueError: there was nothing to be found in.
        """
        if not self.whole.sum() > 0:
            raise InvalidValueError("the labelled fields hold none of the objects that a rate is asked of")
        return float(self.part.sum() / self.whole.sum())


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """What is known of a labelled field beside its objects; as in :class:`FieldConfusion`."""

    slide: str
    area_mm2: float | None = None
    judged: tuple[str, ...] | None = None


def confusion_of(
    matched: Matched,
    info: Sequence[FieldInfo],
    score_threshold: float | tuple[float, ...],
    match: str,
    data: str,
) -> DetectorConfusion:
    """From reports matched to labelled objects whatever their class.

    Args:
        matched: with ``MatchRule(by_class=False)``; reports of at least ``score_threshold``, one an object,
            as ``assign_hosts`` leaves them. Ignored objects and their reports do not count.
        info: one an image of ``matched``, in its order.
        score_threshold: as used: one for all classes, or one a class.
        match: the rule, in words.
        data: data set and part.

    Raises:
        InvalidValueError: they were matched by class, or lengths differ.
    """
    if matched.rule.by_class:
        raise InvalidValueError(
            "a confusion needs matches across classes: use MatchRule(..., by_class=False)"
        )
    if len(info) != len(matched.images):
        raise InvalidValueError(f"{len(info)} infos for {len(matched.images)} images: expected as many")
    c = len(matched.classes)
    tables = np.zeros((len(info), c + 1, c + 1), np.int64)
    hit = (matched.status == TRUE_POSITIVE) & (matched.pred_truth >= 0)
    true = matched.truth_labels[matched.pred_truth[hit]]
    np.add.at(tables, (matched.pred_image[hit], true, matched.pred_labels[hit]), 1)
    false = matched.status == FALSE_POSITIVE
    nothing = np.full(int(false.sum()), c)
    np.add.at(tables, (matched.pred_image[false], nothing, matched.pred_labels[false]), 1)
    missed = matched.counted & ~matched.found
    unseen = np.full(int(missed.sum()), c)
    np.add.at(tables, (matched.truth_image[missed], matched.truth_labels[missed], unseen), 1)
    fields = tuple(
        FieldConfusion(
            field=str(name),
            slide=one.slide,
            table=tuple(tuple(int(v) for v in row) for row in table),
            area_mm2=one.area_mm2,
            judged=one.judged,
        )
        for name, one, table in zip(matched.images, info, tables, strict=True)
    )
    return DetectorConfusion(
        format_version=FORMAT_VERSION,
        classes=matched.classes,
        score_threshold=min(score_threshold) if isinstance(score_threshold, tuple) else score_threshold,
        class_thresholds=score_threshold if isinstance(score_threshold, tuple) else None,
        match=match,
        data=data,
        fields=fields,
    )


def format_confusion(confusion: DetectorConfusion) -> str:
    """The text of a ``confusion.json``; :func:`parse_confusion` reads it back."""
    return json.dumps(to_json(confusion), allow_nan=False, ensure_ascii=False) + "\n"


def parse_confusion(text: str, name: str = CONFUSION_FILE) -> DetectorConfusion:
    """Check and take in the text of a ``confusion.json``; ``name`` is for messages.

    Raises:
        InvalidValueError: it is not JSON, or a field is unknown, missing or of a wrong type.
    """
    return from_text(DetectorConfusion, text, name)
