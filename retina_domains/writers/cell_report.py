"""The report of a smear: one HTML page with the numbers, the warnings and the cells that need a person.

The page needs nothing but itself and works from a file: pictures are data URIs, and a content security policy
lets only its own script run and nothing be loaded or sent. What a person decides about cells is kept by the
browser where it can, and saved as a corrections file (:mod:`retina_domains.corrections`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from retina_domains.cell_table import CellTable
from retina_domains.corrections import FORMAT, VERSION
from retina_domains.errors import InvalidValueError
from retina_domains.smear_report import Figure, Finding, SmearReport, report_id
from retina_domains.writers.atomic import write_text
from retina_domains.writers.cell_accuracy import NOT_KNOWN, Accuracy, accuracy_section
from retina_domains.writers.cell_choice import CROP_PX, CellChoice, SmearPictures
from retina_domains.writers.cell_overlay import NOT_FOR_DIAGNOSIS, class_styles
from retina_domains.writers.cell_report_fields import field_pictures, field_table
from retina_domains.writers.cell_report_parts import html_table, jpeg_uri, swatch
from retina_domains.writers.cell_report_script import SCRIPT
from retina_domains.writers.cell_report_style import STYLE
from retina_domains.writers.text import rounded, thousands

_KINDS = {"thin": "Thin smear", "thick": "Thick smear", "cells": "Cells"}
_MOST_KEYS = 9


def write_smear_report(
    path: str | os.PathLike[str],
    report: SmearReport,
    cells: CellTable,
    choice: CellChoice,
    pictures: SmearPictures,
    accuracy: Accuracy = NOT_KNOWN,
) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        path: of the file.
        report: the numbers.
        cells: of the smear; its classes must be the report's.
        choice: the cells that are shown one by one; those without a picture are left out.
        pictures: of fields and cells.
        accuracy: what is known of how right the count is.

    Raises:
        InvalidValueError: cells and report have different classes.
        OutputError: the file cannot be written.
    """
    write_text(path, smear_report_html(report, cells, choice, pictures, accuracy))


