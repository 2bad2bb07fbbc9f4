"""What is known of a data set before it is read: one row of facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retina_domains.errors import InvalidValueError
from retina_domains.labelled import ClassMap, ImageLabels, SamplingUnit

SplitMode = Literal["source", "scene", "blocks", "none"]
SPLIT_MODES: tuple[SplitMode, ...] = ("source", "scene", "blocks", "none")
ImageMode = Literal["reference", "link", "copy"]
IMAGE_MODES: tuple[ImageMode, ...] = ("reference", "link", "copy")
ReadLabels = Callable[[Path, Path | None], Sequence[ImageLabels]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """A data set as its publisher offers it.

    Args:
        name: short, for files and messages.
        title: what it is, in a line.
        licence: of the data, as its publisher states it.
        origin: where it comes from.
        layout: the files that are expected below the folder, for ``--help`` and errors.
        read: labels of all images from the folder and, where given, another folder of images.
        classes: what source labels become; None: every label is a class of its own.
        unit: ``"gsd"`` for the ground, ``"mpp"`` for slides.
        split: how it is split unless it is asked for otherwise; ``"source"``: as published.
        val_share: of images, where it is split here.
        regroup: finds out which images belong together where labels and file names do not say so.
        notes: sentences for the report.
    """

    name: str
    title: str
    licence: str
    origin: str
    layout: str
    read: ReadLabels
    classes: ClassMap | None = None
    unit: SamplingUnit = "gsd"
    split: SplitMode = "scene"
    val_share: float = 0.2
    regroup: Callable[[Sequence[ImageLabels]], Sequence[ImageLabels]] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """How a data set is brought into our form.

    Args:
        images: folder of the images where they do not lie with the labels.
        class_changes: rows of the class map that differ from the source's.
        split: see ``SPLIT_MODES``; None: the source's.
        val_share: of images; None: the source's.
        test_share: of images.
        seed: of the split.
        block_px: side of the blocks into which one big scene is cut.
        gap_px: px between blocks of different splits.
        group_by: found in the path of every image, names its scene by its groups; None: the source's way.
        image_mode: images are named where they lie, linked or copied below the output.
        also: further formats to write, see ``exports``.
        gsd: metres a pixel of all images whose own is not known.
        mpp: micrometres a pixel, likewise.
        point_size_m: side of the box drawn around points, metres; an object's own length goes before.
        point_size_px: the same in px.
        allow_leaks: write although splits share something.
        skip_unreadable: leave images out that do not decode, and list them.
        jobs: threads that decode images.
    """

    images: Path | None = None
    class_changes: tuple[tuple[str, str], ...] = ()
    split: SplitMode | None = None
    val_share: float | None = None
    test_share: float = 0.0
    seed: int = 0
    block_px: int = 2048
    gap_px: int = 0
    group_by: re.Pattern[str] | None = None
    image_mode: ImageMode = "link"
    also: tuple[str, ...] = ()
    gsd: float | None = None
    mpp: float | None = None
    point_size_m: float | None = None
    point_size_px: float | None = None
    allow_leaks: bool = False
    skip_unreadable: bool = False
    jobs: int = 2

    def __post_init__(self) -> None:
        if self.jobs < 1 or self.block_px < 1 or self.gap_px < 0:
            raise InvalidValueError(
                f"{self.jobs} jobs, blocks of {self.block_px} px, {self.gap_px} px apart: expected 1 or more "
                "of the first two, 0 or more of the last"
            )
        val, test = self.val_share or 0.0, self.test_share
        if not (0 <= val <= 1 and 0 <= test <= 1 and val + test <= 1):
            raise InvalidValueError(
                f"--val-share {val:g}, --test-share {test:g}: expected shares from 0 to 1, together at most 1"
            )
        for name in ("gsd", "mpp", "point_size_m", "point_size_px"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InvalidValueError(f"{name} {value}: expected a number above 0")
