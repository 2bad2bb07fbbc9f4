"""What a bundle knows of its own model, as a count uses it."""

from __future__ import annotations

from pathlib import Path

from retina_domains.bundle import read_bundle
from retina_domains.cells.confusion import CONFUSION_FILE, parse_confusion
from retina_domains.cells.stain import stain_range
from retina_domains.counting.values import CountOptions
from retina_domains.writers.cell_accuracy import ModelRecord


def bundle_options(name_or_path: str | Path) -> CountOptions:
    """Options of a count with a bundle's model: its errors, the stain of its training fields, its accuracy.

    Change what else is wanted with ``dataclasses.replace``.

    Args:
        name_or_path: a shipped bundle's name, or a bundle's folder.

    Raises:
        BundleError: there is no such bundle, or it is damaged.
        InvalidValueError: one of its files breaks its schema.
    """
    bundle = read_bundle(name_or_path)
    path = bundle.folder / CONFUSION_FILE
    # A bundle from before the manifest named the file may have it all the same.
    confusion = parse_confusion(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else None
    told = bundle.manifest
    return CountOptions(
        confusion=confusion,
        stain=stain_range(data.name for data in told.training),
        record=ModelRecord(
            training=told.training, metrics=told.metrics, scores=bundle.scores, confusion=confusion
        ),
    )
