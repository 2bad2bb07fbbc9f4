"""How good the model of a count is, as the report page tells it: on its own labelled fields, and on these.

What a bundle carries (card figures, ``scores.json``, ``confusion.json``) is told in tables, with the data
that it was measured on and their licence; where the count was held against labels, its errors are told, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from retina_domains.bundle import Metric, TrainingData
from retina_domains.cells.accuracy import CountAccuracy
from retina_domains.cells.confusion import DetectorConfusion
from retina_domains.evaluation.bootstrap import Interval
from retina_domains.score_report import ScoreReport
from retina_domains.score_text import score_rows, told_folds
from retina_domains.types import IntArray
from retina_domains.writers.cell_report_parts import html_table
from retina_domains.writers.text import thousands

_NOT_TOLD = "not told"
_RATES = 5  # columns of ``score_rows`` that a page shows: class, objects, threshold, precision, recall


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """What a bundle tells of its own accuracy.

    Args:
        training: data that the model learned from.
        metrics: figures of its card.
        scores: what was measured of its scores, or None.
        confusion: what it makes of each class, or None.
    """

    training: tuple[TrainingData, ...]
    metrics: tuple[Metric, ...]
    scores: ScoreReport | None = None
    confusion: DetectorConfusion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelErrors:
    """Errors of a count against the labels of its fields.

    Args:
        labels: what the labels are called.
        figures: by the rule by which cells at the border were read, in words.
        notes: what was done with the labels, in sentences.
    """

    labels: str
    figures: Mapping[str, tuple[CountAccuracy, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What is known of how right a count is.

    Args:
        record: of the model, or None where it is no bundle.
        errors: on the counted fields, or None where they have no labels.
    """

    record: ModelRecord | None = None
    errors: LabelErrors | None = None


NOT_KNOWN = Accuracy()


def accuracy_section(accuracy: Accuracy, threshold: str) -> str:
    """The section of the page, HTML.

    Args:
        accuracy: what is known.
        threshold: score threshold that was used, as provenance tells it.
    """
    parts = ['<h2 id="model">How good is the model</h2>']
    if accuracy.record is None:
        parts.append(
            "<p>Nothing is known of its accuracy: it was not named as a bundle. Count fields with labels to "
            "see it (<code>--truth LABELS</code>).</p>"
        )
    else:
        parts += [
            *_scores(accuracy.record, threshold),
            _confusion(accuracy.record.confusion),
            _metrics(accuracy.record.metrics),
            _training(accuracy.record.training),
        ]
    if accuracy.errors is not None:
        parts += _errors(accuracy.errors)
    return "".join(parts)


def licence_of(data: str, training: Sequence[TrainingData]) -> str:
    """Licence of the data set that a labels file such as ``bccd/val.json`` is of, by those of training.

    Returns:
        The licence in words; that it is not told where none of them is of that name.
    """
    name = _plain(data.partition("/")[0])
    of = {t.licence for t in training if name and name in (_plain(t.name), *map(_plain, _script(t.split)))}
    return ", ".join(sorted(of)) or _NOT_TOLD


def _script(split: str) -> list[str]:
    """Data sets whose converter is named, such as ``bccd`` of "train of prepare_bccd.py"."""
    return [
        word.removeprefix("prepare_").partition(".py")[0]
        for word in split.split()
        if word.startswith("prepare_")
    ]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _scores(record: ModelRecord, threshold: str) -> list[str]:
    scores = record.scores
    if scores is None:
        return ["<p>Its bundle tells no precision and recall at a threshold.</p>"]
    licence = licence_of(scores.data, record.training)
    told = (
        f"Measured on {scores.data}; licence of these data: {licence}. Precision is the share of reports "
        f"that are right, recall the share of labelled objects that are found (by {scores.match}); 95 % "
        f"intervals in brackets; {told_folds(scores)}."
    )
    parts = [f"<p>{escape(told)}</p>"]
    if scores.thresholds.text != threshold:
        other = (
            f"They hold at the thresholds {scores.thresholds.text}. This count was made at "
            f"{threshold or 'unknown ones'}: its precision and recall are not known."
        )
        parts.append(f'<ul class="warnings"><li>{escape(other)}</li></ul>')
    head = ("class", "labelled", "threshold", "precision", "recall")
    rows = [[escape(cell) for cell in row[:_RATES]] for row in score_rows(scores)]
    parts.append(html_table(head, rows))
    if scores.notes:
        parts.append(f'<p class="faint">{escape(" ".join(scores.notes))}</p>')
    return parts


