"""What becomes of each object: clipped, left out, renamed, and a finding for everything that was done."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from retina_domains.labelled.class_map import ClassMap
from retina_domains.labelled.values import Box, ImageLabels, LabelledObject
from retina_domains.scene_labels import DROP, IGNORE
from retina_domains.types import Window

CLIPPED, OUTSIDE, DEGENERATE, DROPPED = "clipped", "outside", "degenerate", "dropped"
# A box thinner than a pixel holds nothing that could be found.
MIN_SIDE_PX = 1.0
_TOLERANCE_PX = 1e-3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one object that its maker may want to know.

    Args:
        kind: ``"clipped"``, ``"outside"``, ``"degenerate"`` or ``"dropped"``.
        image: file name.
        number: of the object in its image, from 1.
        source_label: the publisher's word.
        xyxy: as told; ``None`` in JSON for what is no number.
        why: in words.
    """

    kind: str
    image: str
    number: int
    source_label: str
    xyxy: Box
    why: str


@dataclass(frozen=True, slots=True)
class CleanObject:
    """An object as it goes into a training set.

    Args:
        object: with its box within the image.
        label: index into the classes; None for a region that is ignored whatever the class.
    """

    object: LabelledObject
    label: int | None


@dataclass(frozen=True, slots=True)
class CleanImage:
    """An image whose size is known and whose objects lie in it.

    Args:
        labels: of the image; ``width`` and ``height`` are set, ``objects`` are as told.
        objects: those that are kept.
        sha256: of the image's content.
        file_name: as the training set names it.
        window: the part of the file that is the image; None: all of it.
    """

    labels: ImageLabels
    objects: tuple[CleanObject, ...]
    sha256: str = ""
    file_name: str = ""
    window: Window | None = None


def clean_objects(
    image: ImageLabels, size: tuple[int, int], class_map: ClassMap
) -> tuple[tuple[CleanObject, ...], list[Finding]]:
    """Objects clipped to the image and renamed, and what was done.

    Args:
        image: its labels all in the map.
        size: width and height, px.
        class_map: what they become.
    """
    kept: list[CleanObject] = []
    findings: list[Finding] = []
    for number, item in enumerate(image.objects, start=1):

        def found(kind: str, why: str, number: int = number, item: LabelledObject = item) -> None:
            findings.append(Finding(kind, image.path.name, number, item.source_label, item.xyxy, why))

        target = class_map.targets[item.source_label]
        if target == DROP:
            found(DROPPED, f"class {item.source_label!r} is left out")
            continue
        if fault := fault_of(item):
            found(DEGENERATE, fault)
            continue
        clipped = clip_box(item.xyxy, size)
        if min(clipped[2] - clipped[0], clipped[3] - clipped[1]) < MIN_SIDE_PX:
            found(
                OUTSIDE, f"less than {MIN_SIDE_PX:g} px of it lies in the image of {size[0]} x {size[1]} px"
            )
            continue
        moved = max(abs(a - b) for a, b in zip(item.xyxy, clipped, strict=True))
        if moved > _TOLERANCE_PX:
            found(CLIPPED, f"stuck out by {moved:.4g} px")
        ignored = item.ignored or target == IGNORE
        label = None if target == IGNORE else class_map.classes.index(target)
        kept.append(CleanObject(replace(item, xyxy=clipped, ignored=ignored), label))
    return tuple(kept), findings


def sized(image: ImageLabels, size_m: float | None, size_px: float | None) -> ImageLabels:
    """Points made boxes: as long as ``length_m`` tells, of the stated size elsewhere; else left as they are.

    Args:
        image: its ``gsd`` is needed for metres.
        size_m: side of the box, metres; the object's own ``length_m`` goes before.
        size_px: side of the box, px; goes before both.
    """
    objects = tuple(_sized(item, image.gsd, size_m, size_px) for item in image.objects)
    return replace(image, objects=objects)


def _sized(
    item: LabelledObject, gsd: float | None, size_m: float | None, size_px: float | None
) -> LabelledObject:
    x1, y1, x2, y2 = item.xyxy
    if (x1, y1) != (x2, y2):
        return item
    length = item.facts.get("length_m")
    metres = length if isinstance(length, int | float) and length > 0 else size_m
    side = size_px if size_px is not None else None if metres is None or gsd is None else metres / gsd
    half = 0.0 if side is None else side / 2
    return replace(item, xyxy=(x1 - half, y1 - half, x1 + half, y1 + half))


def fault_of(item: LabelledObject) -> str:
    """Why a box cannot be used; empty where it can."""
    x1, y1, x2, y2 = item.xyxy
    if not all(math.isfinite(v) for v in (*item.xyxy, *(c for point in item.polygon for c in point))):
        return "a corner is no number"
    if x2 < x1 or y2 < y1:
        return "its right or lower edge comes before the left or upper one"
    if x2 == x1 or y2 == y1:
        return (
            "it has no area (points need --point-size, in metres also --gsd)"
            if x1 == x2 and y1 == y2
            else "it has no area"
        )
    if min(x2 - x1, y2 - y1) < MIN_SIDE_PX:
        return f"a side is shorter than {MIN_SIDE_PX:g} px"
    return ""


def clip_box(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box within an image of ``(width, height)``; without area where there is none."""
    x1, y1, x2, y2 = box
    width, height = size
    left, top = min(max(x1, 0.0), width), min(max(y1, 0.0), height)
    return (left, top, max(left, min(x2, width)), max(top, min(y2, height)))