def smear_report_html(
    report: SmearReport,
    cells: CellTable,
    choice: CellChoice,
    pictures: SmearPictures,
    accuracy: Accuracy = NOT_KNOWN,
) -> str:
    """The page."""
    if cells.classes != report.classes:
        raise InvalidValueError(
            f"cells of classes {', '.join(cells.classes)}, a report of {', '.join(report.classes)}"
        )
    doubtful = [row for row in choice.doubtful if row in pictures.cells]
    infected = {
        name: [row for row in rows if row in pictures.cells] for name, rows in choice.infected.items()
    }
    title = f"{report.title}: {_KINDS[report.kind].lower()}"
    body = [
        f'<div class="banner" role="note">{NOT_FOR_DIAGNOSIS}</div><main>',
        f'<h1>{escape(report.title)}</h1><p class="faint">{escape(_subtitle(report))}</p>',
        _ways(report, doubtful),
        _headline(report.headline),
        _counts(report),
        _warnings(report.findings),
        _desk(report, doubtful, infected),
        _doubtful(cells, pictures, doubtful),
        _gallery(report, cells, pictures, choice, infected),
        field_pictures(report, cells, pictures),
        field_table(report),
        accuracy_section(accuracy, report.provenance.get("score_threshold", "")),
        _provenance(report),
        "</main>",
        _facts(report, cells, [*doubtful, *(row for rows in infected.values() for row in rows)]),
        f"<script>{SCRIPT}</script>",
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _subtitle(report: SmearReport) -> str:
    used = [field for field in report.fields if not field.excluded]
    parts = [_KINDS[report.kind], f"{thousands(len(used))} field{'s' * (len(used) != 1)}"]
    areas = [field.searched_mm2 for field in used]
    if areas and None not in areas:
        parts.append(f"{sum(a for a in areas if a is not None):.3g} mm² searched")
    if len(used) < len(report.fields):
        parts.append(f"{len(report.fields) - len(used)} more left out by choice")
    model = report.provenance.get("model")
    return ", ".join(parts) + (f". Model {model}." if model else ".")


def _ways(report: SmearReport, doubtful: Sequence[int]) -> str:
    """From the first screen to what lies below it."""
    ways = []
    if report.findings:
        fields = len({finding.field for finding in report.findings if finding.field})
        of = f", of {fields} field{'s' * (fields != 1)} among them" if fields else ""
        many = len(report.findings)
        ways.append(f'<a class="alert" href="#warnings">{many} warning{"s" * (many != 1)}{of}</a>')
    if doubtful:
        many = len(doubtful)
        ways.append(f'<a href="#check">{many} doubtful cell{"s" * (many != 1)} to check</a>')
    ways.append('<a href="#model">How good is the model?</a>')
    return f'<p class="ways noprint">{" ".join(ways)}</p>'


def _number(value: float, decimals: int) -> str:
    return "not told" if math.isnan(value) else f"{value:,.{decimals}f}"


def _interval(figure: Figure) -> str:
    """The interval in words, empty without one."""
    if math.isnan(figure.low):
        return ""
    low, high = (_number(v, figure.decimals) for v in (figure.low, figure.high))
    return f"{low} to {high}"


def _headline(figures: Sequence[Figure]) -> str:
    cards = []
    for figure in figures:
        unit = f" <small>{escape(figure.unit)}</small>" if figure.unit else ""
        interval = _interval(figure)
        told = f"<p>{100 * figure.level:g} % interval {interval}</p>" if interval else "<p>no interval</p>"
        note = f'<p class="note faint">{escape(figure.note)}</p>' if figure.note else ""
        value = _number(figure.value, figure.decimals)
        cards.append(
            f'<div class="figure"><h3>{escape(figure.name)}</h3><b>{value}{unit}</b>{told}{note}</div>'
        )
    return f'<div class="figures">{"".join(cards)}</div>'


def _counts(report: SmearReport) -> str:
    styles = dict(zip(report.classes, class_styles(report.classes), strict=True))
    rows = []
    for figure in report.counts:
        style = styles.get(figure.name)
        key = "" if style is None else swatch(style)
        tag = f' <span class="tag">{style.tag}</span>' if style is not None and style.tag else ""
        rows.append(
            (
                f"{key}{escape(figure.name)}{tag}",
                _number(figure.value, figure.decimals),
                _interval(figure),
            )
        )
    if not rows:
        return ""
    level = f"{100 * report.counts[0].level:g} % interval"
    notes: dict[str, list[str]] = {}
    for figure in report.counts:
        notes.setdefault(figure.note, []).append(figure.name)
    # What all of them have in common is said once.
    told = [
        note if len(notes) == 1 else f"{', '.join(names)}: {note}" for note, names in notes.items() if note
    ]
    below = f'<p class="faint">{escape("; ".join(told))}.</p>' if told else ""
    return f"<h2>Counts by class</h2>{html_table(('class', 'counted', level), rows)}{below}"


def _warnings(findings: Sequence[Finding]) -> str:
    if not findings:
        return '<h2 id="warnings">Warnings</h2><p class="faint">None.</p>'
    items = []
    for finding in findings:
        where = f"<b>{escape(finding.field)}</b>" if finding.field else "<b>Whole smear</b>"
        kind = f", {escape(finding.kind)}" if finding.kind else ""
        out = " <i>Left out of the numbers, by choice.</i>" if finding.excluded else ""
        items.append(f"<li>{where}{kind}: {escape(finding.message)}{out}</li>")
    return f'<h2 id="warnings">Warnings ({len(findings)})</h2><ul class="warnings">{"".join(items)}</ul>'


def _desk(report: SmearReport, doubtful: Sequence[int], infected: dict[str, list[int]]) -> str:
    """Where a cell is looked at and decided upon; filled in by the script."""
    if not doubtful and not any(infected.values()):
        return ""
    relabel = "".join(
        f'<button type="button" data-do="relabel" data-label="{escape(name)}">{escape(name)}'
        + (f"<kbd>{k}</kbd>" if k <= _MOST_KEYS else "")
        + "</button>"
        for k, name in enumerate(report.classes, start=1)
    )
    return (
        '<h2 id="check">Check cells</h2><p class="faint noprint">Look at a cell and decide. Keys: '
        "<kbd>&larr;</kbd> <kbd>&rarr;</kbd> move, <kbd>c</kbd> confirms, <kbd>r</kbd> rejects, digits "
        "relabel, <kbd>u</kbd> takes a decision back. The numbers above change when the saved file is "
        "given to the count (<code>--corrections FILE</code>).</p>"
        '<section id="desk" aria-labelledby="check"><div><img id="big" alt=""></div><div>'
        '<div class="row"><label for="who">Your name <input id="who" autocomplete="name"></label></div>'
        '<p id="what"></p><p id="where" class="faint"></p><p id="told"></p>'
        '<div class="row"><button type="button" data-do="confirm" class="decide">Confirm<kbd>c</kbd></button>'
        '<button type="button" data-do="reject">Reject<kbd>r</kbd></button>'
        '<button type="button" id="undo">Undo<kbd>u</kbd></button></div>'
        f'<div class="row" role="group" aria-label="Relabel as"><span>It is a</span>{relabel}</div>'
        '<div class="row"><button type="button" id="previous">&larr; Previous</button>'
        '<button type="button" id="next">Next &rarr;</button>'
        '<progress id="progress" value="0" max="1" aria-label="Cells looked at"></progress>'
        '<span id="done"></span></div>'
        '<p id="say" role="status" aria-live="polite"></p>'
        '<div class="row"><button type="button" id="save" class="main">Save corrections</button>'
        '<button type="button" id="load">Load corrections</button>'
        '<input type="file" id="file" accept=".json,application/json" hidden></div></div></section>'
    )


def _doubtful(cells: CellTable, pictures: SmearPictures, rows: Sequence[int]) -> str:
    if not rows:
        return ""
    return (
        f'<h3>Most doubtful ({len(rows)})</h3><p class="faint">Low scores first; those of parasites weigh '
        f"three times, as they move the result more.</p>{_strip(cells, pictures, rows)}"
    )


def _gallery(
    report: SmearReport,
    cells: CellTable,
    pictures: SmearPictures,
    choice: CellChoice,
    infected: dict[str, list[int]],
) -> str:
    if not any(infected.values()):
        return ""
    parts = [f"<h2>{'Parasites by species' if report.kind == 'thick' else 'Infected cells by stage'}</h2>"]
    for name, rows in infected.items():
        total = choice.infected_total[name]
        told = f"{len(rows)} of {thousands(total)}, the surest first" if len(rows) < total else f"{total}"
        parts.append(f"<h3>{escape(name)} ({told})</h3>{_strip(cells, pictures, rows)}")
    return "".join(parts)


def _strip(cells: CellTable, pictures: SmearPictures, rows: Sequence[int]) -> str:
    styles = class_styles(cells.classes)
    items = []
    for row in rows:
        label = int(cells.labels[row])
        name = escape(cells.classes[label])
        seen = cells.review[row]
        said = f"{seen} by {cells.corrected_by[row]}" if seen else ""
        items.append(
            f'<li><button type="button" class="cell" data-id="{escape(cells.ids[row])}">'
            f'<img width="{CROP_PX}" height="{CROP_PX}" alt="" src="{jpeg_uri(pictures.cells[row])}">'
            f'<span><span class="tag">{escape(styles[label].tag)}</span> <b class="label">{name}</b> '
            f'{cells.scores[row]:.2f} <span class="said"></span>'
            f"<small>{escape(said)}</small></span></button></li>"
        )
    return f'<ul class="strip">{"".join(items)}</ul>'


def _provenance(report: SmearReport) -> str:
    facts = {**report.provenance, "count": report_id(report.classes, report.inputs, report.provenance)}
    rows = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in facts.items())
    inputs = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in report.inputs.items())
    return (
        f'<h2>How it was made</h2><div class="wide"><table class="facts"><tbody>{rows}</tbody></table></div>'
        f"<details><summary>Inputs and their SHA-256 ({len(report.inputs)})</summary>"
        f'<div class="wide"><table class="facts"><tbody>{inputs}</tbody></table></div></details>'
    )


