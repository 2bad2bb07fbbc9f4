"""The frame of the HTML pages about measurements: one file, no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from PIL import Image

from retina_domains.writers.preview import png_bytes

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root{color-scheme:light dark;--ink:#1a1f28;--faint:#5c6675;--line:#dfe3e9;--page:#fff;--card:#f5f7f9;
--a:#0072b2;--b:#d55e00;--good:#00805a;--bad:#b3401a}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf0;--faint:#9aa4b2;--line:#2f3743;--page:#12161c;--card:#1b212a;
--a:#56b4e9;--b:#e69f00;--good:#4cc79a;--bad:#f08a5d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1120px;padding:28px 20px 60px;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:26px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:19px;margin:36px 0 10px}
h3{font-size:15px;margin:0 0 4px}
p{margin:4px 0 12px}.faint,figcaption{color:var(--faint)}
.notice{border-left:4px solid var(--b);padding:8px 12px;background:var(--card)}
.notice p{margin:2px 0}
.tally{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0}
.tally div{background:var(--card);padding:10px 16px;border-radius:6px;min-width:120px}
.tally b{display:block;font-size:24px;line-height:1.2}.tally small{color:var(--faint)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));gap:28px 24px}
.charts>*{max-width:560px}
svg{width:100%;height:auto;display:block}svg text{fill:var(--faint);font-size:12px}
svg .grid{stroke:var(--line)}svg .axis{stroke:var(--faint)}
.a{stroke:var(--a)}.b{stroke:var(--b)}.n{stroke:var(--faint)}.fa{fill:var(--a)}.fb{fill:var(--b)}.fn{fill:var(--faint)}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:14px}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr));gap:18px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:6px}
figure{margin:0}figure img{width:100%;height:auto;display:block;border-radius:4px;image-rendering:pixelated}
figcaption{font-size:12.5px;line-height:1.35;margin-top:4px;overflow-wrap:anywhere}
figcaption b{color:var(--ink)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin-bottom:18px;font-variant-numeric:tabular-nums}
th,td{text-align:right;vertical-align:top;padding:4px 0 4px 14px;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left;padding-left:0;min-width:8em;overflow-wrap:anywhere}
th{font-weight:500;color:var(--faint)}td small{color:var(--faint);white-space:nowrap}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.key i{display:inline-block;width:.8em;height:.8em;margin:0 .4em 0 1em;border:2px solid}
"""


def page(title: str, subtitle: str, body: Iterable[str]) -> str:
    """A whole page; ``body`` is HTML, the titles are text."""
    return "".join(
        (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f'<h1>{escape(title)}</h1><p class="faint">{escape(subtitle)}</p>',
            *body,
            "</body></html>\n",
        )
    )


def notice(sentences: Sequence[str]) -> str:
    """Sentences set off from the rest; nothing without any."""
    if not sentences:
        return ""
    return '<div class="notice">' + "".join(f"<p>{escape(s)}</p>" for s in sentences) + "</div>"


def tally(cards: Iterable[tuple[str, str, str]]) -> str:
    """Cards of a large value, what it is, and a small remark, all text."""
    return (
        '<div class="tally">'
        + "".join(
            f"<div><b>{escape(value)}</b>{escape(name)}<br><small>{escape(remark)}</small></div>"
            for value, name, remark in cards
        )
        + "</div>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells of ``rows`` are HTML, ``head`` is text."""
    first = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>{lines}</tbody></table></div>'


def image(picture: Image.Image, alt: str) -> str:
    """A picture inside the page."""
    data = base64.b64encode(png_bytes(picture)).decode()
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
