"""The model card that a bundle carries, written from its manifest so that the two cannot disagree."""

from __future__ import annotations

from collections.abc import Sequence

from retina_domains.bundle import FIGURE, Calibration, Manifest, ObjectSizes
from retina_domains.score_report import Failure, ScoreReport
from retina_domains.score_text import HEAD, score_rows, together, told_choice, told_folds

_NOTES = "## Notes"
RESEARCH_ONLY = (
    "**Research use only.** The licence of the training data allows no other use of these weights, whatever "
    "the licence of the code. Not a medical device."
)


def format_card(
    manifest: Manifest, sha256: str, notes: str | None = None, scores: ScoreReport | None = None
) -> str:
    """Markdown.

    Args:
        manifest: what to tell.
        sha256: of the manifest's file, which identifies the bundle.
        notes: further Markdown: how it was made, where it fails.
        scores: what was measured of its scores; the figure of them lies beside the card.
    """
    parts = [
        f"# {manifest.name} {manifest.version}",
        f"Finds: {', '.join(manifest.classes)}. Bundle `{sha256[:16]}`.",
    ]
    if manifest.research_only:
        parts.append(RESEARCH_ONLY)
    parts += ["## Use", _table(("", ""), _use_rows(manifest))]
    parts += ["## Training", _training(manifest)]
    parts += ["## Results", _results(manifest)]
    if scores is not None:
        parts += ["## Scores", _scores(scores), "## Errors", _errors(manifest, scores)]
    if notes:
        parts += [_NOTES, notes.strip()]
    return "\n\n".join(parts) + "\n"


def notes_of(card: str) -> str | None:
    """The notes of a card that ``format_card`` wrote, or None."""
    _, found, notes = card.partition(f"\n{_NOTES}\n")
    return notes.strip() or None if found else None


def _use_rows(manifest: Manifest) -> list[tuple[str, ...]]:
    spec, net = manifest.input, manifest.architecture
    low, high = net.object_size_range
    rows: list[tuple[str, ...]] = [
        ("input", f"{spec.channels} band(s), {spec.radiometry}, {_span(spec.low)} to {_span(spec.high)}"),
        ("object size (sqrt w h)", f"{low:g} to {high:g} px, at most {manifest.max_object_px} px long"),
        ("tiles", f"{manifest.tile_size} px, overlap {manifest.overlap} px"),
        ("score threshold", manifest.thresholds.text),
        ("network", f"{net.backbone_name}, {net.num_stages} stages, level strides {_span(net.strides)}"),
    ]
    if spec.gsd_range:
        rows.append(("ground sampling", f"{spec.gsd_range[0]:g} to {spec.gsd_range[1]:g} m/px"))
    if spec.mpp_range:
        rows.append(("slide sampling", f"{spec.mpp_range[0]:g} to {spec.mpp_range[1]:g} µm/px"))
    if manifest.calibration:
        fitted = manifest.calibration
        rows.append(
            (
                "scores",
                f"calibrated on {fitted.data or 'unnamed data'}: slope {fitted.slope:.4g}, "
                f"intercept {fitted.intercept:.4g} on the logit" + _own_curves(manifest, fitted),
            )
        )
    return rows


def _own_curves(manifest: Manifest, fitted: Calibration) -> str:
    if fitted.by_class is None:
        return ""
    told = [
        f"{name} {curve.slope:.4g}, {curve.intercept:.4g}"
        for name, curve in zip(manifest.classes, fitted.by_class, strict=True)
        if curve is not None
    ]
    return f"; of their own: {'; '.join(told)}"


def _training(manifest: Manifest) -> str:
    rows = [
        (d.name, d.split, "" if d.images is None else str(d.images), d.licence, d.source or "")
        for d in manifest.training
    ]
    text = _table(("data", "part", "images", "licence", "source"), rows)
    if manifest.object_sizes is not None:
        text += f"\n\n{_sizes(manifest, manifest.object_sizes)}"
    if manifest.command:
        seed = "" if manifest.seed is None else f" (seed {manifest.seed})"
        text += f"\n\nTrained with{seed}:\n\n```\n{manifest.command}\n```"
    return text


def _sizes(manifest: Manifest, sizes: Sequence[ObjectSizes]) -> str:
    """How many training objects lie outside the range that the network is made for."""
    low, high = manifest.architecture.object_size_range
    total, below, above = (sum(getattr(s, name) for s in sizes) for name in ("objects", "below", "above"))
    text = (
        f"Of the {total:,} training objects {below:,} are smaller than {low:g} px and {above:,} larger than "
        f"{high:g} px (square root of the box's area)."
    )
    if len(sizes) == 1:
        return text
    rows = [(s.name, f"{s.objects:,}", f"{s.below:,}", f"{s.above:,}") for s in sizes]
    return text + "\n\n" + _table(("class", "objects", "smaller", "larger"), rows)


def _scores(scores: ScoreReport) -> str:
    """Thresholds, what they come to, and what a score is worth."""
    words = [f"On {scores.data}; match {scores.match}; {told_folds(scores)}. {told_choice(scores)}"]
    words += [
        f"{names} are judged as one: a score is the chance that it is any of them, not that it is this one."
        for names in together(scores)
    ]
    words.append(
        "Calibration error is the mean gap between score and share that is right, over 15 bins, raw and "
        "calibrated: of all candidates, and of those that are kept by the threshold."
    )
    words += scores.notes
    parts = [" ".join(words), _table(HEAD, score_rows(scores))]
    parts.append(f"![Score against the share that is right, before and after]({FIGURE})")
    if scores.command:
        parts.append(f"```\n{scores.command}\n```")
    return "\n\n".join(parts)


def _errors(manifest: Manifest, scores: ScoreReport) -> str:
    """Kinds of errors at the thresholds, and the worst of them."""
    parts = []
    if scores.errors:
        told = ", ".join(f"{one.what} {one.count}" for one in scores.errors)
        parts.append(f"At the thresholds, on the same data: {told}.")
    if scores.failures:
        rows = [_failure_row(one) for one in scores.failures]
        parts.append(_table(("image", "at x, y", "size, px", "class", "score", "error"), rows))
    parts.append(
        f"Pictures of them: `retina-domains calibrate --model {manifest.name} --data LABELS.json "
        "--out scores.json --failures failures.png`."
    )
    return "\n\n".join(parts)


def _failure_row(one: Failure) -> tuple[str, ...]:
    score = "" if one.score is None else f"{one.score:.2f}"
    return (one.image, f"{one.x:.0f}, {one.y:.0f}", f"{one.size:.0f}", one.class_name, score, one.what)


def _results(manifest: Manifest) -> str:
    rows = [
        (
            m.name,
            f"{m.value:.4g}",
            f"{m.interval[0]:.4g} to {m.interval[1]:.4g}" if m.interval else "",
            m.data,
            f"`{m.command}`",
        )
        for m in manifest.metrics
    ]
    return _table(("figure", "value", "95 % interval", "data", "command"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _span(values: Sequence[float]) -> str:
    return ", ".join(f"{v:g}" for v in values)
