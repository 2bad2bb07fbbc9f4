"""Fields and slides of smears as a training set: at stated micrometres a pixel, without bars and scale bars.

What :mod:`retina_domains.scene_set` does for rasters of the ground serves here too: which chips are drawn,
what becomes of objects that a chip cuts, and how pixels are scaled. This module adds what smears need. Fields
come from a COCO file of ours; slides lie beside them and may give stated regions only. Chips are read through
the reader of slides, as inference reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from retina_domains.errors import InvalidValueError, LabelError, RadiometryError
from retina_domains.field_mask import CoarseMask, field_mask, masked_share, smear_mask
from retina_domains.image_pixels import scene_scaling
from retina_domains.labelled import ImageLabels
from retina_domains.labelled_scenes import ChipSpec, PreparedScene, table_of
from retina_domains.radiometry import BandScaling
from retina_domains.readers import bounded_block_cache, open_scene
from retina_domains.readers.datasets import read_coco
from retina_domains.readers.slide_region import RegionReader
from retina_domains.samples import SceneObjects
from retina_domains.scene_labels import LabelSpec, PlacedObjects, place_objects
from retina_domains.scene_set import SamplingNames, SceneChip, SceneSet, covering_range
from retina_domains.types import BoolArray, InputSpec, SceneReader, SlideGrid, Window

Masked = Literal["keep", "fill"]
Box = Sequence[float]
# Up to here a field is looked at pixel by pixel; larger ones are slides, of which an overview is.
_FIELD_PX = 2**26
_OVERVIEW_SIDE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SmearSpec:
    """Which fields, and how they are read.

    Args:
        labels: COCO file of ours; the fields and slides that it names are the set.
        mpp: micrometres a pixel that every chip is brought to; None: pixels are taken as they are.
        file_mpp: of fields whose own the labels do not tell; None: as the file says.
        masks: look for letterbox bars and scale bars on fields, for bare glass on slides.
        masked: pixels under a mask are kept as they are (``"keep"``; scale bars then are ignored regions, as
            inference will see them too) or made black (``"fill"``).
        ignore_from: an object of which at least this share is masked becomes an ignored region.
        regions: by file name, boxes ``(x1, y1, x2, y2)`` in px of level 0: only these parts are drawn from,
            as only they were labelled.
    """

    labels: str
    mpp: float | None = None
    file_mpp: float | None = None
    masks: bool = True
    masked: Masked = "keep"
    ignore_from: float = 0.5
    regions: Mapping[str, Sequence[Box]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value in (self.mpp, self.file_mpp):
            if value is not None and not 0 < value < float("inf"):
                raise InvalidValueError(f"{value} um a pixel: expected a number above 0, or None")
        if self.masked not in ("keep", "fill"):
            raise InvalidValueError(f"masked {self.masked!r}: expected 'keep' or 'fill'")
        if not 0 < self.ignore_from <= 1:
            raise InvalidValueError(f"ignore_from {self.ignore_from}: expected above 0, at most 1")


@dataclass(frozen=True, slots=True)
class SmearMask:
    """What of a scene shows no smear, small enough to be held for thousands of fields.

    Args:
        bars: around a field, px of the scene.
        overlays: scale bars and their text.
        glass: of a slide, or None.
    """

    bars: tuple[Window, ...] = ()
    overlays: tuple[Window, ...] = ()
    glass: CoarseMask | None = None

    def window(self, window: Window) -> BoolArray:
        """``(H, W)`` of a window: whether the smear may be seen there."""
        shape = (window.height, window.width)
        mask = np.ones(shape, bool) if self.glass is None else self.glass.window(window)
        for hole in (*self.bars, *self.overlays):
            part = hole.intersection(window)
            top, left = part.row - window.row, part.col - window.col
            mask[top : top + part.height, left : left + part.width] = False
        return mask


@dataclass(frozen=True, slots=True)
class PreparedSmear:
    """A field, a slide, or a region of one, that was looked at once.

    Args:
        scene: as a scene of the set, at the sampling of the chips.
        file_mpp: micrometres a pixel with which its file is opened, or None.
        mask: what of it shows no smear; px of the scene.
        region: of the slide that the scene is, px at the sampling of the chips; None: the whole.
        mpp: micrometres a px of the scene, or None where nobody tells.
    """

    scene: PreparedScene
    file_mpp: float | None
    mask: SmearMask
    region: Window | None
    mpp: tuple[float, float] | None


class SmearSet(SceneSet):
    """Labelled smears from which chips are drawn or cut. Picklable; a copy opens its own files.

    Args:
        smears: from :func:`prepare_smears`.
        spec: how tiles become chips; its GSD is not used.
        smear: how fields are read.
        classes: names, in the order of labels.
    """

    def __init__(
        self,
        smears: Sequence[PreparedSmear],
        spec: ChipSpec,
        smear: SmearSpec,
        classes: Sequence[str],
    ) -> None:
        super().__init__([s.scene for s in smears], spec, classes)
        self.smears, self.smear = tuple(smears), smear

    def read(self, scene: int, window: Window) -> SceneChip:
        """The chip of a window, its mask without what shows no smear.

        Raises:
            BlockReadError: the file cannot be decoded there.
        """
        chip = super().read(scene, window)
        valid = chip.valid & self.smears[scene].mask.window(window)
        pixels = chip.pixels if self.smear.masked == "keep" else chip.pixels * valid
        return replace(chip, pixels=pixels, valid=valid)

    def _open(self, scene: int) -> SceneReader:
        smear = self.smears[scene]
        opened = _opened(smear.scene.path, self.spec, smear.file_mpp, self.smear.mpp)
        return opened if smear.region is None else RegionReader(opened, smear.region)

    def input_spec(self, declared: InputSpec) -> InputSpec:
        """What a model trained on these chips takes: ``declared``, with their range of MPP if it has none.

        Raises:
            ConfigError: chips lie outside of the declared range.
        """
        sides = [value for smear in self.smears for value in (smear.mpp or ())]
        if not sides:
            return declared
        names = SamplingNames("um/px", "mpp_range", "mpp")
        return replace(declared, mpp_range=covering_range(sides, declared.mpp_range, names))

    def facts(self) -> dict[str, Any]:
        """Plain values for JSON: as of all scenes, with sampling and masks."""
        return {
            **super().facts(),
            "mpp": self.smear.mpp,
            "masked": self.smear.masked if self.smear.masks else "nothing looked for",
            "fields_with_bars": sum(bool(s.mask.bars) for s in self.smears),
            "fields_with_scale_bars": sum(bool(s.mask.overlays) for s in self.smears),
        }


def prepare_smears(
    smear: SmearSpec,
    classes: Sequence[str],
    spec: ChipSpec,
    input_spec: InputSpec,
    label_spec: LabelSpec | None = None,
) -> list[PreparedSmear]:
    """Look at every field once: its size, sampling, masks and objects.

    Args:
        smear: which fields, and how they are read.
        classes: names, in the order of labels.
        spec: how tiles become chips.
        input_spec: what the model takes.
        label_spec: class map, from species or stages to the classes of the task.

    Raises:
        InputFileError: a file cannot be read.
        LabelError: labels do not fit, or a region is of no field of the set.
        InvalidValueError: ``smear.mpp`` is asked for and a field's own is not known.
        RadiometryError: pixels do not fit the model, or what was declared.
    """
    images = read_coco(Path(smear.labels), by_category=True)
    if not images:
        raise LabelError(f"{smear.labels}: names no images: expected a COCO file of a set that is not empty")
    strange = sorted(set(smear.regions) - {image.path.name for image in images})
    if strange:
        raise LabelError(f"regions: {strange[0]}: not a file of {smear.labels}")
    label_spec = label_spec or LabelSpec()
    return [
        prepared
        for image in images
        for prepared in _prepared(image, classes, (smear, spec, input_spec, label_spec))
    ]


def _opened(path: str, spec: ChipSpec, file_mpp: float | None, to_mpp: float | None) -> SceneReader:
    return open_scene(path, bands=spec.bands, mpp=file_mpp, to_mpp=to_mpp)


def _prepared(
    image: ImageLabels,
    classes: Sequence[str],
    specs: tuple[SmearSpec, ChipSpec, InputSpec, LabelSpec],
) -> list[PreparedSmear]:
    smear, spec, input_spec, label_spec = specs
    path, file_mpp = str(image.path), image.mpp if image.mpp is not None else smear.file_mpp
    table = table_of(image)
    regions = smear.regions.get(image.path.name, ())
    with bounded_block_cache(), _opened(path, spec, file_mpp, None) as reader:
        placed = place_objects(table, replace(reader.scene, name=table.scenes[0]), classes, label_spec)
        try:
            scaling = scene_scaling(reader, input_spec, spec.radiometry, spec.bands)
        except RadiometryError as error:
            raise RadiometryError(f"{path}: {error}") from error
        native, masks = reader.scene, _masks_of(reader) if smear.masks else SmearMask()
    with _opened(path, spec, file_mpp, smear.mpp) as reader:
        scene = reader.scene
    grid = scene.grid or SlideGrid(native.height, native.width)
    placed = replace(
        placed, objects=_masked_objects(placed.objects, masks, smear, native.width, native.height)
    )
    whole = PreparedSmear(
        _scene_of(
            path, table.scenes[0], spec, scaling, _scaled_objects(placed, grid), (scene.height, scene.width)
        ),
        file_mpp,
        _scaled_mask(masks, grid),
        None,
        grid.scene_mpp,
    )
    return [_region_of(whole, box, grid) for box in regions] or [whole]


def _scene_of(
    path: str, name: str, spec: ChipSpec, scaling: BandScaling, placed: PlacedObjects, size: tuple[int, int]
) -> PreparedScene:
    height, width = size
    return PreparedScene(path, name, height, width, (spec.size, spec.size), None, scaling, placed)


def _masks_of(reader: SceneReader) -> SmearMask:
    """Bars and scale bars of a field, or bare glass of a slide, px of its file."""
    scene = reader.scene
    if scene.dtype != "uint8" or scene.bands not in (1, 3):
        return SmearMask()
    if scene.height * scene.width > _FIELD_PX:
        return SmearMask(
            glass=CoarseMask(smear_mask(*reader.read_overview(_OVERVIEW_SIDE)), scene.height, scene.width)
        )
    found = field_mask(*reader.read(Window(0, 0, scene.height, scene.width)))
    top, bottom, left, right = found.bars
    inner = scene.height - top - bottom
    around = (
        Window(0, 0, top, scene.width),
        Window(scene.height - bottom, 0, bottom, scene.width),
        Window(top, 0, inner, left),
        Window(top, scene.width - right, inner, right),
    )
    return SmearMask(tuple(bar for bar in around if not bar.empty), found.overlays)


def _masked_objects(
    objects: SceneObjects, mask: SmearMask, smear: SmearSpec, width: int, height: int
) -> SceneObjects:
    """Objects under a mask become ignored regions, and so do scale bars that stay to be seen."""
    if not mask.bars and not mask.overlays:
        return objects
    ignored = objects.ignored.copy()
    if len(objects):
        inside = np.clip(objects.xyxy, 0, [width, height, width, height])
        some = (inside[:, 2:] > inside[:, :2]).all(axis=1)
        valid = mask.window(Window(0, 0, height, width))
        ignored[some] |= masked_share(valid, inside[some]) >= smear.ignore_from
    boxes, labels = objects.xyxy, objects.labels
    if smear.masked == "keep" and mask.overlays:
        drawn = np.array([window.xyxy for window in mask.overlays], np.float64)
        boxes = np.concatenate([boxes, drawn])
        labels = np.append(labels, np.zeros(len(drawn), np.int64))
        ignored = np.append(ignored, np.ones(len(drawn), bool))
    return SceneObjects.of(boxes, labels, ignored)


def _scaled_objects(placed: PlacedObjects, grid: SlideGrid) -> PlacedObjects:
    objects = placed.objects
    boxes = grid.from_level0(objects.xyxy)
    return replace(placed, objects=SceneObjects.of(boxes, objects.labels, objects.ignored))


def _scaled_mask(mask: SmearMask, grid: SlideGrid) -> SmearMask:
    """A mask of the file in px of the scene, grown to whole px."""

    def scaled(window: Window) -> Window:
        x1, y1, x2, y2 = grid.from_level0(np.array(window.xyxy, np.float64))
        col, row = int(np.floor(x1)), int(np.floor(y1))
        return Window(row, col, int(np.ceil(y2)) - row, int(np.ceil(x2)) - col)

    glass = mask.glass
    if glass is not None:
        height, width = glass.height / grid.scale[1], glass.width / grid.scale[0]
        glass = replace(glass, height=max(1, round(height)), width=max(1, round(width)))
    return SmearMask(tuple(map(scaled, mask.bars)), tuple(map(scaled, mask.overlays)), glass)


def _region_of(smear: PreparedSmear, box: Box, grid: SlideGrid) -> PreparedSmear:
    """A part of a slide as a scene of its own, with the objects whose centre lies in it."""
    scene = smear.scene
    x1, y1, x2, y2 = np.rint(grid.from_level0(np.asarray(box, np.float64))).astype(int).tolist()
    region = Window(y1, x1, y2 - y1, x2 - x1).intersection(Window(0, 0, scene.height, scene.width))
    if region.empty:
        raise LabelError(
            f"{scene.path}: region {list(box)} holds none of its {grid.width} x {grid.height} px"
        )
    objects = scene.labels.objects
    centre = (objects.xyxy[:, :2] + objects.xyxy[:, 2:]) / 2
    left, top, right, bottom = region.xyxy
    inside = (centre >= [left, top]).all(axis=1) & (centre < [right, bottom]).all(axis=1)
    moved = objects.xyxy[inside] - np.array([left, top, left, top], np.float64)
    chosen = SceneObjects.of(moved, objects.labels[inside], objects.ignored[inside])

    def shifted(window: Window) -> Window:
        return Window(window.row - top, window.col - left, window.height, window.width)

    mask = SmearMask(tuple(map(shifted, smear.mask.bars)), tuple(map(shifted, smear.mask.overlays)), None)
    part = replace(
        scene, height=region.height, width=region.width, labels=replace(scene.labels, objects=chosen)
    )
    return replace(smear, scene=part, mask=mask, region=region)
