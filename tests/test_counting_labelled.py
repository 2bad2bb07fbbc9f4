"""Counts beside labels: readings, regions left undecided, sets that label some classes in some fields."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from smear_oracle import THICK, THIN, Cell, FieldOracle, draw, grid_of_cells, save

from retina_domains.cells.accuracy import count_accuracy
from retina_domains.cells.hosts import HostSpec
from retina_domains.counting import CountOptions, CountOutputs, count_smears
from retina_domains.counting.labelled import CountsBesideLabels, beside_labels, read_labelled
from retina_domains.counting.labelled_outputs import accuracy_text, write_accuracy
from retina_domains.errors import InputFileError, LabelError
from retina_domains.evaluation.bootstrap import BootstrapSpec

BOOTSTRAP = BootstrapSpec(200)
Fields = Sequence[tuple[Sequence[Cell], Sequence[Cell]]]


def coco(
    path: Path, fields: Sequence[Sequence[Cell]], classes: Sequence[str], scenes: Sequence[str] = ()
) -> Path:
    """Labels of fields that ``compared`` draws; a name in brackets is a region that was left undecided."""
    images, annotations = [], []
    for number, cells in enumerate(fields):
        image = {
            "id": number + 1,
            "file_name": f"field{number}.png",
            "width": 400,
            "height": 300 + 8 * number,
        }
        images.append({**image, "scene": scenes[number]} if scenes else image)
        for cell in cells:
            x1, y1, x2, y2 = cell.xyxy
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 1,
                    "category_id": classes.index(cell.name.strip("()")) + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": int(cell.name.startswith("(")),
                }
            )
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(classes)]
    told = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


def compared(
    folder: Path, fields: Fields, classes: tuple[str, ...] = THIN, scenes: Sequence[str] = ()
) -> CountsBesideLabels:
    """Fields given as what is found and what is labelled, counted and compared."""
    known = []
    for number, (found, _) in enumerate(fields):
        pixels = draw(found, 400, 300 + 8 * number)
        save(folder / "images" / f"field{number}.png", pixels)
        known.append((pixels, found))
    told = [cells for _, cells in fields]
    labels = coco(folder / "labels.json", told, tuple(dict.fromkeys((*classes, "WBC"))), scenes)
    labelled = read_labelled(labels, [str(folder / "images")], {})
    options = CountOptions(kind="thick") if classes == THICK else CountOptions()
    oracle = FieldOracle(known, classes=classes)
    paths = list(labelled.paths.values())
    result = count_smears(paths, oracle, CountOutputs(folder=folder / "out"), options)
    return beside_labels(result, labelled, HostSpec(), BOOTSTRAP)


def sums(told: CountsBesideLabels, reading: str) -> dict[str, tuple[int, int]]:
    return {one.name: (one.found, one.labelled) for one in told.figures[reading]}  # type: ignore[index]


def test_errors_are_those_worked_out_by_hand() -> None:
    told = count_accuracy("RBC", [11, 18, 30], [10, 20, 30], [None] * 3)
    assert (told.found, told.labelled, told.fields) == (59, 60, 3)
    assert told.signed_percent.value == pytest.approx(100 * -1 / 60)
    assert told.absolute_percent.value == pytest.approx((10 + 10 + 0) / 3)
    assert told.correlation.value == pytest.approx(np.corrcoef([11, 18, 30], [10, 20, 30])[0, 1])
    assert told.over == "fields"


def test_fields_without_labels_are_in_the_sum_and_not_in_the_share() -> None:
    told = count_accuracy("ring", [2, 3], [0, 2], [None, None])
    assert told.signed_percent.value == pytest.approx(150)
    assert told.absolute_percent.value == pytest.approx(50)


def test_intervals_are_over_scenes_where_the_labels_name_them() -> None:
    found, labelled = [12, 12, 8, 8], [10, 10, 10, 10]
    by_scene = count_accuracy("RBC", found, labelled, ["a", "a", "b", "b"])
    assert (by_scene.over, by_scene.signed_percent.groups) == ("scenes", 2)
    # Of two scenes, one with 20 % more and one with 20 % fewer, a quarter of the draws takes one twice.
    assert by_scene.signed_percent.low == pytest.approx(-20)
    assert by_scene.signed_percent.high == pytest.approx(20)
    assert count_accuracy("RBC", found, labelled, ["a"] * 4).over == "fields"


def test_the_same_cells_make_no_error_in_any_reading(tmp_path: Path) -> None:
    cells = [*grid_of_cells(20), Cell("ring", 0, 200), Cell("gametocyte", 395, 230)]
    told = compared(tmp_path, [(cells, cells), (grid_of_cells(12), grid_of_cells(12))])
    for figures in told.figures.values():
        assert all(one.found == one.labelled for one in figures)
        assert figures[0].signed_percent.value == 0
    # The ring meets the left edge, the gametocyte the right one, which excludes.
    assert sums(told, "frame")["infected red cells"] == (1, 1)
    assert sums(told, "frame")["gametocyte"] == (0, 0)
    assert sums(told, "all")["parasites of any stage"] == (2, 2)
    assert sums(told, "whole")["parasites of any stage"] == (0, 0)
    assert sums(told, "all")["red cells"] == (33, 33)


def test_cells_at_the_edge_without_a_label_do_not_spoil_the_reading_of_whole_cells(tmp_path: Path) -> None:
    inside = grid_of_cells(20)
    at_edge = [Cell("RBC", 0, 200), Cell("RBC", 100, 299)]
    told = compared(tmp_path, [([*inside, *at_edge], inside)])
    assert sums(told, "whole")["RBC"] == (20, 20)
    assert sums(told, "frame")["RBC"] == (21, 20)
    assert sums(told, "all")["RBC"] == (22, 20)


def test_a_cell_infected_twice_is_one_on_both_sides(tmp_path: Path) -> None:
    cells = grid_of_cells(20)
    host = cells[11]
    rings = [Cell("ring", host.x - 8, host.y, 10), Cell("ring", host.x + 8, host.y, 10)]
    told = compared(tmp_path, [([*cells, *rings], [*cells, rings[0]])])
    assert sums(told, "frame")["infected red cells"] == (1, 1)
    assert sums(told, "frame")["red cells"] == (20, 20)
    assert sums(told, "frame")["ring"] == (2, 1)


def test_what_is_found_where_annotators_were_undecided_does_not_count(tmp_path: Path) -> None:
    cells = grid_of_cells(20)
    undecided = Cell("(RBC)", cells[7].x, cells[7].y, 44)
    # The tenth is labelled though it lies in such a region, so it is asked for.
    over_a_label = Cell("(RBC)", cells[10].x, cells[10].y, 60)
    told = compared(tmp_path, [(cells, [*cells[:7], *cells[8:], undecided, over_a_label])])
    assert sums(told, "frame")["RBC"] == (19, 19)


def test_white_cells_of_thick_smears_are_compared_where_any_is_labelled(tmp_path: Path) -> None:
    def field(parasites: int, white: int) -> list[Cell]:
        cells = grid_of_cells(parasites + white)
        return [Cell("pf" if k < parasites else "WBC", c.x, c.y, 20) for k, c in enumerate(cells)]

    told = compared(tmp_path, [(field(6, 4), field(5, 5)), (field(9, 7), field(10, 0))], THICK)
    assert sums(told, "frame") == {"parasites": (15, 15), "pf": (15, 15), "WBC": (4, 5)}
    white = told.figures["frame"][-1]
    assert white.fields == 1
    assert "labelled" in white.note


def test_classes_without_labels_are_not_compared(tmp_path: Path) -> None:
    told = compared(tmp_path, [(grid_of_cells(20), grid_of_cells(18))])
    assert set(sums(told, "frame")) == {"red cells", "RBC"}


def test_classes_that_the_model_does_not_count_are_left_out_and_told(tmp_path: Path) -> None:
    cells = grid_of_cells(20)
    told = compared(tmp_path, [(cells, [*cells, Cell("WBC", 350, 250)])])
    assert sums(told, "all")["RBC"] == (20, 20)
    assert told.notes == ("labels.json: WBC are not counted by the model and are left out.",)


def test_unknown_classes_and_missing_images_are_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"WBC.*--class-map WBC=RBC"):
        compared(tmp_path, [(grid_of_cells(20), [Cell("WBC", 50, 50)])])
    labels = tmp_path / "other.json"
    told = {
        "images": [{"id": 1, "file_name": "field9.png"}],
        "annotations": [],
        "categories": [{"id": 1, "name": "RBC"}],
    }
    labels.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InputFileError, match=r"field9\.png"):
        read_labelled(labels, [str(tmp_path / "images")], {})


def test_the_files_hold_what_is_printed(tmp_path: Path) -> None:
    cells = grid_of_cells(20)
    folder = tmp_path / "smear"
    pixels = draw(cells)
    save(folder / "images" / "field0.png", pixels)
    labelled = read_labelled(
        coco(folder / "labels.json", [cells[:16]], THIN), [str(folder / "images")], {"RBC": "RBC"}
    )
    outputs = CountOutputs(folder=tmp_path / "out")
    result = count_smears(list(labelled.paths.values()), FieldOracle([(pixels, cells)]), outputs)
    told = beside_labels(result, labelled, HostSpec(), BOOTSTRAP)
    write_accuracy(outputs.folder, told, "labels.json", result)
    text = accuracy_text(told)
    assert "+25.0" in text
    assert "research use only" in text
    facts = json.loads((outputs.folder / "accuracy.json").read_text(encoding="utf-8"))
    figure = facts["readings"]["frame"]["figures"][0]
    assert (figure["name"], figure["found"], figure["labelled"]) == ("red cells", 20, 16)
    assert figure["signed_percent"]["low"] is None
    rows = list(csv.DictReader((outputs.folder / "accuracy.csv").open(encoding="utf-8")))
    assert rows[0] == {
        "reading": "frame",
        "smear": "field0.png",
        "field": "field0.png",
        "scene": "",
        "name": "red cells",
        "found": "20",
        "labelled": "16",
        "notice": "research use only",
    }
