"""xView3-SAR: vessels as points in Sentinel-1 scenes (GeoTIFF and CSV)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from retina_domains.cli import guarded
from retina_domains.commands.prepare import run_source
from retina_domains.convert import DataSource
from retina_domains.errors import InputFileError
from retina_domains.labelled import ClassMap, ImageLabels
from retina_domains.readers.datasets import read_xview3

_TABLES = {"train.csv": "train", "validation.csv": "val", "public.csv": "test", "private.csv": "holdout"}
_RASTER = "VH_dB.tif"


def read(root: Path, images: Path | None) -> Sequence[ImageLabels]:
    """All tables that are there, with one raster a scene: VH, in which ships stand out most."""
    tables = [(root / name, split) for name, split in _TABLES.items() if (root / name).is_file()]
    if not tables:
        raise InputFileError(f"{root}: no {' or '.join(_TABLES)}: expected {SOURCE.layout}")
    folder = images or root
    found = [image for table, split in tables for image in read_xview3(table, folder, _RASTER, split)]
    named = {image.path for image in found}
    # No row may mean that a scene holds nothing, or that its table is another: that is not ours to tell.
    return found + [ImageLabels(path) for path in sorted(folder.rglob(_RASTER)) if path not in named]


SOURCE = DataSource(
    name="xview3",
    title="xView3-SAR: Sentinel-1 scenes of about 29,400 x 24,400 px at 10 m, ships and platforms as points",
    licence="the terms at its origin (not checked)",
    origin="https://iuu.xview.us",
    layout="train.csv or validation.csv, and a folder a scene with VH_dB.tif",
    read=read,
    classes=ClassMap.of(
        {
            "fishing vessel": "ship",
            "other vessel": "ship",
            "vessel": "ship",
            "fixed": "drop",
            "unknown": "ignore",
        }
    ),
    split="source",
    notes=(
        "Boxes are squares around points, as long as the vessel: headings are not told. Labels of low "
        "confidence are ignored regions. Of the training scenes only what AIS heard is labelled.",
    ),
)

if __name__ == "__main__":
    sys.exit(guarded(partial(run_source, SOURCE), "prepare_xview3", "--debug" in sys.argv))
