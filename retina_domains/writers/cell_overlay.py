"""A field with its cells drawn on it: class by colour, by line and by letter, with a legend under it."""

from __future__ import annotations

import math
import os
from collections.abc import Container
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from retina_domains.cell_table import STAGES, CellField, CellTable
from retina_domains.errors import InvalidValueError
from retina_domains.types import BoolArray, FloatArray
from retina_domains.writers.atomic import write_bytes
from retina_domains.writers.palette import Rgb, class_color
from retina_domains.writers.preview import png_bytes, scale_bar, to_picture
from retina_domains.writers.text import drawable

NOT_FOR_DIAGNOSIS = "Research use only. Not for diagnosis."
THICK_PARASITES = ("pf", "pm", "po", "pv")
_PANEL, _INK, _FAINT, _UNCOUNTED = (17, 20, 26), (240, 242, 245), (158, 165, 176), (120, 126, 136)
_TEXT = 20  # px
_LEAST_SIDE = 5  # px; smaller cells are dots
_TAG_SIDE = 14  # px; smaller cells have no letter
_DASHES: tuple[tuple[int, ...], ...] = ((), (8, 4), (2, 3), (12, 4, 2, 4))
_DOT_DASH = (3, 3)


@dataclass(frozen=True, slots=True)
class ClassStyle:
    """How cells of a class are drawn: told apart without colour by dashes and by a letter.

    Args:
        color: from ``palette``.
        dash: px on and off in turn; empty: a full line.
        width: px.
        tag: a letter or two beside the cell; empty for the cells that fields are full of.
    """

    color: Rgb
    dash: tuple[int, ...]
    width: int
    tag: str


def is_parasite(name: str) -> bool:
    """Whether a class is a stage of a parasite, or a species as on thick smears."""
    return name in STAGES or name in THICK_PARASITES


@cache
def class_styles(classes: tuple[str, ...]) -> tuple[ClassStyle, ...]:
    """One style a class, in their order: parasites with wide lines and letters, which never repeat."""
    styles, used = [], set[str]()
    for label, name in enumerate(classes):
        tag = "" if name == "RBC" else _letter(name, used)
        used.add(tag)
        width = 3 if is_parasite(name) else 2 if tag else 1
        dash = () if name == "RBC" else _DASHES[(label - 1) % len(_DASHES)]
        styles.append(ClassStyle(class_color(label), dash, width, tag))
    return tuple(styles)


def _letter(name: str, used: Container[str]) -> str:
    """The first letter of a name, or as many as tell it apart; a species' own two letters."""
    if name in THICK_PARASITES:
        return name
    starts = (name[:k].capitalize() for k in range(1, len(name) + 1))
    return next((start for start in starts if start not in used), name)


def write_overlay(
    path: str | os.PathLike[str],
    pixels: NDArray[np.generic],
    valid: BoolArray,
    cells: CellTable,
    field: int,
) -> None:
    """Write one field with its cells, legend, scale bar and notice as a PNG.

    Args:
        path: the file.
        pixels: ``(C, h, w)`` of the whole field, at full resolution or decimated.
        valid: ``(h, w)``.
        cells: of the smear.
        field: place of the field in ``cells.fields``.

    Raises:
        InvalidValueError: there is no such field.
        OutputError: the file cannot be written.
    """
    picture = draw_field(to_picture(pixels, valid), cells, field)
    write_bytes(path, png_bytes(_with_legend(picture, cells, field)))


def draw_field(picture: Image.Image, cells: CellTable, field: int, letters: int = 16) -> Image.Image:
    """The picture of a field, whatever its size, with the field's cells drawn on a copy of it.

    Args:
        picture: of the whole field.
        cells: of the smear.
        field: place of the field in ``cells.fields``.
        letters: size of the classes' letters, px.
    """
    if not 0 <= field < len(cells.fields):
        raise InvalidValueError(f"field {field}: expected 0 to {len(cells.fields) - 1}")
    drawn = picture.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    scale = picture.width / cells.fields[field].width
    rows = np.flatnonzero(cells.field == field)
    parasite = np.array([is_parasite(cells.classes[k]) for k in cells.labels[rows].tolist()], bool)
    # Parasites last, so that no red cell's line hides them.
    for row in rows[np.argsort(parasite, kind="stable")].tolist():
        _draw_cell(pen, cells, row, scale, letters)
    return drawn


def draw_crop(
    picture: Image.Image, origin: tuple[float, float], scale: float, cells: CellTable, row: int
) -> Image.Image:
    """A magnified crop with the corners of one cell's box, which cover nothing of it.

    Args:
        picture: the crop.
        origin: x, y of its upper left corner, px of the field.
        scale: px of the picture a px of the field.
        cells: of the smear.
        row: the cell.
    """
    drawn = picture.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    shift = np.array([*origin, *origin])
    x1, y1, x2, y2 = ((cells.xyxy[row] - shift) * scale).tolist()
    color, arm = class_color(int(cells.labels[row])), max(5.0, min(x2 - x1, y2 - y1) / 5)
    for x, inward_x in ((x1 - 3, arm), (x2 + 2, -arm)):
        for y, inward_y in ((y1 - 3, arm), (y2 + 2, -arm)):
            for line, width in (((0, 0, 0), 4), (color, 2)):
                pen.line((x + inward_x, y, x, y, x, y + inward_y), line, width)
    return drawn


