"""COCO annotation files with everything that they say: polygons, source labels, unusable boxes too."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retina_domains.errors import LabelError
from retina_domains.labelled.values import Box, Fact, ImageLabels, LabelledObject, Polygon, box_of
from retina_domains.readers.datasets.files import ImageFinder, load_json

_OWN = {"id", "file_name", "width", "height", "scene", "gsd", "mpp", "offset", "split"}
_OWN_OF_OBJECTS = {
    "id", "image_id", "category_id", "bbox", "area", "iscrowd", "ignore", "source_label", "segmentation"
}  # fmt: skip


def read_coco(
    path: Path, images: Path | None = None, split: str = "", *, by_category: bool = False
) -> list[ImageLabels]:
    """Images and objects of a COCO annotation file, images without objects included.

    Args:
        path: the file.
        images: folder from which, or from ``images`` in it, the file tells the images' paths, or that holds
            them at any depth; by default the file's own.
        split: the publisher's name for what the file holds.
        by_category: call objects by their category, and not by the publisher's word for them where a file of
            ours keeps that.

    Raises:
        InputFileError: the file or an image is missing.
        LabelError: it is not COCO.
    """
    data = load_json(path)
    if not isinstance(data, dict) or not all(
        isinstance(data.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise LabelError(f"{path}: is not COCO: expected lists images, annotations and categories")
    finder = _CocoImages(images or path.parent)
    try:
        names = {category["id"]: str(category["name"]) for category in data["categories"]}
        objects = _objects_by_image(data, names, path, by_category)
        return [_image(record, objects[record["id"]], finder, path, split) for record in data["images"]]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, LabelError):
            raise
        raise LabelError(
            f"{path}: is not COCO ({type(error).__name__}: {error}): expected images with id and file_name, "
            "annotations with image_id, category_id and bbox, categories with id and name"
        ) from error


class _CocoImages:
    """Images by the paths that a file tells, from a folder or ``images`` in it; else at any depth below.

    Told paths may lead out of the folder, as those of a set whose images stay where they were.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._finder: ImageFinder | None = None

    def find(self, name: str, source: str) -> Path:
        """The image; raises like :meth:`ImageFinder.find`."""
        told = Path(name.replace("\\", "/"))
        for path in (self.folder / "images" / told, self.folder / told):
            if path.is_file():
                return path
        if self._finder is None:
            self._finder = ImageFinder(self.folder)
        return self._finder.find(name, source)


def _objects_by_image(
    data: Mapping[str, Any], names: Mapping[Any, str], path: Path, by_category: bool
) -> dict[Any, list[LabelledObject]]:
    known = {record["id"] for record in data["images"]}
    if len(known) < len(data["images"]):
        raise LabelError(f"{path}: an image id occurs twice: number the images anew")
    objects: dict[Any, list[LabelledObject]] = defaultdict(list)
    for annotation in data["annotations"]:
        image, category = annotation["image_id"], annotation["category_id"]
        if image not in known or category not in names:
            raise LabelError(
                f"{path}: annotation {annotation.get('id')} is of image {image} and category {category}, not "
                "both of which the file lists: mend the file"
            )
        word = names[category] if by_category else annotation.get("source_label", names[category])
        objects[image].append(_object(annotation, str(word)))
    return objects


def _object(annotation: Mapping[str, Any], name: str) -> LabelledObject:
    polygon = _polygon(annotation.get("segmentation"))
    return LabelledObject(
        name,
        _box(annotation.get("bbox"), polygon),
        polygon,
        bool(annotation.get("iscrowd") or annotation.get("ignore")),
        plain_facts(annotation, _OWN_OF_OBJECTS),
    )


def _box(told: Any, polygon: Polygon) -> Box:
    if told is None and polygon:
        return box_of(polygon)
    if not isinstance(told, list) or len(told) != 4:
        raise ValueError(f"an annotation with bbox {told!r}")
    x, y, width, height = (math.nan if v is None else float(v) for v in told)
    return (x, y, x + width, y + height)


def _polygon(told: Any) -> Polygon:
    """The one ring of a segmentation; objects in several parts and masks keep their box alone."""
    if not isinstance(told, list) or len(told) != 1 or not isinstance(told[0], list) or len(told[0]) < 6:
        return ()
    flat = [float(v) for v in told[0]]
    return tuple(zip(flat[0::2], flat[1::2], strict=True))


def _image(
    record: Mapping[str, Any], objects: list[LabelledObject], finder: _CocoImages, path: Path, split: str
) -> ImageLabels:
    offset = record.get("offset")
    return ImageLabels(
        finder.find(str(record["file_name"]), path.name),
        tuple(objects),
        None if record.get("width") is None else int(record["width"]),
        None if record.get("height") is None else int(record["height"]),
        scene=str(record.get("scene", record.get("patient", ""))),
        split=str(record.get("split", split)),
        gsd=None if record.get("gsd") is None else float(record["gsd"]),
        mpp=None if record.get("mpp") is None else float(record["mpp"]),
        offset=None if offset is None else (float(offset[0]), float(offset[1])),
        source=str(path),
        facts=plain_facts(record, _OWN),
    )


def plain_facts(record: Mapping[str, Any], known: set[str]) -> dict[str, Fact]:
    """Fields of a record that are plain values and not read otherwise."""
    return {
        str(name): value
        for name, value in record.items()
        if name not in known and isinstance(value, str | int | float | bool)
    }
