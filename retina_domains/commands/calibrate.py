"""Fit what a model's scores mean, and from which on to believe them, on images it has not learnt from.

For each class: a curve that turns scores into chances, the threshold of the largest F1 (or F0.5, F2, or at
which as many are kept as there are objects), and how good both are by cross-validation over scenes. The file
that is written goes into a bundle with ``make-bundle --scores``; of a model of blood cells it holds the
errors that counts are corrected by, too.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from retina_domains.calibrating import MeasuredScores, measure_scores
from retina_domains.commands.comparing import BOX_RULE, renaming
from retina_domains.commands.test import show_progress
from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.align import AlignSpec
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.evaluation.matching import parse_rule
from retina_domains.evaluation.score_fit import PREFERENCES, FitSpec
from retina_domains.failure_pictures import write_failures
from retina_domains.known_errors import Labelled
from retina_domains.readers.labels import LabelContext, read_objects
from retina_domains.score_report import Prefer, format_scores
from retina_domains.score_text import score_table
from retina_domains.scoring import detect_images, labelled_images
from retina_domains.types import Detector
from retina_domains.writers.atomic import write_text
from retina_domains.writers.reliability import reliability_svg


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("weights", nargs="*", metavar="CONFIG CHECKPOINT", help="instead of --model")
    parser.add_argument(
        "--model", metavar="NAME|BUNDLE", help="a shipped bundle's name, or a bundle's folder"
    )
    parser.add_argument("--data", required=True, metavar="PATH", help="labels the model has not learnt from")
    parser.add_argument(
        "--images", nargs="+", default=[], metavar="DIR", help="images, where not beside them"
    )
    parser.add_argument("--out", required=True, metavar="SCORES.json", help="for make-bundle --scores")
    parser.add_argument("--figure", metavar="SVG", help="also draw score against share that is right")
    parser.add_argument(
        "--failures", metavar="PNG", help="also draw the worst errors; pictures are quotes of the data"
    )
    parser.add_argument(
        "--prefer",
        nargs="+",
        default=[],
        metavar="[CLASS=]KIND",
        help="f1, precision (F0.5), recall (F2), count (as many as there are) or expected (F1, if scores are "
        "chances), for all or for a class (default: f1)",
    )
    parser.add_argument(
        "--together",
        nargs="+",
        action="append",
        default=[],
        metavar="CLASS",
        help="judge these as one: any of them for another is right; may be given again",
    )
    parser.add_argument(
        "--keep-thresholds", action="store_true", help="the thresholds that the bundle has mean the same"
    )
    parser.add_argument("--match", default=BOX_RULE, metavar="RULE", help="default: %(default)s")
    parser.add_argument("--class-map", nargs="+", default=[], metavar="OLD=NEW", help="rename; OLD= drops")
    parser.add_argument("--folds", type=int, default=5, help="of the cross-validation (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Detect, fit, print, write."""
    if bool(args.model) == bool(args.weights) or len(args.weights) not in (0, 2):
        raise InvalidValueError("name what to calibrate: either --model NAME|BUNDLE or CONFIG CHECKPOINT")
    if args.folds < 2:
        raise InvalidValueError(f"--folds {args.folds}: expected 2 or more")
    folder = Path(args.images[0]) if args.images and Path(args.images[0]).is_dir() else None
    truth = read_objects(args.data, LabelContext(folder))
    images = labelled_images(args.data, truth, args.images)
    rule, unit = parse_rule(args.match)
    align = AlignSpec(rule, unit, dict(renaming(text) for text in args.class_map))
    detector, kept = _raw_detector(args)
    found = detect_images(detector, images, truth.facts, None if args.quiet else show_progress)
    labelled = Labelled(
        model=detector.provenance["model"],
        classes=detector.classes,
        found=found.table,
        truth=truth,
        data="/".join(Path(args.data).parts[-2:]),
        align=align,
        match=args.match,
    )
    together = tuple(tuple(names) for names in args.together)
    prefer, prefer_of = preferences(args.prefer)
    spec = FitSpec(together, prefer, args.folds, BootstrapSpec(seed=args.seed), prefer_of)
    measured = measure_scores(labelled, spec, kept if args.keep_thresholds else None, _command(args))
    print(score_table(measured.report))
    _write(args, measured, images)
    return 0


def preferences(asked: Sequence[str]) -> tuple[Prefer, tuple[tuple[str, Prefer], ...]]:
    """What thresholds are chosen by: of all classes, and of classes that are named.

    Args:
        asked: such as ``["f1", "ring=recall"]``.

    Raises:
        InvalidValueError: something else was written, or two things for all or for one class.
    """
    of_all: list[Prefer] = []
    of_class: dict[str, Prefer] = {}
    for text in asked:
        name, equals, word = text.rpartition("=")
        kind = next((known for known in PREFERENCES if known == word), None)
        if kind is None or (equals and not name):
            raise InvalidValueError(
                f"--prefer {text}: expected {', '.join(PREFERENCES)}, or CLASS= and one of these"
            )
        if (not name and of_all) or name in of_class:
            raise InvalidValueError(f"--prefer {text}: {name or 'all classes'} is named twice")
        if name:
            of_class[name] = kind
        else:
            of_all.append(kind)
    return (of_all or ["f1"])[0], tuple(of_class.items())


def _write(args: argparse.Namespace, measured: MeasuredScores, images: dict[str, Path]) -> None:
    write_text(args.out, format_scores(measured.report))
    if args.figure:
        write_text(args.figure, reliability_svg(measured.report))
    if args.failures:
        write_failures(args.failures, measured.errors, images)


def _raw_detector(args: argparse.Namespace) -> tuple[Detector, tuple[float, ...]]:
    """The detector with the scores of its network, and the thresholds that it had, on those scores."""
    # Here and not above: torch and MMDetection take seconds to import, a wrong call should not.
    from retina_domains.bundle import read_bundle
    from retina_domains.plugin.detector import uncalibrated
    from retina_domains.plugin.from_config import detector_from_config

    if not args.model:
        config, checkpoint = args.weights
        detector = detector_from_config(config, checkpoint, args.device, args.threads)
        return detector, (detector.score_threshold,) * len(detector.classes)
    manifest = read_bundle(args.model).manifest
    kept, calibration = manifest.thresholds.values, manifest.calibration
    if calibration is not None:
        kept = tuple(calibration.raw(value, label) for label, value in enumerate(kept))
    return uncalibrated(args.model, args.device, args.threads), kept


def _command(args: argparse.Namespace) -> str:
    """The call, such that it gives the same again."""
    words = ["retina-domains", "calibrate", *args.weights]
    words += ["--model", args.model] if args.model else []
    words += ["--data", args.data, *(["--images", *args.images] if args.images else [])]
    words += ["--prefer", *args.prefer] if args.prefer else []
    for names in args.together:
        words += ["--together", *names]
    words += ["--keep-thresholds"] if args.keep_thresholds else []
    words += ["--match", args.match] if args.match != BOX_RULE else []
    words += ["--class-map", *args.class_map] if args.class_map else []
    words += ["--folds", str(args.folds)] if args.folds != 5 else []
    words += ["--seed", str(args.seed)] if args.seed else []
    return shlex.join([*words, "--out", Path(args.out).name])
