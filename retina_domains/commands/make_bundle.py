"""Make a bundle, which loads without running code, from a config of ours and a checkpoint."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("config", metavar="CONFIG", help="config with a dict 'bundle'")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="its weights, .pth or .safetensors")
    parser.add_argument("out", metavar="OUT", help="folder to make; a bundle there is replaced")
    parser.add_argument(
        "--card",
        required=True,
        metavar="FACTS.json",
        help="version, research_only, training, metrics; optionally score_threshold, class_thresholds, "
        "calibration, command, seed, notes",
    )


def run(args: argparse.Namespace) -> int:
    """Make it and say what it is."""
    # Here and not above: torch and MMDetection take seconds to import, a wrong call should not.
    from retina_domains.plugin.bundling import make_bundle, read_facts

    bundle = make_bundle(args.config, args.checkpoint, args.out, read_facts(args.card))
    megabytes = sum(p.stat().st_size for p in bundle.folder.iterdir()) / 1e6
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    print(f"{bundle.folder}: {name}, {megabytes:.1f} MB, sha256 {bundle.sha256}")
    return 0
