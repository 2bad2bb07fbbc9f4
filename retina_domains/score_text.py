"""Figures of a ``scores.json`` in words: for a terminal and for a card."""

from __future__ import annotations

from collections.abc import Sequence

from retina_domains.score_report import JudgedScores, ScoreReport, Span

PREFERENCE = {
    "f1": "F1 is largest",
    "precision": "F0.5, in which precision weighs twice as much as recall, is largest",
    "recall": "F2, in which recall weighs twice as much as precision, is largest",
    "count": "as many are kept as there are objects",
    "expected": "F1 is largest if each score is the chance that it says (half of the largest F1)",
}
HEAD = ("class", "objects", "threshold", "precision", "recall", "F1", "calibration error")


def score_rows(report: ScoreReport) -> list[tuple[str, ...]]:
    """One row a class, or several judged as one; columns as in ``HEAD``."""
    return [
        (
            judged.name,
            str(judged.objects),
            _limit(judged, report),
            span_text(judged.precision),
            span_text(judged.recall),
            span_text(judged.f1),
            error_text(judged),
        )
        for judged in report.judged
    ]


def _limit(judged: JudgedScores, report: ScoreReport) -> str:
    known = dict(zip(report.classes, report.class_thresholds, strict=True))
    return ", ".join(dict.fromkeys(f"{known[name]:.3g}" for name in judged.classes))


def span_text(span: Span | None) -> str:
    """Such as ``.84 (.79 to .88)``."""
    if span is None:
        return "-"
    value, low, high = (f"{v:.2f}" for v in span)
    return f"{value} ({low} to {high})"


def error_text(judged: JudgedScores) -> str:
    """Calibration error of all candidates before and after; of those at the threshold likewise."""
    everything = f"{_error(judged.error_before)} to {_error(judged.error_after)}"
    return f"{everything}; kept {_error(judged.kept_error_before)} to {_error(judged.kept_error_after)}"


def _error(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"


def score_table(report: ScoreReport) -> str:
    """What ``calibrate`` prints."""
    rows = [HEAD, *score_rows(report)]
    width = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
    lines = [f"{report.model} on {report.data}; match {report.match}; {told_folds(report)}"]
    lines += ["  ".join(cell.ljust(w) for cell, w in zip(row, width, strict=True)).rstrip() for row in rows]
    lines += [f"score_threshold {report.score_threshold:.4g}; by class: {report.thresholds.text}"]
    if report.errors:
        lines.append("errors: " + ", ".join(f"{one.what} {one.count}" for one in report.errors))
    return "\n".join([*lines, *report.notes])


def told_folds(report: ScoreReport) -> str:
    """How the figures were had."""
    if not report.folds:
        return "too few predictions to cross-validate: nothing is known of scores on other images"
    return f"cross-validated, {report.folds}"


def told_choice(report: ScoreReport) -> str:
    """How thresholds were chosen, in a sentence."""
    if report.kept_thresholds:
        return "Thresholds were not fitted on these data."
    own = [
        f"for {judged.name} where {PREFERENCE[judged.prefer]}"
        for judged in report.judged
        if judged.prefer is not None
    ]
    return f"A threshold is where {'; '.join([PREFERENCE[report.prefer], *own])}."


def together(report: ScoreReport) -> Sequence[str]:
    """Names of classes that were judged as one, each in a text."""
    return [judged.name for judged in report.judged if len(judged.classes) > 1]
