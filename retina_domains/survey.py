"""A labelled set looked at as a whole: every image's size and objects, and pixels where asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retina_domains.errors import GeoreferenceError, LabelError
from retina_domains.evaluation.objects import NO_CLASS, NO_SCENE, ObjectTable
from retina_domains.georef import ground_sampling
from retina_domains.readers import SceneSource, expand_inputs, open_scene, sample_scene
from retina_domains.readers.inputs import FOLDER_SUFFIXES
from retina_domains.readers.labels import LabelContext, read_objects
from retina_domains.readers.pictures import decoding
from retina_domains.samples.alignment import Shift, contrast_map, find_shift, search_radius
from retina_domains.samples.anchor_tuning import ObjectSizes
from retina_domains.samples.objects import SceneObjects
from retina_domains.scene_labels import DROP, IGNORE, LabelSpec, PlacedObjects, nowhere, place_objects
from retina_domains.types import FloatArray, Scene, Window

_IMAGE_FOLDERS = ("images", "JPEGImages", ".")
_SHIFT_OBJECTS = 400
_BAND_IMAGES = 24
_BAND_PIXELS = 20_000


@dataclass(frozen=True, slots=True)
class SurveyedImage:
    """One image of a set.

    Args:
        name: as the labels name it.
        path: of its file, or empty where it was not looked at.
        height: rows, px.
        width: columns, px.
        gsd: metres a pixel, or None.
        placed: its objects, and what became of others.
    """

    name: str
    path: str
    height: int
    width: int
    gsd: float | None
    placed: PlacedObjects

    @property
    def objects(self) -> SceneObjects:
        """Its objects."""
        return self.placed.objects


@dataclass(frozen=True, slots=True)
class Survey:
    """A labelled set.

    Args:
        source: of the labels.
        kind: what they are, such as ``"Pascal VOC"``.
        classes: names, in the order of labels.
        images: in the order of their names or of the labels.
        missing: names of labelled images that have no file, where files were looked for.
        named: labels say which image they are of.
    """

    source: str
    kind: str
    classes: tuple[str, ...]
    images: tuple[SurveyedImage, ...]
    missing: tuple[str, ...] = ()
    named: bool = True

    def object_sizes(self) -> ObjectSizes:
        """All objects that are learnt, for :func:`~retina_domains.samples.anchor_tuning.tune_anchors`.

        Raises:
            LabelError: there are none.
        """
        boxes, sizes, labels = [], [], []
        for image in self.images:
            learnt = image.objects.take(~image.objects.ignored)
            boxes.append(learnt.xyxy)
            labels.append(learnt.labels)
            sizes.append(np.tile([float(image.width), float(image.height)], (len(learnt), 1)))
        return ObjectSizes(np.concatenate(boxes), np.concatenate(sizes), np.concatenate(labels))


def survey_set(
    labels: str | Path,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    spec: LabelSpec | None = None,
) -> Survey:
    """Look at every image of a labelled set.

    Args:
        labels: a file or folder that :func:`~retina_domains.readers.labels.read_objects` reads.
        images: rasters, a folder, a pattern or a list; None: those beside the labels, where there are some.
        classes: names, in the order of labels; None: all that the labels have, sorted.
        spec: class map and sizes of points.

    Raises:
        InputFileError: a file cannot be read.
        LabelError: labels do not fit the images or the classes, or there is nothing.
    """
    path, spec = Path(labels), spec or LabelSpec()
    where = _images_beside(path) if images is None else str(images)
    folder = Path(where) if where is not None and Path(where).is_dir() else None
    table = read_objects(path, LabelContext(images=folder))
    names = tuple(classes) if classes else _classes_of(table, spec)
    if where is None:
        found = [_from_labels(table, index, names, spec) for index in range(len(table.scenes))]
        return Survey(table.source, table.kind, names, tuple(found))
    found = [_from_file(table, source.path, source.name, names, spec) for source in _listed(where, table)]
    stems = {Path(image.name).stem for image in found}
    missing = [name for name in table.scenes if name != NO_SCENE and Path(name).stem not in stems]
    if not found:
        raise LabelError(f"{path}: none of its images is in {where}: name their folder with --images")
    named = not set(table.scenes) <= {NO_SCENE}
    if all(image.placed.listed and image.placed.outside == image.placed.listed for image in found):
        with open_scene(found[0].path, name=found[0].name) as reader:
            raise LabelError(nowhere(table, str(path), reader.scene, len(found)))
    return Survey(table.source, table.kind, names, tuple(found), tuple(missing), named)


def _images_beside(labels: Path) -> str | None:
    base = labels if labels.is_dir() else labels.parent
    base = base.parent if base.name in ("labels", "Annotations") else base
    for name in _IMAGE_FOLDERS:
        folder = base / name
        if folder.is_dir() and any(f.suffix.lower() in FOLDER_SUFFIXES for f in folder.iterdir()):
            return str(folder)
    return None


def _listed(where: str, table: ObjectTable) -> list[SceneSource]:
    """Sources of images that the labels name, all of them where they name none."""
    sources = expand_inputs([where])
    if set(table.scenes) <= {NO_SCENE}:
        return sources
    stems = {Path(name).stem for name in table.scenes}
    return [source for source in sources if Path(source.name).stem in stems]


def _classes_of(table: ObjectTable, spec: LabelSpec) -> tuple[str, ...]:
    names = (str(name) for name in np.unique(table.names))
    mapped = (spec.class_map.get(n, n) if n != NO_CLASS else spec.default_class or "object" for n in names)
    found = tuple(dict.fromkeys(name for name in mapped if name not in (IGNORE, DROP)))
    if not found:
        raise LabelError(f"{table.source}: holds no objects: check the file")
    return found


def _from_labels(table: ObjectTable, index: int, classes: tuple[str, ...], spec: LabelSpec) -> SurveyedImage:
    """An image as its labels tell it; its size is that of its objects' extent where they do not."""
    name = table.scenes[index]
    facts = table.facts.get(name)
    rows = table.scene == index
    if table.pixel is None:
        raise LabelError(f"{table.source}: labels on the ground: name the rasters with --images")
    reach = np.ceil(table.pixel[rows].max(axis=0, initial=1.0)).astype(int)
    height = facts.height if facts is not None and facts.height else int(max(1, reach[3]))
    width = facts.width if facts is not None and facts.width else int(max(1, reach[2]))
    scene = Scene(name or table.source, "", height, width, 1, "uint8")
    placed = place_objects(table, scene, classes, _named(spec))
    return SurveyedImage(scene.name, "", height, width, None if facts is None else facts.gsd, placed)


