"""Finding and opening the files of a data set, with errors that name them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from retina_domains.errors import InputFileError, LabelError
from retina_domains.readers.pictures import WINDOWED_ENDINGS

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", *WINDOWED_ENDINGS)


def load_json(path: Path) -> Any:
    """A parsed JSON file; raises ``InputFileError`` or ``LabelError`` in one line."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise LabelError(f"{path}: is not JSON ({error}): is it the right file, and whole?") from error


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"{path}: is not UTF-8 text ({error.reason}): save it as UTF-8") from error


def require_folder(path: Path, holds: str) -> Path:
    """The folder itself; raises ``InputFileError`` where it is none."""
    if not path.is_dir():
        raise InputFileError(f"{path}: no such folder: expected {holds} there; see the card of the data set")
    return path


def files_in(folders: Iterable[Path], endings: Sequence[str]) -> list[Path]:
    """Files below some folders by the ends of their names, sorted; what is hidden below them is left out."""
    found = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in endings
        and not any(p.startswith(".") for p in path.relative_to(folder).parts)
        and path.is_file()
    ]
    return sorted(dict.fromkeys(found))


class ImageFinder:
    """Finds the image that a label file means, by path, by name, or by name without ending.

    Args:
        folders: that hold images, at any depth.

    Raises:
        InputFileError: there is no image at all.
    """

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self.images = _without_links(files_in(folders, IMAGE_ENDINGS))
        if not self.images:
            raise InputFileError(
                f"{', '.join(map(str, folders))}: no images: expected files that end in "
                f"{', '.join(IMAGE_ENDINGS)}"
            )
        self._by_name: dict[str, list[Path]] = {}
        for path in self.images:
            for name in (path.name, path.stem):
                self._by_name.setdefault(name.lower(), []).append(path)

    def find(self, name: str, source: str) -> Path:
        """The image.

        Args:
            name: as labels tell it; of a path with folders those that are there count.
            source: label file, for messages.

        Raises:
            InputFileError: there is none.
            LabelError: several images could be meant.
        """
        wanted = PurePosixPath(name.replace("\\", "/"))
        # The ending often differs: labels were drawn on a PNG that was made of a TIFF.
        return self._one((wanted.name, wanted.stem), wanted, source)

    def of_label(self, file: Path) -> Path:
        """The image of a label file that has its name and no more; raises like :meth:`find`.

        Args:
            file: label file; a folder ``labels`` in its path stands for ``images``.
        """
        folders = ("images" if part == "labels" else part for part in file.parent.parts)
        return self._one((file.stem,), PurePosixPath(*folders, file.stem), str(file))

    def _one(self, names: Sequence[str], wanted: PurePosixPath, source: str) -> Path:
        for name in names:
            found = list(dict.fromkeys(self._by_name.get(name.lower(), [])))
            if len(found) > 1:
                deepest = max(_shared_tail(path, wanted) for path in found)
                found = [path for path in found if _shared_tail(path, wanted) == deepest]
            if len(found) == 1:
                return found[0]
            if found:
                raise LabelError(
                    f"{source}: image {wanted.name!r} may be {found[0]} or {found[1]}: name its folder too, "
                    "or give one folder of images"
                )
        raise InputFileError(
            f"{source}: image {wanted.name!r} is not below {', '.join(map(str, self.folders))}: give its "
            "folder with --images"
        )


def _without_links(paths: Sequence[Path]) -> list[Path]:
    """Without links to other files of the list, as a prepared set leaves them beside its source."""
    real = {path.resolve() for path in paths if not path.is_symlink()}
    return [path for path in paths if not path.is_symlink() or path.resolve() not in real]


def _shared_tail(path: Path, wanted: PurePosixPath) -> int:
    """How many parts, from the end, two paths have in common; the ending of the name does not count."""
    a = [*path.parent.parts[::-1]]
    b = [*wanted.parent.parts[::-1]]
    return next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
