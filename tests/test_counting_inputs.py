"""Fields that are bad, grey, empty, named twice or no smear: what count says of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

# 48 red cells of which one becomes a ring, one a trophozoite and one a gametocyte; one ring is double.
from counting_cases import count, figures, first_field, second_field, smear
from PIL import Image
from scipy.ndimage import gaussian_filter
from smear_oracle import THICK, FieldOracle, draw, grid_of_cells, save

from retina_domains.cells.quality import StainRange, field_look
from retina_domains.counting import CountOptions, CountOutputs, count_smears
from retina_domains.errors import InputFileError, InvalidValueError, RadiometryError


def test_a_field_that_cannot_be_read_is_named_and_the_others_are_counted(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    (tmp_path / "smear/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    save(tmp_path / "smear/grey.png", np.full((300, 400), 128, np.uint8))
    whole = save(tmp_path / "whole.jpg", draw(first_field())).read_bytes()
    (tmp_path / "smear/cut.jpg").write_bytes(whole[: len(whole) // 3])
    result = count(tmp_path / "smear", oracle, tmp_path / "out")
    assert result.exit_code == 3
    assert figures(result)["Red cells counted"] == 87
    unread = {f.field: f.message for f in result.smears[0].report.findings if f.kind == "unreadable"}
    assert set(unread) == {"bad.png", "cut.jpg", "grey.png"}
    assert "colour" in unread["grey.png"]
    assert set(json.loads((tmp_path / "out/summary.json").read_text())["unreadable_fields"]) == set(unread)


def test_a_grey_image_alone_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "grey.png", np.full((300, 400), 128, np.uint8))
    with pytest.raises(RadiometryError, match="grey image"):
        count_smears([tmp_path / "grey.png"], FieldOracle([]), CountOutputs(folder=tmp_path / "out"))


def test_a_smear_in_grey_is_refused_though_its_pictures_have_three_bands(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    for number, (pixels, cells) in enumerate(list(oracle.known)):
        grey = np.repeat(pixels[..., 1:2], 3, axis=2)
        save(tmp_path / f"smear/field{number}.png", grey)
        oracle.known = [*oracle.known, (grey, cells)]
    with pytest.raises(RadiometryError, match=r"field0\.png: grey.*all 2 fields.*in colour"):
        count(tmp_path / "smear", oracle, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    save(tmp_path / "smear/field1.png", oracle.known[1][0])  # one in colour: the other is warned about
    report = count(tmp_path / "smear", oracle, tmp_path / "out").smears[0].report
    assert [(f.field, f.kind) for f in report.findings if f.field] == [("field0.png", "grey")]


def test_what_is_no_smear_ends_with_one_clear_line_and_no_files(tmp_path: Path) -> None:
    save(tmp_path / "holiday.png", draw([], 200, 200))
    with pytest.raises(InvalidValueError, match="no red cell"):
        count_smears([tmp_path / "holiday.png"], FieldOracle([]), CountOutputs(folder=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no raster"):
        count_smears([tmp_path], FieldOracle([]), CountOutputs(folder=tmp_path / "out"))


def test_fields_are_left_out_by_name_and_say_so(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    options = CountOptions(exclude=("field1.png",))
    result = count(tmp_path / "smear", oracle, tmp_path / "out", options)
    assert figures(result)["Red cells counted"] == 47
    assert [field.excluded for field in result.smears[0].report.fields] == [False, True]
    with pytest.raises(InvalidValueError, match=r"field9.*field0\.png"):
        count(tmp_path / "smear", oracle, tmp_path / "out", CountOptions(exclude=("field9",)))


def test_bad_fields_are_warned_about_and_left_out_by_choice_only(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field(), grid_of_cells(5)])
    kept = count(tmp_path / "smear", oracle, tmp_path / "kept")
    assert figures(kept)["Red cells counted"] == 92
    assert [f.kind for f in kept.smears[0].report.findings if f.field == "field2.png"] == ["few cells"]
    left = count(tmp_path / "smear", oracle, tmp_path / "left", CountOptions(exclude_bad=True))
    assert figures(left)["Red cells counted"] == 87
    assert [f.excluded for f in left.smears[0].report.findings if f.field] == [True]


def test_a_stain_unlike_the_training_fields_is_warned_about_by_name(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    looks = []
    for name in ("field0.png", "field1.png"):
        with Image.open(tmp_path / "smear" / name) as picture:
            looks.append(field_look(np.asarray(picture), np.zeros((0, 4))))
    known = CountOptions(stain=StainRange.of(looks))
    swapped = oracle.known[1][0][..., ::-1].copy()
    save(tmp_path / "smear/field1.png", swapped)
    oracle.known = [oracle.known[0], (swapped, oracle.known[1][1])]
    report = count(tmp_path / "smear", oracle, tmp_path / "out", known).smears[0].report
    said = [(f.field, f.kind) for f in report.findings if f.field]
    assert said == [("field1.png", "stain")]
    assert "field1.png" not in report.findings[-1].message  # which stands before it
    assert count(tmp_path / "smear", oracle, tmp_path / "any").smears[0].report.findings[-1].field == ""


def test_a_thick_field_with_few_parasites_is_no_bad_field(tmp_path: Path) -> None:
    """Or leaving out bad fields would leave out those without parasites, and raise the density."""
    white = [replace(cell, name="WBC") for cell in grid_of_cells(4)]
    crowded = [replace(cell, name="WBC" if k < 4 else "pf") for k, cell in enumerate(grid_of_cells(30))]
    oracle = smear(tmp_path / "smear", [white, crowded])
    oracle.classes = THICK
    result = count(tmp_path / "smear", oracle, tmp_path / "out", CountOptions(exclude_bad=True))
    assert [field.excluded for field in result.smears[0].report.fields] == [False, False]
    assert figures(result)["Parasite density"] == pytest.approx(26 / 8 * 8000)
    with (tmp_path / "out/fields.csv").open(encoding="utf-8") as file:
        # There are no hosts on thick smears: nought would say that no red cell is infected.
        assert [row["infected_rbc"] for row in csv.DictReader(file)] == ["", ""]


def test_focus_is_judged_in_micrometres_where_the_sampling_is_known(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [grid_of_cells(48)])
    blurred = gaussian_filter(oracle.known[0][0].astype(np.float64), (2.2, 2.2, 0)).round().astype(np.uint8)
    save(tmp_path / "smear/field0.png", blurred)
    oracle.known = [(blurred, oracle.known[0][1])]
    # 2.2 px at the 0.195 um that red cells of 40 px tell: 0.43 um, above the limit of 0.3 and below 2.9 px.
    report = count(tmp_path / "smear", oracle, tmp_path / "out").smears[0].report
    assert [f.kind for f in report.findings if f.field] == ["focus"]


def test_a_picture_counts_once_however_often_it_is_named_and_a_copy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    monkeypatch.chdir(tmp_path)
    twice = ["smear", "smear/field0.png", tmp_path / "smear/../smear/field1.png"]
    once = count_smears(twice, oracle, CountOutputs(folder=tmp_path / "out"))
    assert figures(once)["Red cells counted"] == 87
    copied = (tmp_path / "smear/field0.png").read_bytes()
    (tmp_path / "smear/copy of é %20 #1.png").write_bytes(copied)
    both = count(tmp_path / "smear", oracle, tmp_path / "both")
    said = [(f.field, f.kind) for f in both.smears[0].report.findings if f.field]
    assert said == [("field0.png", "same picture")]
    left = count(tmp_path / "smear", oracle, tmp_path / "left", CountOptions(exclude_bad=True))
    assert figures(left)["Red cells counted"] == 87


def test_several_smears_have_a_folder_each_and_one_that_fails_leaves_the_others(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "a", [first_field()])
    other = smear(tmp_path / "b", [grid_of_cells(44)])
    oracle.known = [*oracle.known, *other.known]
    save(tmp_path / "c/nothing.png", draw([], 200, 200))
    result = count_smears(
        [tmp_path / "a", tmp_path / "b", tmp_path / "c"], oracle, CountOutputs(folder=tmp_path / "out")
    )
    assert [smear.report.title for smear in result.smears] == ["a", "b"]
    assert set(result.failures) == {"c"}
    assert result.exit_code == 3
    assert (tmp_path / "out/b/report.html").is_file()
    assert len(result.lines) == 2
