"""Looks of the fields that a model was trained on, for the table of ``retina_domains/cells/stain.py``.

    python benchmarks/measure_stain.py data/bccd/train.json data/iml_malaria/train.json

prints, for each COCO file with ``images`` beside it, the 1st to 99th percentiles of CIE Lab of background and
of stained pixels, wider by the margin on both sides (``StainRange.of``), and how many of the same fields lie
beyond. Fields are looked at as ``count`` does: within their bars, a square of 2,048 px from the middle.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from retina_domains.cells.quality import FieldLook, QualityLimits, StainRange, field_look, findings
from retina_domains.counting.area import field_area
from retina_domains.counting.search import look_window
from retina_domains.readers import OpenOptions, SlideReader


def looks_of(labels: Path) -> list[FieldLook]:
    """One look an image that a COCO file names."""
    names = [image["file_name"] for image in json.loads(labels.read_text(encoding="utf-8"))["images"]]
    looks = []
    for name in names:
        with SlideReader(str(labels.parent / "images" / name), OpenOptions()) as reader:
            pixels, _ = reader.read(look_window(field_area(reader)))
        looks.append(field_look(np.ascontiguousarray(np.moveaxis(pixels, 0, 2)), np.zeros((0, 4))))
    return looks


def main() -> None:
    """Parse arguments and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", nargs="+", type=Path, metavar="COCO.json", help="with images/ beside it")
    for path in parser.parse_args().labels:
        looks = looks_of(path)
        usual = StainRange.of(looks)
        limits = QualityLimits(cells=0, stain=usual)
        beyond = sum(any(f.kind == "stain" for f in findings("", look, limits)) for look in looks)
        print(f"{path}: {len(looks)} fields, {beyond} beyond")
        for name, ends in asdict(usual).items():
            print(f"    {name}=({', '.join(f'{value:.1f}' for value in ends)}),")


if __name__ == "__main__":
    main()
