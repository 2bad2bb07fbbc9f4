"""Count the cells of blood smears: numbers with intervals, a table of cells, a page to check them on.

Research use only. Pictures in one folder are the fields of one smear; a whole slide is a smear by itself.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from retina_domains.cells.density import ASSUMED_WBC, ASSUMED_WBC_PER_UL, WbcCount
from retina_domains.cells.values import DrawSpec
from retina_domains.commands.comparing import renaming
from retina_domains.commands.model_choice import ModelChoice
from retina_domains.corrections import read_corrections
from retina_domains.counting import CountOptions, CountOutputs, bundle_options, count_smears
from retina_domains.counting.labelled import beside_labels, read_labelled
from retina_domains.counting.labelled_outputs import accuracy_text, write_accuracy
from retina_domains.counting.overlapping import read_positions
from retina_domains.counting.values import LabelledFields
from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.inference import InferenceOptions
from retina_domains.progress import Progress
from retina_domains.types import TileSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="field, folder of fields, pattern, list, slide"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for the results; made where missing"
    )
    parser.add_argument("--overlays", action="store_true", help="write each field with its cells as PNG, too")
    parser.add_argument(
        "--corrections", metavar="FILE", help="recompute with what was corrected on the report page (JSON)"
    )
    _add_model(parser)
    _add_counting(parser)
    labels = parser.add_argument_group("labelled fields")
    labels.add_argument(
        "--truth", metavar="LABELS", help="count the fields that these labels are of, and compare"
    )
    labels.add_argument(
        "--class-map",
        nargs="+",
        default=[],
        metavar="OLD=NEW",
        help="rename the labels' classes; OLD= drops",
    )
    run = parser.add_argument_group("run")
    run.add_argument("--tile-size", type=int, metavar="PX", help="side of a tile (default: the model's own)")
    run.add_argument(
        "--batch-size", type=int, default=1, metavar="N", help="tiles at a time (default: %(default)s)"
    )
    run.add_argument("--threads", type=int, metavar="N", help="CPU threads of the model (default: all)")
    run.add_argument("--read-threads", type=int, default=2, metavar="N", help="default: %(default)s")
    run.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    run.add_argument("--quiet", action="store_true", help="no progress on stderr")


def _add_model(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("model")
    model.add_argument("--model", metavar="NAME|BUNDLE", help="a shipped bundle's name, or a bundle's folder")
    model.add_argument("--config", metavar="CFG", help="instead: an MMDetection config, which is executed")
    model.add_argument("--checkpoint", metavar="CKPT", help="its weights")
    model.add_argument(
        "--score-thr", type=float, metavar="SCORE", help="drop detections below (default: the model's own)"
    )


def _add_counting(parser: argparse.ArgumentParser) -> None:
    count = parser.add_argument_group("counting")
    count.add_argument(
        "--smear",
        choices=("thin", "thick", "cells"),
        help="what is counted (default: by the model's classes)",
    )
    count.add_argument(
        "--mpp", type=float, metavar="UM", help="micrometres a pixel, where the files do not say or are wrong"
    )
    count.add_argument(
        "--wbc-per-ul",
        "--wbc-count",
        type=float,
        metavar="N",
        help=f"the patient's white cells in a microlitre (default: {ASSUMED_WBC_PER_UL:,.0f}, assumed)",
    )
    count.add_argument(
        "--frame",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="cells that touch the right or lower edge do not count (default); --no-frame: every cell counts",
    )
    count.add_argument(
        "--positions",
        metavar="CSV",
        help="where overlapping fields lie on their slide (field,x_px,y_px): a cell they share counts once",
    )
    count.add_argument(
        "--exclude-field",
        action="append",
        default=[],
        metavar="NAME",
        help="leave a field out of the numbers",
    )
    count.add_argument(
        "--exclude-bad", action="store_true", help="leave out all fields with a quality warning"
    )
    count.add_argument(
        "--interval-width",
        type=float,
        metavar="SHARE",
        help="tell how many more fields bring the interval to this, such as 0.2 for plus or minus 20 %%",
    )
    count.add_argument("--level", type=float, default=0.95, help="of the intervals (default: %(default)s)")
    count.add_argument("--seed", type=int, default=0, help="of the intervals' draws (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Count; one line of result a smear on stdout."""
    choice = ModelChoice(args.model, args.config, args.checkpoint, args.device, args.threads, args.score_thr)
    labelled = _labelled(args)
    options = replace(
        CountOptions() if args.model is None else bundle_options(args.model),
        kind=args.smear,
        mpp=args.mpp,
        wbc=ASSUMED_WBC if args.wbc_per_ul is None else WbcCount(args.wbc_per_ul, assumed=False),
        frame=args.frame,
        positions=None if args.positions is None else read_positions(args.positions),
        corrections=None if args.corrections is None else read_corrections(args.corrections),
        exclude=tuple(args.exclude_field),
        exclude_bad=args.exclude_bad,
        wanted_width=args.interval_width,
        labelled=labelled,
        draws=DrawSpec(level=args.level, seed=args.seed),
        tile=TileSpec(args.tile_size),
        inference=InferenceOptions(
            batch_size=args.batch_size,
            threads=args.read_threads,
            score_threshold=args.score_thr,
            measure="off",
        ),
    )
    inputs = args.inputs if labelled is None else [str(path) for path in labelled.paths.values()]
    outputs = CountOutputs(folder=Path(args.out), overlays=args.overlays)
    result = count_smears(inputs, choice, outputs, options, Progress(args.quiet))
    for line in result.lines:
        print(line)
    if labelled is not None:
        spec = BootstrapSpec(level=args.level, seed=args.seed)
        compared = beside_labels(result, labelled, options.hosts, spec)
        write_accuracy(outputs.folder, compared, args.truth, result)
        print(accuracy_text(compared))
    return result.exit_code


def _labelled(args: argparse.Namespace) -> LabelledFields | None:
    """The labels to compare with, where some are named.

    Raises:
        InvalidValueError: the call would compare something else than the count of single fields.
    """
    if args.truth is None:
        if args.class_map:
            raise InvalidValueError("--class-map renames the classes of labels: name them with --truth")
        return None
    if args.corrections is not None or args.positions is not None:
        raise InvalidValueError(
            "--truth compares what the model counts on single fields: leave out --corrections and --positions"
        )
    return read_labelled(args.truth, args.inputs, dict(renaming(text) for text in args.class_map))
