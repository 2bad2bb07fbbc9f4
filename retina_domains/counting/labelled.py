"""Counts of labelled fields beside their labels, both by the same rules.

Labels become cells as detections do: boxes of one place are one cell, a parasite lies in its host, and the
counting frame's rule decides which cells of a field count. Sets differ in whether cells that the border of a
field cuts are labelled, so that the same counts are told by three readings: by the counting ``frame``, with
``all`` objects, and with ``whole`` ones alone, which touch no edge. Where annotators were undecided, what is
found and is no labelled object is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import shapely

from retina_domains.cell_shapes import CellShape
from retina_domains.cell_table import CellField, CellTable
from retina_domains.cells.accuracy import CountAccuracy, count_accuracy
from retina_domains.cells.hosts import HostSpec
from retina_domains.cells.values import GAMETOCYTE, RBC, SPECIES, STAGES, WBC
from retina_domains.counting.area import FieldArea
from retina_domains.counting.objects import field_objects, framed_cells
from retina_domains.counting.results import CountResult, SmearResult
from retina_domains.counting.table import infected_cells, of_class, red_cells, smear_table
from retina_domains.counting.values import FoundField, LabelledFields
from retina_domains.errors import LabelError
from retina_domains.evaluation.bootstrap import DEFAULT_SPEC, BootstrapSpec
from retina_domains.evaluation.class_names import with_standard_names
from retina_domains.evaluation.objects import ObjectTable
from retina_domains.evaluation.reconcile import renamed
from retina_domains.readers.labels import LabelContext, read_objects
from retina_domains.scoring import labelled_images
from retina_domains.smear_report import SmearKind
from retina_domains.types import BoolArray, Detections, FloatArray

Reading = Literal["frame", "all", "whole"]
READINGS: tuple[Reading, ...] = get_args(Reading)
_SAME = 0.5  # of a found object's area in a region that was left undecided; IoU with a labelled object
_ONLY_LABELLED = "over the fields in which any is labelled: in others they may be there without a label"
RED_CELLS, INFECTED, ANY_STAGE, PARASITES = (
    "red cells",
    "infected red cells",
    "parasites of any stage",
    "parasites",
)


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """Objects of one field by name of what was counted, in one reading.

    Args:
        smear: its name.
        field: name of the image.
        scene: that the labels name it a part of, or None.
        found: by name.
        labelled: by name.
    """

    smear: str
    field: str
    scene: str | None
    found: Mapping[str, int]
    labelled: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CountsBesideLabels:
    """A count held against the labels.

    Args:
        fields: by reading, one a field that was counted and is not left out.
        figures: by reading.
        notes: what was done with the labels, in sentences.
    """

    fields: Mapping[Reading, tuple[FieldCounts, ...]]
    figures: Mapping[Reading, tuple[CountAccuracy, ...]]
    notes: tuple[str, ...]


def read_labelled(labels: str | Path, images: Sequence[str], class_map: Mapping[str, str]) -> LabelledFields:
    """Labels of any kind, and the images among those given that they are of.

    Args:
        labels: the file or folder.
        images: pictures or folders of them; others than the labelled ones are left alone.
        class_map: new names of classes by old ones.

    Raises:
        InputFileError: a labelled image is not among them.
        LabelError: the labels cannot be read, or are no boxes in pixels.
    """
    folder = next((Path(place) for place in images if Path(place).is_dir()), None)
    truth = read_objects(labels, LabelContext(folder))
    if truth.pixel is None:
        raise LabelError(f"{truth.source}: its objects have no boxes in pixels, so fields cannot be counted")
    return LabelledFields(truth, labelled_images(labels, truth, images), class_map)


def beside_labels(
    result: CountResult, labelled: LabelledFields, hosts: HostSpec, spec: BootstrapSpec = DEFAULT_SPEC
) -> CountsBesideLabels:
    """Compare a count with labels, field by field.

    Args:
        result: of the labelled images, neither corrected nor placed on a slide.
        labelled: the labels.
        hosts: rules of cells, as counted with.
        spec: how intervals are drawn.

    Raises:
        LabelError: the labels hold a class that was not counted, or none of the counted fields.
    """
    classes = result.smears[0].cells.classes
    truth, notes = _named_as(labelled, classes)
    asked = set(truth.names[~_aside(truth)].tolist())
    kind = result.smears[0].report.kind
    places = {str(path): k for k, scene in enumerate(truth.scenes) for path in [labelled.paths[scene]]}
    fields: dict[Reading, tuple[FieldCounts, ...]] = {}
    for reading in READINGS:
        found = [
            counts
            for smear in result.smears
            for counts in _smear_fields(smear, truth, places, (reading, hosts))
        ]
        fields[reading] = tuple(found)
    figures = {
        reading: tuple(_figures(rows, _names(kind, classes, asked), kind, spec))
        for reading, rows in fields.items()
    }
    return CountsBesideLabels(fields, figures, notes)


def _named_as(labelled: LabelledFields, classes: Sequence[str]) -> tuple[ObjectTable, tuple[str, ...]]:
    """The labels under the counted names of classes; those that are not counted are left out, and told."""
    truth, notes = with_standard_names(renamed(labelled.truth, labelled.class_map), classes)
    names = set(truth.names.tolist())
    strange = sorted(names - set(classes))
    if names and len(strange) == len(names):
        raise LabelError(
            f"{truth.source} has classes {', '.join(strange)}, counted were {', '.join(classes)}: rename "
            f"with --class-map {strange[0]}={classes[0]}"
        )
    if strange:
        told = f"{truth.source}: {', '.join(strange)} are not counted by the model and are left out."
        return renamed(truth, dict.fromkeys(strange, "")), (*notes, told)
    return truth, notes


def _aside(truth: ObjectTable) -> BoolArray:
    aside: BoolArray = truth.ignored | truth.crowd
    return aside


def _names(kind: SmearKind, classes: Sequence[str], asked: set[str]) -> tuple[str, ...]:
    """What is compared: sums all of whose parts are labelled, then single classes that are."""
    sums: dict[str, bool] = {}
    if kind == "thin":
        stages = bool(asked & set(STAGES))
        sums = {RED_CELLS: RBC in asked, INFECTED: stages, ANY_STAGE: stages and GAMETOCYTE in asked}
    elif kind == "thick":
        sums = {PARASITES: bool(asked & set(SPECIES))}
    return (*(name for name, there in sums.items() if there), *(c for c in classes if c in asked))


def _smear_fields(
    smear: SmearResult, truth: ObjectTable, places: Mapping[str, int], how: tuple[Reading, HostSpec]
) -> Iterator[FieldCounts]:
    """Counts of the fields of a smear that are labelled and were not left out."""
    reading, hosts = how
    kind, classes = smear.report.kind, smear.cells.classes
    for place, field in enumerate(smear.cells.fields):
        if smear.report.fields[place].excluded:
            continue
        scene = places[smear.paths[place]]
        here = truth.scene == scene
        area = FieldArea(smear.windows[place])
        boxes = np.asarray(truth.pixel)[here]
        boxes = np.clip(boxes, 0, np.tile([field.width, field.height], 2))
        aside = _aside(truth)[here]
        labels = np.array([classes.index(str(name)) for name in truth.names[here]], np.int64)
        found = _of_field(smear.cells, place)
        found = found.take(~_undecided(found.xyxy, boxes[aside], boxes[~aside]))
        told = _labelled_cells(field, boxes[~aside], labels[~aside], (classes, kind, hosts))
        yield FieldCounts(
            smear.report.title,
            field.name,
            truth.facts[truth.scenes[scene]].group if truth.scenes[scene] in truth.facts else None,
            _counts(_read_as(found, area, reading), kind, hosts),
            _counts(_read_as(told, area, reading), kind, hosts),
        )


def _of_field(cells: CellTable, place: int) -> CellTable:
    return cells.take(cells.field == place)


def _labelled_cells(
    field: CellField, boxes: FloatArray, labels: np.ndarray, how: tuple[Sequence[str], SmearKind, HostSpec]
) -> CellTable:
    """The labels of a field as the cells that the same boxes would be if they were found."""
    classes, kind, hosts = how
    detections = Detections.of(boxes, np.ones(len(boxes)), labels, frame="scene")
    objects = field_objects(detections, classes, kind, hosts)
    whole = FieldArea.whole(field.height, field.width)
    shapes = (CellShape("unmeasured"),) * len(objects.found)
    one = FoundField(field, "", objects, whole, shapes, None)
    return smear_table(field.slide, [one], classes, frame=False)


def _read_as(cells: CellTable, area: FieldArea, reading: Reading) -> CellTable:
    """The cells of a field, ``counted`` by a reading."""
    if reading == "whole":
        counted = ~area.touching(cells.xyxy)
        guests = cells.host >= 0
        counted[guests] = counted[cells.host[guests]]
    else:
        counted = framed_cells(cells.xyxy, cells.host, area, reading == "frame")
    return replace(cells, counted=counted)


def _counts(cells: CellTable, kind: SmearKind, hosts: HostSpec) -> dict[str, int]:
    totals = {name: int(of_class(cells, (name,)).sum()) for name in cells.classes}
    if kind == "thin":
        infected = int(infected_cells(cells, hosts.style).sum())
        totals[RED_CELLS] = int(red_cells(cells, hosts.style).sum())
        totals[INFECTED] = infected
        totals[ANY_STAGE] = infected + totals.get(GAMETOCYTE, 0)
    elif kind == "thick":
        totals[PARASITES] = int(of_class(cells, SPECIES).sum())
    return totals


def _undecided(found: FloatArray, aside: FloatArray, asked: FloatArray) -> BoolArray:
    """``(N,)`` what was found where annotators were undecided, and is no labelled object."""
    if not len(aside) or not len(found):
        return np.zeros(len(found), bool)
    there = shapely.box(*found.T)
    regions = shapely.union_all(shapely.box(*aside.T))
    within = shapely.area(shapely.intersection(there, regions)) >= _SAME * shapely.area(there)
    if not len(asked):
        return np.asarray(within, bool)
    side = np.minimum(found[:, None, 2:], asked[None, :, 2:]) - np.maximum(
        found[:, None, :2], asked[None, :, :2]
    )
    shared = np.maximum(side, 0).prod(axis=2)
    sizes = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (found, asked)]
    is_object = (shared >= _SAME * (sizes[0][:, None] + sizes[1] - shared)).any(axis=1)
    return np.asarray(within & ~is_object, bool)


def _figures(
    rows: Sequence[FieldCounts], names: Sequence[str], kind: SmearKind, spec: BootstrapSpec
) -> Iterator[CountAccuracy]:
    for name in names:
        partly = kind == "thick" and name == WBC
        used = [row for row in rows if row.labelled[name]] if partly else list(rows)
        if used:
            yield count_accuracy(
                name,
                [row.found[name] for row in used],
                [row.labelled[name] for row in used],
                [row.scene for row in used],
                spec,
                _ONLY_LABELLED if partly else "",
            )