def _facts(report: SmearReport, cells: CellTable, rows: Sequence[int]) -> str:
    """What the script needs, as JSON."""
    shown: dict[str, dict[str, Any]] = {}
    for row in rows:
        x, y = cells.centre_px[row].tolist()
        shown[cells.ids[row]] = {
            "label": cells.classes[int(cells.labels[row])],
            "score": rounded(cells.scores[row], 4),
            "field": cells.fields[int(cells.field[row])].name,
            "x": round(x),
            "y": round(y),
        }
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "report": report_id(report.classes, report.inputs, report.provenance),
        "title": report.title,
        "classes": list(report.classes),
        "tags": [style.tag for style in class_styles(report.classes)],
        "inputs": [{"name": name, "sha256": digest} for name, digest in report.inputs.items()],
        "cells": shown,
        "fields": [
            {"slide": f.slide, "name": f.name, "width": f.width, "height": f.height} for f in cells.fields
        ],
        "sides": _usual_sides(cells),
        "earlier": _earlier(cells),
    }
    # Within a script element "</" would end it, and "<!--" open a comment.
    text = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="facts">{text}</script>'


def _earlier(cells: CellTable) -> list[dict[str, Any]]:
    """Corrections that this count was made with, so that what is saved next holds them too.

    An added cell has its ``id`` besides: on the page it is decided upon like any other.
    """
    told: list[dict[str, Any]] = []
    for row, word in enumerate(cells.review):
        if not word:
            continue
        who = {"by": cells.corrected_by[row], "at": cells.corrected_at[row]}
        label, name = cells.classes[int(cells.labels[row])], cells.ids[row]
        if word == "added":
            field = cells.fields[int(cells.field[row])]
            box = [rounded(v, 3) for v in cells.xyxy[row]]
            place = {"id": name, "slide": field.slide, "field": field.name, "xyxy": box}
            told.append({"action": "add", **place, "label": label, **who})
        elif word == "relabelled":
            told.append({"action": "relabel", "cell": name, "label": label, **who})
        else:
            told.append({"action": "confirm" if word == "confirmed" else "reject", "cell": name, **who})
    return told


def _usual_sides(cells: CellTable) -> list[list[float]]:
    """Median width and height of the boxes of each class, px; of all cells for a class without any."""
    if not len(cells):
        return [[0.0, 0.0]] * len(cells.classes)
    sides = cells.xyxy[:, 2:] - cells.xyxy[:, :2]
    usual = []
    for label in range(len(cells.classes)):
        mine = cells.labels == label
        usual.append([rounded(v, 1) for v in np.median(sides[mine] if mine.any() else sides, axis=0)])
    return usual
