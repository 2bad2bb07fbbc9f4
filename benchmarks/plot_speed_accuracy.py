"""Accuracy over the time of a whole predict, ours and the comparators, as Lin et al. (2017) draw it.

``python benchmarks/plot_speed_accuracy.py --times predict.json --accuracy paired.json --figure "pf: AP50"
--out docs/images/speed-accuracy.svg [--title TEXT]`` takes what ``bench_predict.py`` and ``bench_paired.py``
wrote with ``--out``, draws the sides of the latter whose time the former holds, and prints the same as a
Markdown table. A side is named as a model of ``bench_predict.py`` (``ours``, ``ours-slim``, ``stock``,
``fcos``), with ``-r50`` behind it where its backbone is not ResNet-18. Values are means over a side's runs,
with a bar from the worst run to the best. A side that was not timed, or a model without a measured accuracy,
is left out, and it is said so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from retina_domains.errors import InputFileError, InvalidValueError, RetinaDomainsError
from retina_domains.writers.atomic import write_text
from retina_domains.writers.plots import Axis

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 48, 56
# Told apart by shape as well as by colour; readable on white and on dark pages alike.
INK, GRID, PAPER = "#333333", "#d9d9d9", "#ffffff"
COLORS = {"ours": "#0072b2", "stock": "#d55e00", "fcos": "#009e73"}
NAMES = {"ours": "ours", "ours-slim": "ours, slim", "stock": "stock RetinaNet", "fcos": "FCOS"}
LABEL_PX, LABEL_STEP = 7.0, 15.0


@dataclass(frozen=True)
class Point:
    """One model.

    Args:
        side: its name in the paired runs.
        model: its name among the times.
        backbone: ``r18`` or ``r50``.
        milliseconds: of a whole predict.
        runs: accuracy of each run, 0 to 1.
    """

    side: str
    model: str
    backbone: str
    milliseconds: float
    runs: tuple[float, ...]

    @property
    def value(self) -> float:
        """Mean over runs."""
        return sum(self.runs) / len(self.runs)

    @property
    def label(self) -> str:
        """What stands beside the point."""
        return f"{NAMES[self.model]}, {self.backbone.upper()}"


def read_json(path: Path, key: str, of: str) -> dict[str, Any]:
    """What a benchmark wrote.

    Raises:
        InputFileError: it is missing, no JSON, or of another benchmark.
    """
    try:
        content: Any = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict) or key not in content:
        raise InputFileError(f"{path}: has no {key!r}: expected what {of} writes with --out")
    return content


def points(times: dict[str, Any], accuracy: dict[str, Any], figure: str) -> tuple[list[Point], list[str]]:
    """The models with both figures, and what is left out, in words.

    Raises:
        InvalidValueError: there is no such figure, or no model has both.
    """
    rows = [row for row in accuracy["figures"] if row["figure"] == figure]
    if not rows:
        known = ", ".join(dict.fromkeys(repr(row["figure"]) for row in accuracy["figures"]))
        raise InvalidValueError(f"no figure {figure!r}: there are {known}")
    runs = {rows[0]["reference"]: rows[0]["reference_runs"], **{r["side"]: r["side_runs"] for r in rows}}
    timed = {(row["model"], row["backbone"]): row["milliseconds"] for row in times["timings"]}
    found, left_out = [], []
    for side, values in runs.items():
        model, backbone = (side.removesuffix("-r50"), "r50") if side.endswith("-r50") else (side, "r18")
        if model not in NAMES or (model, backbone) not in timed:
            left_out.append(f"{side} was not timed")
            continue
        milliseconds = float(timed.pop((model, backbone)))
        found.append(Point(side, model, backbone, milliseconds, tuple(map(float, values))))
    left_out += [f"{model}, {backbone.upper()} has no measured accuracy" for model, backbone in timed]
    if not found:
        raise InvalidValueError(f"no model has both a time and an accuracy: {'; '.join(left_out)}")
    return sorted(found, key=lambda point: point.milliseconds), left_out


def table(found: Sequence[Point], figure: str) -> str:
    """Markdown, fastest first."""
    lines = [f"| model | backbone | ms a predict | {figure} | each run |", "| --- | --- | --- | --- | --- |"]
    for p in found:
        each = ", ".join(f"{value:.3f}".removeprefix("0") for value in p.runs)
        value = f"{p.value:.3f}".removeprefix("0")
        lines.append(f"| {NAMES[p.model]} | {p.backbone.upper()} | {p.milliseconds:.1f} | {value} | {each} |")
    return "\n".join(lines)


def svg(found: Sequence[Point], figure: str, title: str, about: str) -> str:
    """The drawing, whole by itself: no style sheet, no script, no font of its own."""
    slowest, best = max(p.milliseconds for p in found), max(max(p.runs) for p in found)
    x, y = Axis("time of a whole predict, ms", 0.0, 1.15 * slowest), Axis(figure, 0.0, min(1.0, 1.15 * best))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="13" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>',
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="{LEFT}" y="37" font-size="11">{escape(about)}</text>',
        *_frame(x, y),
    ]
    parts += [line for p in found for line in _dot(p, x, y)]
    parts += _labels(found, x, y)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(x: Axis, y: Axis) -> list[str]:
    base, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for value in y.ticks():
        _, at = _place(x, y, 0, value)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{right}" stroke="{GRID}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{value:.6g}</text>')
    for value in x.ticks():
        at, _ = _place(x, y, value, 0)
        parts.append(f'<path d="M{at:.1f} {base}v5" stroke="{INK}"/>')
        parts.append(f'<text x="{at:.1f}" y="{base + 20}" text-anchor="middle">{value:.6g}</text>')
    middle, half = (LEFT + right) / 2, (TOP + base) / 2
    return [
        *parts,
        f'<path d="M{LEFT} {base}H{right}" stroke="{INK}"/>',
        f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x.name)}</text>',
        f'<text x="16" y="{half}" text-anchor="middle" transform="rotate(-90 16 {half})">'
        f"{escape(y.name)}</text>",
    ]


def _dot(p: Point, x: Axis, y: Axis) -> list[str]:
    """A dot, square for ResNet-50, over the span of its runs."""
    color = COLORS[p.model.partition("-")[0]]
    at, height = _place(x, y, p.milliseconds, p.value)
    low, high = (_place(x, y, p.milliseconds, end(p.runs))[1] for end in (min, max))
    dot = (
        f'<rect x="{at - 5:.1f}" y="{height - 5:.1f}" width="10" height="10" fill="{color}"/>'
        if p.backbone == "r50"
        else f'<circle cx="{at:.1f}" cy="{height:.1f}" r="5.5" fill="{color}"/>'
    )
    return [f'<path d="M{at:.1f} {low:.1f}V{high:.1f}" stroke="{color}" stroke-width="2"/>', dot]


def _labels(found: Sequence[Point], x: Axis, y: Axis) -> list[str]:
    """Names beside their dots, on the side where there is room, and below a name that is in the way."""
    parts = []
    taken: list[tuple[float, float, float]] = []
    for p in sorted(found, key=lambda p: -p.value):
        at, height = _place(x, y, p.milliseconds, p.value)
        length = LABEL_PX * len(p.label)
        beyond = at + 12 + length > WIDTH - RIGHT
        place, anchor, left = (at - 11, "end", at - 11 - length) if beyond else (at + 11, "start", at + 11)
        base = height + 4.5
        for start, stop, line in taken:
            if left < stop and left + length > start and abs(base - line) < LABEL_STEP:
                base = line + LABEL_STEP
        taken.append((left, left + length, base))
        parts.append(
            f'<text x="{place:.1f}" y="{base:.1f}" text-anchor="{anchor}" stroke="{PAPER}" '
            f'stroke-width="4" paint-order="stroke">{escape(p.label)}</text>'
        )
    return parts


def _place(x: Axis, y: Axis, across: float, up: float) -> tuple[float, float]:
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return LEFT + x.share(across) * width, HEIGHT - BOTTOM - y.share(up) * height


def main(argv: Sequence[str] | None = None) -> int:
    """Read both files, draw, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=Path, required=True, metavar="JSON")
    parser.add_argument("--accuracy", type=Path, required=True, metavar="JSON")
    parser.add_argument("--figure", required=True, help="as bench_paired.py prints it")
    parser.add_argument("--title", default="Speed and accuracy")
    parser.add_argument("--out", type=Path, required=True, metavar="SVG")
    args = parser.parse_args(argv)
    try:
        times = read_json(args.times, "timings", "bench_predict.py")
        accuracy = read_json(args.accuracy, "figures", "bench_paired.py")
        found, left_out = points(times, accuracy, args.figure)
        about = f"{times['setting']}; bars span the runs"
        write_text(args.out, svg(found, args.figure, args.title, about))
    except RetinaDomainsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(found, args.figure))
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
