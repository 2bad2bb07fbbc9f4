"""From the cells of a smear to what is told of it: figures with intervals, one summary a field, warnings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retina_domains.cell_table import CellTable
from retina_domains.cells.confusion import DetectorConfusion
from retina_domains.cells.density import ParasiteDensity, ThickField, count_density
from retina_domains.cells.frame import density_per_mm2
from retina_domains.cells.hosts import LabelStyle
from retina_domains.cells.intervals import poisson
from retina_domains.cells.parasitaemia import Parasitaemia, ThinField, count_parasitaemia
from retina_domains.cells.planning import CountingPlan, plan_thick, plan_thin
from retina_domains.cells.values import GAMETOCYTE, SPECIES, WBC, Estimate
from retina_domains.counting.table import infected_cells, of_class, red_cells
from retina_domains.counting.values import CountOptions
from retina_domains.errors import InvalidValueError
from retina_domains.smear_report import FieldSummary, Figure, Finding, SmearKind
from retina_domains.thresholds import ScoreThresholds
from retina_domains.types import BoolArray

_CHANCE = "the interval holds the chance of counting and the differences between fields"
_NOTHING = "; none was counted: the upper end is a one-sided limit"
_PRACTICE = {"thin": "2,000 red cells", "thick": "500 WBC"}


@dataclass(frozen=True, slots=True)
class SmearNumbers:
    """What the counts of a smear come to.

    Args:
        headline: the numbers it is counted for, the most wanted first.
        counts: by class.
        findings: what must be known beside them.
    """

    headline: tuple[Figure, ...]
    counts: tuple[Figure, ...]
    findings: tuple[Finding, ...]


def summarise_fields(
    cells: CellTable, searched_px: Sequence[float], excluded: Sequence[bool], style: LabelStyle
) -> tuple[FieldSummary, ...]:
    """One summary a field of the table, in its order."""
    infected = infected_cells(cells, style)
    summaries = []
    for place, image in enumerate(cells.fields):
        here = cells.field == place
        labels = cells.labels[here & cells.counted]
        summaries.append(
            FieldSummary(
                image.slide,
                image.name,
                tuple(np.bincount(labels, minlength=len(cells.classes)).tolist()),
                int((here & cells.touches_edge).sum()),
                int((here & infected).sum()),
                searched_px[place],
                image.mpp,
                excluded[place],
            )
        )
    return tuple(summaries)


def smear_numbers(
    cells: CellTable, summaries: Sequence[FieldSummary], kind: SmearKind, options: CountOptions
) -> SmearNumbers:
    """Figures of a smear from its fields that are not excluded.

    Raises:
        InvalidValueError: no field is left, or a thin smear without a red cell.
    """
    used = [place for place, summary in enumerate(summaries) if not summary.excluded]
    if not used:
        raise InvalidValueError(f"all {len(summaries)} fields are left out: there is nothing to count")
    kept = cells.take(np.isin(cells.field, used))
    counts = _class_counts(kept, options)
    confusion, why = fitting_confusion(kept.classes, options)
    options = replace(options, confusion=confusion)
    area = _area_mm2([summaries[place] for place in used])
    findings = [Finding(why, kind="detector's error")] if why and kind != "cells" else []
    if kind == "thin":
        headline, notes = _thin(kept, used, area, options)
    elif kind == "thick":
        headline, notes = _thick(kept, used, summaries, options)
    else:
        headline, notes = _densities(kept, area, options), ()
    return SmearNumbers(headline, counts, (*findings, *(Finding(note, kind="count") for note in notes)))


def fitting_confusion(classes: Sequence[str], options: CountOptions) -> tuple[DetectorConfusion | None, str]:
    """The detector's confusion where it fits the count, else None, and why one that is there does not fit."""
    confusion, threshold = options.confusion, options.inference.score_threshold
    if confusion is None:
        return None, ""
    if set(confusion.classes) != set(classes):
        return None, (
            f"The model's errors are known for {', '.join(confusion.classes)}, and it finds "
            f"{', '.join(classes)}: the interval does not hold them."
        )
    if threshold is not None:
        values = threshold if isinstance(threshold, tuple) else (threshold,) * len(classes)
        used = ScoreThresholds(tuple(classes), values)
        known = confusion.thresholds.named(classes, {})
        if not np.allclose(used.values, known, rtol=0, atol=1e-6):
            return None, (
                f"The model's own errors are known at its threshold of {confusion.thresholds.text}, not at "
                f"{used.text}: the interval does not hold them."
            )
    return confusion, ""


