"""Pascal VOC: one XML file an image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from retina_domains.errors import InputFileError, LabelError
from retina_domains.labelled.values import Box, ImageLabels, LabelledObject, Polygon
from retina_domains.readers.datasets.files import ImageFinder, files_in, require_folder
from retina_domains.readers.safe_xml import parse_xml

VocEdges = Literal["corners", "labelimg", "pixels"]
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_voc(labels: Path, images: Path, edges: VocEdges = "corners", split: str = "") -> list[ImageLabels]:
    """Every annotation file of a folder.

    Args:
        labels: folder of XML files, at any depth.
        images: folder of the images, at any depth.
        edges: what the four numbers are. ``"corners"``: edges in px from the outer corner of the image, as
            most tools write them. ``"labelimg"``: the same, with 1 where LabelImg's rule forbade 0, so that a
            left or upper edge at 1 lies at the image's own. ``"pixels"``: first and last pixel counted from
            1, as the VOC challenge defined it.
        split: the publisher's name for what the folder holds.

    Raises:
        InputFileError: there is no such folder, no annotation, or an image is missing.
        LabelError: a file is not VOC.
    """
    files = files_in([require_folder(labels, "VOC annotations (*.xml)")], (".xml",))
    if not files:
        raise InputFileError(f"{labels}: no *.xml files: expected one VOC annotation an image")
    finder = ImageFinder(images)
    return [_image(file, finder, edges, split) for file in files]


def _image(file: Path, finder: ImageFinder, edges: VocEdges, split: str) -> ImageLabels:
    try:
        root = parse_xml(file.read_bytes(), str(file))
    except InputFileError as error:
        raise LabelError(f"{error}: replace the annotation, or remove it with its image") from error
    if root.tag != "annotation":
        raise LabelError(f"{file}: its root is <{root.tag}>, expected a VOC <annotation>")
    width, height = (_length(root.findtext(f"size/{side}"), file) for side in ("width", "height"))
    objects = [_object(item, number, file, edges) for number, item in enumerate(root.iter("object"), start=1)]
    # The file's own name counts before the <filename> in it, which often is another image's or has no ending.
    try:
        path = finder.of_label(file)
    except InputFileError:
        path = finder.find((root.findtext("filename") or file.stem).strip(), str(file))
    return ImageLabels(path, tuple(objects), width, height, split=split, source=str(file))


def _length(told: str | None, file: Path) -> int | None:
    """A side of the image; None where it is not told or 0, as some tools write it."""
    try:
        return int(float(told)) or None if told and told.strip() else None
    except ValueError as error:
        raise LabelError(f"{file}: image size {told!r}: expected whole px") from error


def _object(item: ElementTree.Element, number: int, file: Path, edges: VocEdges) -> LabelledObject:
    told = [item.findtext(f"bndbox/{side}") for side in _SIDES]
    polygon = _polygon(item, number, file)
    try:
        box = [math.nan if text is None else float(text) for text in told]
    except ValueError as error:
        raise LabelError(f"{file}: object {number}: bndbox {told}: expected numbers") from error
    name = (item.findtext("name") or "").strip()
    ignored = (item.findtext("difficult") or "0").strip() == "1"
    return LabelledObject(name, _edges(box, edges), polygon, ignored)


def _edges(box: list[float], edges: VocEdges) -> Box:
    x1, y1, x2, y2 = box
    if edges == "pixels":
        return (x1 - 1, y1 - 1, x2, y2)
    if edges == "labelimg":
        return (0.0 if x1 == 1 else x1, 0.0 if y1 == 1 else y1, x2, y2)
    return (x1, y1, x2, y2)


def _polygon(item: ElementTree.Element, number: int, file: Path) -> Polygon:
    """The corners x1, y1, x2, y2 … of an outline or oriented box, where an element of the object has them."""
    for element in item:
        told = {child.tag: child.text or "" for child in element}
        count = next(k for k in range(len(told) + 1) if not {f"x{k + 1}", f"y{k + 1}"} <= told.keys())
        if count < 3:
            continue
        texts = [(told[f"x{k}"], told[f"y{k}"]) for k in range(1, count + 1)]
        try:
            return tuple((float(x), float(y)) for x, y in texts)
        except ValueError as error:
            raise LabelError(f"{file}: object {number}: corners {texts}: expected numbers") from error
    return ()
