"""Make a bundle, which loads without running code, from a config of ours and a checkpoint.

With ``--model`` its weights come from another bundle, which may be replaced: so one that was calibrated on
data of your own gets its thresholds and its card. The card is written anew; facts that are not given stay.
"""

from __future__ import annotations

import argparse

from retina_domains.bundle_making import Measured, read_facts, read_scores, remake_bundle
from retina_domains.errors import InvalidValueError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="CONFIG CHECKPOINT OUT: a config with a dict 'bundle', its weights (.pth or .safetensors), the "
        "folder to make; with --model OUT alone. A bundle there is replaced",
    )
    parser.add_argument("--model", metavar="NAME|BUNDLE", help="take the weights of this bundle")
    parser.add_argument(
        "--card",
        metavar="FACTS.json",
        help="version, research_only, training, metrics; optionally score_threshold, class_thresholds, "
        "calibration, command, seed, notes; needed unless --model",
    )
    parser.add_argument("--scores", metavar="SCORES.json", help="what calibrate wrote for this model")
    parser.add_argument(
        "--train-labels",
        nargs="+",
        default=[],
        metavar="LABELS",
        help="what it has learnt from: the card tells how many objects lie outside its range of sizes",
    )


def run(args: argparse.Namespace) -> int:
    """Make it and say what it is."""
    wanted = 1 if args.model else 3
    if len(args.paths) != wanted:
        what = "OUT alone beside --model" if args.model else "CONFIG CHECKPOINT OUT, or --model and OUT"
        raise InvalidValueError(f"{len(args.paths)} paths ({', '.join(args.paths)}): expected {what}")
    if not args.model and not args.card:
        raise InvalidValueError("no facts: name the file that tells training data and licence with --card")
    facts = None if args.card is None else read_facts(args.card)
    measured = Measured(
        scores=None if args.scores is None else read_scores(args.scores),
        train_labels=tuple(args.train_labels),
    )
    if args.model:
        bundle = remake_bundle(args.model, args.paths[0], facts, measured)
    else:
        # Here and not above: torch and MMDetection take seconds to import, a wrong call should not.
        from retina_domains.plugin.bundling import make_bundle

        assert facts is not None
        config, checkpoint, out = args.paths
        bundle = make_bundle(config, checkpoint, out, facts, measured)
    megabytes = sum(p.stat().st_size for p in bundle.folder.iterdir()) / 1e6
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    print(f"{bundle.folder}: {name}, {megabytes:.1f} MB, sha256 {bundle.sha256}")
    return 0
