"""Labelled images as their publisher describes them, before anything is clipped, renamed or left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retina_domains.errors import InvalidValueError

Box = tuple[float, float, float, float]
Polygon = tuple[tuple[float, float], ...]
Fact = str | int | float | bool


@dataclass(frozen=True, slots=True)
class LabelledObject:
    """One object of an image.

    Args:
        source_label: its class in the publisher's words.
        xyxy: half-open px of the image, as told: it may stick out, have no area or be turned round.
        polygon: outline or oriented box, ``(x, y)`` px, without the closing repeat; empty: the box is all.
        ignored: neither to be learnt nor called background (VOC's ``difficult``, COCO's ``iscrowd``).
        facts: whatever else is told, such as ``length_m``; plain values.
    """

    source_label: str
    xyxy: Box
    polygon: Polygon = ()
    ignored: bool = False
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageLabels:
    """One image and its objects.

    Args:
        path: of the image.
        objects: in the order of the label file.
        width: px, as the labels say; None where they do not.
        height: likewise.
        scene: raster, patient or slide it belongs to, which no split may cut; empty where none is known.
        split: the publisher's own, empty where there is none.
        gsd: metres a pixel, or None.
        mpp: micrometres a pixel, or None.
        offset: ``(x, y)`` px of its upper left corner within the scene, or None.
        source: label file, for messages; empty: no label file names the image.
        facts: whatever else is told; plain values.
        unplaced: objects of the label file that lie on no image at all; told with the first image alone.
    """

    path: Path
    objects: tuple[LabelledObject, ...] = ()
    width: int | None = None
    height: int | None = None
    scene: str = ""
    split: str = ""
    gsd: float | None = None
    mpp: float | None = None
    offset: tuple[float, float] | None = None
    source: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    unplaced: int = 0

    def __post_init__(self) -> None:
        for name in ("gsd", "mpp"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InvalidValueError(
                    f"{self.path.name}: {name} {value}: expected a number above 0, or None where not known"
                )

    @property
    def key(self) -> str:
        """The scene, or the image itself where none is known: what a split keeps together."""
        return self.scene or self.path.as_posix()


def box_of(polygon: Polygon) -> Box:
    """The envelope of a polygon's corners."""
    xs, ys = zip(*polygon, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))


def corners_of(box: Box) -> Polygon:
    """A box as a polygon: upper left, upper right, lower right, lower left."""
    x1, y1, x2, y2 = box
    return ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
