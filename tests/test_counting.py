"""Counts, figures and files of smears whose cells are known."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet
from pycocotools.coco import COCO
from scipy.ndimage import gaussian_filter
from smear_oracle import THICK, THIN, Boxed, Cell, FieldOracle, SlideOracle, draw, grid_of_cells, save

from retina_domains.cells.confusion import DetectorConfusion, FieldConfusion
from retina_domains.cells.density import WbcCount
from retina_domains.cells.quality import StainRange, field_look
from retina_domains.counting import CountOptions, CountOutputs, CountResult, count_smears
from retina_domains.errors import InputFileError, InvalidValueError, RadiometryError
from retina_domains.inference import InferenceOptions
from retina_domains.simulate.smear import make_field
from retina_domains.simulate.smear_recipes import draw_thin
from retina_domains.types import InputSpec

# 48 red cells of which one becomes a ring, one a trophozoite and one a gametocyte; one ring is double.
INFECTED = {5: "ring", 17: "trophozoite", 30: "gametocyte"}


def first_field() -> list[Cell]:
    return [replace(cell, name=INFECTED.get(k, "RBC")) for k, cell in enumerate(grid_of_cells(48))]


def second_field() -> list[Cell]:
    """40 red cells; in one lie two rings, boxed inside it."""
    cells = grid_of_cells(40)
    host = cells[11]
    return [*cells, Cell("ring", host.x - 8, host.y, 10), Cell("ring", host.x + 8, host.y, 10)]


def smear(folder: Path, fields: Sequence[Sequence[Cell]]) -> FieldOracle:
    """Fields on disk, and the oracle that knows them; each has a size of its own."""
    known = []
    for number, cells in enumerate(fields):
        pixels = draw(cells, 400, 300 + 8 * number)
        save(folder / f"field{number}.png", pixels)
        known.append((pixels, cells))
    return FieldOracle(known)


def count(folder: Path, oracle: FieldOracle, out: Path, options: CountOptions | None = None) -> CountResult:
    return count_smears([folder], oracle, CountOutputs(folder=out), options)


def figures(result: CountResult) -> dict[str, float]:
    return {figure.name: figure.value for figure in result.smears[0].report.headline}


def by_class(result: CountResult) -> dict[str, float]:
    return {figure.name: figure.value for figure in result.smears[0].report.counts}


def test_counts_equal_the_truth_and_parasitaemia_is_that_worked_out_by_hand(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    result = count(tmp_path / "smear", oracle, tmp_path / "out")
    assert result.exit_code == 0
    # 45 + 40 red cells by name; the doubly infected one holds both rings of the second field.
    assert by_class(result) == {"RBC": 85, "ring": 3, "trophozoite": 1, "schizont": 0, "gametocyte": 1}
    told = figures(result)
    # Red cells: 85 healthy ones or hosts, and 2 named by their stage. Infected: those 2, and one host.
    assert told["Red cells counted"] == 87
    assert told["Infected red cells"] == 3
    assert told["Gametocytes"] == 1
    assert told["Parasitaemia"] == pytest.approx(100 * 3 / 87)
    first, second = result.smears[0].report.fields
    assert (first.infected, second.infected) == (2, 1)
    assert sum(first.counts) == 48


def test_the_interval_of_the_first_figure_holds_it_and_says_its_level(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    parasitaemia = count(tmp_path / "smear", oracle, tmp_path / "out").smears[0].report.headline[0]
    assert parasitaemia.low < parasitaemia.value < parasitaemia.high
    assert parasitaemia.level == 0.95


def test_a_simulated_field_counts_as_the_simulator_says(tmp_path: Path) -> None:
    spec = draw_thin(4, 420, 560, 0.1)
    spec = replace(spec, content=replace(spec.content, cover=0.3, clumped=0.0, overlap=0.0), scale_bar_um=0.0)
    made = make_field(spec)
    save(tmp_path / "one.png", made.pixels)
    cells = [Boxed(thing.category, thing.xyxy) for thing in made.objects]
    oracle = FieldOracle([(made.pixels, cells)], spec.classes, max_object_px=96, tile_size=600)
    result = count_smears(
        [tmp_path / "one.png"], oracle, CountOutputs(folder=tmp_path / "out"), CountOptions(frame=False)
    )
    truth = {name: sum(thing.category == name for thing in made.objects) for name in spec.classes}
    assert by_class(result) == truth
    infected = sum(truth[name] for name in ("ring", "trophozoite", "schizont"))
    red = truth["RBC"] + infected
    assert figures(result)["Parasitaemia"] == pytest.approx(100 * infected / red)


def test_cells_at_the_right_and_lower_edge_do_not_count_those_at_the_left_and_upper_do(
    tmp_path: Path,
) -> None:
    inside = grid_of_cells(30)
    edges = [Cell("RBC", 5, 200), Cell("RBC", 150, 300), Cell("RBC", 398, 200), Cell("RBC", 200, 296)]
    # The first two of the edges: left; lower. The third: right. The fourth: lower.
    oracle = smear(tmp_path / "smear", [[*inside, *edges, Cell("RBC", 390, 8)]])
    framed = count(tmp_path / "smear", oracle, tmp_path / "out")
    every = count(tmp_path / "smear", oracle, tmp_path / "all", CountOptions(frame=False))
    assert by_class(framed)["RBC"] == 31
    assert by_class(every)["RBC"] == 35
    assert framed.smears[0].report.fields[0].at_edge == 5


def test_thick_smears_are_counted_against_white_cells(tmp_path: Path) -> None:
    grid = grid_of_cells(40)
    cells = [replace(cell, name="WBC" if k < 8 else "pf" if k < 30 else "pv") for k, cell in enumerate(grid)]
    oracle = smear(tmp_path / "smear", [cells])
    oracle.classes = THICK
    # One parasite under two names is one, of the name that scored higher.
    oracle.known = [(oracle.known[0][0], [*cells, replace(cells[20], name="pv", score=0.5)])]
    told = figures(count(tmp_path / "smear", oracle, tmp_path / "out"))
    assert told["Parasite density"] == pytest.approx(32 / 8 * 8000)
    measured = CountOptions(wbc=WbcCount(5000, assumed=False))
    assert figures(count(tmp_path / "smear", oracle, tmp_path / "b", measured))[
        "Parasite density"
    ] == pytest.approx(32 / 8 * 5000)


def test_parasites_without_white_cells_have_no_density_and_are_shown_all_the_same(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [[replace(cell, name="pf") for cell in grid_of_cells(30)]])
    oracle.classes = THICK
    result = count(tmp_path / "smear", oracle, tmp_path / "out")
    assert np.isnan(figures(result)["Parasite density"])
    assert "Parasite density not known" in result.lines[0]
    assert json.loads((tmp_path / "out/summary.json").read_text())["figures"][0]["value"] is None


def test_a_smear_without_parasites_has_an_upper_limit_that_is_told_as_one(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [grid_of_cells(48), grid_of_cells(45)])
    # Half of the rings of its labelled fields are reported, and none that is not there.
    known = CountOptions(confusion=confusion(0.3))
    corrected, raw, *others = (
        count(tmp_path / "smear", oracle, tmp_path / "out", known).smears[0].report.headline
    )
    assert (corrected.value, corrected.low, raw.value, raw.low) == (0, 0, 0, 0)
    # The rule of three at least; that two fields tell little of how fields differ makes it more.
    assert 100 * 3 / 93 < raw.high < 2 * 100 * 3 / 93
    assert corrected.high > 1.8 * raw.high
    assert "one-sided limit" in raw.note
    assert "one-sided limit" in corrected.note
    assert not any("one-sided" in figure.note for figure in others)


def test_files_are_read_back_by_other_libraries(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    out = tmp_path / "out"
    count_smears([tmp_path / "smear"], oracle, CountOutputs(folder=out, overlays=True))
    with (out / "cells.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 48 + 42
    table = parquet.read_table(out / "cells.parquet")
    assert table.column("id").to_pylist() == [row["id"] for row in rows]
    hosts = {row["id"]: row for row in rows}
    guests = [row for row in rows if row["host_id"]]
    assert [hosts[row["host_id"]]["stage"] for row in guests] == ["ring", "ring"]
    coco = COCO(str(out / "cells.coco.json"))
    assert len(coco.getAnnIds(catIds=coco.getCatIds(catNms=["ring"]))) == 3
    features = json.loads((out / "qupath/field0.png.qupath.geojson").read_text())["features"]
    assert len(features) == 48
    with (out / "fields.csv").open(encoding="utf-8") as file:
        fields = list(csv.DictReader(file))
    assert [field["count_RBC"] for field in fields] == ["45", "40"]
    assert [field["infected_rbc"] for field in fields] == ["2", "1"]
    assert (out / "overlays/field1.png.png").is_file()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Research use only" in page
    for name in ("cells.csv", "fields.csv"):
        assert "research use only" in (out / name).read_text(encoding="utf-8")
    assert not list(out.glob(".*"))


def test_drawn_cells_are_measured(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [grid_of_cells(40)])
    options = CountOptions(mpp=0.2)
    cells = count(tmp_path / "smear", oracle, tmp_path / "out", options).smears[0].cells
    assert cells.outline_status == ("measured",) * 40
    # Discs of 40 px at 0.2 um: 8 um across.
    assert np.allclose(cells.equivalent_diameter_um, 8.0, rtol=0.03)


def test_the_sampling_is_estimated_from_red_cells_and_said_so(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [grid_of_cells(48)])
    report = count(tmp_path / "smear", oracle, tmp_path / "out").smears[0].report
    assert report.fields[0].mpp == pytest.approx(7.8 / 40)
    assert any("estimated" in finding.message for finding in report.findings if finding.kind == "sampling")


def test_a_smear_of_another_sampling_is_searched_anew_at_the_models(tmp_path: Path) -> None:
    """At 40 px a red cell the images have 0.195 um a px; the model wants 0.39, half as many px."""
    cells = grid_of_cells(48)
    pixels = draw(cells)
    save(tmp_path / "smear/one.png", pixels)
    spec = InputSpec(3, low=(0.0,) * 3, high=(255.0,) * 3, mpp_range=(0.36, 0.42))
    oracle = SlideOracle([(pixels, cells)], input_spec=spec)
    seen: list[int] = []

    def scaled(batch):  # type: ignore[no-untyped-def]
        # The whole field is one chip: how much of it is valid says at which sampling it was read.
        seen.append(round(pixels.shape[1] / float(batch[0].valid.any(axis=0).sum())))
        oracle.scale = 1.0 if seen[-1] == 1 else np.sqrt(0.36 * 0.42) / (7.8 / 40)
        return [SlideOracle._find(oracle, chip) for chip in batch]

    oracle.predict = scaled  # type: ignore[method-assign]
    result = count(tmp_path / "smear", oracle, tmp_path / "out")
    assert seen == [1, 2]
    assert by_class(result)["RBC"] == 48
    assert result.smears[0].report.fields[0].mpp == pytest.approx(7.8 / 40, rel=0.01)
    boxes = result.smears[0].cells.xyxy
    assert np.allclose(np.sort(boxes[:, 0]), np.sort([cell.xyxy[0] for cell in cells]), atol=0.1)


def test_a_wrong_stated_sampling_is_told(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [grid_of_cells(48)])
    report = count(tmp_path / "smear", oracle, tmp_path / "out", CountOptions(mpp=0.05)).smears[0].report
    said = [finding.message for finding in report.findings if finding.kind == "sampling"]
    assert len(said) == 1
    assert "2.0 µm across" in said[0]


def test_letterbox_bars_are_neither_searched_nor_part_of_the_frame(tmp_path: Path) -> None:
    cells = [replace(cell, y=cell.y + 40) for cell in grid_of_cells(40)]
    pixels = draw(cells, 400, 360)
    pixels[:40] = pixels[-40:] = 0
    save(tmp_path / "smear/one.png", pixels)
    # What a detector makes up on a bar, and a cell that the lower bar cuts.
    ghosts = [Cell("RBC", 100, 15, 20), Cell("RBC", 200, 345, 20)]
    cut = Cell("RBC", 300, 319.5 - 8, 16)
    oracle = SlideOracle([(pixels, [*cells, *ghosts, cut])])
    result = count(tmp_path / "smear", oracle, tmp_path / "out", CountOptions(mpp=0.2))
    assert by_class(result)["RBC"] == 40
    field = result.smears[0].report.fields[0]
    # One px beside a bar goes with it.
    assert field.searched_px == 400 * (280 - 2)
    assert field.at_edge == 1


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


def confusion(threshold: float) -> DetectorConfusion:
    """Of 40 rings 20 are reported, of 400 red cells none as a ring: half of the infected cells are missed."""
    table = np.zeros((6, 6), int)
    table[0, 0], table[1, 1], table[1, 0] = 400, 20, 20
    rows = tuple(tuple(row) for row in table.tolist())
    one = FieldConfusion(field="a", slide="a", table=rows)
    return DetectorConfusion(
        format_version=1, classes=THIN, score_threshold=threshold, match="iou:0.5", data="val", fields=(one,)
    )


def test_what_the_model_misses_is_corrected_where_its_errors_are_known(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    fits = CountOptions(confusion=confusion(0.3))
    report = count(tmp_path / "smear", oracle, tmp_path / "out", fits).smears[0].report
    told = {figure.name: figure for figure in report.headline}
    # Half of the infected cells are found, and no other is taken for one: twice as many.
    assert told["Parasitaemia"].value == pytest.approx(2 * 100 * 3 / 87)
    assert told["Parasitaemia as counted"].value == pytest.approx(100 * 3 / 87)
    other = CountOptions(confusion=confusion(0.4))
    report = count(tmp_path / "smear", oracle, tmp_path / "other", other).smears[0].report
    assert report.headline[0].value == pytest.approx(100 * 3 / 87)
    said = [f.message for f in report.findings if f.kind == "detector's error"]
    assert len(said) == 1
    assert "threshold of 0.4, not at 0.3" in said[0]


def test_errors_are_known_for_thresholds_class_by_class(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    each = (0.3, 0.2, 0.3, 0.3, 0.3)
    oracle.class_thresholds = each
    own = replace(confusion(0.2), class_thresholds=each)
    report = count(tmp_path / "smear", oracle, tmp_path / "out", CountOptions(confusion=own)).smears[0].report
    assert report.headline[0].value == pytest.approx(2 * 100 * 3 / 87)
    assert report.provenance["score_threshold"].startswith("RBC 0.3, ring 0.2, ")
    one = CountOptions(confusion=own, inference=InferenceOptions(score_threshold=0.3, measure="off"))
    report = count(tmp_path / "smear", oracle, tmp_path / "one", one).smears[0].report
    assert any("not at 0.3: the interval does not hold them" in f.message for f in report.findings)


def test_further_fields_for_a_wanted_width_are_told(tmp_path: Path) -> None:
    oracle = smear(tmp_path / "smear", [first_field(), second_field()])
    options = CountOptions(wanted_width=0.2)
    report = count(tmp_path / "smear", oracle, tmp_path / "out", options).smears[0].report
    assert any("more fields like these" in finding.message for finding in report.findings)
