"""How many anchors or points learn an object, by the size of the object, under the rule of each config.

``python benchmarks/measure_positives.py CONFIG [CONFIG ...] --labels train.json [--objects 300] [--side 384]
[--seed 0]`` draws objects from COCO labels, lays each by itself anywhere near the middle of a chip of SIDE
px, and lets the config's own head say which of its anchors, or points, learn it. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path

import retina_domains.plugin  # noqa: F401 - before anything of MMDetection

# isort: split
import numpy as np
import torch
from mmdet.models.dense_heads import FCOSHead
from mmdet.registry import MODELS
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import Tensor, nn

from retina_domains.plugin.training import load_config

EDGES = (0.0, 16.0, 32.0, 64.0, np.inf)


def priors_of(head: nn.Module, side: int) -> list[Tensor]:
    """Anchors or points of each level of a chip of ``side`` px."""
    sizes = [(side // stride[0], side // stride[1]) for stride in head.prior_generator.strides]
    priors: list[Tensor] = head.prior_generator.grid_priors(sizes, device="cpu")
    return priors


def learners(head: nn.Module, priors: list[Tensor], box: Tensor) -> int:
    """How many priors learn one ``(4,)`` box."""
    objects = InstanceData(bboxes=box[None], labels=torch.zeros(1, dtype=torch.long))
    if isinstance(head, FCOSHead):
        labels, *_ = head.get_targets(priors, [objects])
        return sum(int((level < head.num_classes).sum()) for level in labels)
    result = head.assigner.assign(InstanceData(priors=torch.cat(priors)), objects, None)
    return int((result.gt_inds > 0).sum())


def main() -> None:
    """Draw objects, ask each head."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="+", metavar="CONFIG")
    parser.add_argument("--labels", type=Path, required=True, metavar="JSON")
    parser.add_argument("--objects", type=int, default=300)
    parser.add_argument("--side", type=int, default=384)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    sides = np.array([a["bbox"][2:] for a in json.loads(args.labels.read_text())["annotations"]])
    sides = sides[rng.integers(0, len(sides), args.objects)]
    centres = rng.uniform(args.side / 2 - 32, args.side / 2 + 32, (args.objects, 2))
    boxes = torch.tensor(np.hstack([centres - sides / 2, centres + sides / 2]), dtype=torch.float32)
    size = np.sqrt(sides.prod(axis=1))
    parts = [(size >= low) & (size < high) for low, high in pairwise(EDGES)]
    names = [f"{low:g} px to {high:g}" for low, high in pairwise(EDGES)]
    print("| config | all | " + " | ".join(names) + " |")
    print("| --- " * (len(names) + 2) + "|")
    DefaultScope.get_instance("measure_positives", scope_name="mmdet")
    for config in args.configs:
        model = load_config(config).model
        head = MODELS.build({**model.bbox_head, "train_cfg": model.get("train_cfg")})
        priors = priors_of(head, args.side)
        found = np.array([learners(head, priors, box) for box in boxes])
        cells = [f"{found[part].mean():.1f}" if part.any() else "-" for part in parts]
        print(f"| {Path(config).stem} | {found.mean():.1f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
