"""What a person said of the cells of a count: read, checked and applied.

A corrections file is JSON, written by the report page and simple enough to be written by hand::

    {
      "format": "retina-domains cell corrections",
      "version": 1,
      "report": "0123456789abcdef",
      "classes": ["RBC", "ring"],
      "inputs": [{"name": "field01.png", "sha256": "…"}],
      "saved_at": "2026-01-02T03:04:05Z",
      "corrections": [
        {"action": "confirm", "cell": "<id>", "by": "A. Reader", "at": "2026-01-02T03:04:05Z"},
        {"action": "reject", "cell": "<id>", "by": "…", "at": "…"},
        {"action": "relabel", "cell": "<id>", "label": "ring", "by": "…", "at": "…"},
        {"action": "add", "slide": "…", "field": "field01.png", "xyxy": [10, 20, 90, 95], "label": "ring",
         "by": "…", "at": "…"}
      ]
    }

``report`` is the name of the count (``smear_report.report_id``), ``cell`` the id of the cell tables, ``xyxy``
full-resolution pixels of the field. Of several corrections of one cell the last one holds. Hosts and numbers
depend on what is corrected: they are worked out after corrections are applied.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from retina_domains.cell_table import NO_HOST, STAGES, CellTable, Review
from retina_domains.errors import InputFileError, InvalidValueError, LabelError
from retina_domains.schema import from_json
from retina_domains.types import BoolArray

FORMAT: Literal["retina-domains cell corrections"] = "retina-domains cell corrections"
VERSION = 1
Action = Literal["confirm", "reject", "relabel", "add"]
_NEEDS: dict[str, tuple[str, ...]] = {
    "confirm": ("cell",),
    "reject": ("cell",),
    "relabel": ("cell", "label"),
    "add": ("slide", "field", "xyxy", "label"),
}
_REVIEW: dict[str, Review] = {"confirm": "confirmed", "reject": "rejected", "relabel": "relabelled"}


@dataclass(frozen=True, slots=True)
class InputHash:
    """A field or slide that was counted, and the SHA-256 of its content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Correction:
    """One thing that a person said.

    Args:
        action: what.
        by: who.
        at: when, ISO 8601 with its time zone.
        cell: id of the cell; None for an added one.
        label: class name, where ``action`` gives one.
        slide: of an added cell.
        field: of an added cell.
        xyxy: of an added cell, half-open px of its field.
    """

    action: Action
    by: str
    at: str
    cell: str | None = None
    label: str | None = None
    slide: str | None = None
    field: str | None = None
    xyxy: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        for column in fields(self):
            given, wanted = getattr(self, column.name) is not None, column.name in _NEEDS[self.action]
            if column.name in ("action", "by", "at") or given == wanted:
                continue
            raise InvalidValueError(
                f"{self.action} {'needs' if wanted else 'takes no'} {column.name}; expected "
                f"{', '.join(_NEEDS[self.action])}, by, at"
            )
        try:
            told = datetime.fromisoformat(self.at).tzinfo is not None
        except ValueError:
            told = False
        if not told:
            raise InvalidValueError(f"at {self.at!r}: expected a time with its zone, as 2026-01-02T03:04:05Z")
        if self.xyxy is not None and not (self.xyxy[0] < self.xyxy[2] and self.xyxy[1] < self.xyxy[3]):
            raise InvalidValueError(f"xyxy {list(self.xyxy)}: expected left, top, right, bottom with an area")


@dataclass(frozen=True, slots=True)
class Corrections:
    """A corrections file.

    Args:
        report: name of the count that was corrected.
        classes: its class names.
        inputs: what was counted.
        corrections: in the order in which they were made.
        saved_at: when the file was saved, or None.
        title: of the report, for people, or None.
    """

    format: Literal["retina-domains cell corrections"]
    version: Literal[1]
    report: str
    classes: tuple[str, ...]
    inputs: tuple[InputHash, ...]
    corrections: tuple[Correction, ...]
    saved_at: str | None = None
    title: str | None = None


