"""Parasites per microlitre of blood from a thick smear, raw and corrected for the detector, with intervals.

*Raw*: ``parasites / WBC x WBC per uL`` (WHO 2015, Microscopy for the detection, identification and
quantification of malaria parasites on stained thick and thin blood films in research settings). Both counts
vary by chance and from field to field, and both with the film's thickness, which their ratio does not. So the
parasites among all objects of a field (parasites and WBC) are taken as a proportion that differs between
fields: two Poisson counts given their sum are binomial (Przyborowski and Wilenski 1940, Biometrika 31:313),
and over-dispersion is that of ``spread.py``. Of the drawn totals ``P`` and ``W`` the ratio is taken draw by
draw.

*Corrected*: ``(P - f_P A) / Se_P`` over ``(W - f_W A) / Se_W``, ``A`` the fields or mm2 that were searched,
``f`` false reports in one of them and ``Se`` the share of true ones reported, of parasites and of WBC, each
drawn from its Jeffreys posterior on labelled fields: Rogan and Gladen's estimator (1978, Am J Epidemiol
107:71) for counts per area, propagated by Monte Carlo (JCGM 101:2008) with a fixed seed. The upper end is
never below that of a smear in which no parasite was reported, as in ``parasitaemia.py``.

*WBC per uL*: measured in the patient, else 8,000 is assumed. The assumption is often the larger error:
malaria lowers WBC counts, so that densities of P. falciparum patients in Thailand would have been
overestimated by nearly a third (McKenzie et al. 2005, J Infect Dis 192:323), and 5,500 fitted best in vivax
malaria in eastern Myanmar from five years of age on (PMC4755855); young African children have more than
8,000, and theirs are underestimated. The interval does not hold this unless ``relative_sd`` is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retina_domains.cells.confusion import DetectorConfusion
from retina_domains.cells.spread import draw_proportion, draw_rate, draw_total, proportion_spread
from retina_domains.cells.values import (
    DEFAULT_DRAWS,
    SELDOM_FOUND,
    SPECIES,
    WBC,
    DrawSpec,
    Estimate,
    raised,
    refuted,
)
from retina_domains.errors import InvalidValueError
from retina_domains.types import FloatArray

PRACTICE_WBC = 500
"""WBC against which parasites of a thick film are counted where they are few (WHO 2015, as above)."""
ASSUMED_WBC_PER_UL = 8000.0
METHOD = (
    "ratio of totals; Jeffreys posterior of parasites among parasites and WBC with over-dispersion between "
    "fields; corrected: Rogan and Gladen 1978 for counts per area, error rates drawn from their posteriors"
)


@dataclass(frozen=True, slots=True)
class ThickField:
    """Counts of one field, after the counting frame's rule.

    Args:
        name: of the field.
        parasites: asexual, of all species.
        wbc: white cells.
        area_mm2: searched, or None.
    """

    name: str
    parasites: int
    wbc: int
    area_mm2: float | None = None

    def __post_init__(self) -> None:
        if self.parasites < 0 or self.wbc < 0:
            raise InvalidValueError(f"field {self.name}: counts must not be negative")
        if self.area_mm2 is not None and not self.area_mm2 > 0:
            raise InvalidValueError(f"field {self.name}: area {self.area_mm2} mm2, expected above 0")


@dataclass(frozen=True, slots=True)
class WbcCount:
    """White cells in a microlitre of the patient's blood.

    Args:
        per_ul: how many.
        assumed: nobody measured it.
        relative_sd: standard deviation of its error as a share of it; log-normal. 0: it is taken as exact.
    """

    per_ul: float = ASSUMED_WBC_PER_UL
    assumed: bool = True
    relative_sd: float = 0.0

    def __post_init__(self) -> None:
        if not 100 <= self.per_ul <= 1_000_000:
            raise InvalidValueError(
                f"{self.per_ul:g} white cells per uL: expected 100 to 1,000,000; 8.0 x 10^9 per litre is 8000"
            )
        if not 0 <= self.relative_sd < 2:
            raise InvalidValueError(f"relative_sd {self.relative_sd}: expected 0 or more, below 2")


ASSUMED_WBC = WbcCount()


@dataclass(frozen=True, slots=True)
class ParasiteDensity:
    """Parasites in a microlitre of blood.

    Args:
        fields: number of fields.
        parasites: counted in them.
        wbc: counted in them.
        wbc_count: of the patient.
        raw: per uL, as counted. With no parasite counted it is 0 with the one-sided upper limit of the level.
        corrected: per uL, for the detector's errors, likewise; None without its confusion.
        design_effect: median; variance of the count over that of independent objects.
        share_of_practice: WBC counted over the 500 of usual practice.
        method: in words.
        notes: what the reader must know.
    """

    fields: int
    parasites: int
    wbc: int
    wbc_count: WbcCount
    raw: Estimate
    corrected: Estimate | None
    design_effect: float
    share_of_practice: float
    method: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ThickErrors:
    """Draws of a detector's error rates on thick smears, and their plain values.

    Args:
        sensitivity: ``(M,)`` share of parasites that are reported, as any species.
        false: ``(M,)`` false parasites in the searched fields together.
        wbc_sensitivity: ``(M,)``.
        wbc_false: ``(M,)``.
        plain: the four as ratios of totals.
    """

    sensitivity: FloatArray
    false: FloatArray
    wbc_sensitivity: FloatArray
    wbc_false: FloatArray
    plain: tuple[float, float, float, float]


def count_density(
    fields: Sequence[ThickField],
    wbc_count: WbcCount = ASSUMED_WBC,
    confusion: DetectorConfusion | None = None,
    spec: DrawSpec = DEFAULT_DRAWS,
) -> ParasiteDensity:
    """Parasites per microlitre from the fields of one thick smear.

    Args:
        fields: of one smear; excluded ones left out by the caller.
        wbc_count: of the patient.
        confusion: of the detector that counted, at the threshold that was used.
        spec: how intervals are drawn.

    Raises:
        InvalidValueError: no field, no WBC, as many WBC as are reported falsely, or a confusion that tells
            nothing of parasites or WBC.
    """
    parasites, wbc = _columns(fields)
    rng = np.random.default_rng(spec.seed)
    spread = proportion_spread(parasites, parasites + wbc, rng, spec)
    p, w = (draw_total(float(c.sum()), spread.design, rng) for c in (parasites, wbc))
    blood = wbc_count.per_ul * np.exp(wbc_count.relative_sd * rng.standard_normal(spec.draws))
    total, white = float(parasites.sum()), float(wbc.sum())
    if total == 0:
        p = draw_total(0.0, spread.design, rng, extra=1.0)
    raw = _estimate(total / white * wbc_count.per_ul, p / w * blood, spec.level, total == 0)
    errors = thick_errors(confusion, fields, rng, spec) if confusion is not None else None
    corrected = None
    if errors is not None:
        value = _corrected_value(total, white, errors) * wbc_count.per_ul
        corrected = _estimate(value, corrected_ratio(p, w, errors) * blood, spec.level, total == 0)
        unseen = draw_total(0.0, spread.design, rng, extra=1.0)
        none_false = replace(errors, false=np.zeros(spec.draws))
        corrected = raised(corrected, corrected_ratio(unseen, w, none_false) * blood)
    return ParasiteDensity(
        fields=len(fields),
        parasites=int(total),
        wbc=int(white),
        wbc_count=wbc_count,
        raw=raw,
        corrected=corrected,
        design_effect=float(np.median(spread.design)),
        share_of_practice=white / PRACTICE_WBC,
        method=METHOD,
        notes=tuple(_notes(int(total), int(white), wbc_count, errors)),
    )


def thick_errors(
    confusion: DetectorConfusion, fields: Sequence[ThickField], rng: np.random.Generator, spec: DrawSpec
) -> ThickErrors:
    """Draws of the error rates of parasites and of WBC for the searched fields together.

    False reports are taken per mm2 where all areas are known on both sides, else per field, which then must
    be of one size on both.
    """
    species = [name for name in SPECIES if name in confusion.classes]
    if not species or WBC not in confusion.classes:
        raise InvalidValueError(
            f"confusion of classes {', '.join(confusion.classes)}: expected {WBC} and one or more of "
            f"{', '.join(SPECIES)}"
        )
    areas = [field.area_mm2 for field in fields]
    by_area = None not in areas and all(one.area_mm2 is not None for one in confusion.fields)
    searched = sum(area or 0.0 for area in areas) if by_area else float(len(fields))
    draws, plain = [], []
    for names in (species, [WBC]):
        found, false = confusion.found(names), confusion.false_by_field(names, by_area)
        if found.ratio == 0:
            raise InvalidValueError(f"the detector found no {'/'.join(names)} at all on its labelled fields")
        draws += [
            draw_proportion(found.part, found.whole, rng, spec),
            draw_rate(false.part, false.whole, rng, spec) * searched,
        ]
        plain += [found.ratio, false.ratio * searched]
    return ThickErrors(draws[0], draws[1], draws[2], draws[3], (plain[0], plain[1], plain[2], plain[3]))


def corrected_ratio(parasites: FloatArray, wbc: FloatArray, errors: ThickErrors) -> FloatArray:
    """``(M,)`` draws of the true parasites per WBC from those of the counted totals; see the module.

    Where all WBC of a draw may be false, anything is possible: the draw is infinite.
    """
    p = np.maximum(parasites - errors.false, 0.0) / np.maximum(errors.sensitivity, 1e-9)
    w = np.maximum(wbc - errors.wbc_false, 0.0) / np.maximum(errors.wbc_sensitivity, 1e-9)
    ratio: FloatArray = np.divide(p, w, out=np.full_like(p, np.inf), where=w > 0)
    return ratio


def _corrected_value(parasites: float, wbc: float, errors: ThickErrors) -> float:
    found, false, wbc_found, wbc_false = errors.plain
    if wbc <= wbc_false:
        raise InvalidValueError(
            f"{wbc:g} WBC counted where the detector reports {wbc_false:.1f} falsely: too few to count "
            "against; add fields"
        )
    return max(parasites - false, 0.0) / found / ((wbc - wbc_false) / wbc_found)


def _estimate(value: float, draws: FloatArray, level: float, zero: bool) -> Estimate:
    """Where nothing was counted there is no lower end, and all of the level goes to the upper one."""
    tails = [0.0, level] if zero else [(1 - level) / 2, (1 + level) / 2]
    low, high = (float(v) for v in np.quantile(draws, tails, method="higher"))
    if not math.isfinite(high):
        raise InvalidValueError(
            "too few WBC to count against: they may all be false reports, so that the density has no known "
            "upper end; add fields"
        )
    return Estimate(value, 0.0 if zero else min(low, value), max(high, value), level)


def _columns(fields: Sequence[ThickField]) -> tuple[FloatArray, FloatArray]:
    if not fields:
        raise InvalidValueError("no field to count parasites in: expected one or more")
    wbc = np.array([field.wbc for field in fields], np.float64)
    if not wbc.sum() > 0:
        raise InvalidValueError(
            f"no WBC in {len(fields)} fields: parasites cannot be counted against them; add fields (practice "
            f"is {PRACTICE_WBC}), or check that it is a thick smear at the sampling (MPP) of the model"
        )
    return np.array([field.parasites for field in fields], np.float64), wbc


def _notes(parasites: int, wbc: int, wbc_count: WbcCount, errors: ThickErrors | None) -> list[str]:
    notes = []
    if wbc_count.assumed:
        notes.append(
            f"{wbc_count.per_ul:,.0f} WBC per uL are assumed, not measured: the density is off by the factor "
            "by which the patient's count differs; malaria lowers it (density overestimated, by nearly a "
            "third in one study of P. falciparum), young children have more (underestimated)"
        )
        if not wbc_count.relative_sd:
            notes.append("the interval does not hold the error of the assumed WBC count")
    if errors is None:
        notes.append("no confusion of the detector is known: its errors are in no interval")
    elif refuted(parasites, errors.false):
        notes.append(
            f"{parasites} parasites are reported where the detector reports {errors.plain[1]:.1f} falsely on "
            "its labelled fields: its error rates do not fit this smear; rely on the figure as counted and "
            "look at the cells"
        )
    elif 0 < parasites <= errors.plain[1]:
        notes.append(
            f"{parasites} parasites are reported where the detector reports {errors.plain[1]:.1f} falsely: "
            "they may all be false"
        )
    if errors is not None and errors.plain[0] < SELDOM_FOUND:
        notes.append(
            f"of labelled parasites the detector reports {errors.plain[0]:.0%}: most are missed, and the "
            "corrected figure rests on few"
        )
    if parasites == 0:
        notes.append("no parasite was counted: the upper limit is what the smear may still hold")
    if wbc < PRACTICE_WBC:
        notes.append(f"{wbc} WBC counted, usual practice is {PRACTICE_WBC}")
    return notes
