"""YOLO: one text file an image, coordinates as shares of its sides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retina_domains.errors import InputFileError, LabelError
from retina_domains.labelled.values import ImageLabels, LabelledObject, box_of
from retina_domains.readers.datasets.files import ImageFinder, files_in, read_text, require_folder
from retina_domains.readers.labels.folders import CLASS_FILES, class_names
from retina_domains.readers.pictures import image_size

_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
# Roboflow names every copy of a photograph that it alters NAME.rf.HASH.jpg.
_COPY = ".rf."


def read_yolo(
    root: Path, images: Path | None = None, names: Sequence[str] | None = None
) -> list[ImageLabels]:
    """Every label file below a folder; images that have none come without ``source``.

    Both common layouts are read: ``labels/`` beside ``images/``, each perhaps with a folder for each split,
    and ``train/``, ``valid/``, ``test/`` with ``labels/`` and ``images/`` in each.

    Args:
        root: the folder.
        images: folder of the images, at any depth; by default ``root``.
        names: classes by index; by default those of ``classes.txt``, ``obj.names`` or ``data.yaml``.

    Raises:
        InputFileError: there is no such folder, or the image of a label file is missing.
        LabelError: a line is not YOLO's, or a class has no name.
    """
    require_folder(root, "YOLO labels (*.txt)")
    files = _label_files(root)
    if not files:
        raise InputFileError(f"{root}: no label files: expected labels/*.txt, one an image")
    classes = list(names or class_names(root))
    finder = ImageFinder(images or root)
    read = [_image(file, finder, classes) for file in files]
    named = {image.path for image in read}
    return read + [
        ImageLabels(path, scene=_scene(path), split=_split_of(path))
        for path in finder.images
        if path not in named
    ]


def _label_files(root: Path) -> list[Path]:
    """Text files below folders ``labels``, where there are any: those beside them list images."""
    files = [file for file in files_in([root], (".txt",)) if _is_label_file(file)]
    below = [file for file in files if "labels" in file.relative_to(root).parts[:-1]]
    return below or files


def _is_label_file(file: Path) -> bool:
    return file.name not in CLASS_FILES and not file.name.lower().startswith(("readme", "license", "notice"))


def _image(file: Path, finder: ImageFinder, classes: Sequence[str]) -> ImageLabels:
    path = finder.of_label(file)
    try:
        size = image_size(path)
    except InputFileError:
        # Whoever decodes it tells, or leaves it out where that was asked for.
        return ImageLabels(path, scene=_scene(path), split=_split_of(file), source=str(file))
    objects = [
        _object(line, f"{file}, line {number}", size, classes)
        for number, line in enumerate(read_text(file).splitlines(), start=1)
        if line.strip()
    ]
    return ImageLabels(path, tuple(objects), scene=_scene(path), split=_split_of(file), source=str(file))


def _object(line: str, at: str, size: tuple[int, int], classes: Sequence[str]) -> LabelledObject:
    try:
        index, *values = line.split()
        number, shares = float(index), [float(v) for v in values]
    except ValueError as error:
        raise LabelError(f"{at}: {line[:60]!r}: expected class x y width height") from error
    if len(shares) not in (4, 5) and (len(shares) < 6 or len(shares) % 2):
        raise LabelError(
            f"{at}: {len(shares)} numbers after the class: expected x y width height, or corners of a polygon"
        )
    if not number.is_integer() or not 0 <= number < len(classes) or not classes[int(number)]:
        known = ", ".join(f"{k} {name}" for k, name in enumerate(classes) if name)
        raise LabelError(f"{at}: class {index}, but the classes are {known}: mend classes.txt or data.yaml")
    label = int(number)
    width, height = size
    if len(shares) >= 6:
        polygon = tuple((x * width, y * height) for x, y in zip(shares[0::2], shares[1::2], strict=True))
        return LabelledObject(classes[label], box_of(polygon), polygon)
    x, y, w, h = shares[:4]
    box = ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
    facts = {"score": shares[4]} if len(shares) == 5 else {}
    return LabelledObject(classes[label], box, facts=facts)


def _scene(path: Path) -> str:
    """The photograph that an altered copy was made of."""
    return path.name.split(_COPY)[0] if _COPY in path.name else ""


def _split_of(path: Path) -> str:
    return next((_SPLITS[part.lower()] for part in path.parent.parts[::-1] if part.lower() in _SPLITS), "")
