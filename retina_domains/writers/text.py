"""Numbers and JSON as the text formats write them: the same bytes for the same values, always."""

from __future__ import annotations

import json
import math
import unicodedata

# Letters beyond ASCII that the font has which Pillow carries.
_IN_FONT = frozenset("°±")
# What reads alike: the two letters mu, a multiplication sign, dashes.
_ALIKE = str.maketrans({"\u00b5": "u", "\u03bc": "u", "\u00d7": "x", "\u2013": "-", "\u2014": "-"})


def rounded(value: float, decimals: int) -> float:
    """A plain float with that many decimals, never a negative zero."""
    return round(float(value), decimals) + 0.0


def number(value: float, decimals: int) -> float | None:
    """The same, None for NaN (not measured)."""
    return None if math.isnan(value) else rounded(value, decimals)


def dumps(value: object) -> str:
    """Compact JSON; NaN is a fault of the caller's, never written."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def thousands(value: int) -> str:
    """An integer with thousands set apart, as people read it."""
    return f"{value:,}"


def significant(value: float, digits: int) -> str:
    """A number to that many significant digits, thousands set apart, no power of ten."""
    return f"{float(f'{value:.{digits}g}'):,.15g}"


def drawable(text: str) -> str:
    """Text in letters that the font of pictures has: um for µm, no accents, ? for what it lacks."""
    parts = unicodedata.normalize("NFKD", text.translate(_ALIKE))
    letters = (letter for letter in parts if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() or letter in _IN_FONT else "?" for letter in letters)
