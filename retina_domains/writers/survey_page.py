"""The page about a labelled set: sizes, counts, ratios, bands, and what should worry its owner."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retina_domains.samples.statistics import QUANTILES, SetFigures
from retina_domains.writers.atomic import write_text
from retina_domains.writers.charts import Histogram, histogram_svg
from retina_domains.writers.contact_sheet import class_key
from retina_domains.writers.page import notice, page, table, tally
from retina_domains.writers.text import significant, thousands

_BINS = 24
_BAND_BINS = 64


@dataclass(frozen=True, slots=True)
class BandFigures:
    """One band of the pixels that were sampled.

    Args:
        name: of the band.
        counts: in equal steps from ``low`` to ``high``; values beyond are in the first and last.
        low: 0.5th percentile, px values as stored.
        high: 99.5th percentile.
        minimum: least value.
        median: value in the middle.
        maximum: largest value.
    """

    name: str
    counts: tuple[int, ...]
    low: float
    high: float
    minimum: float
    median: float
    maximum: float


def band_figures(samples: Sequence[NDArray[Any]]) -> list[BandFigures]:
    """Figures of each band of sampled pixels; bands without a valid pixel are left out."""
    found = []
    for index, values in enumerate(samples, start=1):
        if not len(values):
            continue
        numbers = values.astype(np.float64)
        low, median, high = (float(v) for v in np.percentile(numbers, (0.5, 50, 99.5)))
        end = high if high > low else low + 1.0
        counts, _ = np.histogram(np.clip(numbers, low, end), _BAND_BINS, (low, end))
        row = (float(numbers.min()), median, float(numbers.max()))
        found.append(BandFigures(f"band {index}", tuple(map(int, counts)), low, end, *row))
    return found


def write_survey_page(
    path: str | os.PathLike[str],
    title: str,
    figures: SetFigures,
    warnings: Sequence[str],
    bands: Sequence[BandFigures],
    unit: str,
) -> None:
    """Write the page.

    Args:
        path: the output.
        title: of the page, such as the name of the set.
        figures: of the set.
        warnings: one line each.
        bands: of its pixels; empty where none were looked at.
        unit: ``"m"`` or ``"µm"``: of true sizes.

    Raises:
        OutputError: the file cannot be written.
    """
    objects = len(figures.labels)
    share = "" if math.isnan(figures.empty_tiles) else f"{figures.empty_tiles:.0%} without objects, "
    body = (
        tally(
            [
                (thousands(figures.images), "images", ""),
                (thousands(objects), "objects", f"{thousands(figures.tiny)} under 4 px"),
                (
                    thousands(len(figures.per_tile)),
                    f"tiles of {figures.tile_size} px",
                    f"{share}at most {thousands(int(figures.per_tile.max(initial=0)))} in one",
                ),
            ]
        ),
        notice(warnings),
        "<h2>Classes</h2>",
        class_table(figures, unit),
        "<h2>Objects</h2>",
        f'<p class="key">{class_key([c.name for c in figures.classes])}</p>',
        f'<div class="charts">{"".join(map(_figure, _charts(figures)))}</div>',
        "<h2>Pixels</h2>" if bands else "",
        f'<div class="charts">{"".join(map(_band_figure, bands))}</div>' if bands else "",
    )
    write_text(path, page(title, "Objects and pixels of a labelled set", body))


def class_table(figures: SetFigures, unit: str) -> str:
    """Counts, and quantiles of sizes and ratios, of each class."""
    names = [f"{q:.0%}" for q in QUANTILES]
    head = [
        "class",
        "objects",
        "ignored",
        "images",
        f"size px ({', '.join(names)})",
        f"size {unit}",
        "height / width",
    ]
    rows = [
        [
            escape(c.name),
            thousands(c.objects),
            thousands(c.ignored),
            thousands(c.images),
            escape(_several(c.size_px)),
            escape(_several(c.size_true)),
            escape(_several(c.ratio)),
        ]
        for c in figures.classes
    ]
    return table(head, rows)


def _several(values: Sequence[float]) -> str:
    return "-" if all(map(math.isnan, values)) else ", ".join(significant(v, 3) for v in values)


def _charts(figures: SetFigures) -> list[tuple[Histogram, list[str]]]:
    names = [c.name for c in figures.classes]
    charts = []
    if len(figures.sizes):
        charts.append(
            (_by_octave("Size", "side of the object, sqrt(w h), px", figures.sizes, figures), names)
        )
        charts.append((_by_octave("Aspect ratio", "height over width", figures.ratios, figures), names))
    if len(figures.per_tile):
        charts.append((_per_tile(figures.per_tile), ["tiles"]))
    return charts


def _by_octave(title: str, axis: str, values: ArrayLike, figures: SetFigures) -> Histogram:
    """Counts by class in bins of equal ratio; ticks at powers of two."""
    logs = np.log2(np.asarray(values, np.float64))
    low, high = math.floor(logs.min()), max(math.floor(logs.min()) + 1, math.ceil(logs.max()))
    an_octave = max(2, _BINS // (high - low))
    edges = np.linspace(low, high, (high - low) * an_octave + 1)
    counts = [
        [int(v) for v in np.histogram(logs[figures.labels == label], edges)[0]]
        for label in range(len(figures.classes))
    ]
    ticks = [((power - low) * an_octave, significant(2.0**power, 3)) for power in range(low, high + 1)]
    spans = [f"{significant(2**a, 3)} to {significant(2**b, 3)}" for a, b in pairwise(edges)]
    return Histogram(title, axis, ticks, spans, counts)


def _per_tile(per_tile: NDArray[np.int64]) -> Histogram:
    """Tiles by their number of objects: 0, 1, 2, then by octave."""
    edges = [0, 1, 2]
    while edges[-1] <= per_tile.max():
        edges.append(edges[-1] * 2)
    counts, _ = np.histogram(per_tile, edges)
    names = [str(a) if b - a == 1 else f"{a} to {b - 1}" for a, b in pairwise(edges)]
    ticks = [(index + 0.5, name) for index, name in enumerate(names)]
    return Histogram("Objects a tile", "objects in a tile", ticks, names, [[int(c) for c in counts]])


def _figure(chart: tuple[Histogram, list[str]]) -> str:
    histogram, names = chart
    return f"<div><h3>{escape(histogram.title)}</h3>{histogram_svg(histogram, names)}</div>"


def _band_figure(band: BandFigures) -> str:
    step = (band.high - band.low) / len(band.counts)
    names = [f"from {significant(band.low + k * step, 4)}" for k in range(len(band.counts))]
    ticks = [
        (share * len(band.counts), significant(band.low + share * (band.high - band.low), 3))
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    histogram = Histogram(band.name, "pixel value as stored", ticks, names, [list(band.counts)])
    facts = ", ".join(
        f"{word} {significant(value, 4)}"
        for word, value in (("least", band.minimum), ("median", band.median), ("largest", band.maximum))
    )
    return f'{_figure((histogram, ["pixels"]))[:-6]}<p class="faint">{escape(facts)}</p></div>'
