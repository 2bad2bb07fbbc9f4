"""What a count of smears is asked for, and what was found on one field of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retina_domains.cell_shapes import CellShape
from retina_domains.cell_table import CellField
from retina_domains.cells.confusion import DetectorConfusion
from retina_domains.cells.density import ASSUMED_WBC, WbcCount
from retina_domains.cells.hosts import HostSpec
from retina_domains.cells.quality import FieldLook, QualityLimits, StainRange
from retina_domains.cells.values import DEFAULT_DRAWS, DrawSpec
from retina_domains.corrections import Corrections
from retina_domains.counting.area import FieldArea
from retina_domains.counting.objects import FieldObjects
from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.objects import ObjectTable
from retina_domains.inference import InferenceOptions
from retina_domains.smear_report import SmearKind
from retina_domains.types import MergeSpec, TileSpec
from retina_domains.writers.cell_accuracy import ModelRecord


@dataclass(frozen=True, slots=True)
class LabelledFields:
    """Images with labels.

    Args:
        truth: their objects.
        paths: of the images, by scene of ``truth``.
        class_map: new names of classes by old ones; an empty one drops the class.
    """

    truth: ObjectTable
    paths: Mapping[str, Path]
    class_map: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOptions:
    """How smears are counted.

    Args:
        kind: ``"thin"``, ``"thick"`` or ``"cells"``; None: by the detector's classes.
        mpp: micrometres a pixel of all inputs, which go before what the files say.
        wbc: white cells in a microlitre of the patient's blood, for thick smears.
        frame: count by the rule of the counting frame; else every cell found counts.
        positions: where fields lie on their slide, by name, or None: each lies by itself.
        corrections: what people said of the cells of an earlier count of the same inputs, or None.
        exclude: names of fields that are left out of the smears' numbers.
        exclude_bad: leave out all fields with a warning of quality.
        record: what the detector's bundle tells of its accuracy, for the page; None: it is no bundle.
        labelled: labels of the fields, for the page to tell the count's errors, or None.
        wanted_width: half width of the interval over the figure, for which further fields are reckoned.
        confusion: the detector's errors, or None where they are not known.
        hosts: when two boxes are one cell, and which red cell a parasite lies in.
        draws: number of draws, level and seed of the intervals.
        limits: beyond which a field gets a warning; None: the usual ones of its kind of smear.
        stain: looks of the detector's training fields, for the usual limits; None: not judged.
        tile: side and overlap of tiles.
        merge: when the boxes of two tiles are one object.
        inference: batch size, threads, threshold.
    """

    kind: SmearKind | None = None
    mpp: float | None = None
    wbc: WbcCount = ASSUMED_WBC
    frame: bool = True
    positions: Mapping[str, tuple[float, float]] | None = None
    corrections: Corrections | None = None
    exclude: tuple[str, ...] = ()
    exclude_bad: bool = False
    record: ModelRecord | None = None
    labelled: LabelledFields | None = None
    wanted_width: float | None = None
    confusion: DetectorConfusion | None = None
    hosts: HostSpec = field(default_factory=HostSpec)
    draws: DrawSpec = DEFAULT_DRAWS
    limits: QualityLimits | None = None
    stain: StainRange | None = None
    tile: TileSpec = field(default_factory=TileSpec)
    merge: MergeSpec = field(default_factory=MergeSpec)
    inference: InferenceOptions = field(default_factory=lambda: InferenceOptions(measure="off"))

    def __post_init__(self) -> None:
        if self.mpp is not None and not 0 < self.mpp < 1000:
            raise InvalidValueError(f"{self.mpp} um a pixel: expected above 0, below 1000")
        if self.wanted_width is not None and not 0 < self.wanted_width < 1:
            raise InvalidValueError(
                f"interval width {self.wanted_width}: expected a share of the figure between 0 and 1: 0.2 is "
                "plus or minus 20 %"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOutputs:
    """What a count leaves behind.

    Args:
        folder: for the files of one smear; of several, each has a folder of its own in it.
        overlays: a picture of each field with its cells, too.
    """

    folder: Path
    overlays: bool = False


@dataclass(frozen=True, slots=True)
class FoundField:
    """One field that was searched, and its N cells.

    Args:
        image: the field; ``mpp`` only where the file or the caller tells it.
        path: of the file.
        objects: its cells.
        area: what of it was searched.
        shapes: N outlines and what was measured within them.
        look: quality of the field, or None where it could not be judged.
        failures: what could not be read of it, in words.
        saturated: number of tiles whose candidates were cut.
        seconds: by stage.
    """

    image: CellField
    path: str
    objects: FieldObjects
    area: FieldArea
    shapes: tuple[CellShape, ...]
    look: FieldLook | None
    failures: tuple[str, ...] = ()
    saturated: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
