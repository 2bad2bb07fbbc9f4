"""Tell which of two runs is better on the same truth, and whether it is more than chance.

A run is a file of predictions in any format that ``evaluate`` reads, or the JSON that it wrote; from that
the truth is known as well.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from retina_domains.commands.comparing import add_comparison_arguments, load_comparison, report_spec
from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.align import Comparison
from retina_domains.evaluation.reconcile import by_scene
from retina_domains.evaluation.values import reaching
from retina_domains.evaluation.versus import Change, Contrast, Versus, changes, versus, versus_as_dict
from retina_domains.readers.crops import image_paths, read_crop
from retina_domains.types import FloatArray
from retina_domains.writers.atomic import write_text
from retina_domains.writers.case_pictures import FOUND_COLOR, TRUE_COLOR, Overlay, case_picture, crop_window
from retina_domains.writers.versus_page import write_versus_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("run_a", metavar="RUN_A", help="predictions, or the JSON of evaluate")
    parser.add_argument("run_b", metavar="RUN_B", help="likewise")
    parser.add_argument(
        "--truth", metavar="TRUTH", help="what is there (default: that of the JSON of evaluate)"
    )
    add_comparison_arguments(parser)
    parser.add_argument("--json", metavar="PATH", help="also write all figures here")
    parser.add_argument("--html", metavar="PATH", help="also write a page with pictures side by side")
    parser.add_argument("--gallery", type=int, default=12, metavar="N", help="changes of a kind to show")


def run(args: argparse.Namespace) -> int:
    """Compare, print, write."""
    if args.gallery < 0:
        raise InvalidValueError(f"--gallery {args.gallery}: expected 0 or more")
    inputs = [_inputs(path) for path in (args.run_a, args.run_b)]
    truth = args.truth or next((i["truth"] for i in inputs if i), None)
    if truth is None:
        raise InvalidValueError("name what is there with --truth TRUTH, or give the JSON that evaluate wrote")
    runs = [i["predictions"] if i else path for i, path in zip(inputs, (args.run_a, args.run_b), strict=True)]
    a, b = (load_comparison(path, truth, args) for path in runs)
    spec = report_spec(args)
    result = versus(a, b, spec)
    for note in dict.fromkeys((*a.notes, *b.notes)):
        print(note, file=sys.stderr)
    print(format_contrasts(result))
    if args.json:
        facts = {"inputs": {"a": runs[0], "b": runs[1], "truth": str(truth)}, **versus_as_dict(result)}
        write_text(args.json, json.dumps(facts, indent=2, allow_nan=False) + "\n")
    if args.html:
        pairs = _pairs(result, args, spec.min_score) if args.images else {}
        names = (Path(runs[0]).name, Path(runs[1]).name, Path(truth).name)
        write_versus_page(args.html, result, names, pairs)
    return 0


def _inputs(path: str) -> dict[str, str] | None:
    """What an evaluation's JSON was made of; None for any other file."""
    if not Path(path).is_file() or Path(path).suffix != ".json":
        return None
    try:
        data: Any = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return None  # the reader of predictions will say what is wrong with it
    inputs = data.get("inputs") if isinstance(data, dict) else None
    return inputs if isinstance(inputs, dict) and {"predictions", "truth"} <= inputs.keys() else None


def format_contrasts(result: Versus) -> str:
    """One figure a line: A, B, B less A with its interval, verdict."""
    lines = [
        f"{len(result.a.truth)} images in {result.groups} scenes",
        f"{'':<18}{'A':>7}{'B':>7}{'B - A':>8}",
    ]
    lines += [_line(contrast) for contrast in result.contrasts]
    if result.groups < 2:
        lines.append("one scene only: how much differences owe to chance cannot be told")
    return "\n".join(lines)


def _line(c: Contrast) -> str:
    factor, digits = (1, 2) if c.name == "count error" else (100, 1)
    if not (math.isfinite(c.a) and math.isfinite(c.b)):
        return f"{c.name:<18}{'-':>7}{'-':>7}{'-':>8}"
    i = c.difference.interval
    text = f"{c.name:<18}{c.a * factor:7.{digits}f}{c.b * factor:7.{digits}f}{i.value * factor:+8.{digits}f}"
    if math.isnan(i.low):
        return text
    between = f"[{i.low * factor:+.{digits}f}, {i.high * factor:+.{digits}f}]"
    return f"{text}  {between:<18} p {c.difference.p_value:.3f}  {'real' if c.real else 'may be chance'}"


def _pairs(
    result: Versus, args: argparse.Namespace, min_score: float | tuple[float, ...]
) -> dict[str, list[tuple[Change, Image.Image, Image.Image]]]:
    """Pictures of what changed, of those images that are there."""
    a, b = result.a, result.b
    if a.pixels is None or b.pixels is None:
        return {}
    known = by_scene(image_paths(args.images), [str(t.image) for t in a.truth])
    shown: dict[str, list[tuple[Change, Image.Image, Image.Image]]] = {}
    for kind, items in changes(result, min_score, args.gallery).items():
        side = a.pixels if kind.endswith("a") else b.pixels
        for change in items:
            path = known.get(str(a.truth[change.image].image))
            if path is None:
                continue
            box = (
                side[1][change.image][change.pred]
                if change.pred >= 0
                else a.pixels[0][change.image][change.truth]
            )
            chip = read_crop(path, crop_window(box))
            left, right = (case_picture(chip, _overlays(c, change.image, min_score)) for c in (a, b))
            shown.setdefault(kind, []).append((change, left, right))
    return shown


def _overlays(c: Comparison, image: int, min_score: float | tuple[float, ...]) -> list[Overlay]:
    pixels: tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]] | None = c.pixels
    if pixels is None:
        return []
    kept = reaching(c.predictions[image], min_score)
    return [Overlay(pixels[0][image], TRUE_COLOR), Overlay(pixels[1][image][kept], FOUND_COLOR)]
