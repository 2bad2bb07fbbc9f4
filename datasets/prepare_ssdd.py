"""SSDD: ships in SAR chips, the official release of 2021 (VOC)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from retina_domains.cli import guarded
from retina_domains.commands.prepare import run_source
from retina_domains.convert import DataSource
from retina_domains.errors import InputFileError
from retina_domains.labelled import ClassMap, ImageLabels
from retina_domains.readers.datasets import read_voc


def read(root: Path, images: Path | None) -> Sequence[ImageLabels]:
    """BBox_SSDD (or RBox_SSDD)/voc_style with train and test folders, or one folder and ImageSets' lists."""
    styles = [p for p in (root, root / "voc_style", root / "BBox_SSDD" / "voc_style") if _has_labels(p)]
    if not styles:
        raise InputFileError(f"{root}: no Annotations: expected {SOURCE.layout}")
    base = styles[0]
    found = []
    for folder in _annotations(base):
        split = folder.name.removeprefix("Annotations").strip("_")
        pictures = base / folder.name.replace("Annotations", "JPEGImages")
        for image in read_voc(folder, images or (pictures if pictures.is_dir() else base), split=split):
            # The release's rule: images whose number ends in 1 or 9 are the test set.
            test = image.path.stem[-1] in "19"
            found.append(replace(image, split=image.split or ("test" if test else "train")))
    return found


def _annotations(base: Path) -> list[Path]:
    """Folders that hold every label once: others repeat some of them, as ``Annotations_test_inshore``."""
    parted = [base / f"Annotations_{split}" for split in ("train", "test")]
    return [p for p in parted if p.is_dir()] or [p for p in [base / "Annotations"] if p.is_dir()]


def _has_labels(folder: Path) -> bool:
    return bool(_annotations(folder))


SOURCE = DataSource(
    name="ssdd",
    title="SSDD: 1160 SAR chips of some 500 x 350 px with 2456 ships, 1 to 15 m a pixel",
    licence="research use (the repository states none)",
    origin="https://github.com/TianwenZhang0825/Official-SSDD",
    layout="BBox_SSDD/voc_style/ with Annotations_train, Annotations_test, JPEGImages_train, JPEGImages_test",
    read=read,
    classes=ClassMap.of({"ship": "ship"}),
    split="source",
    notes=("Scenes are not named, so that chips of one scene may lie on both sides of the published split.",),
)

if __name__ == "__main__":
    sys.exit(guarded(partial(run_source, SOURCE), "prepare_ssdd", "--debug" in sys.argv))
