"""The fields of a smear on its report: each with its cells, and a table of their counts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from retina_domains.cell_table import CellTable
from retina_domains.smear_report import FieldSummary, SmearReport
from retina_domains.writers.cell_choice import SmearPictures
from retina_domains.writers.cell_overlay import class_styles
from retina_domains.writers.cell_report_parts import html_table, jpeg_uri, swatch
from retina_domains.writers.text import thousands


def field_pictures(report: SmearReport, cells: CellTable, pictures: SmearPictures) -> str:
    """Pictures of the fields, which can be enlarged and, where there is a desk, have cells added; HTML."""
    if not pictures.fields:
        return ""
    summaries = {(summary.slide, summary.field): summary for summary in report.fields}
    warned = {finding.field for finding in report.findings}
    options = "".join(f"<option>{escape(name)}</option>" for name in report.classes)
    # Without cells to check there is no desk, and so no place for a name and for saving.
    tools = about = ""
    if pictures.cells:
        tools = (
            '<div class="row tools noprint">'
            '<button type="button" class="adding" aria-pressed="false">Add missed cells</button>'
            f'<label>as <select aria-label="Class of added cells">{options}</select></label></div>'
        )
        about = (
            '<p class="faint noprint">To add cells that were missed, press the button below a field and '
            "click on them; a click on a mark takes it back.</p>"
        )
    figures = []
    for place, picture in sorted(pictures.fields.items()):
        field = cells.fields[place]
        summary = summaries.get((field.slide, field.name))
        told = "" if summary is None else f"<br>{escape(_tally(summary, report.classes))}"
        out = " (left out)" if summary is not None and summary.excluded else ""
        mark = " &#9888; see warnings" if field.name in warned else ""
        name = escape(field.name)
        figures.append(
            f'<figure data-place="{place}"><div class="picture">'
            f'<button type="button" class="zoom" aria-expanded="false" aria-label="Enlarge {name}">'
            f'<img alt="{name} with its cells" src="{jpeg_uri(picture)}"></button></div>'
            f"<figcaption><b>{name}</b>{out}{mark}{told}</figcaption>{tools}</figure>"
        )
    key = "".join(
        f"{swatch(style)}{escape(name)}{f' <b>{escape(style.tag)}</b>' if style.tag else ''} &emsp;"
        for name, style in zip(report.classes, class_styles(report.classes), strict=True)
    )
    return (
        f'<h2>Fields</h2><p>{key} <span class="faint">Grey and dotted: not counted.</span></p>{about}'
        f'<div class="fields">{"".join(figures)}</div>'
    )


def _tally(summary: FieldSummary, classes: Sequence[str]) -> str:
    counts = [f"{thousands(n)} {name}" for n, name in zip(summary.counts, classes, strict=True) if n]
    return (", ".join(counts) or "no cells") + (
        f"; {thousands(summary.infected)} infected" if summary.infected else ""
    )


def field_table(report: SmearReport) -> str:
    """Counts by field, folded; HTML."""
    if not report.fields:
        return ""
    # Elsewhere there are no hosts, and a column of noughts would say that none is infected.
    hosts = report.kind == "thin"
    rows = [
        [
            escape(f.field) + (" (left out)" if f.excluded else ""),
            *(thousands(n) for n in f.counts),
            *((thousands(f.infected),) if hosts else ()),
            thousands(f.at_edge),
            f"{f.searched_px / 1e6:.2f} Mpx" if f.searched_mm2 is None else f"{f.searched_mm2:.4f} mm²",
        ]
        for f in report.fields
    ]
    head = ("field", *report.classes, *(("infected RBC",) if hosts else ()), "at edge", "searched")
    return f"<details><summary>Counts by field</summary>{html_table(head, rows)}</details>"
