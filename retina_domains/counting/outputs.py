"""Everything that is written of one smear."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retina_domains.accounts import peak_memory_mib
from retina_domains.cell_table import CellTable
from retina_domains.corrections import training_cells
from retina_domains.counting.values import FoundField
from retina_domains.errors import BlockReadError
from retina_domains.readers import OpenOptions, SlideReader
from retina_domains.readers.strips import by_strips
from retina_domains.smear_report import Figure, SmearReport, report_id
from retina_domains.types import Chip, RunHeader, SceneReader, Tile, Window
from retina_domains.writers.base import RESEARCH_NOTICE
from retina_domains.writers.cell_accuracy import Accuracy
from retina_domains.writers.cell_choice import CellChoice, SmearPictures, choose_cells, crop_window
from retina_domains.writers.cell_coco import write_cells_coco
from retina_domains.writers.cell_csv import write_cells_csv
from retina_domains.writers.cell_fields import write_fields_csv
from retina_domains.writers.cell_overlay import write_overlay
from retina_domains.writers.cell_parquet import write_cells_parquet
from retina_domains.writers.cell_qupath import write_cells_qupath
from retina_domains.writers.cell_report import write_smear_report
from retina_domains.writers.staged_folder import StagedFolder
from retina_domains.writers.summary import write_summary

REPORT, TRAINING = "report.html", "training.coco.json"
_OVERVIEW_PX = 4096
# A page with more pictures of fields opens slowly and is not read.
MOST_FIELD_PICTURES = 100


def write_smear(
    folder: Path,
    report: SmearReport,
    cells: CellTable,
    fields: Sequence[FoundField],
    overlays: bool,
    accuracy: Accuracy,
    facts: Mapping[str, Any],
) -> None:
    """Write the tables, the summary, the pictures and the page of a smear; all appear, or none.

    Args:
        folder: for the files.
        report: what is told of the smear.
        cells: its table.
        fields: as they were found, in the order of ``cells.fields``.
        overlays: write a picture of each field, too.
        accuracy: what is known of how right the count is.
        facts: more for the summary.

    Raises:
        OutputError: a file cannot be written.
    """
    header = RunHeader(report.classes, dict(report.provenance), "pixel", True)
    choice = choose_cells(cells)
    pictures = SmearPictures()
    with StagedFolder(folder) as stage:
        write_cells_csv(stage.path("cells.csv"), [cells], header)
        write_cells_parquet(stage.path("cells.parquet"), [cells], header)
        write_cells_coco(stage.path("cells.coco.json"), cells, header)
        if any(cells.review):
            labels, unseen = training_cells(cells)
            write_cells_coco(stage.path(TRAINING), labels, header, ignored=unseen)
        for place, found in enumerate(fields):
            name = "cells" if len(fields) == 1 else f"qupath/{found.image.name}"
            write_cells_qupath(stage.path(f"{name}.qupath.geojson"), cells, place, header)
            overlay = stage.path(f"overlays/{found.image.name}.png") if overlays else None
            _draw(found, cells, place, choice, pictures, overlay)
        write_smear_report(stage.path(REPORT), report, cells, choice, pictures, accuracy)
        write_fields_csv(stage.path("fields.csv"), [report])
        write_summary(stage.path("summary.json"), summary_of(report, facts))


def summary_of(report: SmearReport, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a smear, as JSON takes them; what is not known is null."""
    return {
        **facts,
        "title": report.title,
        "report": report_id(report.classes, report.inputs, report.provenance),
        "kind": report.kind,
        "figures": [_plain(figure) for figure in report.headline],
        "counts": {figure.name: _plain(figure) for figure in report.counts},
        "fields": [
            {
                **asdict(field),
                "counts": dict(zip(report.classes, field.counts, strict=True)),
                "searched_mm2": field.searched_mm2,
            }
            for field in report.fields
        ],
        "findings": [asdict(finding) for finding in report.findings],
        "provenance": dict(report.provenance),
        "inputs": dict(report.inputs),
        "peak_memory_mib": peak_memory_mib(),
        "notice": RESEARCH_NOTICE,
    }


def _plain(figure: Figure) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(figure).items()
    }


def _draw(
    found: FoundField,
    cells: CellTable,
    place: int,
    choice: CellChoice,
    pictures: SmearPictures,
    overlay: Path | None,
) -> None:
    """Pictures of a field and of its chosen cells, each by a small read of its own."""
    rows = [row for row in choice.rows if cells.field[row] == place]
    shown = place < MOST_FIELD_PICTURES
    if not (rows or shown or overlay):
        return
    with by_strips(SlideReader(found.path, OpenOptions(name=found.image.name))) as reader:
        if shown or overlay is not None:
            _draw_field(reader, cells, place, pictures if shown else None, overlay)
        for row in rows:
            window = crop_window(cells, row)
            try:
                pixels, valid = reader.read(window)
            except BlockReadError:
                # That the part cannot be read is told among the findings; the cell has no picture.
                continue
            pictures.add_cell(cells, row, Chip(pixels, valid, Tile(0, 0, window, window)))


def _draw_field(
    reader: SceneReader, cells: CellTable, place: int, pictures: SmearPictures | None, overlay: Path | None
) -> None:
    scene = reader.scene
    try:
        pixels, valid = reader.read_overview(_OVERVIEW_PX)
    except BlockReadError:
        return
    if pictures is not None:
        whole = Window(0, 0, scene.height, scene.width)
        pictures.add_field(cells, place, Chip(pixels, valid, Tile(0, 0, whole, whole)))
    if overlay is not None:
        write_overlay(overlay, pixels, valid, cells, place)