def _metrics(metrics: Sequence[Metric]) -> str:
    if not metrics:
        return ""
    rows = [
        (
            escape(m.name),
            f"{m.value:.3f}",
            "" if m.interval is None else f"{m.interval[0]:.3f} to {m.interval[1]:.3f}",
            escape(m.data),
        )
        for m in metrics
    ]
    return "<h3>Figures of its card</h3>" + html_table(
        ("figure", "value", "95 % interval", "measured on"), rows, words=(3,)
    )


def _confusion(confusion: DetectorConfusion | None) -> str:
    """What labelled objects were reported as, and what was reported where there is nothing."""
    if confusion is None:
        return ""
    names = [*confusion.classes, "nothing"]
    table = judged_totals(confusion)
    rows = [
        [escape(f"there: {name}"), *(thousands(n) for n in line)]
        for name, line in zip(names, table.tolist(), strict=True)
    ]
    rows[-1][-1] = ""
    told = (
        f"On {confusion.data}, at the thresholds {confusion.thresholds.text}: labelled objects (rows) by "
        "what they were reported as (columns). The last row is what was reported where nothing is labelled, "
        "the last column what was missed."
    )
    return (
        f'<h3>What it takes for what</h3><p class="faint">{escape(told)}</p>'
        f"{html_table(('', *(f'reported: {name}' for name in names)), rows)}"
    )


def judged_totals(confusion: DetectorConfusion) -> IntArray:
    """``(C + 1, C + 1)`` of all fields together, reports of nothing only where their class is labelled."""
    summed = confusion.totals()
    for label, name in enumerate(confusion.classes):
        summed[-1, label] = sum(
            one.table[-1][label] for one in confusion.fields if one.judged is None or name in one.judged
        )
    return np.asarray(summed)


def _training(training: Sequence[TrainingData]) -> str:
    rows = [
        (
            escape(t.name),
            "" if t.images is None else thousands(t.images),
            escape(t.split),
            escape(t.licence),
            escape(t.source or ""),
        )
        for t in training
    ]
    head = ("data", "images", "part", "licence", "source")
    return "<h3>What it learned from</h3>" + html_table(head, rows, words=(0, 2, 3, 4)) if rows else ""


def _errors(errors: LabelErrors) -> list[str]:
    parts = ["<h3>Errors of this count against its labels</h3>"]
    shown = {rule: figures for rule, figures in errors.figures.items() if figures}
    for place, (rule, figures) in enumerate(shown.items()):
        first = figures[0]
        level, groups = first.signed_percent.level, first.signed_percent.groups
        known = (
            f"{100 * level:g} % bootstrap intervals over {groups} {first.over}"
            if groups > 1
            else "one field: no intervals"
        )
        told = f"{errors.labels}: {rule}; {known}. {' '.join(errors.notes)}"
        table = f'<p class="faint">{escape(told)}</p>{_error_table(figures)}'
        parts.append(table if not place else f"<details><summary>{escape(rule)}</summary>{table}</details>")
    return parts


def _error_table(figures: Sequence[CountAccuracy]) -> str:
    head = (
        "counted",
        "fields",
        "found",
        "labelled",
        "error of the sum, %",
        "mean error of a field, %",
        "Pearson's r",
    )
    rows = [
        [
            escape(one.name) + (f"<br><small>{escape(one.note)}</small>" if one.note else ""),
            thousands(one.fields),
            thousands(one.found),
            thousands(one.labelled),
            _span(one.signed_percent, "+.1f"),
            _span(one.absolute_percent, ".1f"),
            _span(one.correlation, ".3f"),
        ]
        for one in figures
    ]
    return html_table(head, rows)


def _span(figure: Interval, form: str) -> str:
    if math.isnan(figure.value):
        return "-"
    if math.isnan(figure.low):
        return f"{figure.value:{form}}"
    return f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"