def _draw_cell(pen: ImageDraw.ImageDraw, cells: CellTable, row: int, scale: float, letters: int) -> None:
    style = class_styles(cells.classes)[int(cells.labels[row])]
    x1, y1, x2, y2 = (cells.xyxy[row] * scale).tolist()
    color = style.color if cells.counted[row] else _UNCOUNTED
    if cells.review[row] == "rejected":
        pen.line((x1, y1, x2, y2), _UNCOUNTED, 2)
        pen.line((x1, y2, x2, y1), _UNCOUNTED, 2)
        return
    if min(x2 - x1, y2 - y1) < _LEAST_SIDE:
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=color)
        return
    outline = None if cells.outlines is None else cells.outlines[row]
    ring = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]) if outline is None else outline * scale
    dash = style.dash if cells.counted[row] else _DOT_DASH
    _stroke(pen, np.vstack([ring, ring[:1]]), color, style.width, dash)
    if style.tag and x2 - x1 >= _TAG_SIDE:
        _tag(pen, (x2 + 2, y1 - 2), style.tag, letters)


def _tag(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int) -> None:
    font = ImageFont.load_default(size)
    x = min(at[0], pen.im.size[0] - pen.textlength(text, font) - 3)
    pen.text((x, max(at[1] - 6, 0)), text, _INK, font, stroke_width=2, stroke_fill=(0, 0, 0))


def _stroke(
    pen: ImageDraw.ImageDraw, points: FloatArray, color: Rgb, width: int, dash: tuple[int, ...]
) -> None:
    """A line through points, with dashes of even length along it."""
    if not dash:
        pen.line([tuple(p) for p in points.tolist()], color, width, joint="curve" if width > 1 else None)
        return
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    at, turn = 0.0, 0
    while at < along[-1]:
        stop = min(at + dash[turn % len(dash)] * max(1, width / 2), along[-1])
        if turn % 2 == 0:
            knots = np.concatenate([[at], along[(along > at) & (along < stop)], [stop]])
            x, y = (np.interp(knots, along, points[:, k]) for k in (0, 1))
            pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), color, width)
        at, turn = stop, turn + 1


def _with_legend(picture: Image.Image, cells: CellTable, field: int) -> Image.Image:
    """The picture with classes, counts, scale bar and notice under it."""
    image, font, row = cells.fields[field], ImageFont.load_default(_TEXT), _TEXT + 12
    here = cells.take(cells.field == field)
    entries = _entries(here)
    width, margin = max(picture.width, 720), 18
    lines: list[list[tuple[ClassStyle, str]]] = [[]]
    used = 0.0
    for style, text in entries:
        need = _lead(style, text) + font.getlength(text) + 24
        if lines[-1] and used + need > width - 2 * margin - 200:
            lines.append([])
            used = 0.0
        lines[-1].append((style, text))
        used += need
    height = picture.height + (max(len(lines), 2) + 1) * row + 2 * margin
    canvas = Image.new("RGB", (width, height), _PANEL)
    canvas.paste(picture, ((width - picture.width) // 2, 0))
    pen = ImageDraw.Draw(canvas)
    y = picture.height + margin
    pen.text((margin, y), _head(image, width - 2 * margin), _INK, font)
    drawn = picture.width / image.width
    metres = None if image.mpp is None else image.mpp * 1e-6 / drawn
    bar, text = scale_bar(metres, 1 / drawn, picture.width / 6)
    text = drawable(text)
    left = width - margin - max(bar, math.ceil(font.getlength(text)))
    pen.text((left, y + row), text, _INK, font)
    pen.line((left, y + 2 * row + 6, left + bar, y + 2 * row + 6), _INK, 4)
    for entry in lines:
        y += row
        x = float(margin)
        for style, text in entry:
            _stroke(pen, np.array([[x, y + 12.0], [x + 28, y + 12.0]]), style.color, style.width, style.dash)
            if _tagged(style, text):
                pen.text((x + 36, y), style.tag, _INK, font)
            pen.text((x + _lead(style, text), y), text, _INK, font)
            x += _lead(style, text) + font.getlength(text) + 24
    return canvas


def _tagged(style: ClassStyle, text: str) -> bool:
    """Whether a letter stands before an entry of the legend: not where it is the class's own name."""
    return bool(style.tag) and not text.startswith(f"{style.tag} ")


def _lead(style: ClassStyle, text: str) -> float:
    """Room for the line and the letter of an entry, px."""
    letter = ImageFont.load_default(_TEXT).getlength(style.tag) + 10 if _tagged(style, text) else 0
    return 36 + letter


def _head(image: CellField, room: float) -> str:
    """The notice and what the picture is of; of a name that is too long the middle is left out."""
    font = ImageFont.load_default(_TEXT)
    name = drawable(f"{image.slide}, {image.name}" if image.slide != image.name else image.name)
    text = f"{NOT_FOR_DIAGNOSIS}  {name}"
    kept = len(name)
    while font.getlength(text) > room and kept > 2:
        kept -= 1
        text = f"{NOT_FOR_DIAGNOSIS}  {name[: kept - kept // 2]}...{name[len(name) - kept // 2 :]}"
    return text


def _entries(here: CellTable) -> list[tuple[ClassStyle, str]]:
    """Styles and texts of the legend: counted cells by class, then what else is drawn."""
    entries = []
    for label, style in enumerate(class_styles(here.classes)):
        count = int((here.counted & (here.labels == label)).sum())
        if count:
            entries.append((style, drawable(f"{here.classes[label]}  {count:,}")))
    rejected = here.review.count("rejected")
    uncounted = int((~here.counted).sum()) - rejected
    if uncounted:
        entries.append((ClassStyle(_UNCOUNTED, _DOT_DASH, 2, ""), f"not counted (edge)  {uncounted:,}"))
    if rejected:
        entries.append((ClassStyle(_FAINT, (), 1, "x"), f"rejected  {rejected:,}"))
    return entries or [(ClassStyle(_FAINT, (), 1, ""), "no cells")]
