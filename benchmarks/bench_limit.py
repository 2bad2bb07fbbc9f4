"""How often slides are called right, and from which level on: at a stated limit of detection.

``python benchmarks/bench_limit.py [--slides 2000] [--kind thin thick] [--spread 0.4] [--between-slides 0.3]``
simulates slides as counts (``retina_domains/simulate/smear_counts.py``) with the detector that
``bench_coverage.py`` states. The limit of blank and the limit of detection are worked out beforehand from
its rates (``retina_domains/cells/limit.py``); then slides without parasites and slides at the limit are
drawn and called, and the shares that are called right are told with Wilson's intervals.

FROC, the share of parasites found against false reports a field, asks for scores of a real detector:
``retina-domains test --model NAME --data LABELS`` tells it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from bench_coverage import THICK_DETECTOR, THIN_DETECTOR, WBC_PER_UL

from retina_domains.cells.limit import SlideReading, limit_of_blank, limit_of_detection, slide_calls
from retina_domains.cells.values import Estimate
from retina_domains.simulate.smear_counts import ThickPopulation, ThinPopulation, thick_counts, thin_counts
from retina_domains.types import IntArray

CELLS_A_FIELD, WBC_A_FIELD = 100.0, 14.0
THIN_FIELDS, THICK_FIELDS = (20, 100), (36, 100)


@dataclass(frozen=True)
class Case:
    """What is counted.

    Args:
        kind: ``thin`` (levels in per cent) or ``thick`` (in parasites per uL).
        fields: of a slide.
        spread: between fields, of the log odds of infection or of parasites.
        between_slides: of the detector's error rates.
    """

    kind: str
    fields: int
    spread: float
    between_slides: float

    @property
    def reading(self) -> SlideReading:
        """What is expected of a slide, from the detector's stated rates."""
        if self.kind == "thin":
            healthy_called, false = THIN_DETECTOR.first[1], THIN_DETECTOR.false_per_field[1]
            cells = self.fields * CELLS_A_FIELD
            return SlideReading(
                exposure=cells / 100,
                sensitivity=THIN_DETECTOR.second[1] - healthy_called,
                false=cells * healthy_called + self.fields * false,
                spread=self._slide_spread,
            )
        return SlideReading(
            exposure=self.fields * WBC_A_FIELD / WBC_PER_UL,
            sensitivity=THICK_DETECTOR.first[0],
            false=self.fields * THICK_DETECTOR.false_per_field[0],
            spread=self._slide_spread,
        )

    @property
    def _slide_spread(self) -> float:
        """Fields' differences average out over a slide, those of the detector's rates do not.

        The logit of a rare report moves with its own weight and with that of the common one.
        """
        return float(np.hypot(self.spread / self.fields**0.5, 2**0.5 * self.between_slides))

    def reported(self, level: float, slides: int, rng: np.random.Generator) -> IntArray:
        """``(slides,)`` parasites reported on slides of a level."""
        if self.kind == "thin":
            p = level / 100
            c = self.spread**2 * p * (1 - p)
            thin = ThinPopulation(self.fields, CELLS_A_FIELD, p, spread=0.3, clustering=c / (1 + c))
            detector = replace(THIN_DETECTOR, between_slides=self.between_slides)
            return thin_counts(thin, detector, slides, rng).reported[:, :, 1].sum(1)
        mean = WBC_A_FIELD * level / WBC_PER_UL
        thick = ThickPopulation(self.fields, mean, WBC_A_FIELD, thickness=0.3, spread=self.spread)
        detector = replace(THICK_DETECTOR, between_slides=self.between_slides)
        return thick_counts(thick, detector, slides, rng).reported[:, :, 0].sum(1)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: Case
    blank: int
    limit: float
    sensitivity: Estimate
    specificity: Estimate
    sensitivity_at_twice: Estimate


def called_right(case: Case, slides: int, seed: int) -> Row:
    """Slides without parasites, at the limit and at twice the limit, called by the limit of blank."""
    blank = limit_of_blank(case.reading)
    limit = limit_of_detection(case.reading, blank)
    rng = np.random.default_rng([seed, case.fields, case.kind == "thin"])
    levels = [0.0, limit, 2 * limit]
    called = [case.reported(level, slides, rng) > blank for level in levels]
    level = np.repeat(levels[:2], slides)
    at_limit = slide_calls(np.concatenate(called[:2]), level, limit)
    twice = slide_calls(called[2], np.full(slides, levels[2]), limit)
    assert at_limit.sensitivity is not None
    assert at_limit.specificity is not None
    assert twice.sensitivity is not None
    return Row(case, blank, limit, at_limit.sensitivity, at_limit.specificity, twice.sensitivity)


def line(row: Row) -> str:
    """As a row of a Markdown table."""
    unit, digits = ("%", 3) if row.case.kind == "thin" else ("/µL", 0)
    shares = (row.specificity, row.sensitivity, row.sensitivity_at_twice)
    told = " | ".join(f"{s.value:.1%} [{s.low:.1%}, {s.high:.1%}]" for s in shares)
    return f"| {row.case.kind} | {row.case.fields} | {row.blank} | {row.limit:.{digits}f} {unit} | {told} |"


def main() -> None:
    """Parse arguments and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slides", type=int, default=2000, help="of each level (default: %(default)s)")
    parser.add_argument("--kind", nargs="+", choices=("thin", "thick"), default=["thin", "thick"])
    parser.add_argument("--spread", type=float, default=0.4, help="between fields (default: %(default)s)")
    parser.add_argument(
        "--between-slides", type=float, default=0.0, help="of the detector's rates (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the lines here too")
    args = parser.parse_args()
    print(
        "| smear | fields | highest negative | limit of detection | specificity | at the limit | at twice |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    rows = []
    for kind in args.kind:
        for fields in THIN_FIELDS if kind == "thin" else THICK_FIELDS:
            case = Case(kind, fields, args.spread, args.between_slides)
            rows.append(called_right(case, args.slides, args.seed))
            print(line(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
