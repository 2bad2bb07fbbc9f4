"""Measure predictions against the truth: precision, recall, F1, AP, counts, kinds of errors, with intervals.

Both files are told apart by what is in them: COCO annotations or results (SAHI's too), GeoJSON, QuPath
GeoJSON, GeoPackage, GeoParquet, CSV (xView3's too), or a folder of Pascal VOC or YOLO labels.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from retina_domains.commands.comparing import add_comparison_arguments, load_comparison, report_spec
from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.bootstrap import Interval
from retina_domains.evaluation.cases import CaseKind, ErrorCase, worst_cases
from retina_domains.evaluation.curves import FROC_RATES, ScoreCurve
from retina_domains.evaluation.reconcile import by_scene
from retina_domains.evaluation.report import Evaluation, as_dict, evaluate
from retina_domains.readers.crops import image_paths, read_crop
from retina_domains.writers.atomic import write_text
from retina_domains.writers.case_pictures import FOUND_COLOR, TRUE_COLOR, Overlay, case_picture, crop_window
from retina_domains.writers.evaluation_page import write_evaluation_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("predictions", metavar="PRED", help="what was found")
    parser.add_argument("truth", metavar="TRUTH", help="what is there")
    add_comparison_arguments(parser)
    parser.add_argument(
        "--tiles", metavar="SIZE,OVERLAP", help="px; also tell what happens at the seams of such tiles"
    )
    parser.add_argument("--json", metavar="PATH", help="also write all figures here")
    parser.add_argument("--html", metavar="PATH", help="also write a page with figures and the worst errors")
    parser.add_argument("--gallery", type=int, default=24, metavar="N", help="errors of a kind to show")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write."""
    if args.gallery < 0:
        raise InvalidValueError(f"--gallery {args.gallery}: expected 0 or more")
    comparison = load_comparison(args.predictions, args.truth, args)
    evaluation = evaluate(comparison, report_spec(args))
    for note in comparison.notes:
        print(note, file=sys.stderr)
    print(format_table(evaluation))
    if args.json:
        inputs = {"predictions": str(args.predictions), "truth": str(args.truth)}
        facts = {"inputs": inputs, **as_dict(evaluation)}
        write_text(args.json, json.dumps(facts, indent=2, allow_nan=False) + "\n")
    if args.html:
        gallery = _gallery(evaluation, args) if args.images else {}
        titles = (Path(args.predictions).name, Path(args.truth).name)
        write_evaluation_page(args.html, evaluation, titles, gallery)
    return 0


def format_table(evaluation: Evaluation) -> str:
    """The headline figures, one a line, in percent, with their intervals."""
    e = evaluation
    lines = [
        f"{len(e.comparison.truth)} images in {len(e.group_names)} scenes, {int(e.matched.counted.sum())} "
        f"objects; {e.rates.true_positives} found, {e.rates.false_positives} false, "
        f"{e.rates.false_negatives} missed"
    ]
    rows = {"precision": e.rates.precision, "recall": e.rates.recall, "F1": e.rates.f1, **e.ranking}
    if e.near_shore is not None:
        rows["F1 near shore"] = e.near_shore.f1
    if e.length is not None:
        rows["length accuracy"] = e.length
    lines += [f"{name:<18}{_percent(interval)}" for name, interval in rows.items()]
    lines += [
        f"{name:<18}{100 * value:6.1f}"
        for name, value in e.coco.items()
        if name.startswith("AP_") and math.isfinite(value)
    ]
    if math.isfinite(e.best_threshold):
        lines += [_best("best F1", e.curve), _best("best F0.5", e.curve, 0.5), _best("best F2", e.curve, 2.0)]
        lines += [_best(f"best F1 {name}", curve) for name, curve in e.class_curves.items()]
        lines.append(_froc(e.curve))
    if e.counts is not None:
        signed, absolute = e.counts.signed, e.counts.absolute
        lines.append(
            f"{'count error':<18}{signed.value:+6.2f}  [{signed.low:+.2f}, {signed.high:+.2f}] an image, "
            f"absolute {absolute.value:.2f}"
        )
    if e.reliability is not None:
        lines.append(f"{'calibration error':<18}{100 * e.reliability.ece:6.1f}")
    if e.seams is not None:
        s = e.seams
        lines.append(
            f"{'at seams':<18}{100 * s.duplicate_near:6.1f} doubled, {100 * s.miss_near:.1f} missed; "
            f"elsewhere {100 * s.duplicate_away:.1f} and {100 * s.miss_away:.1f}"
        )
    if e.tide is not None:
        kinds = ", ".join(
            f"{kind} {100 * cost:.1f}" for kind, cost in e.tide.cost.items() if e.tide.counts[kind]
        )
        lines.append(f"{'AP lost to':<18}{kinds or 'nothing'}")
    return "\n".join(lines)


def _best(name: str, curve: ScoreCurve, beta: float = 1.0) -> str:
    threshold = curve.best_threshold(beta)
    value = 100 * float(np.nanmax(curve.f_beta(beta)))
    return f"{name:<18}{value:6.1f}  at score {threshold:.3f}, on these data"


def _froc(curve: ScoreCurve) -> str:
    found = zip(FROC_RATES, curve.froc().tolist(), strict=True)
    return (
        f"{'found at':<18}"
        + ", ".join(f"{100 * share:.1f} ({rate:g})" for rate, share in found)
        + (" (false an image: FROC)")
    )


def _percent(interval: Interval) -> str:
    if math.isnan(interval.value):
        return "     -"
    text = f"{100 * interval.value:6.1f}"
    if math.isnan(interval.low):
        return text
    over = " (over objects: one scene)" if interval.over == "objects" else ""
    return f"{text}  [{100 * interval.low:.1f}, {100 * interval.high:.1f}]{over}"


def _gallery(
    evaluation: Evaluation, args: argparse.Namespace
) -> dict[CaseKind, list[tuple[ErrorCase, Image.Image]]]:
    """Pictures of the worst errors whose images are there."""
    c = evaluation.comparison
    if c.pixels is None:
        return {}
    known = by_scene(image_paths(args.images), [str(t.image) for t in c.truth])
    shown: dict[CaseKind, list[tuple[ErrorCase, Image.Image]]] = {}
    for kind, cases in worst_cases(evaluation, args.gallery).items():
        for case in cases:
            path = known.get(str(c.truth[case.image].image))
            if path is None:
                continue
            true, found = c.pixels[0][case.image], c.pixels[1][case.image]
            box = found[case.pred] if case.pred >= 0 else true[case.truth]
            overlays = [Overlay(true, TRUE_COLOR), Overlay(found, FOUND_COLOR)]
            shown.setdefault(kind, []).append(
                (case, case_picture(read_crop(path, crop_window(box)), overlays))
            )
    return shown
