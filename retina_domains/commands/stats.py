"""Figures of a labelled set: sizes, counts, ratios, bands, and what should worry its owner."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from retina_domains.commands.set_arguments import add_set_arguments, survey_of
from retina_domains.errors import InvalidValueError
from retina_domains.samples.statistics import ClassFigures, ImageFacts, SetFigures, set_figures, warnings_of
from retina_domains.survey import Survey, band_samples, label_shift
from retina_domains.writers.atomic import write_text
from retina_domains.writers.survey_page import band_figures, write_survey_page
from retina_domains.writers.text import significant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_set_arguments(parser)
    sampling = parser.add_mutually_exclusive_group()
    sampling.add_argument("--gsd", type=float, metavar="M", help="metres a pixel, where no file tells")
    sampling.add_argument("--mpp", type=float, metavar="UM", help="micrometres a pixel: sizes in µm")
    parser.add_argument(
        "--tile-size", type=int, default=512, help="px, for counts a tile (default: %(default)s)"
    )
    parser.add_argument("--no-pixels", action="store_true", help="look at labels alone: no bands, no shift")
    parser.add_argument("--html", metavar="PATH", help="write a page with figures")
    parser.add_argument("--json", metavar="PATH", help="write all figures")


def run(args: argparse.Namespace) -> int:
    """Look, print, write; the exit status."""
    for name in ("gsd", "mpp"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise InvalidValueError(f"--{name} {value}: expected above 0")
    survey = survey_of(args)
    figures = set_figures(image_facts(survey, args.gsd, args.mpp), survey.classes, args.tile_size)
    with_pixels = not args.no_pixels and any(image.path for image in survey.images)
    shift = label_shift(survey) if with_pixels else None
    bands = band_figures(band_samples(survey)) if with_pixels else []
    placed = [image.placed for image in survey.images]
    # Labels that name no images are all looked for in every one: what lies beside one lies on another.
    outside = sum(p.outside for p in placed) if survey.named else 0
    warnings = warnings_of(figures, shift, outside, sum(p.degenerate for p in placed), len(survey.missing))
    unit = "m" if args.mpp is None else "µm"
    print("\n".join(table_lines(survey, figures, unit)))
    for line in warnings:
        print(f"warning: {line}")
    if not with_pixels and not args.no_pixels:
        print(
            "note: no images beside the labels: bands, and whether labels are shifted, were not looked at; "
            "name the images with --images"
        )
    if args.html:
        write_survey_page(args.html, _title(Path(args.labels)), figures, warnings, bands, unit)
    if args.json:
        facts = {"labels": str(args.labels), "unit": unit, **figures.as_dict(), "warnings": warnings}
        write_text(args.json, json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return 0


def _title(labels: Path) -> str:
    """What a page calls the set: many are a ``train.json``, so that its folder tells more."""
    return f"{labels.resolve().parent.name}/{labels.name}" if labels.is_file() else labels.resolve().name


def image_facts(survey: Survey, gsd: float | None, mpp: float | None) -> list[ImageFacts]:
    """Sizes and objects of the images; what the caller says of the sampling goes before what files tell."""
    stated = gsd if gsd is not None else mpp
    return [
        ImageFacts(
            image.name,
            image.height,
            image.width,
            stated if stated is not None else image.gsd if image.gsd is not None else math.nan,
            image.objects,
        )
        for image in survey.images
    ]


def table_lines(survey: Survey, figures: SetFigures, unit: str) -> list[str]:
    """The figures as text."""
    lines = [f"{survey.source}: {survey.kind}, {figures.images} images, {len(figures.labels)} objects"]
    width = max(len(c.name) for c in figures.classes)
    lines.append(f"{'class':<{width}}  objects  ignored  images  size (1 %, median, 99 %)  height / width")
    lines += [_class_line(c, width, unit) for c in figures.classes]
    if len(figures.per_tile):
        lines.append(
            f"{len(figures.per_tile)} tiles of {figures.tile_size} px: {figures.empty_tiles:.0%} without "
            f"objects, mean {figures.per_tile.mean():.1f}, at most {figures.per_tile.max()}"
        )
    return lines


def _class_line(c: ClassFigures, width: int, unit: str) -> str:
    line = f"{c.name:<{width}}  {c.objects:>7}  {c.ignored:>7}  {c.images:>6}  "
    if not c.objects:
        return line.rstrip()
    line += f"{_three(c.size_px)} px"
    if not math.isnan(c.size_true[2]):
        line += f", {_three(c.size_true)} {unit}"
    return f"{line}  {_three(c.ratio)}"


def _three(values: tuple[float, ...]) -> str:
    return " ".join(significant(values[k], 3) for k in (0, 2, 4))
