"""Parasitaemia of a thin smear in per cent, raw and corrected for the detector, each with an interval.

*Raw*: infected red cells over all red cells as counted. Its interval holds the chance of counting and the
differences between fields (``spread.py``), not the detector's errors.

*Corrected*: let ``q`` be the raw proportion, ``Se`` the share of infected cells that are reported as
infected, ``F`` false reports of infected cells per healthy cell, and ``R`` red cells reported per true one.
Of a smear of parasitaemia ``p`` one expects ``q = (Se p + F (1 - p)) / R``, so

    ``p = (R q - F) / (Se - F)``,

the estimator of Rogan and Gladen (1978, Am J Epidemiol 107:71), which has ``R = 1``. ``Se``, ``F`` and ``R``
are themselves known from finitely many labelled cells only (Lang and Reiczigel 2014, Prev Vet Med 113:13). So
``q``, ``Se``, ``F`` and ``R`` are drawn independently, each from its Jeffreys posterior with over-dispersion
(between fields of the smear, between slides of the labelled set), ``p`` is worked out for each draw and cut
to 0 to 1, and the interval is that between the draws' quantiles: propagation of distributions by Monte Carlo
(JCGM 101:2008). The seed is fixed.

False reports that were not made cannot rule out cells that were not found: where fewer are reported than the
detector's rates let expect, cutting draws at 0 would leave an interval of no length at 0. So the upper end is
never below that of a smear in which nothing was reported, and its limit does not depend on the expected false
reports (Helene 1983, Nucl Instrum Methods 212:319).

The rates are the labelled set's average; ``DrawSpec.new_slide`` draws those of one more slide of its kind.
What neither holds: a slide whose stain or focus the labelled fields know nothing of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retina_domains.cells.confusion import DetectorConfusion, SlideCounts
from retina_domains.cells.spread import JEFFREYS, draw_proportion, draw_rate, draw_total, proportion_spread
from retina_domains.cells.values import (
    DEFAULT_DRAWS,
    RBC,
    SELDOM_FOUND,
    STAGES,
    DrawSpec,
    Estimate,
    raised,
    refuted,
)
from retina_domains.errors import InvalidValueError
from retina_domains.types import FloatArray

PRACTICE_RED_CELLS = 2000
"""Red cells that a microscopist is asked to count on a thin film (WHO 2015, Microscopy for the detection,
identification and quantification of malaria parasites on stained thick and thin blood films in research
settings: methods manual)."""
METHOD = (
    "ratio of totals; Jeffreys posterior with over-dispersion between fields (beta-binomial design effect); "
    "corrected: Rogan and Gladen 1978, detector's error rates drawn from their posteriors on labelled fields"
)


@dataclass(frozen=True, slots=True)
class ThinField:
    """Counts of one field, after the counting frame's rule.

    Args:
        name: of the field.
        red_cells: healthy and infected ones together.
        infected: red cells with asexual parasites, each once.
        gametocytes: apart from both.
    """

    name: str
    red_cells: int
    infected: int
    gametocytes: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.infected <= self.red_cells or self.gametocytes < 0:
            raise InvalidValueError(
                f"field {self.name}: {self.infected} infected of {self.red_cells} red cells, "
                f"{self.gametocytes} gametocytes: red_cells must include the infected ones"
            )


@dataclass(frozen=True, slots=True)
class Parasitaemia:
    """Infected red cells per hundred.

    Args:
        fields: number of fields.
        red_cells: counted in them.
        infected: of these.
        gametocytes: beside these.
        raw: per cent, as counted. With no infected cell counted it is 0 with the one-sided upper limit of the
            level: for 95 % about 3 of the cells counted (rule of three).
        corrected: per cent, for the detector's errors, likewise; None without its confusion.
        design_effect: median; variance of the count over that of independent cells.
        share_of_practice: red cells counted over the 2,000 of usual practice.
        method: in words.
        notes: what the reader must know.
    """

    fields: int
    red_cells: int
    infected: int
    gametocytes: int
    raw: Estimate
    corrected: Estimate | None
    design_effect: float
    share_of_practice: float
    method: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ThinErrors:
    """Draws of a detector's error rates on thin smears, and their plain values.

    Args:
        sensitivity: ``(M,)``.
        false: ``(M,)`` false infected cells per healthy cell.
        count_ratio: ``(M,)`` red cells reported per true one.
        plain: the three as ratios of totals.
    """

    sensitivity: FloatArray
    false: FloatArray
    count_ratio: FloatArray
    plain: tuple[float, float, float]


def count_parasitaemia(
    fields: Sequence[ThinField], confusion: DetectorConfusion | None = None, spec: DrawSpec = DEFAULT_DRAWS
) -> Parasitaemia:
    """Parasitaemia of one smear from the counts of its fields.

    Args:
        fields: of one smear; excluded ones left out by the caller.
        confusion: of the detector that counted, at the threshold that was used.
        spec: how intervals are drawn.

    Raises:
        InvalidValueError: no field, no red cell, or a confusion that tells nothing of infected cells.
    """
    x, n = _columns(fields)
    total, infected = int(n.sum()), int(x.sum())
    rng = np.random.default_rng(spec.seed)
    spread = proportion_spread(x, n, rng, spec)
    hits = draw_total(infected, spread.design, rng, extra=JEFFREYS if infected else 1.0)
    q = hits / (hits + draw_total(total - infected, spread.design, rng))
    errors = thin_errors(confusion, rng, spec) if confusion is not None else None
    corrected = None
    if errors is not None:
        value = _corrected_value(infected / total, errors)
        corrected = _estimate(value, corrected_draws(q, errors), spec.level, infected == 0)
        unseen = draw_total(0.0, spread.design, rng, extra=1.0)
        unseen = unseen / (unseen + draw_total(total, spread.design, rng))
        corrected = raised(corrected, corrected_draws(unseen, replace(errors, false=np.zeros(spec.draws))))
    raw = _estimate(infected / total, q, spec.level, infected == 0)
    return Parasitaemia(
        fields=len(fields),
        red_cells=total,
        infected=infected,
        gametocytes=sum(field.gametocytes for field in fields),
        raw=raw.scaled(100),
        corrected=None if corrected is None else corrected.scaled(100),
        design_effect=float(np.median(spread.design)),
        share_of_practice=total / PRACTICE_RED_CELLS,
        method=METHOD,
        notes=tuple(_notes(total, infected, len(fields), errors)),
    )


def thin_errors(confusion: DetectorConfusion, rng: np.random.Generator, spec: DrawSpec) -> ThinErrors:
    """Draws of sensitivity, false reports and count_ratio from labelled fields.

    Raises:
        InvalidValueError: no infected or no healthy red cell is labelled, or infected cells are reported no
            more often where they are than where they are not.
    """
    stages = [name for name in STAGES if name in confusion.classes]
    if not stages or RBC not in confusion.classes:
        raise InvalidValueError(
            f"confusion of classes {', '.join(confusion.classes)}: expected {RBC} and stages of a thin smear"
        )
    found, false = confusion.found(stages), confusion.false(stages, per=(RBC,))
    reported = confusion.reported([*stages, RBC])
    plain = (found.ratio, false.ratio, reported.ratio)
    if plain[0] <= plain[1]:
        raise InvalidValueError(
            f"the detector reports {plain[0]:.1%} of infected and {plain[1]:.1%} of healthy cells as "
            "infected on its labelled fields: it cannot tell them apart, and no count can be corrected"
        )
    return ThinErrors(
        draw_proportion(found.part, found.whole, rng, spec),
        draw_rate(false.part, false.whole, rng, spec),
        _draw_count_ratio(reported, rng, spec),
        plain,
    )


def corrected_draws(q: FloatArray, errors: ThinErrors) -> FloatArray:
    """``(M,)`` draws of the true proportion from those of the raw one, cut to 0 to 1; see the module.

    Where drawn rates cannot tell infected from healthy cells, anything is possible: the draw is 1.
    """
    apart = errors.sensitivity - errors.false
    over = errors.count_ratio * q - errors.false
    p = np.divide(over, apart, out=np.ones_like(q), where=apart > 0)
    clipped: FloatArray = np.clip(p, 0.0, 1.0)
    return clipped


def _corrected_value(q: float, errors: ThinErrors) -> float:
    found, false, count_ratio = errors.plain
    return min(max((count_ratio * q - false) / (found - false), 0.0), 1.0)


def _draw_count_ratio(counts: SlideCounts, rng: np.random.Generator, spec: DrawSpec) -> FloatArray:
    """Reported over true red cells. They are largely the same cells, so only what differs is uncertain.

    The spread of a ratio of totals over slides, linearised (Cochran 1977, Sampling Techniques, 6.4), with the
    t distribution of as many slides; of one slide alone, that of the cells that differ, as if independent.
    """
    ratio, total, slides = counts.ratio, float(counts.whole.sum()), len(counts.part)
    residual = counts.part - ratio * counts.whole
    if slides > 1:
        error = np.sqrt(slides / (slides - 1) * float(residual @ residual)) / total
        # A new slide's own ratio lies as far off as the labelled ones', besides their mean's error.
        error *= np.sqrt(slides + 1) if spec.new_slide else 1.0
        drawn = ratio + error * rng.standard_t(slides - 1, spec.draws)
    else:
        error = np.sqrt(abs(float(counts.part.sum()) - total) + 1) / total
        drawn = ratio + error * rng.standard_normal(spec.draws)
    positive: FloatArray = np.maximum(drawn, 0.0)
    return positive


def _columns(fields: Sequence[ThinField]) -> tuple[FloatArray, FloatArray]:
    if not fields:
        raise InvalidValueError("no field to count parasitaemia in: expected one or more")
    x = np.array([field.infected for field in fields], np.float64)
    n = np.array([field.red_cells for field in fields], np.float64)
    if not n.sum() > 0:
        raise InvalidValueError(
            f"no red cell in {len(fields)} field{'s' * (len(fields) != 1)}: there is no parasitaemia; "
            "expected colour pictures of a stained thin smear, at the sampling (MPP) that is told of them"
        )
    return x, n


def _estimate(value: float, draws: FloatArray, level: float, zero: bool) -> Estimate:
    """Where nothing was counted there is no lower end, and all of the level goes to the upper one."""
    tails = [0.0, level] if zero else [(1 - level) / 2, (1 + level) / 2]
    low, high = (float(v) for v in np.quantile(draws, tails))
    return Estimate(value, 0.0 if zero else min(low, value), max(high, value), level)


def _notes(total: int, infected: int, fields: int, errors: ThinErrors | None) -> list[str]:
    notes = []
    if errors is None:
        notes.append("no confusion of the detector is known: its errors are in no interval")
    elif refuted(infected, errors.false * (total - infected)):
        notes.append(
            f"{infected} infected cells are reported where the detector reports "
            f"{errors.plain[1] * (total - infected):.1f} falsely on its labelled fields: its error rates do "
            "not fit this smear; rely on the figure as counted and look at the cells"
        )
    elif infected and errors.plain[2] * infected / total <= errors.plain[1]:
        notes.append(
            f"no more infected cells are reported than the detector reports falsely ({errors.plain[1]:.3%} "
            "of healthy cells): they may all be false"
        )
    if errors is not None and errors.plain[0] < SELDOM_FOUND:
        notes.append(
            f"of labelled infected cells the detector reports {errors.plain[0]:.0%} as infected, of healthy "
            f"ones {errors.plain[1]:.2%}: most are missed or called gametocytes, so that the corrected "
            "figure rests on few"
        )
    if infected == 0:
        notes.append("no infected cell was counted: the upper limit is what the smear may still hold")
    if total < PRACTICE_RED_CELLS:
        notes.append(f"{total} red cells counted, usual practice is {PRACTICE_RED_CELLS}")
    if fields == 1:
        notes.append("one field tells nothing of differences between fields: their usual size is assumed")
    return notes
