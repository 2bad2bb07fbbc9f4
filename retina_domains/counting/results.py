"""What a count of smears comes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retina_domains.accounts import EXIT_DONE, EXIT_INCOMPLETE
from retina_domains.cell_table import CellTable
from retina_domains.counting.figures import figure_text
from retina_domains.counting.outputs import REPORT
from retina_domains.smear_report import SmearReport
from retina_domains.types import Window


@dataclass(frozen=True, slots=True)
class SmearResult:
    """The outcome of one smear.

    Args:
        report: what is told of it.
        cells: its table.
        folder: where its files are.
        complete: every field was read to the end.
        paths: of the images, in the order of ``cells.fields``.
        windows: the counting frame of each field, px.
    """

    report: SmearReport
    cells: CellTable
    folder: Path
    complete: bool
    paths: tuple[str, ...]
    windows: tuple[Window, ...]

    @property
    def line(self) -> str:
        """The result in one line."""
        report = self.report
        used = sum(not field.excluded for field in report.fields)
        parts = [figure_text(report.headline[0])]
        counts = [figure for figure in report.headline[1:] if not figure.unit]
        parts += [f"{figure.name} {figure.value:,.0f}" for figure in counts]
        parts.append(f"{used} field{'s' * (used != 1)}")
        if warned := len({finding.field for finding in report.findings if finding.field}):
            parts.append(f"{warned} with warnings")
        return f"{report.title}: {'; '.join(parts)}; research use only: {self.folder / REPORT}"


@dataclass(frozen=True, slots=True)
class CountResult:
    """The outcome of a count.

    Args:
        smears: one a smear that could be counted.
        failures: reason by name of those that could not.
    """

    smears: tuple[SmearResult, ...]
    failures: dict[str, str]

    @property
    def exit_code(self) -> int:
        """0, or 3 where smears, fields or parts of them are missing."""
        whole = not self.failures and all(smear.complete for smear in self.smears)
        return EXIT_DONE if whole else EXIT_INCOMPLETE

    @property
    def lines(self) -> tuple[str, ...]:
        """One line a smear."""
        return tuple(smear.line for smear in self.smears)
