"""Score a model on labelled images: precision, recall, AP, by size and class, with 95 % intervals.

Labels may be COCO json, a folder of Pascal VOC or YOLO labels, or IML malaria or BBBC041 as published. Images
are read whole and as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from retina_domains.commands.comparing import AREAS, BOX_RULE, renaming
from retina_domains.commands.evaluate import format_table
from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.align import AlignSpec
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.evaluation.matching import MatchRule, parse_rule
from retina_domains.evaluation.report import ReportSpec, as_dict, evaluate
from retina_domains.readers.labels import LabelContext, read_objects
from retina_domains.scoring import compare_detections, detect_images, labelled_images
from retina_domains.thresholds import ScoreThresholds, thresholds_of
from retina_domains.types import Detector
from retina_domains.writers.atomic import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("weights", nargs="*", metavar="CONFIG CHECKPOINT", help="instead of --model")
    parser.add_argument(
        "--model", metavar="NAME|BUNDLE", help="a shipped bundle's name, or a bundle's folder"
    )
    parser.add_argument("--data", required=True, metavar="PATH", help="the labels")
    parser.add_argument(
        "--images", nargs="+", default=[], metavar="DIR", help="images, where not beside them"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")
    parser.add_argument(
        "--score-thr",
        type=float,
        help="for precision, recall and F1 (default: the model's own, class by class)",
    )
    parser.add_argument(
        "--match", default=BOX_RULE, metavar="RULE", help="or distance:8px (default: %(default)s)"
    )
    parser.add_argument(
        "--class-map", nargs="+", default=[], metavar="OLD=NEW", help="rename classes; OLD= drops"
    )
    parser.add_argument("--class-agnostic", action="store_true", help="do not tell classes apart")
    parser.add_argument(
        "--sizes", choices=sorted(AREAS), default="coco", help="ranges (default: %(default)s)"
    )
    parser.add_argument("--max-dets", type=int, default=1500, help="detections an image and class in AP")
    parser.add_argument(
        "--replicates", type=int, default=1000, help="bootstrap resamples (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--out", metavar="JSON", help="also write all figures here")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Detect, compare, print, write."""
    if bool(args.model) == bool(args.weights) or len(args.weights) not in (0, 2):
        raise InvalidValueError("name what to test: either --model NAME|BUNDLE or CONFIG CHECKPOINT")
    folder = Path(args.images[0]) if args.images and Path(args.images[0]).is_dir() else None
    truth = read_objects(args.data, LabelContext(folder))
    images = labelled_images(args.data, truth, args.images)
    align_spec = _align_spec(args)
    detector = _detector(args)
    found = detect_images(detector, images, truth.facts, None if args.quiet else show_progress)
    comparison = compare_detections(found.table, truth, detector.classes, align_spec)
    thresholds = thresholds_of(detector, args.score_thr)
    least = thresholds.named(comparison.classes, align_spec.class_map)
    bootstrap = BootstrapSpec(args.replicates, seed=args.seed)
    evaluation = evaluate(comparison, ReportSpec(least, args.max_dets, AREAS[args.sizes], bootstrap))
    told = ScoreThresholds(comparison.classes, least)
    if told.single is None:
        print(f"score thresholds: {told.text}; of classes taken together the lowest", file=sys.stderr)
    if found.saturated:
        print(f"candidates were cut in {found.saturated} images: raise max_per_img", file=sys.stderr)
    for note in comparison.notes:
        print(note, file=sys.stderr)
    print(format_table(evaluation))
    if args.out:
        facts = {
            "provenance": detector.provenance,
            "data": str(args.data),
            "score_threshold": told.facts,
            "saturated_images": found.saturated,
            **as_dict(evaluation),
        }
        write_text(args.out, json.dumps(facts, indent=2, allow_nan=False) + "\n")
    return 0


def _align_spec(args: argparse.Namespace) -> AlignSpec:
    rule, unit = parse_rule(args.match)
    if args.class_agnostic:
        rule = MatchRule(rule.kind, rule.threshold, rule.assignment, by_class=False)
    return AlignSpec(rule, unit, dict(renaming(text) for text in args.class_map))


def _detector(args: argparse.Namespace) -> Detector:
    # Here and not above: torch and MMDetection take seconds to import, a wrong call should not.
    from retina_domains.plugin.detector import load_bundle
    from retina_domains.plugin.from_config import detector_from_config

    if args.model:
        return load_bundle(args.model, args.device, args.threads)
    config, checkpoint = args.weights
    return detector_from_config(config, checkpoint, args.device, args.threads)


def show_progress(done: int, total: int) -> None:
    """Images done, on stderr."""
    if sys.stderr.isatty():
        print(f"\r{done}/{total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % max(1, total // 10) == 0:
        print(f"{done}/{total} images", file=sys.stderr, flush=True)
