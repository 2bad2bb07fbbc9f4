"""Labels that come as a folder with one file an image: Pascal VOC and YOLO."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from retina_domains.errors import InputFileError, LabelError
from retina_domains.evaluation.objects import ObjectTable, SceneFacts
from retina_domains.readers.labels.columns import TableBuilder, base_name
from retina_domains.readers.safe_xml import parse_xml

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
# An entry of YAML: with a number, a dash, or neither.
_ENTRY = re.compile(r"(?:(\d+):|-(?=\s))?(.*)", re.DOTALL)
CLASS_FILES = ("classes.txt", "obj.names", "names.txt", "data.yaml", "dataset.yaml")


def voc_files(path: Path) -> list[Path]:
    """The annotation files of a VOC folder (its ``Annotations``, if it has one), or the file itself."""
    if path.is_file():
        return [path]
    inner = path / "Annotations"
    return sorted((inner if inner.is_dir() else path).glob("*.xml"))


def read_voc(path: Path) -> ObjectTable:
    """One XML file an image; ``difficult`` objects are ignored, corners are taken as edges.

    Raises:
        LabelError: a file is not VOC.
        InputFileError: a file is not XML.
    """
    builder = TableBuilder(path.name, "Pascal VOC")
    for file in voc_files(path):
        root = parse_xml(file.read_bytes(), file.name)
        scene = base_name(root.findtext("filename") or file.stem)
        size = [root.findtext(f"size/{side}") for side in ("width", "height")]
        width, height = (int(float(s)) if s and float(s) > 0 else None for s in size)
        builder.meet(scene, SceneFacts(width, height))
        for number, item in enumerate(root.iter("object"), start=1):
            try:
                box = [float(item.findtext(f"bndbox/{s}") or "nan") for s in ("xmin", "ymin", "xmax", "ymax")]
            except ValueError as error:
                raise LabelError(f"{file.name}: object {number} has no box of numbers ({error})") from error
            if any(math.isnan(v) for v in box):
                raise LabelError(f"{file.name}: object {number} has no bndbox of four corners")
            row = {"label": (item.findtext("name") or "").strip(), "scene": scene}
            builder.add(row | {"difficult": item.findtext("difficult")}, box)
    return builder.table()


def yolo_files(path: Path) -> list[Path]:
    """The label files of a YOLO folder (its ``labels``, if it has one)."""
    inner = path / "labels"
    folder = inner if inner.is_dir() else path
    return sorted(f for f in folder.glob("*.txt") if f.name not in CLASS_FILES) if folder.is_dir() else []


def read_yolo(path: Path, images: Path | None = None) -> ObjectTable:
    """One text file an image: class, centre and size as shares of the image, and a score in results.

    Args:
        path: the folder.
        images: folder of the images, whose sizes are needed; by default ``images`` beside the labels, or
            the labels' own folder.

    Raises:
        LabelError: a line is not YOLO's, or a class has no name.
        InputFileError: an image is missing or cannot be read.
    """
    names = class_names(path)
    pictures = _pictures(path, images)
    builder = TableBuilder(path.name, "YOLO")
    labels = yolo_files(path)
    for stem in sorted({f.stem for f in labels} - pictures.keys()):
        raise InputFileError(
            f"{path.name}: no image for {stem}.txt: YOLO counts in shares of the image, give its folder "
            "with --images"
        )
    for file in labels:
        picture = pictures[file.stem]
        width, height = _size(picture)
        builder.meet(picture.name, SceneFacts(width, height))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            label, x, y, w, h, score = _line(line, f"{file.name}, line {number}")
            if not 0 <= label < len(names):
                raise LabelError(f"{file.name}, line {number}: class {label} of {len(names)} named ones")
            box = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
            builder.add({"label": names[label], "scene": picture.name, "score": score}, box)
    return builder.table()


def _line(line: str, at: str) -> tuple[int, float, float, float, float, float | None]:
    parts = line.split()
    try:
        label, values = int(parts[0]), [float(v) for v in parts[1:]]
    except ValueError as error:
        raise LabelError(f"{at}: {line!r}: expected class x y width height") from error
    if len(values) not in (4, 5) or not all(-1 <= v <= 2 for v in values):
        raise LabelError(f"{at}: {line!r}: expected class x y width height as shares of the image")
    x, y, w, h = values[:4]
    return label, x, y, w, h, values[4] if len(values) == 5 else None


def class_names(path: Path) -> list[str]:
    """The classes of a YOLO folder by their index; raises ``LabelError`` where no file names them."""
    for folder in (path, path / "labels", path.parent):
        for name in CLASS_FILES:
            file = folder / name
            if file.is_file():
                text = file.read_text(encoding="utf-8")
                return _from_yaml(text) if file.suffix == ".yaml" else text.split("\n")[: _lines(text)]
    raise LabelError(
        f"{path.name}: no {' or '.join(CLASS_FILES[:2])} names its classes: add one, a line a class"
    )


def _lines(text: str) -> int:
    return len(text.rstrip().split("\n"))


def _from_yaml(text: str) -> list[str]:
    """The ``names`` of a YOLO data file: in brackets or braces, lines with dashes, or numbered lines.

    A number that is left out is a class without a name.
    """
    text = re.sub(r"(?m)(^|[ \t])#.*$", "", text)
    inline = re.search(r"^names:[ \t]*[\[{](.*?)[\]}]", text, re.MULTILINE | re.DOTALL)
    block = re.search(r"^names:[ \t]*\n((?:[ \t]*(?:-|\d+:).*\n?|[ \t]*\n)+)", text, re.MULTILINE)
    parts = inline[1].split(",") if inline else block[1].splitlines() if block else []
    names: dict[int, str] = {}
    for part in filter(str.strip, parts):
        number, name = _ENTRY.fullmatch(part.strip()).groups()  # type: ignore[union-attr]  # matches anything
        names[len(names) if number is None else int(number)] = name.strip().strip("'\"")
    return [names.get(k, "") for k in range(max(names, default=-1) + 1)]


def _pictures(path: Path, images: Path | None) -> dict[str, Path]:
    """Images by name without ending."""
    base = path.parent if path.name == "labels" else path
    folders: Iterable[Path] = [images] if images else (base / "images", base)
    for folder in folders:
        if folder.is_dir():
            found = {f.stem: f for f in sorted(folder.iterdir()) if f.suffix.lower() in IMAGE_ENDINGS}
            if found:
                return found
    return {}


def _size(picture: Path) -> tuple[int, int]:
    try:
        with Image.open(picture) as image:
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        raise InputFileError(f"{picture}: is not an image that can be read") from error
