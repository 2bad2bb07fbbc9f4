"""What people correct changes the numbers, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from smear_oracle import Cell, FieldOracle, draw, grid_of_cells, save

from retina_domains.corrections import FORMAT, VERSION, read_corrections
from retina_domains.counting import CountOptions, CountOutputs, SmearResult, count_smears
from retina_domains.errors import LabelError
from retina_domains.readers.labels import LabelContext, read_objects
from retina_domains.smear_report import report_id

WHO = {"by": "A. Reader", "at": "2026-01-02T03:04:05Z"}


@pytest.fixture
def smear(tmp_path: Path) -> tuple[Path, FieldOracle]:
    """40 cells, of which the fourth is a ring and the ninth a gametocyte."""
    cells = [
        replace(cell, name={3: "ring", 8: "gametocyte"}.get(k, "RBC"))
        for k, cell in enumerate(grid_of_cells(40))
    ]
    pixels = draw(cells)
    return save(tmp_path / "one.png", pixels), FieldOracle([(pixels, cells)])


def counted(smear: tuple[Path, FieldOracle], out: Path, corrections: Path | None = None) -> SmearResult:
    path, oracle = smear
    options = CountOptions(corrections=None if corrections is None else read_corrections(corrections))
    return count_smears([path], oracle, CountOutputs(folder=out), options).smears[0]


def figures(result: SmearResult) -> dict[str, float]:
    return {figure.name: figure.value for figure in result.report.headline}


def saved(path: Path, first: SmearResult, corrections: list[dict[str, Any]]) -> Path:
    """A corrections file as the page saves it."""
    report = first.report
    told = {
        "format": FORMAT,
        "version": VERSION,
        "report": report_id(report.classes, report.inputs, report.provenance),
        "classes": list(report.classes),
        "inputs": [{"name": name, "sha256": digest} for name, digest in report.inputs.items()],
        "corrections": [{**one, **WHO} for one in corrections],
    }
    path.write_text(json.dumps(told))
    return path


def cell_at(result: SmearResult, name: str) -> str:
    cells = result.cells
    return cells.ids[cells.labels.tolist().index(cells.classes.index(name))]


def test_corrections_recompute_counts_and_parasitaemia(
    tmp_path: Path, smear: tuple[Path, FieldOracle]
) -> None:
    first = counted(smear, tmp_path / "first")
    assert figures(first)["Parasitaemia"] == pytest.approx(100 / 39)
    healthy = [first.cells.ids[row] for row in (20, 21)]
    file = saved(
        tmp_path / "said.json",
        first,
        [
            {"action": "reject", "cell": cell_at(first, "ring")},
            {"action": "relabel", "cell": cell_at(first, "gametocyte"), "label": "trophozoite"},
            {"action": "relabel", "cell": healthy[0], "label": "schizont"},
            {"action": "confirm", "cell": healthy[1]},
        ],
    )
    second = counted(smear, tmp_path / "second", file)
    told = figures(second)
    # 40 cells: one rejected; what was the gametocyte and one healthy cell are infected.
    assert told["Red cells counted"] == 39
    assert told["Infected red cells"] == 2
    assert told["Gametocytes"] == 0
    assert told["Parasitaemia"] == pytest.approx(100 * 2 / 39)
    assert second.cells.ids == first.cells.ids
    assert sorted(word for word in second.cells.review if word) == [
        "confirmed",
        "rejected",
        "relabelled",
        "relabelled",
    ]
    assert second.report.provenance["corrections"] == "4 by A. Reader"
    assert "A. Reader" in (tmp_path / "second/cells.csv").read_text()


def test_what_a_person_said_comes_out_as_labels_to_train_on(
    tmp_path: Path, smear: tuple[Path, FieldOracle]
) -> None:
    first = counted(smear, tmp_path / "first")
    assert not (tmp_path / "first/training.coco.json").exists()
    healthy = first.cells.ids[20]
    said = [
        {"action": "reject", "cell": cell_at(first, "ring")},
        {"action": "relabel", "cell": cell_at(first, "gametocyte"), "label": "trophozoite"},
        {"action": "confirm", "cell": healthy},
    ]
    counted(smear, tmp_path / "second", saved(tmp_path / "said.json", first, said))
    labels = read_objects(tmp_path / "second/training.coco.json", LabelContext(smear[0].parent))
    # Of 40 cells one is background, two are labels, and what nobody looked at is neither.
    assert len(labels.names) == 39
    assert sorted(labels.names[~(labels.ignored | labels.crowd)].tolist()) == ["RBC", "trophozoite"]


def test_a_ring_added_in_a_red_cell_infects_it_and_makes_no_new_cell(
    tmp_path: Path, smear: tuple[Path, FieldOracle]
) -> None:
    first = counted(smear, tmp_path / "first")
    _, oracle = smear
    host = oracle.known[0][1][20]
    small = Cell("ring", host.x, host.y, 12).xyxy
    added = {"action": "add", "slide": "one.png", "field": "one.png", "xyxy": list(small), "label": "ring"}
    second = counted(smear, tmp_path / "second", saved(tmp_path / "said.json", first, [added]))
    assert figures(second)["Red cells counted"] == figures(first)["Red cells counted"]
    assert figures(second)["Infected red cells"] == 2


def test_an_added_cell_over_a_reported_one_takes_its_place(
    tmp_path: Path, smear: tuple[Path, FieldOracle]
) -> None:
    first = counted(smear, tmp_path / "first")
    _, oracle = smear
    over = replace(oracle.known[0][1][20], name="ring", diameter=38).xyxy
    added = {"action": "add", "slide": "one.png", "field": "one.png", "xyxy": list(over), "label": "ring"}
    second = counted(smear, tmp_path / "second", saved(tmp_path / "said.json", first, [added]))
    assert figures(second)["Red cells counted"] == figures(first)["Red cells counted"]
    assert figures(second)["Infected red cells"] == 2


def test_corrections_of_another_count_are_refused(tmp_path: Path, smear: tuple[Path, FieldOracle]) -> None:
    first = counted(smear, tmp_path / "first")
    file = saved(tmp_path / "said.json", first, [])
    smear[1].provenance["model_sha256"] = "1" * 64
    with pytest.raises(LabelError, match="belong to count"):
        counted(smear, tmp_path / "second", file)
    assert not (tmp_path / "second").exists()


def test_corrections_of_other_inputs_are_refused_before_anything_is_searched(
    tmp_path: Path, smear: tuple[Path, FieldOracle]
) -> None:
    path, oracle = smear
    file = saved(tmp_path / "said.json", counted(smear, tmp_path / "first"), [])

    class Untouched(FieldOracle):
        def __call__(self) -> FieldOracle:
            raise AssertionError("a model was loaded")

    other = path.rename(path.with_name("two.png"))
    with pytest.raises(LabelError, match=r"one\.png, which is not among the 1 inputs"):
        counted((other, Untouched(oracle.known)), tmp_path / "second", file)
