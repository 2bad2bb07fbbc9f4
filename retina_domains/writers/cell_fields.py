"""One line a field: what was counted on it, searched, found wrong, and left out."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence

from retina_domains.smear_report import SmearReport
from retina_domains.writers.atomic import write_text
from retina_domains.writers.base import RESEARCH_NOTICE
from retina_domains.writers.text import rounded

_HEAD = ("slide", "field", "searched_px2", "mpp_um", "searched_mm2")
_TAIL = ("at_edge", "infected_rbc", "excluded", "findings", "sha256", "notice")


def write_fields_csv(path: str | os.PathLike[str], reports: Sequence[SmearReport]) -> None:
    """Write the summaries of all fields of some smears; what is not known is left empty.

    Args:
        path: the file.
        reports: of one model: their classes are the same.

    Raises:
        OutputError: the file cannot be written.
    """
    classes = reports[0].classes if reports else ()
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([*_HEAD, *(f"count_{name}" for name in classes), *_TAIL])
    for report in reports:
        for field in report.fields:
            said = [f.message for f in report.findings if f.field == field.field]
            area = field.searched_mm2
            lines.writerow(
                [
                    field.slide,
                    field.field,
                    rounded(field.searched_px, 1),
                    "" if field.mpp is None else rounded(field.mpp, 6),
                    "" if area is None or math.isnan(area) else rounded(area, 6),
                    *field.counts,
                    field.at_edge,
                    # Elsewhere there are no hosts: nought would say that none is infected.
                    field.infected if report.kind == "thin" else "",
                    "true" if field.excluded else "false",
                    "; ".join(said),
                    report.inputs.get(field.field, ""),
                    RESEARCH_NOTICE,
                ]
            )
    write_text(path, text.getvalue())
