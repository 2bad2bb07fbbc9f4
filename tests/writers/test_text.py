"""Text for pictures, in the letters of the font that Pillow carries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from retina_domains.writers.text import drawable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10 µm", "10 um"),
        ("10 \u03bcm", "10 um"),
        ("1280 \u00d7 960 px²", "1280 x 960 px2"),
        ("Frotis n° 3, Genève", "Frotis n° 3, Geneve"),
        ("血 smear", "? smear"),
        ("5 \u2013 10 °C", "5 - 10 °C"),
    ],
)
def test_what_the_font_lacks_is_told_otherwise(text: str, expected: str) -> None:
    assert drawable(text) == expected


@given(st.text(max_size=30))
def test_no_letter_is_drawn_as_the_sign_for_a_missing_one(text: str) -> None:
    font = ImageFont.load_default(14)
    missing = bytes(font.getmask("\ufffd"))
    printable = [letter for letter in drawable(text) if letter.isprintable() and not letter.isspace()]
    assert all(bytes(font.getmask(letter)) != missing for letter in printable)
