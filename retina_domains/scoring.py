"""How well a detector does on labelled images: whole images in, objects to be compared out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retina_domains.errors import InputFileError, InvalidValueError, LabelError
from retina_domains.evaluation.align import AlignSpec, Comparison, align
from retina_domains.evaluation.class_names import with_standard_names
from retina_domains.evaluation.objects import ObjectTable, SceneFacts
from retina_domains.evaluation.reconcile import by_scene, renamed
from retina_domains.readers.crops import image_paths
from retina_domains.readers.eight_bit import read_eight_bit
from retina_domains.types import Chip, Detections, Detector, FloatArray, Tile, Window

IMAGE_FOLDERS = ("images", "JPEGImages")


@dataclass(frozen=True, slots=True)
class DetectedImages:
    """What a detector found in whole images.

    Args:
        table: its objects.
        saturated: number of images of which candidates were cut.
    """

    table: ObjectTable
    saturated: int


def labelled_images(
    labels: str | Path, truth: ObjectTable, places: Sequence[str | Path] = ()
) -> dict[str, Path]:
    """The image of each scene that the labels name.

    Args:
        labels: the label file or folder.
        truth: what was read from it.
        places: images or folders of them; by default ``images`` or ``JPEGImages`` beside the labels, or
            their own folder.

    Raises:
        InputFileError: an image is missing.
        InvalidValueError: the labels name no image.
    """
    if not truth.scenes:
        raise InvalidValueError(f"{truth.source}: names no image, so there is nothing to score")
    folder = Path(labels) if Path(labels).is_dir() else Path(labels).parent
    beside = [folder / name for name in IMAGE_FOLDERS if (folder / name).is_dir()]
    found = by_scene(image_paths(places or beside or [folder]), truth.scenes)
    missing = [name for name in truth.scenes if name not in found]
    if missing:
        raise InputFileError(
            f"{len(missing)} of {len(truth.scenes)} images of {truth.source} are not there, {missing[0]!r} "
            "among them: name the folder that holds them all"
        )
    return found


def detect_images(
    detector: Detector,
    images: Mapping[str, Path],
    facts: Mapping[str, SceneFacts],
    progress: Callable[[int, int], None] | None = None,
) -> DetectedImages:
    """Run a detector over whole images.

    Args:
        detector: that finds the objects.
        images: path by scene.
        facts: what the labels say of the images; a size that differs is an error.
        progress: called with images done and to do.

    Raises:
        InputFileError: an image is unreadable, not 8-bit, or of another size than the labels say.
    """
    found: list[Detections] = []
    for done, (name, path) in enumerate(images.items(), start=1):
        found.append(detect_whole(detector, path, facts.get(name, SceneFacts())))
        if progress is not None:
            progress(done, len(images))
    everything = Detections.concatenate(found, "tile")
    names = np.array(detector.classes, np.str_)
    table = ObjectTable(
        source=f"what {detector.provenance.get('model', 'the model')} found",
        kind="detections",
        scenes=tuple(images),
        scene=np.repeat(np.arange(len(found)), [len(part) for part in found]).astype(np.int64),
        names=names[everything.labels],
        scores=everything.scores,
        pixel=everything.xyxy,
        lonlat=None,
        crs="",
        ignored=np.zeros(len(everything), np.bool_),
        crowd=np.zeros(len(everything), np.bool_),
    )
    return DetectedImages(table, sum(part.saturated for part in found))


def detect_whole(detector: Detector, path: Path, facts: SceneFacts) -> Detections:
    """Detections of one image, read as one chip: pixels as they are, padded with zeros to the multiple.

    Boxes are cut at the edges of the image; those that lie in the padding alone are dropped.

    Raises:
        InputFileError: see ``detect_images``.
    """
    pixels = read_eight_bit(path, detector.input_spec.channels)
    height, width = pixels.shape[1:]
    told = (facts.width or width, facts.height or height)
    if told != (width, height):
        raise InputFileError(
            f"{path}: {width} x {height} px, its labels say {told[0]} x {told[1]}: are these the images "
            "that were labelled?"
        )
    multiple = detector.tile_multiple
    side = [math.ceil(length / multiple) * multiple for length in (height, width)]
    padded = np.zeros((len(pixels), *side), np.float32)
    padded[:, :height, :width] = pixels
    valid = np.zeros(side, np.bool_)
    valid[:height, :width] = True
    window = Window(0, 0, *side)
    found = detector.predict([Chip(padded, valid, Tile(0, 0, window, window))])[0]
    boxes: FloatArray = np.minimum(found.xyxy, [width, height, width, height])
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return replace(found, xyxy=boxes).take(inside)


def compare_detections(
    found: ObjectTable, truth: ObjectTable, classes: Sequence[str], spec: AlignSpec
) -> Comparison:
    """Detections beside the truth.

    Publishers' names of classes are taken for the detector's ("red blood cell" for "RBC"), and it is said so.
    Classes that the labels do not hold are not asked for, and their detections left out.

    Args:
        found: by a detector of ``classes``.
        truth: of the same images.
        classes: of the detector.
        spec: how they are compared; its class map renames both.

    Raises:
        LabelError: the labels hold a class that the detector does not know.
    """
    truth, notes = with_standard_names(truth, [*classes, *spec.class_map])
    asked = set(renamed(truth, spec.class_map).names.tolist())
    known = {spec.class_map.get(name, name) for name in classes}
    if spec.rule.by_class and (strange := sorted(asked - known - {""})):
        raise LabelError(
            f"{truth.source} has classes {', '.join(strange)}, the detector finds {', '.join(classes)}: "
            f"rename with --class-map {strange[0]}={classes[0]}, drop one with --class-map {strange[0]}=, or "
            "give --class-agnostic"
        )
    if spec.rule.by_class and asked - {""}:
        unasked = [name for name in classes if spec.class_map.get(name, name) not in asked]
        found = renamed(found, dict.fromkeys(unasked, ""))
    comparison = align(found, truth, spec)
    return replace(comparison, notes=(*notes, *comparison.notes))
