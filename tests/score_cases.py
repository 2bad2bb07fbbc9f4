"""A detector's findings on invented fields of red cells and rings, and a bundle without a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from retina_domains.bundle import (
    Calibration,
    Manifest,
    Metric,
    SmallObjectRetinaNetSpec,
    TrainingData,
    file_sha256,
    format_manifest,
)
from retina_domains.evaluation.align import AlignSpec
from retina_domains.evaluation.matching import MatchRule
from retina_domains.evaluation.objects import ObjectTable, SceneFacts
from retina_domains.known_errors import Labelled
from retina_domains.types import InputSpec

CLASSES = ("RBC", "ring", "gametocyte")
SIDE = 10.0


def table(kind: str, rows: list[tuple[int, str, float, float]], fields: int) -> ObjectTable:
    """Boxes of 10 px at (100 k, 0): field, class, k, score."""
    boxes = np.array([[100 * k, 0, 100 * k + SIDE, SIDE] for _, _, k, _ in rows]).reshape(-1, 4)
    names = tuple(f"f{i}.png" for i in range(fields))
    return ObjectTable(
        source=kind,
        kind=kind,
        scenes=names,
        scene=np.array([field for field, _, _, _ in rows], np.int64),
        names=np.array([name for _, name, _, _ in rows], np.str_),
        scores=np.array([score for _, _, _, score in rows]) if kind == "found" else None,
        pixel=boxes,
        lonlat=None,
        crs="",
        ignored=np.zeros(len(rows), bool),
        crowd=np.zeros(len(rows), bool),
        facts={name: SceneFacts(group=f"slide{i % 5}") for i, name in enumerate(names)},
    )


def labelled_fields(fields: int = 20) -> Labelled:
    """Each field: 10 red cells, 2 rings and a gametocyte.

    Found: 9 red cells with .6, one cell where there is none with .3; the gametocyte and both rings with .3,
    of which one as a gametocyte; and a ring where there is nothing with .1.
    """
    truth = [(f, "RBC", k, 1.0) for f in range(fields) for k in range(10)]
    truth += [(f, "ring", k, 1.0) for f in range(fields) for k in (20, 21)]
    truth += [(f, "gametocyte", 30, 1.0) for f in range(fields)]
    found = [(f, "RBC", k, 0.6) for f in range(fields) for k in range(9)]
    found += [(f, "RBC", 40, 0.3) for f in range(fields)]
    found += [(f, "ring", 20, 0.3) for f in range(fields)]
    found += [(f, "gametocyte", 21, 0.3) for f in range(fields)]
    found += [(f, "gametocyte", 30, 0.3) for f in range(fields)]
    found += [(f, "ring", 50, 0.1) for f in range(fields)]
    return Labelled(
        model="test-thin",
        classes=CLASSES,
        found=table("found", found, fields),
        truth=table("truth", truth, fields),
        data="invented/val.json",
        align=AlignSpec(MatchRule("iou", 0.5)),
        match="iou:0.5",
    )


MANIFEST = Manifest(
    format_version=1,
    name="test-thin",
    version="1",
    architecture=SmallObjectRetinaNetSpec(num_classes=3, object_size_range=(12.0, 60.0)),
    classes=CLASSES,
    input=InputSpec(3, low=(0.0,) * 3, high=(255.0,) * 3),
    mean=(180.0,) * 3,
    std=(50.0,) * 3,
    tile_size=640,
    overlap=96,
    score_threshold=0.3,
    max_object_px=60,
    halo_px=16,
    tile_multiple=32,
    research_only=True,
    training=(TrainingData(name="invented", licence="CC0-1.0", split="train", images=20),),
    metrics=(Metric(name="AP50", value=0.6, data="val", command="tools/test.py"),),
    weights_sha256="0" * 64,
    calibration=Calibration(slope=1.0),
)


def write_bundle(folder: Path, notes: str = "") -> Path:
    """Its weights are of no network, which only a detector would notice."""
    folder.mkdir()
    save_file({"a": np.ones(3, np.float32)}, folder / "model.safetensors")
    manifest = replace(MANIFEST, weights_sha256=file_sha256(folder / "model.safetensors"))
    (folder / "bundle.json").write_text(format_manifest(manifest))
    (folder / "card.md").write_text(f"# test-thin\n\n## Notes\n\n{notes}\n")
    return folder
