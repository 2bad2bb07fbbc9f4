"""CVAT's own XML, "CVAT for images 1.1"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from retina_domains.errors import InputFileError, LabelError
from retina_domains.labelled.shapes import ellipse, turned
from retina_domains.labelled.values import ImageLabels, LabelledObject, Polygon, box_of, corners_of
from retina_domains.readers.datasets.files import ImageFinder
from retina_domains.readers.safe_xml import parse_xml

_SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask")
# Said of the image as a whole, or of a shape.
_NO_SHAPES = ("tag", "attribute")


def read_cvat(path: Path, images: Path | None = None) -> list[ImageLabels]:
    """Every image of the file, images without shapes included.

    Boxes and ellipses may be turned; masks are read by their boxes, polylines and points by their envelopes.

    Args:
        path: ``annotations.xml``.
        images: folder of the images, at any depth; by default the file's own.

    Raises:
        InputFileError: the file or an image is missing.
        LabelError: it is not CVAT's, holds tracks of a video, or a shape that is no outline in the image.
    """
    try:
        root = parse_xml(path.read_bytes(), str(path))
    except OSError as error:
        if isinstance(error, InputFileError):
            raise LabelError(f"{error}: export it again") from error
        raise InputFileError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    if root.tag != "annotations":
        raise LabelError(f"{path}: its root is <{root.tag}>, expected CVAT's <annotations>")
    if root.find("track") is not None:
        raise LabelError(f"{path}: holds tracks of a video: export it as 'CVAT for images 1.1'")
    finder = ImageFinder(images or path.parent)
    return [_image(element, finder, path) for element in root.iter("image")]


def _image(element: ElementTree.Element, finder: ImageFinder, path: Path) -> ImageLabels:
    at = f"{path}, image {element.get('name')}"
    if other := [shape.tag for shape in element if shape.tag not in (*_SHAPES, *_NO_SHAPES)]:
        raise LabelError(
            f"{at}: holds a shape <{other[0]}>: expected {', '.join(_SHAPES)}; draw it as one of these, or "
            "remove it"
        )
    try:
        objects = tuple(_object(shape) for shape in element if shape.tag in _SHAPES)
        width, height = (int(element.attrib[side]) for side in ("width", "height"))
    except (KeyError, ValueError) as error:
        raise LabelError(f"{at}: {type(error).__name__} {error}: expected CVAT for images 1.1") from error
    found = finder.find(element.get("name") or "", str(path))
    return ImageLabels(found, objects, width, height, split=element.get("subset") or "", source=str(path))


def _object(shape: ElementTree.Element) -> LabelledObject:
    told: Mapping[str, str] = shape.attrib
    angle = math.radians(float(told.get("rotation", "0")))
    polygon = _polygon(shape.tag, told, angle)
    upright = shape.tag == "mask" or (shape.tag == "box" and angle == 0)
    ignored = any(
        (a.get("name") or "").lower() in ("difficult", "ignore") and a.text == "true" for a in shape
    )
    return LabelledObject(told["label"], box_of(polygon), () if upright else polygon, ignored)


def _polygon(kind: str, told: Mapping[str, str], angle: float) -> Polygon:
    if kind == "box":
        x1, y1, x2, y2 = (float(told[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
        # CVAT turns boxes clockwise about their centre.
        return turned(corners_of((x1, y1, x2, y2)), ((x1 + x2) / 2, (y1 + y2) / 2), angle)
    if kind == "ellipse":
        cx, cy, rx, ry = (float(told[name]) for name in ("cx", "cy", "rx", "ry"))
        return ellipse((cx, cy), (rx, ry), angle)
    if kind == "mask":
        left, top, width, height = (float(told[name]) for name in ("left", "top", "width", "height"))
        return corners_of((left, top, left + width, top + height))
    points = [point.split(",") for point in told["points"].split(";")]
    return tuple((float(x), float(y)) for x, y in points)
