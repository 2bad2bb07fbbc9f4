"""A sheet of a detector's worst errors: what is there and what was reported, drawn on small crops."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.cases import ErrorCase
from retina_domains.evaluation.report import Evaluation
from retina_domains.known_errors import box_of, what_of, worst_of_each
from retina_domains.readers.crops import read_crop
from retina_domains.writers.atomic import write_bytes
from retina_domains.writers.case_pictures import FOUND_COLOR, TRUE_COLOR, Overlay, case_picture, crop_window
from retina_domains.writers.preview import png_bytes

MOST_BYTES = 150_000
_A_KIND = 9
_COLUMNS, _GAP, _CAPTION = 6, 8, 16
_PAPER, _INK = (17, 20, 26), (240, 242, 245)
# Palettes tried, the richest first.
_COLORS = (128, 64, 32, 16, 8)


def write_failures(
    path: str | os.PathLike[str], errors: Evaluation, images: Mapping[str, Path], most: int = _A_KIND
) -> None:
    """Write the surest false detections and the largest missed objects as one PNG of at most 150 kB.

    The one that a crop is about has a thick line.

    Args:
        path: of the picture.
        errors: at the thresholds.
        images: by name.
        most: of each kind.

    Raises:
        InvalidValueError: there is no error, or they lie on no image.
        InputFileError: an image cannot be read.
        OutputError: the file cannot be written.
    """
    shown = worst_of_each(errors, most)
    if not shown or errors.comparison.pixels is None:
        raise InvalidValueError("no errors at the thresholds: there is nothing to draw")
    pictures = [(_picture(errors, case, images), _caption(errors, case)) for case in shown]
    write_bytes(path, _small_png(_sheet(pictures)))


def _picture(errors: Evaluation, case: ErrorCase, images: Mapping[str, Path]) -> Image.Image:
    c = errors.comparison
    assert c.pixels is not None
    true, found = c.pixels[0][case.image], c.pixels[1][case.image]
    box = box_of(errors, case)
    window = crop_window(box)
    chip = read_crop(images[str(c.truth[case.image].image)], window)
    picture = case_picture(chip, [Overlay(true, TRUE_COLOR), Overlay(found, FOUND_COLOR)])
    x1, y1, x2, y2 = ((box - np.array([window.col, window.row] * 2)) * picture.width / window.width).tolist()
    color = FOUND_COLOR if case.pred >= 0 else TRUE_COLOR
    ImageDraw.Draw(picture).rectangle((x1 - 2, y1 - 2, x2 + 1, y2 + 1), outline=color, width=3)
    return picture


def _caption(errors: Evaluation, case: ErrorCase) -> str:
    name = errors.comparison.classes[case.label]
    return f"{name} {what_of(case)}" + ("" if math.isnan(case.score) else f" {case.score:.2f}")


def _sheet(pictures: Sequence[tuple[Image.Image, str]]) -> Image.Image:
    side = pictures[0][0].width
    columns = min(_COLUMNS, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    step_x, step_y = side + _GAP, side + _CAPTION + _GAP
    sheet = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP + _CAPTION), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for k, (picture, caption) in enumerate(pictures):
        x, y = _GAP + k % columns * step_x, _GAP + k // columns * step_y
        sheet.paste(picture, (x, y))
        pen.text((x, y + side + 2), caption, _INK)
    bottom = rows * step_y + _GAP - 2
    pen.text((_GAP, bottom), "blue: labelled", TRUE_COLOR)
    pen.text((_GAP + 100, bottom), "orange: reported", FOUND_COLOR)
    return sheet


def _small_png(sheet: Image.Image) -> bytes:
    """With as many colours as fit; made smaller where even the fewest are too many."""
    while True:
        for colors in _COLORS:
            data = png_bytes(_reduced(sheet, colors))
            if len(data) <= MOST_BYTES:
                return data
        sheet = sheet.resize((sheet.width * 3 // 4, sheet.height * 3 // 4), Image.Resampling.LANCZOS)


def _reduced(sheet: Image.Image, colors: int) -> Image.Image:
    """In few colours, those of the boxes among them."""
    marks = np.array([*TRUE_COLOR, *FOUND_COLOR, *_PAPER, *_INK], np.uint8).reshape(-1, 3)
    few = sheet.quantize(colors - len(marks), Image.Quantize.MEDIANCUT)
    entries = few.getpalette() or []
    own = np.array(entries[: 3 * (colors - len(marks))], np.uint8).reshape(-1, 3)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([marks, own]).reshape(-1).tolist())
    return sheet.quantize(palette=palette, dither=Image.Dither.NONE)
