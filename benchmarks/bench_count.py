"""What counting costs, and what the tiles cost it: fields a minute by stage; cells at the seams of a slide.

    python benchmarks/bench_count.py fields FOLDER --model blood-thin [--threads 2]
    python benchmarks/bench_count.py slide [--size 40000x40000] [--cells 100000] [--jitter 1.0] [--keep PATH]

``fields`` counts a folder of fields, which is one smear, and tells fields a minute and seconds by stage; the
time in which the model is loaded does not count.

``slide`` simulates a slide as a pyramidal TIFF (a file that ``--keep`` names is made once), counts it by the
whole command with a detector that knows the truth, and compares. The detector gives what of each cell a tile
shows, every side of a box off by up to ``--jitter`` px, differently in each tile. *Lost* is a cell that the
same rules would tell from the boxes as they are, and that the tiled count has not; *twice* one that it has
more than once. Peak memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely

from retina_domains.accounts import peak_memory_mib
from retina_domains.cells.hosts import HostSpec
from retina_domains.commands.model_choice import ModelChoice
from retina_domains.counting import CountOptions, CountOutputs, count_smears
from retina_domains.counting.objects import field_objects
from retina_domains.inference import InferenceOptions
from retina_domains.progress import Progress
from retina_domains.types import Chip, Detections, FloatArray, InputSpec, IntArray

SIMULATE = Path(__file__).parents[1] / "datasets" / "simulate_slide.py"
_LEAST_SEEN_PX = 4.0


@dataclass(frozen=True, slots=True)
class Truth:
    """The cells of a slide.

    Args:
        classes: names, in the order of labels.
        xyxy: ``(N, 4)`` px.
        labels: ``(N,)``.
    """

    classes: tuple[str, ...]
    xyxy: FloatArray
    labels: IntArray

    @classmethod
    def read(cls, path: Path) -> Truth:
        """From the COCO file beside a simulated slide."""
        told = json.loads(path.read_text(encoding="utf-8"))
        names = {entry["id"]: entry["name"] for entry in told["categories"]}
        classes = tuple(names.values())
        boxes = np.array([one["bbox"] for one in told["annotations"]], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = [classes.index(names[one["category_id"]]) for one in told["annotations"]]
        return cls(classes, boxes, np.array(labels, np.int64))


@dataclass
class TruthDetector:
    """Gives the cells of each chip, cut to it, with an error that differs from tile to tile."""

    truth: Truth
    jitter: float
    input_spec: InputSpec = field(default_factory=lambda: InputSpec(3, low=(0.0,) * 3, high=(255.0,) * 3))
    max_object_px: int = 256
    halo_px: int = 32
    tile_multiple: int = 32
    tile_size: int = 1024
    score_threshold: float = 0.3
    provenance: dict[str, str] = field(default_factory=lambda: {"model": "truth", "model_sha256": "none"})

    def __post_init__(self) -> None:
        self.classes = self.truth.classes
        self._tree = shapely.STRtree(np.asarray(shapely.box(*self.truth.xyxy.T), dtype=object))

    def __call__(self) -> TruthDetector:
        """Its own factory."""
        return self

    def predict(self, batch: Sequence[Chip]) -> list[Detections]:
        """What the chips show."""
        return [self._find(chip) for chip in batch]

    def _find(self, chip: Chip) -> Detections:
        window = chip.tile.window
        rows = np.sort(self._tree.query(shapely.box(*window.xyxy)))
        seed = hashlib.sha256(f"{window.row} {window.col}".encode()).digest()[:8]
        rng = np.random.default_rng(int.from_bytes(seed, "big"))
        boxes = self.truth.xyxy[rows] + rng.uniform(-self.jitter, self.jitter, (len(rows), 4))
        boxes = np.clip(boxes - np.tile([window.col, window.row], 2), 0, [window.width, window.height] * 2)
        seen = ((boxes[:, 2:] - boxes[:, :2]) >= _LEAST_SEEN_PX).all(axis=1)
        return Detections.of(boxes[seen], np.full(int(seen.sum()), 0.9), self.truth.labels[rows[seen]])


def expected(truth: Truth, tiled: FloatArray) -> dict[str, int]:
    """Cells told from the truth at once, and how many of them the tiled count has lost or has twice.

    Args:
        truth: of the slide.
        tiled: ``(M, 4)`` boxes of the tiled count.
    """
    seen = ((truth.xyxy[:, 2:] - truth.xyxy[:, :2]) >= _LEAST_SEEN_PX).all(axis=1)
    boxes = Detections.of(truth.xyxy[seen], np.full(int(seen.sum()), 0.9), truth.labels[seen], frame="scene")
    single = field_objects(boxes, truth.classes, "thin", HostSpec()).found.xyxy
    shapes = np.asarray(shapely.box(*single.T), dtype=object)
    a, b = shapely.STRtree(shapes).query(np.asarray(shapely.box(*tiled.T), dtype=object))
    off = np.abs(tiled[a] - single[b]).max(axis=1)
    # Each tiled box belongs to the cell whose sides it comes nearest to.
    order = np.lexsort((off, a))
    first = np.diff(a[order], prepend=-1) != 0
    nearest, error = b[order][first], off[order][first]
    times = np.bincount(nearest[error <= _LEAST_SEEN_PX], minlength=len(single))
    return {
        "cells": len(single),
        "counted": len(tiled),
        "lost": int((times == 0).sum()),
        "twice": int((times > 1).sum()),
        "strange": int((error > _LEAST_SEEN_PX).sum()) + len(tiled) - len(nearest),
    }


def bench_slide(args: argparse.Namespace) -> None:
    """Simulate, count, compare."""
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "slide.tiff" if args.keep is None else args.keep
        if not slide.exists():
            call = [sys.executable, str(SIMULATE), str(slide), "--size", args.size, "--no-outlines"]
            call += ["--cells", str(args.cells), "--seed", str(args.seed), "--jobs", str(args.jobs)]
            subprocess.run(call, check=True)
        truth = Truth.read(slide.with_name(f"{slide.name}.truth.json"))
        print(f"held before counting: {peak_memory_mib()} MiB")
        started = time.monotonic()
        options = CountOptions(frame=False, inference=InferenceOptions(measure="off", threads=args.threads))
        result = count_smears(
            [slide], TruthDetector(truth, args.jitter), CountOutputs(folder=Path(folder) / "out"), options
        )
        seconds = time.monotonic() - started
        summary = json.loads((Path(folder) / "out" / "summary.json").read_text())
    cells = result.smears[0].cells
    facts = expected(truth, cells.xyxy)
    wrong = facts["lost"] + facts["twice"]
    print(json.dumps({**facts, "share_wrong": round(wrong / max(facts["cells"], 1), 6)}))
    print(f"{seconds:.0f} s; by stage {json.dumps(summary['seconds'])}; peak memory {peak_memory_mib()} MiB")


def bench_fields(args: argparse.Namespace) -> None:
    """Count a folder and tell the speed."""
    choice = ModelChoice(args.model, args.config, args.checkpoint, threads=args.threads)
    detector = choice()
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        options = CountOptions(inference=InferenceOptions(measure="off", batch_size=1))
        result = count_smears(
            [args.folder], lambda: detector, CountOutputs(folder=Path(folder)), options, Progress(quiet=False)
        )
        seconds = time.monotonic() - started
        summary = json.loads((Path(folder) / "summary.json").read_text())
    print(fields_table(len(result.smears[0].report.fields), summary["seconds"], seconds))
    print(f"peak memory {peak_memory_mib()} MiB")


def fields_table(fields: int, by_stage: Mapping[str, float], seconds: float) -> str:
    """Seconds of a count by stage, the longest first.

    Args:
        fields: that were counted.
        by_stage: seconds, and the ``total`` until files were written.
        seconds: of the whole count.
    """
    stages = {name: spent for name, spent in by_stage.items() if name != "total"}
    stages["tables, pictures, page"] = max(0.0, seconds - by_stage["total"])
    lines = [
        f"{fields} fields in {seconds:.1f} s: {60 * fields / seconds:.1f} fields a minute",
        "",
        "| stage | s | ms a field | of all |",
        "|---|---:|---:|---:|",
    ]
    for name, spent in sorted(stages.items(), key=lambda item: -item[1]):
        lines.append(f"| {name} | {spent:.2f} | {1000 * spent / fields:.0f} | {spent / seconds:.0%} |")
    return "\n".join([*lines, "", "Reading goes on while the model works: shares may pass 100 %."])


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description="Costs of counting, and cells at seams.")
    kinds = parser.add_subparsers(required=True)
    fields = kinds.add_parser("fields")
    fields.add_argument("folder", type=Path)
    for name in ("--model", "--config", "--checkpoint"):
        fields.add_argument(name)
    fields.add_argument("--threads", type=int, default=2)
    fields.set_defaults(run=bench_fields)
    slide = kinds.add_parser("slide")
    slide.add_argument("--size", default="40000x40000", metavar="HxW")
    slide.add_argument("--cells", type=int, default=100_000)
    slide.add_argument("--jitter", type=float, default=1.0)
    slide.add_argument("--seed", type=int, default=3)
    slide.add_argument("--jobs", type=int, default=2)
    slide.add_argument("--threads", type=int, default=2)
    slide.add_argument("--keep", type=Path, metavar="TIFF", help="use this slide; made where it is missing")
    slide.set_defaults(run=bench_slide)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
