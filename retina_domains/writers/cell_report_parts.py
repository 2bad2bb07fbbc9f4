"""Small parts of the smear report: tables, the line of a class, pictures within the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from retina_domains.writers.cell_overlay import ClassStyle


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = ()) -> str:
    """A table that scrolls by itself where it is wider than the page.

    Args:
        head: text, one a column.
        rows: HTML, one a cell.
        words: columns of words, which begin at the left as the first one does.
    """
    first = "".join(f'<th scope="col"{_side(k, words)}>{escape(name)}</th>' for k, name in enumerate(head))
    lines = "".join(
        "<tr>" + "".join(f"<td{_side(k, words)}>{cell}</td>" for k, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>{lines}</tbody></table></div>'


def _side(column: int, words: Sequence[int]) -> str:
    return ' class="words"' if column in words else ""


def swatch(style: ClassStyle) -> str:
    """The class's line as it is drawn on fields."""
    color = "#{:02x}{:02x}{:02x}".format(*style.color)
    dash = f' stroke-dasharray="{" ".join(map(str, style.dash))}"' if style.dash else ""
    return (
        '<svg class="swatch" viewBox="0 0 34 12" aria-hidden="true"><path d="M1 6H33" fill="none" '
        f'stroke="{color}" stroke-width="{style.width + 1}"{dash}/></svg>'
    )


def jpeg_uri(jpeg: bytes) -> str:
    """A JPEG as an address that holds it."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
