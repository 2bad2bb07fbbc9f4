"""A folder that ``retina-domains prepare`` wrote, looked at before a model is fitted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from retina_domains.errors import InputFileError, LabelError
from retina_domains.image_pixels import ImagePixels
from retina_domains.labelled import ImageLabels
from retina_domains.readers import open_scene
from retina_domains.readers.datasets import read_coco
from retina_domains.readers.datasets.files import load_json
from retina_domains.readers.eight_bit import read_eight_bit
from retina_domains.readers.pictures import WINDOWED_ENDINGS, decoding
from retina_domains.samples.anchor_tuning import ObjectSizes
from retina_domains.types import InputSpec

TRAIN_FILES, VAL_FILES = ("train.json", "all.json"), ("val.json", "test.json")
# Whole images up to this side are decoded in one go; of larger ones windows are read.
WHOLE_IMAGE_PX = 2048
_LOOKED_AT = 24
_GREY_SIDE = 64

Kind = Literal["smear", "optical", "sar"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What a model must know of a set before it is built.

    Args:
        folder: of the set.
        train: COCO file to learn from.
        val: COCO file to be scored on; ``train`` where there is no other.
        images: folder from which the files tell their images' paths.
        classes: names, in the order of labels.
        kind: of its images: a smear where they are sampled in micrometres, else optical with three bands and
            SAR with one.
        channels: bands that a model of it takes, 1 or 3.
        sampling: finest and coarsest metres or micrometres a pixel, or None where an image does not tell.
        bands: to read of rasters; None: all but alpha.
        windowed: images are rasters, have more than 8 bits or are large, so that windows of them are read.
        labels: of the training images.
        objects: sizes of the training objects.
        val_images: number of images to be scored on.
        info: what the COCO file says of the set.
    """

    folder: Path
    train: Path
    val: Path
    images: Path
    classes: tuple[str, ...]
    kind: Kind
    channels: int
    sampling: tuple[float, float] | None
    bands: tuple[int, ...] | None
    windowed: bool
    labels: tuple[ImageLabels, ...]
    objects: ObjectSizes
    val_images: int
    info: Mapping[str, Any]

    @property
    def longest_side(self) -> int:
        """Of any training image, px."""
        return int(self.objects.image_sizes.max())

    @property
    def unlearnt(self) -> tuple[str, ...]:
        """Classes without an object to learn from."""
        return tuple(name for k, name in enumerate(self.classes) if k not in self.objects.labels)

    def pixel_statistics(self, spec: InputSpec) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each band in 0..255, of at most 24 training images.

        Args:
            spec: what the model takes.

        Raises:
            InputFileError: an image cannot be read.
            RadiometryError: pixels do not fit the model.
        """
        rasters = ImagePixels(spec, self.bands)
        samples = [
            rasters.sample(image.path)
            if self.windowed
            else read_eight_bit(image.path, spec.channels).reshape(spec.channels, -1)
            for image in _spread(self.labels)
        ]
        pixels = np.concatenate(samples, axis=1)
        mean, std = pixels.mean(axis=1, dtype=np.float64), pixels.std(axis=1, dtype=np.float64)
        # Blank images must not be divided by nothing.
        return _rounded(mean.tolist()), _rounded(np.maximum(std, 1.0).tolist())


def look_at_set(folder: str | Path) -> TrainingSet:
    """What a model must know of a set.

    Args:
        folder: that ``retina-domains prepare`` wrote: with ``train.json`` (or ``all.json``) and, if there is
            one, ``val.json`` (or ``test.json``).

    Raises:
        InputFileError: a file is missing or cannot be read.
        LabelError: a file is not COCO, or there is no object to learn from.
    """
    folder = Path(folder)
    train, val = _first_file(folder, TRAIN_FILES), _first_file(folder, VAL_FILES)
    if train is None:
        raise InputFileError(
            f"{folder}: no {' or '.join(TRAIN_FILES)} there: expected a folder that 'retina-domains prepare' "
            "or a script of datasets/ wrote"
        )
    labels, data = read_coco(train, by_category=True), load_json(train)
    classes = tuple(str(c["name"]) for c in data["categories"])
    objects = _objects(labels, classes, train)
    looks = [_look(image.path) for image in _spread(labels)]
    windowed = (
        int(objects.image_sizes.max()) > WHOLE_IMAGE_PX
        or any(image.path.suffix.lower() in WINDOWED_ENDINGS for image in labels)
        or any(look.deep for look in looks)
    )
    fewest = min(look.bands for look in looks)
    wanted = 3 if fewest >= 3 and not all(look.grey for look in looks) else 1
    smear = any("mpp" in image for image in data["images"])
    first = str(data["images"][0]["file_name"])
    return TrainingSet(
        folder=folder,
        train=train,
        val=val or train,
        images=folder / "images" if (folder / "images" / first).is_file() else folder,
        classes=classes,
        kind="smear" if smear else "optical" if wanted == 3 else "sar",
        channels=wanted,
        sampling=_sampling([image.mpp if smear else image.gsd for image in labels]),
        bands=None if all(look.bands == wanted for look in looks) else tuple(range(1, wanted + 1)),
        windowed=windowed,
        labels=tuple(labels),
        objects=objects,
        val_images=len(read_coco(val or train)),
        info=data.get("info", {}),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """What one image is: its bands, whether they are all the same, whether it has more than 8 bits."""

    bands: int
    grey: bool
    deep: bool


def _look(path: Path) -> _Look:
    with decoding(path), open_scene(path) as reader:
        scene = reader.scene
        pixels, _ = reader.read_overview(_GREY_SIDE)
    return _Look(scene.bands, bool((pixels == pixels[:1]).all()), scene.dtype != "uint8")


def _first_file(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _objects(labels: Sequence[ImageLabels], classes: Sequence[str], path: Path) -> ObjectSizes:
    """Sizes of all objects that are learnt, by the set's own names of classes."""
    boxes, sizes, names = [], [], []
    for image in labels:
        if image.width is None or image.height is None:
            raise LabelError(f"{path}: does not say how large {image.path.name} is: prepare the set again")
        for item in image.objects:
            if not item.ignored:
                boxes.append(item.xyxy)
                sizes.append((image.width, image.height))
                names.append(item.source_label)
    if not boxes:
        raise LabelError(f"{path}: no object to learn from in {len(labels)} images: prepare the set again")
    return ObjectSizes(
        np.array(boxes, np.float64),
        np.array(sizes, np.float64),
        np.array([classes.index(name) for name in names], np.int64),
    )


def _sampling(told: Sequence[float | None]) -> tuple[float, float] | None:
    known = [value for value in told if value is not None]
    return (min(known), max(known)) if known and len(known) == len(told) else None


def _spread(items: Sequence[T]) -> list[T]:
    """At most 24 of them, evenly spread."""
    return [items[k] for k in np.unique(np.linspace(0, len(items) - 1, _LOOKED_AT).round().astype(int))]


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 1) for value in values)
