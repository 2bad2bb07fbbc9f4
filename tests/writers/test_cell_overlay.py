"""Fields with their cells: what is drawn where, and that classes can be told apart without colour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cell_cases import smear
from PIL import Image, ImageFont

from retina_domains.cell_table import CellField
from retina_domains.errors import InvalidValueError
from retina_domains.writers import cell_overlay
from retina_domains.writers.cell_overlay import class_styles, draw_crop, draw_field, write_overlay
from retina_domains.writers.palette import class_color

BLOOD = ("RBC", "WBC", "platelet", "ring", "trophozoite", "schizont", "gametocyte")


def test_every_class_differs_from_all_others_without_its_colour() -> None:
    for classes in (BLOOD, ("pf", "pm", "po", "pv", "WBC")):
        looks = [(style.dash, style.width, style.tag) for style in class_styles(classes)]
        assert len(set(looks)) == len(classes)
        assert len({style.tag for style in class_styles(classes)}) == len(classes)
    assert [style.tag for style in class_styles(BLOOD)] == ["", "W", "P", "R", "T", "S", "G"]


def test_outlines_boxes_and_crosses_lie_on_their_cells() -> None:
    cells, blank = smear(), Image.new("RGB", (400, 300), (0, 0, 0))
    first = np.asarray(draw_field(blank, cells, 0))
    red, ring = class_color(0), class_color(2)
    # The outline's left corner at (12, 30) px, drawn twice as large; its box's corner stays free.
    assert tuple(first[60, 24]) == red
    assert tuple(first[20, 20]) == (0, 0, 0)
    # The ring has no outline: its box, from (20, 20) px on.
    assert any(tuple(first[40, x]) == ring for x in range(40, 60))
    second = np.asarray(draw_field(blank, cells, 1))
    assert second[220, 220].any()  # the middle of the cross of a rejected cell
    assert not second[60, 300].any()
    assert not np.asarray(blank).any()


def test_what_does_not_count_is_grey_and_dotted() -> None:
    cells = replace(smear(), counted=np.zeros(5, bool))
    drawn = np.asarray(draw_field(Image.new("RGB", (200, 150)), cells, 0)).reshape(-1, 3)
    assert not (drawn == class_color(0)).all(axis=1).any()


def test_the_picture_says_what_it_is_and_shows_its_legend(tmp_path: Path) -> None:
    pixels, valid = np.full((3, 150, 200), 90, np.uint8), np.ones((150, 200), bool)
    write_overlay(tmp_path / "a.png", pixels, valid, smear(), 0)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width >= 720
        assert picture.height > 150
        under = np.asarray(picture)[150:]
    for label in (0, 1, 2):
        assert (under == class_color(label)).all(axis=2).any()
    with pytest.raises(InvalidValueError, match="field 7"):
        write_overlay(tmp_path / "b.png", pixels, valid, smear(), 7)


def test_crops_keep_the_cell_free() -> None:
    crop = Image.new("RGB", (120, 120), (10, 10, 10))
    drawn = np.asarray(draw_crop(crop, (0, 0), 2.0, smear(), 0))
    assert (drawn[24:96, 24:96] == 10).all()
    assert (drawn == class_color(0)).all(axis=2).any()


def test_a_long_name_is_shortened_in_its_middle_and_a_letter_is_not_said_twice() -> None:
    image = CellField("thick", "pf_226_" + 40 * "x" + "_end.jpg", 640, 640)
    head = cell_overlay._head(image, 684)
    assert head.startswith("Research use only. Not for diagnosis.  thick, pf_226_")
    assert head.endswith("_end.jpg")
    assert "..." in head
    assert ImageFont.load_default(20).getlength(head) <= 684
    assert cell_overlay._head(CellField("one.png", "one.png", 9, 9), 684).endswith("diagnosis.  one.png")
    species, white = class_styles(("pf", "WBC"))
    assert not cell_overlay._tagged(species, "pf  14")
    assert cell_overlay._tagged(white, "WBC  12")
