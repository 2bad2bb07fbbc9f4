"""What a reader of a smear's numbers must know of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from retina_domains.cells.quality import THICK_LIMITS, THIN_LIMITS, QualityLimits
from retina_domains.cells.quality import findings as quality_of
from retina_domains.counting.values import CountOptions, FoundField
from retina_domains.errors import RadiometryError
from retina_domains.smear_report import Finding, SmearKind


def quality_limits(kind: SmearKind, options: CountOptions) -> QualityLimits:
    """The limits that fields of a kind of smear are judged by.

    On thick smears few objects are no fault of a field: to leave such fields out would be to leave out those
    without parasites, and raise the density.
    """
    usual = THICK_LIMITS if kind == "thick" else THIN_LIMITS
    return replace(usual, stain=options.stain) if options.limits is None else options.limits


def quality_findings(fields: Sequence[FoundField], limits: QualityLimits) -> list[Finding]:
    """Fields that a count should not be made on unseen."""
    return [
        Finding(one.text.removeprefix(f"{one.field}: "), one.field, one.kind)
        for found in fields
        if found.look is not None
        for one in quality_of(found.image.name, found.look, limits, found.image.mpp)
    ]


def refuse_grey(fields: Sequence[FoundField], warned: Sequence[Finding]) -> None:
    """A smear in grey is refused as a grey image is, though its pictures have three bands.

    Raises:
        RadiometryError: all fields are grey.
    """
    grey = {finding.field: finding.message for finding in warned if finding.kind == "grey"}
    if fields and all(found.image.name in grey for found in fields):
        first = fields[0].image.name
        raise RadiometryError(
            f"{first}: {grey[first]}"
            + (f", and so are all {len(fields)} fields" if len(fields) > 1 else "")
            + "; take pictures in colour (RGB)"
        )


def reading_findings(fields: Sequence[FoundField], failed: Mapping[str, str]) -> list[Finding]:
    """Fields that could not be read, wholly or in part, and fields too crowded for the model."""
    told = [
        Finding(f"Could not be read and is not counted: {why}", name, "unreadable")
        for name, why in failed.items()
    ]
    for found in fields:
        if found.failures:
            text = (
                f"{len(found.failures)} part(s) could not be read, their cells are missing: "
                f"{found.failures[0]}"
            )
            told.append(Finding(text, found.image.name, "partly unreadable"))
        if found.saturated:
            text = "so many cells that the model cut its list short: take smaller tiles (--tile-size)"
            told.append(Finding(text, found.image.name, "crowded"))
    return told


def twin_findings(fields: Sequence[FoundField]) -> list[Finding]:
    """Fields of the same content as one before: their cells count twice, and the interval is too short."""
    first: dict[str, str] = {}
    told = []
    for found in fields:
        name, content = found.image.name, found.image.sha256
        if content and first.setdefault(content, name) != name:
            text = (
                f"the same picture as {first[content]}, so that its cells count twice: leave one of them out "
                f"(--exclude-field {name})"
            )
            told.append(Finding(text, name, "same picture"))
    return told


def marked(findings: Sequence[Finding], excluded: set[str]) -> tuple[Finding, ...]:
    """The findings, with the fields that were left out by choice marked."""
    return tuple(replace(one, excluded=one.field in excluded) for one in findings)
