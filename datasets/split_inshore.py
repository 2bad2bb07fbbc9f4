"""Part a COCO file of SAR chips into inshore and offshore, by a rule on the chips' own pixels.

    python datasets/split_inshore.py data/hrsid/val.json --images data/hrsid/images --out data/hrsid

writes ``val_inshore.json`` and ``val_offshore.json``, which ``tools/test.py --data`` takes; images keep what
was told of them and get ``land_share``. The rule: mean amplitude of blocks of 32 px, labelled ships left out
with 16 px around them; bright blocks are above twice the tenth percentile; inshore where the largest
connected region of bright blocks is 1 % of the chip or more (``retina_domains/evaluation/inshore.py``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retina_domains.errors import InputFileError, LabelError, RetinaDomainsError
from retina_domains.evaluation.inshore import ShoreRule, land_share
from retina_domains.readers.eight_bit import read_eight_bit
from retina_domains.writers.atomic import write_text


def part(content: dict[str, Any], folder: Path, rule: ShoreRule) -> dict[str, dict[str, Any]]:
    """``inshore`` and ``offshore``: the same file with the images of each and their annotations."""
    boxes: dict[int, list[list[float]]] = {}
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        boxes.setdefault(annotation["image_id"], []).append([x, y, x + width, y + height])
    images: dict[str, list[dict[str, Any]]] = {"inshore": [], "offshore": []}
    for image in content["images"]:
        path = folder / image["file_name"]
        if not path.is_file():
            raise InputFileError(f"{path}: no such image: name the folder of the images with --images")
        ships = np.array(boxes.get(image["id"], []), np.float64).reshape(-1, 4)
        share = land_share(read_eight_bit(path, 1)[0].astype(np.float64), ships, rule)
        where = "inshore" if share >= rule.least_share else "offshore"
        images[where].append({**image, "land_share": round(share, 4)})
    parts = {}
    for where, own in images.items():
        ids = {image["id"] for image in own}
        annotations = [a for a in content["annotations"] if a["image_id"] in ids]
        parts[where] = {**content, "images": own, "annotations": annotations}
    return parts


def read_coco(path: Path) -> dict[str, Any]:
    """A COCO annotation file.

    Raises:
        InputFileError: it is missing or no JSON.
        LabelError: it is not COCO annotations.
    """
    try:
        content: Any = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
        raise LabelError(f"{path}: expected COCO annotations with images, annotations and categories")
    return content


def main(argv: Sequence[str] | None = None) -> int:
    """Read the call, part, write, and say how many went where."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path, metavar="JSON", help="COCO annotations")
    parser.add_argument("--images", type=Path, metavar="DIR", help="(default: images beside the labels)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args(argv)
    try:
        parts = part(read_coco(args.labels), args.images or args.labels.parent / "images", ShoreRule())
        args.out.mkdir(parents=True, exist_ok=True)
        for where, content in parts.items():
            path = args.out / f"{args.labels.stem}_{where}.json"
            write_text(path, json.dumps(content) + "\n")
            print(f"{path}: {len(content['images'])} chips, {len(content['annotations'])} ships")
    except RetinaDomainsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