def _thin(
    cells: CellTable, used: Sequence[int], area: float | None, options: CountOptions
) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    style = options.hosts.style
    red, infected = red_cells(cells, style), infected_cells(cells, style)
    gametocytes = of_class(cells, (GAMETOCYTE,))
    fields = [
        ThinField(cells.fields[k].name, n, x, g)
        for k, n, x, g in zip(
            used, *(_by_field(cells, mask, used) for mask in (red, infected, gametocytes)), strict=True
        )
    ]
    found = count_parasitaemia(fields, options.confusion, options.draws)
    figures = _parasitaemia_figures(found)
    level = options.draws.level
    figures.append(_counted("Red cells counted", found.red_cells, level, "healthy and infected, each once"))
    figures.append(_counted("Infected red cells", found.infected, level, "a cell infected twice counts once"))
    figures.append(_counted("Gametocytes", found.gametocytes, level, "apart: in no other number"))
    if area is not None:
        figures.append(_per_mm2("Red cells", found.red_cells, area, level))
    notes = list(found.notes)
    if found.infected and options.wanted_width is not None:
        plan = plan_thin(fields, options.wanted_width, options.confusion, options.draws)
        notes.append(plan_text(plan, "thin"))
    return tuple(figures), tuple(notes)


def _thick(
    cells: CellTable, used: Sequence[int], summaries: Sequence[FieldSummary], options: CountOptions
) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    parasites, white = of_class(cells, SPECIES), of_class(cells, (WBC,))
    p, w = _by_field(cells, parasites, used), _by_field(cells, white, used)
    areas = [summaries[place].searched_mm2 for place in used]
    fields = [
        ThickField(cells.fields[k].name, a, b, area) for k, a, b, area in zip(used, p, w, areas, strict=True)
    ]
    level = options.draws.level
    counted = [
        _counted("Parasites counted", sum(p), level, "asexual, of all species"),
        _counted("WBC counted", sum(w), level, ""),
    ]
    try:
        found = count_density(fields, options.wbc, options.confusion, options.draws)
    except InvalidValueError as error:
        if not sum(p) + sum(w):
            raise
        # Parasites without WBC have no density, but they were found, and where they lie is worth a look.
        return (Figure("Parasite density", float("nan"), unit="per µL", note=str(error)), *counted), (
            str(error),
        )
    notes = list(found.notes)
    if found.parasites and options.wanted_width is not None:
        plan = plan_thick(fields, options.wanted_width, options.confusion, options.draws)
        notes.append(plan_text(plan, "thick"))
    return (*_density_figures(found), *counted), tuple(notes)


def _densities(cells: CellTable, area: float | None, options: CountOptions) -> tuple[Figure, ...]:
    level = options.draws.level
    totals = [int((cells.labels[cells.counted] == k).sum()) for k in range(len(cells.classes))]
    figures = [_counted(name, total, level, "") for name, total in zip(cells.classes, totals, strict=True)]
    if area is not None:
        figures += [
            _per_mm2(name, total, area, level) for name, total in zip(cells.classes, totals, strict=True)
        ]
    return tuple(figures)


