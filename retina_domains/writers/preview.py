"""The overview picture (``--preview``): the scene with its boxes, a legend and a scale bar under it."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from retina_domains.errors import InvalidValueError
from retina_domains.types import BoolArray, Detections
from retina_domains.writers.atomic import write_bytes
from retina_domains.writers.palette import Rgb, class_color
from retina_domains.writers.text import drawable, significant

_SIDE = 1600  # px of the picture's longer side
_MAX_ENLARGEMENT = 8
_NARROWEST = 720  # px; a legend needs them
_PANEL, _INK, _FAINT, _NO_DATA = (17, 20, 26), (240, 242, 245), (158, 165, 176), (52, 60, 78)
_TEXT = 22  # px
_LEGEND_CLASSES = 12


@dataclass(frozen=True, slots=True)
class Overview:
    """A scene small enough to look at.

    Args:
        pixels: ``(C, H, W)``, any real type; 8-bit values are drawn as they are, others from the 1st to
            the 99.5th percentile of the valid ones.
        valid: ``(H, W)`` bool.
        scene_size: (height, width) of the scene itself, px.
        gsd_m: metres a scene pixel, or None where that is not known.
    """

    pixels: NDArray[np.generic]
    valid: BoolArray
    scene_size: tuple[int, int]
    gsd_m: float | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[1:] != self.valid.shape or 0 in self.pixels.shape:
            raise InvalidValueError(
                f"overview pixels {self.pixels.shape} and valid mask {self.valid.shape}: "
                "expected (C, H, W) and (H, W), none of them 0"
            )


def write_preview(
    path: str | os.PathLike[str],
    overview: Overview,
    detections: Detections,
    classes: Sequence[str],
    *,
    title: str = "",
    counts: Mapping[int, int] | None = None,
) -> None:
    """Write the overview picture as a PNG.

    Args:
        path: the output.
        overview: the scene.
        detections: boxes to draw, ``frame="scene"``.
        classes: names, in the order of labels.
        title: a line under the picture.
        counts: objects by label where ``detections`` are only some of them; None counts ``detections``.

    Raises:
        OutputError: the file cannot be written.
    """
    write_bytes(path, png_bytes(draw_preview(overview, detections, classes, title=title, counts=counts)))


def draw_preview(
    overview: Overview,
    detections: Detections,
    classes: Sequence[str],
    *,
    title: str = "",
    counts: Mapping[int, int] | None = None,
) -> Image.Image:
    """The picture itself; see ``write_preview``."""
    if detections.frame != "scene":
        raise InvalidValueError("a preview draws detections in the scene's frame; these are in a tile's")
    picture = to_picture(overview.pixels, overview.valid)
    height, width = overview.scene_size
    scale = min(_SIDE / max(height, width), _MAX_ENLARGEMENT)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Enlarged pixels stay squares: nothing is drawn that was not measured.
    enlarged = size[0] > picture.width
    picture = picture.resize(size, Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)
    _draw_boxes(picture, detections, scale)
    tally = _tally(detections) if counts is None else dict(counts)
    entries = _legend_entries(tally, classes, bool((~overview.valid).any()))
    metres = None if overview.gsd_m is None else overview.gsd_m / scale
    return _with_panel(picture, title, entries, (metres, 1 / scale))


def mosaic(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures side by side, in rows: one alone, two or three a row.

    Raises:
        InvalidValueError: there are none.
    """
    if not pictures:
        raise InvalidValueError("no pictures to lay side by side: expected one or more")
    columns = 1 if len(pictures) == 1 else 2 if len(pictures) <= 4 else 3
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    gap, width = 12, max(picture.width for picture in pictures)
    heights = [max(picture.height for picture in row) for row in rows]
    size = (columns * width + (columns - 1) * gap, sum(heights) + (len(rows) - 1) * gap)
    canvas = Image.new("RGB", size, _PANEL)
    y = 0
    for row, height in zip(rows, heights, strict=True):
        for place, picture in enumerate(row):
            canvas.paste(picture, (place * (width + gap) + (width - picture.width) // 2, y))
        y += height + gap
    return canvas


def to_picture(pixels: NDArray[np.generic], valid: BoolArray) -> Image.Image:
    """``(C, H, W)`` pixels as RGB: three bands as colour, fewer as grey of the first, invalid ones blue."""
    bands = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
    grey = bands if bands.dtype == np.uint8 else _stretched(bands, valid)
    rgb = np.where(valid, grey, np.array(_NO_DATA, np.uint8)[:, None, None])
    return Image.fromarray(np.ascontiguousarray(rgb.transpose(1, 2, 0)))


def png_bytes(picture: Image.Image) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _stretched(bands: NDArray[np.generic], valid: BoolArray) -> NDArray[np.uint8]:
    values = np.abs(bands) if np.iscomplexobj(bands) else bands
    values = values.astype(np.float32)
    shown = values[:, valid & np.isfinite(values).all(axis=0)]
    if not shown.size:
        return np.zeros(bands.shape, np.uint8)
    low, high = np.percentile(shown, (1, 99.5))
    share = np.nan_to_num((values - low) / max(float(high - low), 1e-12))
    drawn: NDArray[np.uint8] = (np.clip(share, 0, 1) * 255).round().astype(np.uint8)
    return drawn


def _tally(detections: Detections) -> dict[int, int]:
    labels, counts = np.unique(detections.labels, return_counts=True)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def _least_side(count: int) -> int:
    """Px that the shortest box is drawn with: seen when few, not a carpet when many."""
    return 18 if count <= 300 else 11 if count <= 3000 else 6


def _draw_boxes(picture: Image.Image, detections: Detections, scale: float) -> None:
    draw = ImageDraw.Draw(picture)
    least = _least_side(len(detections))
    line = 3 if least == 18 else 2 if least == 11 else 1
    boxes = detections.xyxy * scale
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    halves = np.maximum((boxes[:, 2:] - boxes[:, :2]) / 2 + line + 1, least / 2)
    edges = np.concatenate([centres - halves, centres + halves], axis=1).round().astype(int)
    # The weakest first, so that the strongest lie on top.
    for index in np.argsort(detections.scores, kind="stable"):
        x1, y1, x2, y2 = edges[index].tolist()
        draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=(0, 0, 0), width=1)
        draw.rectangle((x1, y1, x2, y2), outline=class_color(int(detections.labels[index])), width=line)


def _legend_entries(tally: Mapping[int, int], classes: Sequence[str], no_data: bool) -> list[tuple[Rgb, str]]:
    """(colour, text) of each class found, the most frequent twelve where there are more."""
    found = sorted(
        (label for label, count in tally.items() if count), key=lambda label: (-tally[label], label)
    )
    shown = sorted(found[:_LEGEND_CLASSES])
    entries = [(class_color(label), f"{classes[label]}  {tally[label]:,}") for label in shown]
    rest = sum(tally[label] for label in found[_LEGEND_CLASSES:])
    if rest:
        entries.append((_FAINT, f"other classes  {rest:,}"))
    if not entries:
        entries.append((_FAINT, "nothing found"))
    if no_data:
        entries.append((_NO_DATA, "no data"))
    return entries


def _with_panel(
    picture: Image.Image,
    title: str,
    entries: Sequence[tuple[Rgb, str]],
    per_pixel: tuple[float | None, float],
) -> Image.Image:
    """The picture on a canvas with title, legend and scale bar under it."""
    font = ImageFont.load_default(_TEXT)
    width, margin, row = max(picture.width, _NARROWEST), 20, _TEXT + 14
    bar, text = scale_bar(*per_pixel, min(picture.width, width) / 5)
    text, title = drawable(text), drawable(title)
    entries = [(color, drawable(label)) for color, label in entries]
    bar_width = max(bar, round(font.getlength(text)))
    lines = _wrapped(entries, font, width - 3 * margin - bar_width)
    rows = max(len(lines), 2) + (1 if title else 0)
    canvas = Image.new("RGB", (width, picture.height + rows * row + 2 * margin), _PANEL)
    canvas.paste(picture, ((width - picture.width) // 2, 0))
    draw = ImageDraw.Draw(canvas)
    y = picture.height + margin
    if title:
        draw.text((margin, y), _shortened(title, font, width - 2 * margin), _INK, font)
        y += row
    right = width - margin
    draw.text((right - bar_width, y), text, _INK, font)
    foot = y + row + 8
    draw.line((right - bar_width, foot, right - bar_width + bar, foot), _INK, 4)
    for x in (right - bar_width, right - bar_width + bar):
        draw.line((x, foot - 7, x, foot + 7), _INK, 3)
    for line in lines:
        x = margin
        for color, label in line:
            draw.rectangle((x, y + 4, x + _TEXT - 4, y + _TEXT), fill=color, outline=_FAINT)
            draw.text((x + _TEXT + 6, y), label, _INK, font)
            x += _entry_width(label, font)
        y += row
    return canvas


def _entry_width(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    return round(font.getlength(label)) + _TEXT + 6 + 30


def _wrapped(
    entries: Sequence[tuple[Rgb, str]], font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float
) -> list[list[tuple[Rgb, str]]]:
    lines: list[list[tuple[Rgb, str]]] = [[]]
    used = 0
    for entry in entries:
        need = _entry_width(entry[1], font)
        if lines[-1] and used + need > room:
            lines.append([])
            used = 0
        lines[-1].append(entry)
        used += need
    return lines


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "...") > room:
        text = text[:-1]
    return text + "..."


def scale_bar(metres: float | None, scene_px: float, room: float) -> tuple[int, str]:
    """Drawn length, px, and text of a bar of 1, 2 or 5 times a power of ten, at most ``room`` px long.

    Args:
        metres: that a drawn px stands for, or None for a bar in scene pixels.
        scene_px: that a drawn px stands for.
        room: longest bar, drawn px.
    """
    unit = scene_px if metres is None else metres
    longest = room * unit
    power = 10.0 ** math.floor(math.log10(longest))
    length = max(step * power for step in (1, 2, 5) if step * power <= longest)
    text = f"{significant(length, 6)} px" if metres is None else length_text(length)
    return max(1, round(length / unit)), text


def length_text(metres: float, digits: int = 6) -> str:
    """A length in km, m, cm, mm or micrometres, to that many significant digits."""
    for least, unit, name in ((1000, 1000.0, "km"), (1, 1.0, "m"), (0.01, 0.01, "cm"), (1e-3, 1e-3, "mm")):
        if metres >= least * (1 - 1e-9):
            return f"{significant(metres / unit, digits)} {name}"
    return f"{significant(metres * 1e6, digits)} µm"