def read_corrections(path: str | os.PathLike[str]) -> Corrections:
    """Read a corrections file.

    Raises:
        InputFileError: it cannot be read, or is not JSON.
        LabelError: it is not of this format and version.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror}; expected a corrections file") from error
    except ValueError as error:
        raise InputFileError(
            f"{path} is not JSON ({error}): expected the file that the report page saves"
        ) from error
    told = (data.get("format"), data.get("version")) if isinstance(data, dict) else (None, None)
    if told != (FORMAT, VERSION):
        raise LabelError(
            f"{path} is of format {told[0]!r}, version {told[1]!r}: expected {FORMAT!r}, version {VERSION}; "
            "save the corrections from the report page of this version"
        )
    try:
        return from_json(Corrections, data)
    except InvalidValueError as error:
        raise LabelError(f"{path}: {error}") from error


def apply_corrections(
    cells: CellTable, corrections: Corrections, report: str, inputs: Mapping[str, str]
) -> CellTable:
    """The cells as corrected, with who said so and when.

    A confirmed cell stays, a relabelled one changes class and stage and counts as it did before, a rejected
    one stays in the table and counts no more, an added one comes last, has score 1 and counts. Hosts of
    corrected and added cells are left as they were, or none: assign them anew.

    Args:
        cells: as counted, before hosts are assigned.
        corrections: what was said.
        report: name of this count (``smear_report.report_id``).
        inputs: SHA-256 by name of what was counted this time.

    Raises:
        LabelError: they are of other inputs or another count, or name cells, fields or classes that this
            count does not have.
    """
    _check_origin(corrections, report, inputs, cells.classes)
    changed = _Columns(cells)
    for place, correction in enumerate(corrections.corrections, start=1):
        label = _label(cells.classes, correction, place)
        if correction.action != "add":
            changed.correct(correction, label, place)
    corrected = changed.table()
    added = [c for c in corrections.corrections if c.action == "add"]
    return _with_added(corrected, added) if added else corrected


def check_names(corrections: Corrections, names: Collection[str]) -> None:
    """Refuse corrections of other inputs by their names, before anything is counted.

    Raises:
        LabelError: they are of an input that is not among ``names``.
    """
    for seen in corrections.inputs:
        if seen.name not in names:
            raise LabelError(
                f"the corrections are of {seen.name}, which is not among the {len(names)} inputs of this "
                "count: count the inputs that they were made on"
            )


def training_cells(cells: CellTable, *, trust_unseen: bool = False) -> tuple[CellTable, BoolArray]:
    """Corrected cells as labels to learn from, with those that are to be ignored.

    What a person confirmed, relabelled or added is a label; what a person rejected is background; a cell
    that nobody looked at is ignored, neither learnt nor called background, unless it is trusted.

    Args:
        cells: with corrections applied.
        trust_unseen: learn what nobody looked at as well.

    Returns:
        The cells that were not rejected, and ``(N,)`` which of them are to be ignored; as
        ``writers.cell_coco.write_cells_coco`` takes them.
    """
    kept = cells.take(np.array([word != "rejected" for word in cells.review], bool))
    unseen = np.array([not word for word in kept.review], bool)
    return kept, unseen & (not trust_unseen)


def _check_origin(
    corrections: Corrections, report: str, inputs: Mapping[str, str], classes: Sequence[str]
) -> None:
    check_names(corrections, inputs)
    for seen in corrections.inputs:
        if inputs[seen.name] != seen.sha256:
            raise LabelError(
                f"{seen.name} is not the image that was corrected: its SHA-256 is {inputs[seen.name][:12]}…, "
                f"the corrections say {seen.sha256[:12]}…"
            )
    if corrections.classes != tuple(classes):
        raise LabelError(
            f"the corrections are of classes {', '.join(corrections.classes)}, this count has "
            f"{', '.join(classes)}: use the model that they were made with"
        )
    if corrections.report != report:
        raise LabelError(
            f"the corrections belong to count {corrections.report}, this is {report}: the images are the "
            "same, so use the same model, score threshold and set of inputs"
        )


def _label(classes: Sequence[str], correction: Correction, place: int) -> int | None:
    if correction.label is None:
        return None
    if correction.label not in classes:
        raise LabelError(
            f"correction {place}: unknown class {correction.label!r}, expected one of {', '.join(classes)}"
        )
    return classes.index(correction.label)


class _Columns:
    """The columns that corrections change, while they change."""

    def __init__(self, cells: CellTable) -> None:
        self._cells = cells
        self._rows = {name: row for row, name in enumerate(cells.ids)}
        self._labels, self._counted = cells.labels.copy(), cells.counted.copy()
        self._stage, self._review = list(cells.stage), list(cells.review)
        self._by, self._at = list(cells.corrected_by), list(cells.corrected_at)

    def correct(self, correction: Correction, label: int | None, place: int) -> None:
        cell = correction.cell or ""
        if cell not in self._rows:
            raise LabelError(
                f"correction {place}: no cell {cell} in this count of {len(self._rows)}: the file is of "
                "another count, or was changed"
            )
        row = self._rows[cell]
        kind = int(self._cells.labels[row]) if label is None else label
        # What an earlier correction of the same cell changed is taken back first.
        self._labels[row] = kind
        name = self._cells.classes[kind]
        same = kind == int(self._cells.labels[row])
        self._stage[row] = self._cells.stage[row] if same else name if name in STAGES else ""
        self._counted[row] = self._cells.counted[row] and correction.action != "reject"
        self._review[row] = _REVIEW[correction.action]
        self._by[row], self._at[row] = correction.by, correction.at

    def table(self) -> CellTable:
        return replace(
            self._cells,
            labels=self._labels,
            counted=self._counted,
            stage=tuple(self._stage),
            review=tuple(self._review),
            corrected_by=tuple(self._by),
            corrected_at=tuple(self._at),
        )


def _with_added(cells: CellTable, added: Sequence[Correction]) -> CellTable:
    """The cells, and those that were added, at the end."""
    places = {(f.slide, f.name): k for k, f in enumerate(cells.fields)}
    where, labels = [], []
    boxes: list[tuple[float, float, float, float]] = []
    for new in added:
        key = (new.slide or "", new.field or "")
        if key not in places:
            raise LabelError(
                f"an added cell is of field {key[1]!r} of slide {key[0]!r}, which was not counted"
            )
        where.append(places[key])
        boxes.append(new.xyxy or (0, 0, 0, 0))
        labels.append(cells.classes.index(new.label or ""))
    fresh = CellTable.of(cells.classes, cells.fields, where, boxes, labels, np.ones(len(added)))
    if twice := set(fresh.ids) & set(cells.ids):
        row = fresh.ids.index(min(twice))
        raise LabelError(f"an added cell has the box of one that was found, {list(boxes[row])}: relabel it")
    changed: dict[str, Any] = {
        "review": ("added",) * len(added),
        "corrected_by": tuple(new.by for new in added),
        "corrected_at": tuple(new.at for new in added),
        "outlines": None if cells.outlines is None else (None,) * len(added),
        "host": np.full(len(added), NO_HOST, np.int64),
    }
    return _joined(cells, replace(fresh, **changed))


def _joined(first: CellTable, second: CellTable) -> CellTable:
    """Both tables, one after the other; of the same classes and fields, the second without hosts."""
    columns: dict[str, Any] = {}
    for column in fields(first):
        a, b = getattr(first, column.name), getattr(second, column.name)
        if column.name not in ("classes", "fields"):
            columns[column.name] = (
                np.concatenate([a, b]) if isinstance(a, np.ndarray) else None if a is None else a + b
            )
    return replace(first, **columns)