def _parasitaemia_figures(found: Parasitaemia) -> list[Figure]:
    limit = "" if found.infected else _NOTHING
    raw = _figure("Parasitaemia", found.raw, "%", f"infected of all red cells, as counted; {_CHANCE}{limit}")
    if found.corrected is None:
        return [raw]
    note = f"infected of all red cells, corrected for the model's errors; {found.method}{limit}"
    return [_figure("Parasitaemia", found.corrected, "%", note), replace(raw, name="Parasitaemia as counted")]


def _density_figures(found: ParasiteDensity) -> list[Figure]:
    basis = (
        f"{found.wbc_count.per_ul:,.0f} WBC per µL {'assumed' if found.wbc_count.assumed else 'measured'}; "
    )
    limit = "" if found.parasites else _NOTHING
    raw = _figure("Parasite density", found.raw, "per µL", f"{basis}as counted; {_CHANCE}{limit}")
    if found.corrected is None:
        return [raw]
    corrected = _figure("Parasite density", found.corrected, "per µL", f"{basis}{found.method}{limit}")
    return [corrected, replace(raw, name="Parasite density as counted")]


def _figure(name: str, estimate: Estimate, unit: str, note: str) -> Figure:
    decimals = 0 if unit != "%" or estimate.value >= 10 else 2 if estimate.high >= 0.5 else 4
    return Figure(
        name, estimate.value, estimate.low, estimate.high, unit, estimate.level, decimals=decimals, note=note
    )


def _counted(name: str, count: int, level: float, note: str) -> Figure:
    known = poisson(count, level)
    text = "; ".join(part for part in (note, "exact Poisson interval, cells taken as independent") if part)
    return Figure(name, float(count), known.low, known.high, "", level, note=text)


def _per_mm2(name: str, count: int, area: float, level: float) -> Figure:
    known = density_per_mm2(count, area, level)
    return _figure(f"{name} per mm²", known, "per mm²", f"in {area:.4g} mm² of counting frames")


def plan_text(plan: CountingPlan, kind: SmearKind) -> str:
    """What it takes to narrow the interval, in a sentence."""
    wanted = (
        f"The interval reaches {plan.now:.0%} to either side of the figure; at the usual practice of "
        f"{_PRACTICE[kind]} it would be {plan.at_practice:.0%}."
    )
    if plan.more_fields is None:
        return (
            f"{wanted} No number of fields brings it to {plan.wanted:.0%}: the model's own error alone is "
            f"{plan.at_best:.0%}; more labelled fields, not more counting, would narrow it."
        )
    if not plan.more_fields:
        return f"{wanted} The wanted {plan.wanted:.0%} is reached."
    return (
        f"{wanted} For {plan.wanted:.0%} about {plan.more_fields:,} more fields like these are needed "
        f"({plan.cells:,} cells in {plan.fields:,} fields in all)."
    )


def _class_counts(cells: CellTable, options: CountOptions) -> tuple[Figure, ...]:
    labels = cells.labels[cells.counted]
    totals = np.bincount(labels, minlength=len(cells.classes)).tolist()
    return tuple(
        _counted(name, total, options.draws.level, "")
        for name, total in zip(cells.classes, totals, strict=True)
    )


def _by_field(cells: CellTable, mask: BoolArray, used: Sequence[int]) -> list[int]:
    totals = np.bincount(cells.field[mask], minlength=len(cells.fields))
    return [int(totals[place]) for place in used]


def _area_mm2(summaries: Sequence[FieldSummary]) -> float | None:
    areas = [summary.searched_mm2 for summary in summaries]
    known = [area for area in areas if area is not None]
    return sum(known) if len(known) == len(areas) and sum(known) > 0 else None


def figure_text(figure: Figure) -> str:
    """A figure in words, with its interval."""
    if math.isnan(figure.value):
        return f"{figure.name} not known"
    d = figure.decimals
    unit = f" {figure.unit}" if figure.unit else ""
    return (
        f"{figure.name} {figure.value:,.{d}f}{unit} ({100 * figure.level:g} % interval "
        f"{figure.low:,.{d}f} to {figure.high:,.{d}f})"
    )
