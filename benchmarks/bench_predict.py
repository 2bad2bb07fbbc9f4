"""Whole predict time of our RetinaNet against stock RetinaNet and FCOS with the same backbone and input.

``python benchmarks/bench_predict.py [--backbones 18 50] [--side 512] [--batch 1] [--rounds 20] [--device cpu]
[--precision float32] [--threads N] [--candidates 500] [--out JSON]`` builds the models with random weights
and lets them predict (network, decoding and suppression) in turn, round by round, so that whatever slows the
machine slows all. Thresholds are set so that each decodes and suppresses as many candidates. Prints medians,
and the ratio to stock: median over rounds with its 95 % interval. ``plot_speed_accuracy.py`` draws what
``--out`` holds.

Time nothing while something else runs.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import retina_domains.plugin  # noqa: F401 - before anything of MMDetection

# isort: split
import numpy as np
import torch
from mmdet.models.detectors import BaseDetector
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.utils.flop_counter import FlopCounterMode

from retina_domains.plugin.detector import build_model
from retina_domains.resources import config_root
from retina_domains.writers.atomic import write_text

OURS = {
    18: {"ours": "small_object_retinanet_r18-full", "ours-slim": "small_object_retinanet_r18"},
    50: {"ours": "small_object_retinanet_r50"},
}
STOCK = "stock"
COMPARATORS = {STOCK: "retinanet_r18", "fcos": "fcos_r18"}
BANDS = 3


@dataclass(frozen=True)
class Setting:
    """What all models are given alike."""

    side: int
    batch: int
    device: torch.device
    dtype: torch.dtype
    candidates: int

    def image(self) -> torch.Tensor:
        """``(B, 3, side, side)`` of noise, channels-last."""
        pixels = torch.randn(
            self.batch, BANDS, self.side, self.side, generator=torch.Generator().manual_seed(0)
        )
        return pixels.to(self.device, memory_format=torch.channels_last)


@dataclass(frozen=True)
class Timing:
    """One model.

    Args:
        backbone: ``r18`` or ``r50``.
        model: name.
        parameters: millions.
        multiplications: of one image, thousands of millions.
        milliseconds: a batch, median over rounds.
        ratio: to stock RetinaNet in the same round, median over rounds.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    backbone: str
    model: str
    parameters: float
    multiplications: float
    milliseconds: float
    ratio: float
    low: float
    high: float

    def row(self) -> str:
        """Of the Markdown table."""
        return (
            f"| {self.backbone} | {self.model} | {self.parameters:.1f} | {self.multiplications:.1f} | "
            f"{self.milliseconds:.1f} | {self.ratio:.2f} ({self.low:.2f}-{self.high:.2f}) |"
        )


def models(depth: int) -> dict[str, BaseDetector]:
    """Ours, stock RetinaNet and FCOS on a ResNet of that depth, with random weights."""
    folder = config_root() / "_base_" / "models"
    expansion = 4 if depth == 50 else 1
    built = {}
    for name, stem in {**OURS[depth], **COMPARATORS}.items():
        cfg = Config.fromfile(folder / f"{stem}.py").model
        cfg.backbone.in_channels = BANDS
        if name in COMPARATORS:
            cfg.backbone.depth = depth
            cfg.neck.in_channels = [width * expansion for width in (64, 128, 256, 512)]
        torch.manual_seed(0)
        built[name] = build_model(cfg).eval()
    return built


def equalise(model: BaseDetector, setting: Setting) -> None:
    """Set the score threshold so that about ``candidates`` an image are decoded and suppressed."""
    with torch.inference_mode():
        scores = model.bbox_head(model.extract_feat(setting.image()))[0]
    flat = torch.cat([level.float().sigmoid().flatten(1) for level in scores], dim=1)
    model.bbox_head.test_cfg["score_thr"] = float(flat[0].topk(setting.candidates).values[-1])


def predictor(model: BaseDetector, setting: Setting) -> Callable[[], None]:
    """A call that predicts one batch and returns when it is done."""
    model.to(setting.device, memory_format=torch.channels_last)
    equalise(model, setting)
    size = (setting.side, setting.side)
    meta = {"img_shape": size, "ori_shape": size, "pad_shape": size, "scale_factor": (1.0, 1.0)}
    samples = [DetDataSample(metainfo=meta) for _ in range(setting.batch)]
    image = setting.image()

    def predict() -> None:
        autocast = torch.autocast(setting.device.type, setting.dtype, enabled=setting.dtype != torch.float32)
        with torch.inference_mode(), autocast:
            model.predict(image, samples, rescale=False)
        if setting.device.type == "cuda":
            torch.cuda.synchronize()

    return predict


def multiplications(model: BaseDetector, side: int) -> float:
    """Multiplications of the network for one image, in thousands of millions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.bbox_head(model.extract_feat(torch.zeros(1, BANDS, side, side)))
    return float(counter.get_total_flops()) / 2e9


def time_in_turn(calls: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round, after two rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for k in range(rounds + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if k >= 2:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def interval(ratios: list[float]) -> tuple[float, float]:
    """95 % interval of the median by resampling rounds."""
    rng = np.random.default_rng(0)
    draws = rng.choice(ratios, (2000, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return float(low), float(high)


def timings(depth: int, setting: Setting, rounds: int) -> list[Timing]:
    """Time the models of one depth."""
    built = models(depth)
    counts = {name: multiplications(model, setting.side) for name, model in built.items()}
    weights = {name: sum(p.numel() for p in model.parameters()) / 1e6 for name, model in built.items()}
    seconds = time_in_turn({name: predictor(model, setting) for name, model in built.items()}, rounds)
    found = []
    for name, times in seconds.items():
        ratios = [a / b for a, b in zip(times, seconds[STOCK], strict=True)]
        milliseconds = 1e3 * statistics.median(times)
        ratio = statistics.median(ratios)
        found.append(
            Timing(f"r{depth}", name, weights[name], counts[name], milliseconds, ratio, *interval(ratios))
        )
    return found


def main() -> None:
    """Read the options, time, print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbones", type=int, nargs="+", default=[18, 50], choices=sorted(OURS))
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--out", type=Path, metavar="JSON")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True
    init_default_scope("mmdet")
    device = torch.device(args.device)
    setting = Setting(args.side, args.batch, device, getattr(torch, args.precision), args.candidates)
    where = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    told = (
        f"{args.batch} x {args.side} px, {args.precision}, {device.type} ({where}), {args.rounds} rounds, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )
    print(f"{told}\n")
    print("| backbone | model | M weights | G multiplications an image | ms a batch | ratio to stock |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows: list[Timing] = []
    for depth in args.backbones:
        rows += (found := timings(depth, setting, args.rounds))
        print("\n".join(row.row() for row in found), flush=True)
    if args.out:
        facts = {"setting": told, "timings": [asdict(row) for row in rows]}
        write_text(args.out, json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
