"""Score against the share that is right, before and after calibration: a small SVG without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from retina_domains.score_report import JudgedScores, ScoreBin, ScoreReport

_SIDE, _LEFT, _TOP, _GAP, _FOOT = 220, 46, 44, 34, 66
# Of Okabe and Ito's palette for the colour-blind; the marks differ in shape too.
_BEFORE, _AFTER, _INK, _GRID = "#d55e00", "#0072b2", "#222", "#ccc"


def reliability_svg(report: ScoreReport) -> str:
    """One panel a class, or several judged as one; bars are Wilson 95 % intervals."""
    panels = [judged for judged in report.judged if judged.predictions]
    # The words below need the room of a panel and a half.
    width = max(_LEFT + len(panels) * (_SIDE + _GAP), 340)
    height = _TOP + _SIDE + _FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="11" fill="{_INK}">',
        f"<title>{escape(report.model)}: score against share that is right</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for k, judged in enumerate(panels):
        parts += _panel(judged, _LEFT + k * (_SIDE + _GAP))
    parts += _key(height)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(judged: JudgedScores, left: int) -> list[str]:
    base = _TOP + _SIDE
    title = judged.name if len(judged.name) <= 34 else f"{judged.name[:33]}…"
    parts = [
        f'<text x="{left}" y="{_TOP - 24}" font-weight="bold">{escape(title)}</text>',
        f'<text x="{left}" y="{_TOP - 10}" fill="#555">{judged.right} of {judged.predictions} right; '
        f"threshold {judged.threshold:.3g}</text>",
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = left + tick * _SIDE, base - tick * _SIDE
        parts.append(f'<path d="M{left} {y:g}h{_SIDE}M{x:g} {_TOP}v{_SIDE}" stroke="{_GRID}"/>')
        parts.append(f'<text x="{x:g}" y="{base + 14}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{left - 5}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>')
    parts.append(f'<path d="M{left} {base}l{_SIDE} {-_SIDE}" stroke="{_INK}" stroke-dasharray="4 3"/>')
    at = left + judged.threshold * _SIDE
    parts.append(f'<path d="M{at:.1f} {_TOP}v{_SIDE}" stroke="{_AFTER}" stroke-dasharray="1 3"/>')
    parts += _marks(judged.before, left, _BEFORE, square=True)
    parts += _marks(judged.after, left, _AFTER, square=False)
    return parts


def _marks(bins: Sequence[ScoreBin], left: int, color: str, square: bool) -> list[str]:
    base, parts = _TOP + _SIDE, []
    for one in bins:
        x, y = left + one.score * _SIDE, base - one.right / one.count * _SIDE
        low, high = base - one.low * _SIDE, base - one.high * _SIDE
        hint = f"<title>score {one.score:.2f}: {one.right} of {one.count} right</title>"
        parts.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{color}"/>')
        if square:
            parts.append(
                f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="#fff" '
                f'stroke="{color}" stroke-width="1.5">{hint}</rect>'
            )
        else:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}">{hint}</circle>')
    return parts


def _key(height: int) -> list[str]:
    y = height - 14
    return [
        f'<text x="{_LEFT}" y="{y - 18}">across: score; up: share that is right, with 95 % interval</text>',
        f'<rect x="{_LEFT}" y="{y - 8}" width="7" height="7" fill="#fff" stroke="{_BEFORE}" '
        'stroke-width="1.5"/>',
        f'<text x="{_LEFT + 13}" y="{y}">raw</text>',
        f'<circle cx="{_LEFT + 50}" cy="{y - 4}" r="4" fill="{_AFTER}"/>',
        f'<text x="{_LEFT + 60}" y="{y}">calibrated, held out</text>',
    ]
