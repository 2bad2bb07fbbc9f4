"""How much one model exceeds another in paired runs, with its 95 % interval.

``python benchmarks/bench_paired.py --reference stock RUN... --side ours RUN... [--side fcos RUN...]
--data val.json --figure parasite=pf+pm+po+pv:AP50 pf:AP50 ship:AP:small [--images DIR] [--out JSON]``

A run is a work dir of ``tools/train.py``: the config in it and its last ``iter_*.pth``, averaged weights
where there are some. Images are predicted whole; what was found is kept in the run as COCO results, which
``retina-domains compare`` reads too, and is not computed again. A figure is
NAME[=CLASS+CLASS]:MEASURE[:AREA]: its classes are taken as one, all others are left out, true and predicted;
measures are AP, AP50 and AP75, areas those of COCO. With ``--one-a-place 0.5``, of predictions of these
classes that overlap more only the best counts, for all sides alike: a model may tell an object as of two
classes.

Prints a Markdown table: the mean over each side's runs, every run, the difference to the reference in points
and its interval. Every resample draws scenes, the same for both sides, and runs of each side, so that the
interval holds the luck of the seed too, as far as so few runs tell it. Where the objects lie in some three
scenes or fewer, images are drawn instead of scenes, which the last column says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retina_domains.errors import InputFileError, InvalidValueError, RetinaDomainsError
from retina_domains.evaluation.align import AlignSpec, Comparison
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.evaluation.matching import MatchRule
from retina_domains.evaluation.objects import ObjectTable
from retina_domains.evaluation.paired import AskedFigure, PairedFigure, one_a_place, paired_figure
from retina_domains.evaluation.report import plain
from retina_domains.readers.labels import LabelContext, read_ids, read_objects
from retina_domains.scoring import compare_detections, detect_images, labelled_images
from retina_domains.writers.atomic import write_text

POINTS = 100.0


@dataclass(frozen=True)
class LabelledSet:
    """What all runs predict: the labels, where the images are, and the names of the classes."""

    labels: Path
    images: tuple[str, ...]
    truth: ObjectTable
    classes: tuple[str, ...]

    @classmethod
    def read(cls, labels: Path, images: Sequence[str]) -> LabelledSet:
        """From a COCO file."""
        folder = Path(images[0]) if images and Path(images[0]).is_dir() else None
        truth = read_objects(labels, LabelContext(folder))
        categories = json.loads(labels.read_bytes())["categories"]
        ordered = sorted(categories, key=lambda category: category["id"])
        return cls(labels, tuple(images), truth, tuple(category["name"] for category in ordered))


def last_state(run: Path) -> tuple[Path, Path]:
    """Config and last checkpoint of a finished run.

    Raises:
        InputFileError: there is no config, more than one, no checkpoint, or training has not ended.
    """
    configs = sorted(run.glob("*.py"))
    states = {int(path.stem.removeprefix("iter_")): path for path in run.glob("iter_*.pth")}
    if len(configs) != 1 or not states:
        raise InputFileError(
            f"run {run}: {len(configs)} configs and {len(states)} iter_*.pth: expected one config and its "
            "checkpoints, as tools/train.py leaves them"
        )
    asked = re.search(r"^max_iters\s*=\s*(\d+)", configs[0].read_text(), re.MULTILINE)
    if asked is None or max(states) != int(asked[1]):
        wanted = "no max_iters" if asked is None else f"max_iters {asked[1]}"
        raise InputFileError(f"run {run}: is at iteration {max(states)}, its config has {wanted}: let it end")
    return configs[0], states[max(states)]


def predictions(run: Path, data: LabelledSet, threads: int | None) -> ObjectTable:
    """What the last state of a run finds in the set, from the run's own file where it is there."""
    config, checkpoint = last_state(run)
    digest = hashlib.sha256(checkpoint.read_bytes() + data.labels.read_bytes()).hexdigest()[:12]
    path = run / f"{data.labels.stem}-{checkpoint.stem}-{digest}.coco.json"
    if not path.exists():
        print(f"{run}: predicting {len(data.truth.scenes)} images with {checkpoint.name}", file=sys.stderr)
        write_text(path, json.dumps(_detected(config, checkpoint, data, threads)) + "\n")
    return read_objects(path, LabelContext(None, read_ids(data.labels)))


def _detected(config: Path, checkpoint: Path, data: LabelledSet, threads: int | None) -> list[dict[str, Any]]:
    """COCO results, boxes to a thousandth of a pixel."""
    # Here and not above: with predictions at hand there is no need of torch.
    from retina_domains.plugin.from_config import detector_from_config

    detector = detector_from_config(config, checkpoint, threads=threads)
    images = labelled_images(data.labels, data.truth, data.images)
    table = detect_images(detector, images, data.truth.facts).table
    content = json.loads(data.labels.read_bytes())
    image_ids = {image["file_name"]: image["id"] for image in content["images"]}
    class_ids = {category["name"]: category["id"] for category in content["categories"]}
    assert table.pixel is not None
    assert table.scores is not None
    sides = np.c_[table.pixel[:, :2], table.pixel[:, 2:] - table.pixel[:, :2]].round(3).tolist()
    columns = zip(table.scene.tolist(), table.names.tolist(), sides, table.scores.tolist(), strict=True)
    return [
        {
            "image_id": image_ids[table.scenes[scene]],
            "category_id": class_ids[name],
            "bbox": xywh,
            "score": score,
        }
        for scene, name, xywh, score in columns
    ]


