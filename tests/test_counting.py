"""Counts, figures and files of smears whose cells are known."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

# 48 red cells of which one becomes a ring, one a trophozoite and one a gametocyte; one ring is double.
from counting_cases import by_class, count, figures, first_field, second_field, smear
from pyarrow import parquet
from pycocotools.coco import COCO
from smear_oracle import THICK, THIN, Boxed, Cell, FieldOracle, SlideOracle, draw, grid_of_cells, save

from retina_domains.cells.confusion import DetectorConfusion, FieldConfusion
from retina_domains.cells.density import WbcCount
from retina_domains.counting import CountOptions, CountOutputs, count_smears
from retina_domains.inference import InferenceOptions
from retina_domains.simulate.smear import make_field
from retina_domains.simulate.smear_recipes import draw_thin
from retina_domains.types import InputSpec


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
