"""The model card that a bundle carries, written from its manifest so that the two cannot disagree."""

from __future__ import annotations

from collections.abc import Sequence

from retina_domains.bundle import Manifest

RESEARCH_ONLY = (
    "**Research use only.** The licence of the training data allows no other use of these weights, whatever "
    "the licence of the code. Not a medical device."
)


def format_card(manifest: Manifest, sha256: str, notes: str | None = None) -> str:
    """Markdown.

    Args:
        manifest: what to tell.
        sha256: of the manifest's file, which identifies the bundle.
        notes: further Markdown: how it was made, where it fails.
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
    if notes:
        parts += ["## Notes", notes.strip()]
    return "\n\n".join(parts) + "\n"


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
                f"intercept {fitted.intercept:.4g} on the logit",
            )
        )
    return rows


def _training(manifest: Manifest) -> str:
    rows = [
        (d.name, d.split, "" if d.images is None else str(d.images), d.licence, d.source or "")
        for d in manifest.training
    ]
    text = _table(("data", "part", "images", "licence", "source"), rows)
    if manifest.command:
        seed = "" if manifest.seed is None else f" (seed {manifest.seed})"
        text += f"\n\nTrained with{seed}:\n\n```\n{manifest.command}\n```"
    return text


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