def compared(found: ObjectTable, data: LabelledSet, figure: AskedFigure, place: float | None) -> Comparison:
    """A run beside the truth, with the classes of one figure and, where asked, one prediction a place."""
    spec = AlignSpec(MatchRule("iou", 0.5), "px", figure.class_map(data.classes))
    comparison = compare_detections(found, data.truth, data.classes, spec)
    return comparison if place is None else one_a_place(comparison, place)


def contrasts(
    sides: Mapping[str, Sequence[ObjectTable]],
    data: LabelledSet,
    figures: Sequence[AskedFigure],
    spec: BootstrapSpec,
    place: float | None = None,
) -> list[tuple[str, PairedFigure]]:
    """Every figure of every side but the first, beside the first."""
    reference, *others = sides
    rows = []
    for figure in figures:
        runs = {name: [compared(run, data, figure, place) for run in sides[name]] for name in sides}
        rows += [(name, paired_figure(figure, runs[reference], runs[name], spec)) for name in others]
    return rows


def table(reference: str, rows: Sequence[tuple[str, PairedFigure]]) -> str:
    """Markdown: a row a side and figure, the reference before those that are compared with it."""
    lines = [
        f"| figure | model | value | each run | less {reference}, points | 95 % interval | drawn |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    seen = set()
    for name, row in rows:
        if row.figure not in seen:
            lines.append(f"| {row.figure} | {reference} | {_mean(row.reference)} | | | |")
            seen.add(row.figure)
        i = row.difference.interval
        bounds = f"{POINTS * i.low:+.1f} to {POINTS * i.high:+.1f}" if np.isfinite(i.low) else "not defined"
        lines.append(
            f"| {row.figure} | {name} | {_mean(row.side)} | {POINTS * i.value:+.1f} | {bounds} | "
            f"{i.groups} {row.over} |"
        )
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> str:
    return f"{_short(float(np.mean(values)))} | {', '.join(_short(v) for v in values)}"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def as_dict(reference: str, rows: Sequence[tuple[str, PairedFigure]]) -> dict[str, Any]:
    """The same for JSON; values are shares, not points."""
    facts = [
        {
            "figure": str(row.figure),
            "classes": list(row.figure.classes),
            "reference": reference,
            "reference_runs": list(row.reference),
            "side": name,
            "side_runs": list(row.side),
            "value": float(np.mean(row.side)),
            "difference": row.difference.interval.value,
            "low": row.difference.interval.low,
            "high": row.difference.interval.high,
            "p": row.difference.p_value,
            "drawn": f"{row.difference.interval.groups} {row.over}",
            "replicates": row.difference.interval.replicates,
        }
        for name, row in rows
    ]
    return {"figures": plain(facts)}


def options() -> argparse.ArgumentParser:
    """What it takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", nargs="+", required=True, metavar="NAME RUN", help="compared with")
    parser.add_argument("--side", nargs="+", action="append", required=True, metavar="NAME RUN")
    parser.add_argument("--data", type=Path, required=True, metavar="JSON", help="COCO file")
    parser.add_argument("--images", nargs="+", default=[], metavar="DIR", help="where not beside it")
    parser.add_argument("--figure", nargs="+", required=True, type=AskedFigure.parse)
    parser.add_argument("--one-a-place", type=float, metavar="IOU", help="(default: all predictions count)")
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, metavar="JSON")
    return parser


def run(args: argparse.Namespace) -> None:
    """Predict what is not yet predicted, compare, print, write."""
    data = LabelledSet.read(args.data, args.images)
    sides: dict[str, list[ObjectTable]] = {}
    for name, *folders in (args.reference, *args.side):
        if not folders or name in sides:
            raise InvalidValueError(f"side {name!r}: expected a name of its own and one or more runs")
        sides[name] = [predictions(Path(folder), data, args.threads) for folder in folders]
    spec = BootstrapSpec(args.replicates, seed=args.seed)
    rows = contrasts(sides, data, args.figure, spec, args.one_a_place)
    print(table(args.reference[0], rows))
    if args.out:
        facts = {"data": str(args.data), "one_a_place": args.one_a_place, **as_dict(args.reference[0], rows)}
        write_text(args.out, json.dumps(facts, indent=2) + "\n")


def main() -> int:
    """Run, or say in one line what is wrong."""
    try:
        run(options().parse_args())
    except RetinaDomainsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
