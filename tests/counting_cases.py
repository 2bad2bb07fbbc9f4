"""Smears whose cells are known, and their counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from smear_oracle import Cell, FieldOracle, draw, grid_of_cells, save

from retina_domains.counting import CountOptions, CountOutputs, CountResult, count_smears

# 48 red cells of which one becomes a ring, one a trophozoite and one a gametocyte; one ring is double.
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
