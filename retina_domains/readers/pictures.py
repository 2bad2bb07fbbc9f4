"""What an image is before anything is made of it: its size, its content's name, and whether it decodes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from retina_domains.errors import BlockReadError, GeoreferenceError, InputFileError
from retina_domains.georef import ground_sampling
from retina_domains.readers import open_scene
from retina_domains.readers.fingerprint import fingerprint
from retina_domains.readers.slide import SLIDE_SUFFIXES
from retina_domains.types import Window

RASTER_ENDINGS = (".tif", ".tiff", ".vrt", ".jp2", ".img", ".ntf")
# What is read by windows: rasters, and slides of scanners.
WINDOWED_ENDINGS = (*RASTER_ENDINGS, *SLIDE_SUFFIXES)
_ORIENTATION, _UPRIGHT = 0x0112, 1
# Larger rasters are decoded when they are trained on, block by block; to read them all here would take hours.
_DECODED_PX = 64 * 2**20
_REMEDY = "replace it with a whole copy, or leave it out with --skip-unreadable"


@contextmanager
def decoding(path: str | os.PathLike[str]) -> Iterator[None]:
    """Tell which file it is where pixels of an image cannot be decoded, and what to do.

    Raises:
        BlockReadError: something read within cannot be decoded.
    """
    try:
        yield
    except BlockReadError as error:
        raise BlockReadError(f"{os.fspath(path)}: does not decode ({error}): {_REMEDY}") from error


@dataclass(frozen=True, slots=True)
class Picture:
    """Facts about an image that was looked at.

    Args:
        width: px.
        height: px.
        sha256: names its content, with the way it was made before the colon.
        gsd: metres a pixel, the mean of both axes at its centre; None without georeference.
        mpp: micrometres a pixel, the mean of both axes, as a slide tells; None elsewhere.
        turned: its EXIF record asks viewers to turn it. Pixels are always taken as they are stored.
    """

    width: int
    height: int
    sha256: str
    gsd: float | None = None
    mpp: float | None = None
    turned: bool = False


def examine(path: Path) -> Picture:
    """Decode an image once.

    Raises:
        InputFileError: it is missing, no image, or damaged.
    """
    if not path.is_file():
        raise InputFileError(f"{path}: no such image: is the folder of images the right one?")
    if path.suffix.lower() in WINDOWED_ENDINGS:
        return _examine_raster(path)
    try:
        (width, height), turned = _decoded(path)
    except Image.DecompressionBombError:
        return _examine_raster(path)
    return Picture(width, height, fingerprint(str(path)), turned=turned)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, px, from the header alone.

    Raises:
        InputFileError: it is missing or no image.
    """
    if path.suffix.lower() in WINDOWED_ENDINGS:
        with open_scene(path) as reader:
            return reader.scene.width, reader.scene.height
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            with Image.open(path) as image:
                return image.size
    except Image.DecompressionBombError:
        with open_scene(path) as reader:
            return reader.scene.width, reader.scene.height
    except (UnidentifiedImageError, OSError) as error:
        raise InputFileError(f"{path}: cannot be read as an image: {_REMEDY}") from error


def thumbnail(path: Path, side: int) -> NDArray[np.uint8]:
    """An 8-bit image shrunk to ``(side, side, 3)`` RGB by averaging.

    Raises:
        InputFileError: it is missing or does not decode.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BOX))
    except OSError as error:
        raise InputFileError(f"{path}: does not decode ({error}): {_REMEDY}") from error


def _decoded(path: Path) -> tuple[tuple[int, int], bool]:
    """Width and height, px, of an image that was decoded, and whether viewers are to turn it."""
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            with Image.open(path) as image:
                image.load()
                return image.size, image.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT
    except UnidentifiedImageError as error:
        raise InputFileError(f"{path}: is not an image that can be decoded: {_REMEDY}") from error
    # A damaged PNG gives SyntaxError, a damaged TIFF or JPEG OSError or ValueError.
    except (OSError, ValueError, SyntaxError) as error:
        raise InputFileError(f"{path}: does not decode ({error}): {_REMEDY}") from error


def _examine_raster(path: Path) -> Picture:
    with open_scene(path) as reader:
        scene = reader.scene
        if scene.width * scene.height <= _DECODED_PX:
            with decoding(path):
                reader.read(Window(0, 0, scene.height, scene.width))
        gsd = None
        if scene.georef is not None:
            try:
                gsd = sum(ground_sampling(scene.georef, scene.height, scene.width)) / 2
            except GeoreferenceError:
                # A raster of another body, or one whose centre has no place: its pixels serve all the same.
                gsd = None
    mpp = None if scene.grid is None or scene.grid.mpp is None else sum(scene.grid.mpp) / 2
    return Picture(scene.width, scene.height, fingerprint(str(path)), gsd, mpp)