def _from_file(
    table: ObjectTable, path: str, name: str, classes: tuple[str, ...], spec: LabelSpec
) -> SurveyedImage:
    with open_scene(path, name=name) as reader:
        scene = reader.scene
    placed = place_objects(table, scene, classes, _named(spec))
    facts = next((table.facts[n] for n in table.facts if Path(n).stem == Path(name).stem), None)
    gsd = None if facts is None else facts.gsd
    if gsd is None and scene.georef is not None:
        gsd = _gsd_of(scene)
    return SurveyedImage(name, path, scene.height, scene.width, gsd, placed)


def _named(spec: LabelSpec) -> LabelSpec:
    """Objects without a class are looked at too."""
    if spec.default_class is not None:
        return spec
    return replace(spec, default_class="object")


def _gsd_of(scene: Scene) -> float | None:
    if scene.georef is None:
        return None
    try:
        return float(np.mean(ground_sampling(scene.georef, scene.height, scene.width)))
    except GeoreferenceError:
        # Of another celestial body: sizes are told in pixels alone.
        return None


def label_shift(survey: Survey, seed: int = 0) -> Shift:
    """Whether labels lie beside their objects; looks at 400 objects at most.

    Raises:
        BlockReadError: a file cannot be decoded at an object.
    """
    sizes = np.concatenate([_sizes(image.objects) for image in survey.images])
    if not len(sizes):
        return find_shift([], 0.0)
    radius = search_radius(sizes)
    maps = []
    for image, chosen in _picked(survey, seed):
        with decoding(image.path), open_scene(image.path, name=image.name) as reader:
            for x1, y1, x2, y2 in np.round(image.objects.xyxy[chosen]).astype(int):
                height, width = max(1, y2 - y1), max(1, x2 - x1)
                window = Window(y1 - radius, x1 - radius, height + 2 * radius, width + 2 * radius)
                pixels, valid = reader.read(window)
                if valid.all() and (found := contrast_map(pixels, (height, width), radius)) is not None:
                    maps.append(found)
    return find_shift(maps, float(np.median(sizes)))


def _picked(survey: Survey, seed: int) -> Iterator[tuple[SurveyedImage, NDArray[np.int64]]]:
    """Images that have a file, each with some of its objects, in a random order."""
    rng = np.random.default_rng(seed)
    with_file = [image for image in survey.images if image.path and len(image.objects)]
    total = sum(len(image.objects) for image in with_file)
    share = min(1.0, _SHIFT_OBJECTS / total) if total else 0.0
    for k in rng.permutation(len(with_file)):
        image = with_file[k]
        chosen = np.flatnonzero(rng.random(len(image.objects)) < share)
        if len(chosen):
            yield image, chosen


def _sizes(objects: SceneObjects) -> FloatArray:
    sizes: FloatArray = np.sqrt((objects.xyxy[:, 2:] - objects.xyxy[:, :2]).prod(axis=1))
    return sizes


def band_samples(survey: Survey, seed: int = 0) -> list[NDArray[Any]]:
    """Valid pixels of each band, at most 20,000 from each of at most 24 images spread over the set.

    Raises:
        BlockReadError: a file cannot be decoded.
    """
    rng = np.random.default_rng(seed)
    with_file = [image for image in survey.images if image.path]
    step = max(1, len(with_file) // _BAND_IMAGES)
    bands: list[list[NDArray[Any]]] = []
    for image in with_file[::step][:_BAND_IMAGES]:
        with decoding(image.path), open_scene(image.path, name=image.name) as reader:
            pixels, valid = sample_scene(reader)
        some = pixels[:, valid]
        if some.shape[1] > _BAND_PIXELS:
            some = some[:, rng.choice(some.shape[1], _BAND_PIXELS, replace=False)]
        for index, band in enumerate(some):
            if index == len(bands):
                bands.append([])
            bands[index].append(band)
    return [np.concatenate(parts) for parts in bands]
