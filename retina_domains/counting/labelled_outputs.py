"""What a count beside its labels comes to, as text and as files."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retina_domains.counting.labelled import READINGS, CountsBesideLabels, Reading
from retina_domains.counting.results import CountResult
from retina_domains.evaluation.bootstrap import Interval
from retina_domains.writers.atomic import write_text
from retina_domains.writers.base import RESEARCH_NOTICE
from retina_domains.writers.cell_accuracy import LabelErrors

ACCURACY, ACCURACY_BY_FIELD = "accuracy.json", "accuracy.csv"
_TOLD: dict[Reading, str] = {
    "frame": "by the counting frame, on both sides",
    "all": "all objects, those at the edges included",
    "whole": "whole objects alone, that touch no edge",
}


def accuracy_text(compared: CountsBesideLabels) -> str:
    """A table for each reading, with what limits it."""
    rows = compared.fields["frame"]
    lines = [
        f"Counts of {len(rows)} labelled fields against their labels; research use only.",
        *compared.notes,
    ]
    for reading in READINGS:
        figures = compared.figures[reading]
        if not figures:
            continue
        level = 100 * figures[0].signed_percent.level
        lines += ["", f"{_TOLD[reading][:1].upper()}{_TOLD[reading][1:]}"]
        lines.append(
            f"{'':24}{'fields':>7}{'found':>8}{'labels':>8}  {'error of the sum, %':>26}  "
            f"{'mean error of a field, %':>26}  {'Pearson r':>21}"
        )
        lines += [
            f"{one.name:24}{one.fields:7}{one.found:8,}{one.labelled:8,}  "
            f"{_interval(one.signed_percent, '+.1f'):>26}  {_interval(one.absolute_percent, '.1f'):>26}  "
            f"{_interval(one.correlation, '.3f'):>21}"
            for one in figures
        ]
        groups = figures[0].signed_percent.groups
        known = f"{level:g} % bootstrap intervals over {groups} {figures[0].over}"
        lines.append(known if groups > 1 else "one field: no intervals")
        lines += [f"{one.name}: {one.note}" for one in figures if one.note]
    return "\n".join(lines)


def label_errors(compared: CountsBesideLabels, labels: str) -> LabelErrors:
    """The figures as the report page takes them.

    Args:
        compared: of one smear.
        labels: what the labels are called.
    """
    figures = {_TOLD[reading]: compared.figures[reading] for reading in READINGS}
    return LabelErrors(labels=labels, figures=figures, notes=compared.notes)


def write_accuracy(
    folder: Path, compared: CountsBesideLabels, labels: str | os.PathLike[str], result: CountResult
) -> None:
    """Write the figures as JSON, and the counts of each field as CSV.

    Args:
        folder: of the count.
        compared: what to write.
        labels: name of the labels.
        result: the count; its provenance is told.

    Raises:
        OutputError: a file cannot be written.
    """
    facts = {
        "labels": os.fspath(labels),
        "notes": list(compared.notes),
        "readings": {
            reading: {
                "rule": _TOLD[reading],
                "figures": [_plain(asdict(one)) for one in compared.figures[reading]],
            }
            for reading in READINGS
        },
        "not_counted": dict(result.failures),
        "provenance": dict(result.smears[0].report.provenance),
        "notice": RESEARCH_NOTICE,
    }
    write_text(folder / ACCURACY, json.dumps(facts, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    write_text(folder / ACCURACY_BY_FIELD, _by_field(compared))


def _by_field(compared: CountsBesideLabels) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["reading", "smear", "field", "scene", "name", "found", "labelled", "notice"])
    for reading in READINGS:
        names = [one.name for one in compared.figures[reading]]
        for one in compared.fields[reading]:
            for name in names:
                where = [reading, one.smear, one.field, one.scene or ""]
                rows.writerow([*where, name, one.found[name], one.labelled[name], RESEARCH_NOTICE])
    return text.getvalue()


def _interval(figure: Interval, form: str) -> str:
    if math.isnan(figure.value):
        return "-"
    if math.isnan(figure.low):
        return f"{figure.value:{form}}"
    return f"{figure.value:{form}} [{figure.low:{form}}, {figure.high:{form}}]"


def _plain(value: Any) -> Any:
    """NaN as null, whatever it lies in."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
