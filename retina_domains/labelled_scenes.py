"""Rasters and their labels looked at once, before tiles are drawn: size, GSD, stretch and objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from retina_domains.errors import (
    ConfigError,
    GeoreferenceError,
    InvalidValueError,
    LabelError,
    RadiometryError,
)
from retina_domains.evaluation.objects import NO_SCENE, ObjectTable, SceneFacts
from retina_domains.georef import ground_sampling
from retina_domains.image_pixels import scene_scaling
from retina_domains.labelled import ImageLabels
from retina_domains.radiometry import BandScaling, RadiometryChoice
from retina_domains.readers import SceneSource, bounded_block_cache, expand_inputs, open_scene
from retina_domains.readers.datasets import read_coco
from retina_domains.readers.labels import read_objects
from retina_domains.samples import CutRule, SamplingSpec
from retina_domains.scene_labels import LabelSpec, PlacedObjects, nowhere, place_objects
from retina_domains.types import InputSpec, SceneReader


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipSpec:
    """How tiles become chips.

    Args:
        size: side of a chip, px.
        gsd: metres a pixel that every chip is brought to; None: as each scene has it.
        bands: bands to read, from 1 and in this order; None: all but alpha.
        radiometry: what the pixels are, or ``"auto"``.
        min_valid: least share of valid pixels that an empty tile should have.
        cut: what becomes of objects that a tile cuts.
        sampling: which tiles are drawn.
    """

    size: int = 512
    gsd: float | None = None
    bands: tuple[int, ...] | None = None
    radiometry: RadiometryChoice = "auto"
    min_valid: float = 0.25
    cut: CutRule = field(default_factory=CutRule)
    sampling: SamplingSpec = field(default_factory=SamplingSpec)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidValueError(f"chips of {self.size} px: expected 1 or more")
        if self.gsd is not None and not self.gsd > 0:
            raise InvalidValueError(f"GSD {self.gsd} m/px: expected above 0")
        if not 0 <= self.min_valid <= 1:
            raise InvalidValueError(f"least valid share {self.min_valid}: expected 0 to 1")


@dataclass(frozen=True, slots=True)
class PreparedScene:
    """A scene that was looked at once.

    Args:
        path: as GDAL names it.
        name: unique in its set.
        height: rows, px.
        width: columns, px.
        tile: (rows, columns) of scene px that become one chip.
        gsd: metres a chip pixel along x and y, or None where that is not known.
        scaling: of the whole scene.
        labels: its objects, and what became of others.
        group: scene, patient or slide that it is a part of, as the labels tell; empty: it is one of its own.
    """

    path: str
    name: str
    height: int
    width: int
    tile: tuple[int, int]
    gsd: tuple[float, float] | None
    scaling: BandScaling
    labels: PlacedObjects
    group: str = ""

    def facts(self) -> dict[str, Any]:
        """Plain values for JSON."""
        placed = self.labels
        return {
            "scene": self.name,
            "height": self.height,
            "width": self.width,
            "tile": list(self.tile),
            "gsd": None if self.gsd is None else list(self.gsd),
            "radiometry": self.scaling.to_dict(),
            "objects": len(placed.objects),
            "ignored": int(placed.objects.ignored.sum()),
            "outside": placed.outside,
            "degenerate": placed.degenerate,
            "dropped": placed.dropped,
        }


def prepare_scenes(
    images: str | Sequence[str] | None,
    labels: str,
    classes: Sequence[str],
    spec: ChipSpec,
    input_spec: InputSpec,
    label_spec: LabelSpec | None = None,
) -> list[PreparedScene]:
    """Look at every scene once: its size, GSD, stretch and objects.

    Args:
        images: rasters, folders, patterns or lists, as for inference; None: those that ``labels``, a COCO
            file, names, by their paths from ``images`` beside it or from its own folder.
        labels: a file or folder that :func:`~retina_domains.readers.labels.read_objects` reads; with
            ``{stem}`` or ``{name}`` in it, one for each scene.
        classes: names, in the order of labels.
        spec: how tiles become chips.
        input_spec: what the model takes; decides the stretch as it does in inference.
        label_spec: class map and sizes of points.

    Raises:
        InputFileError: a file cannot be read.
        LabelError: labels do not fit.
        RadiometryError: pixels do not fit the model, or what was declared.
        ConfigError: a GSD is asked for and a scene has none.
    """
    label_spec = label_spec or LabelSpec()
    prepared = []
    if images is None:
        for image in read_coco(Path(labels), by_category=True):
            table = table_of(image)
            source = SceneSource(str(image.path), table.scenes[0])
            prepared.append(_prepared(source, table, classes, (spec, input_spec, label_spec)))
        if not prepared:
            raise LabelError(f"{labels}: names no images: expected a COCO file of a set that is not empty")
        return prepared
    sources = expand_inputs([images] if isinstance(images, str) else list(images))
    tables = _LabelFiles(labels, several=len(sources) > 1)
    for source in sources:
        prepared.append(_prepared(source, tables.of(source.name), classes, (spec, input_spec, label_spec)))
    tables.check(prepared)
    return prepared


def _prepared(
    source: SceneSource,
    table: ObjectTable,
    classes: Sequence[str],
    specs: tuple[ChipSpec, InputSpec, LabelSpec],
) -> PreparedScene:
    spec, input_spec, label_spec = specs
    with bounded_block_cache(), open_scene(source.path, bands=spec.bands, name=source.name) as reader:
        scene = reader.scene
        try:
            scaling = scene_scaling(reader, input_spec, spec.radiometry, spec.bands)
        except RadiometryError as error:
            raise RadiometryError(f"{source.path}: {error}") from error
        told = _told_of(table, scene.name)
        tile, gsd = _tile_of(reader, spec, told.gsd)
        placed = place_objects(table, scene, classes, label_spec)
    return PreparedScene(
        source.path, source.name, scene.height, scene.width, tile, gsd, scaling, placed, told.group or ""
    )


def table_of(image: ImageLabels) -> ObjectTable:
    """The labels of one image as a table of that image alone, named by its last folder and file."""
    name = "/".join(image.path.parts[-2:])
    objects, n = image.objects, len(image.objects)
    return ObjectTable(
        source=image.source,
        kind="labelled image",
        scenes=(name,),
        scene=np.zeros(n, np.int64),
        names=np.array([item.source_label for item in objects], np.str_),
        scores=None,
        pixel=np.array([item.xyxy for item in objects], np.float64).reshape(-1, 4),
        lonlat=None,
        crs="",
        ignored=np.array([item.ignored for item in objects], np.bool_),
        crowd=np.zeros(n, np.bool_),
        facts={name: SceneFacts(image.width, image.height, image.key, image.gsd)},
    )


def _told_of(table: ObjectTable, name: str) -> SceneFacts:
    """What the labels tell of a scene."""
    stem = Path(name).stem
    return next((facts for told, facts in table.facts.items() if Path(told).stem == stem), SceneFacts())


class _LabelFiles:
    """The label file of each scene, each read once."""

    def __init__(self, labels: str, several: bool) -> None:
        self._labels = labels
        self._each = "{stem}" in labels or "{name}" in labels
        self._shared = None if self._each else read_objects(labels)
        unnamed = self._shared is not None and set(self._shared.scenes) <= {NO_SCENE}
        if several and unnamed and self._shared is not None and self._shared.lonlat is None:
            raise LabelError(
                f"{labels}: gives pixels without saying of which image, and there are several: add a column "
                "that names it, or give one file a scene as in 'labels/{stem}.csv'"
            )

    def of(self, name: str) -> ObjectTable:
        if self._shared is not None:
            return self._shared
        path = self._labels.replace("{stem}", Path(name).stem).replace("{name}", Path(name).name)
        return read_objects(path)

    def check(self, scenes: Sequence[PreparedScene]) -> None:
        """Raise where labels were given and none lies on any scene: they are of another place."""
        listed = max((s.labels.listed for s in scenes), default=0)
        if listed and all(s.labels.outside == s.labels.listed for s in scenes):
            with open_scene(scenes[0].path, name=scenes[0].name) as reader:
                first = reader.scene
            raise LabelError(nowhere(self.of(first.name), self._labels, first, len(scenes)))


def _tile_of(
    reader: SceneReader, spec: ChipSpec, told: float | None
) -> tuple[tuple[int, int], tuple[float, float] | None]:
    """(rows, columns) of a tile in scene px, and the GSD of its chip along x and y.

    The scene's own place tells its GSD; where it has none, the labels may (``told``).
    """
    scene = reader.scene
    try:
        if scene.georef is None:
            raise GeoreferenceError("it has no georeference")
        along_x, along_y = ground_sampling(scene.georef, scene.height, scene.width)
    except GeoreferenceError as error:
        if told is None and spec.gsd is not None:
            raise ConfigError(
                f"{scene.name}: gsd={spec.gsd} m/px is asked for, but its own is not known ({error}): "
                "georeference it, or set gsd=None"
            ) from error
        if told is None:
            return (spec.size, spec.size), None
        along_x = along_y = told
    if spec.gsd is None:
        return (spec.size, spec.size), (along_x, along_y)
    rows = max(1, round(spec.size * spec.gsd / along_y))
    cols = max(1, round(spec.size * spec.gsd / along_x))
    return (rows, cols), (along_x * cols / spec.size, along_y * rows / spec.size)
