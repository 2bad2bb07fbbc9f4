"""Label Studio's JSON export: tasks with regions in percent of the image."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from retina_domains.errors import InputFileError, LabelError
from retina_domains.labelled.shapes import ellipse, turned
from retina_domains.labelled.values import ImageLabels, LabelledObject, Polygon, box_of, corners_of
from retina_domains.readers.datasets.files import ImageFinder, load_json
from retina_domains.readers.pictures import image_size

# Label Studio puts eight hexadecimal digits before the names of uploaded files.
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")
_KINDS = ("rectanglelabels", "polygonlabels", "ellipselabels")


def read_label_studio(path: Path, images: Path | None = None) -> list[ImageLabels]:
    """Every task of a JSON export (not JSON-MIN); tasks without annotation come without ``source``.

    Args:
        path: the file.
        images: folder of the images, at any depth; by default the file's own.

    Raises:
        InputFileError: the file or an image is missing.
        LabelError: it is no such export, a task was annotated several times, or a region is a mask.
    """
    tasks = load_json(path)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "data" in task for task in tasks):
        raise LabelError(f"{path}: expected Label Studio's JSON export, a list of tasks with data")
    finder = ImageFinder(images or path.parent)
    return [_task(task, finder, path) for task in tasks]


def _task(task: Mapping[str, Any], finder: ImageFinder, path: Path) -> ImageLabels:
    at = f"{path}, task {task.get('id')}"
    image = _image_of(task["data"], finder, at)
    done = [a for a in task.get("annotations", []) if not a.get("was_cancelled")]
    chosen = [a for a in done if a.get("ground_truth")] or done
    if len(chosen) > 1:
        raise LabelError(
            f"{at}: {len(chosen)} annotations of one image: star the right one as ground truth, or export "
            "those of one annotator"
        )
    if not chosen:
        return ImageLabels(image)
    try:
        size = image_size(image)
    except InputFileError:
        # Whoever decodes it tells, or leaves it out where that was asked for.
        return ImageLabels(image, source=at)
    regions = [
        r for r in chosen[0].get("result", []) if r.get("type") not in ("choices", "textarea", "rating")
    ]
    if len({(r.get("to_name"), r.get("item_index", 0)) for r in regions}) > 1:
        raise LabelError(f"{at}: regions of several images in one task: export a task for each image")
    try:
        objects = tuple(_object(region, size, at) for region in regions)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        if isinstance(error, LabelError):
            raise
        raise LabelError(f"{at}: a region cannot be read ({type(error).__name__}: {error})") from error
    told = [(r["original_width"], r["original_height"]) for r in regions if "original_width" in r]
    width, height = told[0] if told else (None, None)
    return ImageLabels(image, objects, width, height, source=at)


def _image_of(data: Mapping[str, Any], finder: ImageFinder, at: str) -> Path:
    """The image of a task, by the last part of the address that it was loaded from."""
    addresses = [v for v in data.values() if isinstance(v, str) and PurePosixPath(_name(v)).suffix]
    for address in addresses:
        name = _name(address)
        for candidate in dict.fromkeys((name, _UPLOAD.sub("", name))):
            try:
                return finder.find(candidate, at)
            except InputFileError:
                continue
    raise InputFileError(
        f"{at}: its image {', '.join(addresses) or '(none named)'} is not below "
        f"{', '.join(map(str, finder.folders))}: give its folder with --images"
    )


def _name(address: str) -> str:
    parts = urlsplit(address)
    # Local storage hides the path in the query: /data/local-files/?d=folder/name.jpg
    path = parts.query.partition("d=")[2] if parts.query.startswith("d=") else parts.path
    return PurePosixPath(unquote(path)).name


def _object(region: Mapping[str, Any], size: tuple[int, int], at: str) -> LabelledObject:
    kind, value = str(region.get("type")), region["value"]
    if kind not in _KINDS:
        raise LabelError(
            f"{at}: a region of type {kind!r}: expected {', '.join(_KINDS)}; draw it as one of these, or "
            "remove it, and export again"
        )
    if region.get("image_rotation"):
        raise LabelError(f"{at}: the image was turned in Label Studio: turn it back there, and export again")
    names: Sequence[str] = value.get(kind) or ["unlabelled"]
    polygon = _polygon(kind, value, size)
    upright = kind == "rectanglelabels" and not value.get("rotation")
    # Whatever several labels mean together, the class map must say.
    return LabelledObject(" + ".join(map(str, names)), box_of(polygon), () if upright else polygon)


def _polygon(kind: str, value: Mapping[str, Any], size: tuple[int, int]) -> Polygon:
    across, down = size[0] / 100, size[1] / 100
    if kind == "polygonlabels":
        return tuple((float(x) * across, float(y) * down) for x, y in value["points"])
    x, y = float(value["x"]) * across, float(value["y"]) * down
    angle = math.radians(float(value.get("rotation") or 0))
    if kind == "ellipselabels":
        return ellipse((x, y), (float(value["radiusX"]) * across, float(value["radiusY"]) * down), angle)
    w, h = float(value["width"]) * across, float(value["height"]) * down
    # Label Studio turns rectangles clockwise about their upper left corner.
    return turned(corners_of((x, y, x + w, y + h)), (x, y), angle)
