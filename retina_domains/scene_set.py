"""Training tiles straight from large rasters: windows read as inference reads them, with their objects.

Pixels take the same way as in inference - reader, one stretch a scene, float32 in 0..255 - and are then
brought to the stated GSD. Nothing is written to disk, and no raster is held open between processes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from retina_domains.areas import Area, Shapes
from retina_domains.errors import ConfigError
from retina_domains.labelled_scenes import ChipSpec, PreparedScene, prepare_scenes
from retina_domains.readers import bounded_block_cache, open_scene
from retina_domains.samples import SceneField, SceneObjects, TileSampler, objects_in_window, resample
from retina_domains.types import BoolArray, InputSpec, SceneReader, Window

__all__ = ["ChipSpec", "PreparedScene", "SceneChip", "SceneSet", "prepare_scenes"]

_OPEN_AT_ONCE = 32
# A row of tiles of a scene that is stored by whole lines; every worker has a cache of its own.
_BLOCK_CACHE_BYTES = 64 * 2**20
_DRAWS = 8
_LAND_STEP = 8


@dataclass(frozen=True, slots=True)
class SceneChip:
    """What a trainer gets of one tile.

    Args:
        pixels: ``(C, size, size)`` float32 in 0..255; 0 where invalid.
        valid: ``(size, size)``.
        objects: in px of the chip.
        scene: index of its scene.
        window: what was read, scene px.
        negative: drawn as a place without objects.
        land: ``(size, size)``, or None where no land is known of.
    """

    pixels: NDArray[np.float32]
    valid: BoolArray
    objects: SceneObjects
    scene: int
    window: Window
    negative: bool = False
    land: BoolArray | None = None


class SamplingNames(NamedTuple):
    """How an error calls a sampling: its unit, the range in ``input``, and the setting that changes it."""

    unit: str
    range: str
    setting: str


def covering_range(
    sides: Sequence[float], declared: tuple[float, float] | None, names: SamplingNames
) -> tuple[float, float]:
    """The range of sampling that a model is declared for, or that of its chips where none is.

    Args:
        sides: of the pixels of chips.
        declared: lowest and highest, or None.
        names: for the message.

    Raises:
        ConfigError: chips lie outside of what is declared.
    """
    finest, coarsest = min(sides), max(sides)
    low, high = declared or (finest, coarsest)
    if finest < low or coarsest > high:
        raise ConfigError(
            f"chips have {finest:.4g} to {coarsest:.4g} {names.unit}, and input says {names.range} "
            f"{low:g} to {high:g}: set {names.setting}, or widen the range"
        )
    return low, high


class SceneSet:
    """Labelled scenes from which chips are drawn or cut. Picklable; a copy opens its own files.

    Args:
        scenes: from :func:`prepare_scenes`.
        spec: how tiles become chips.
        classes: names, in the order of labels.
        land: polygons of land for the chips' masks, or None.
    """

    def __init__(
        self,
        scenes: Sequence[PreparedScene],
        spec: ChipSpec,
        classes: Sequence[str],
        land: Shapes | None = None,
    ) -> None:
        self.scenes, self.spec, self.classes = tuple(scenes), spec, tuple(classes)
        self._land = None if land is None else land.polygons()
        self._forget_files()

    @cached_property
    def sampler(self) -> TileSampler:
        """What draws tiles; made when it is first needed, as scenes that are only covered need no objects.

        Raises:
            ConfigError: there is nothing to draw from.
        """
        fields = [SceneField(s.height, s.width, s.tile, s.labels.objects) for s in self.scenes]
        return TileSampler(fields, self.spec.sampling)

    def _forget_files(self) -> None:
        self._readers: OrderedDict[int, SceneReader] = OrderedDict()
        self._areas: dict[int, Area] = {}

    def __getstate__(self) -> dict[str, Any]:
        own = ("_readers", "_areas")
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_files()

    def __len__(self) -> int:
        """Draws an epoch; raises ``ConfigError`` where there is nothing to draw from."""
        return len(self.sampler)

    def draw(self, index: int, rng: np.random.Generator) -> SceneChip:
        """The chip of place ``index`` in an epoch.

        A negative tile with too few valid pixels is drawn again; of eight such the most valid one is taken.

        Raises:
            BlockReadError: the file cannot be decoded there.
        """
        best: SceneChip | None = None
        for _ in range(_DRAWS):
            draw = self.sampler.draw(index, rng)
            chip = replace(self.read(draw.scene, draw.window), negative=draw.negative)
            if not draw.negative or chip.valid.mean() >= self.spec.min_valid:
                return chip
            if best is None or chip.valid.sum() > best.valid.sum():
                best = chip
        assert best is not None
        return best

    def cover(self) -> list[tuple[int, Window]]:
        """Tiles, as scene and window, that cover every scene once, for validation."""
        tiles = []
        for index, scene in enumerate(self.scenes):
            rows, cols = scene.tile
            for row in range(0, scene.height, rows):
                tiles += [(index, Window(row, col, rows, cols)) for col in range(0, scene.width, cols)]
        return tiles

    def read(self, scene: int, window: Window) -> SceneChip:
        """The chip of a window whose size is the scene's ``tile``.

        Raises:
            BlockReadError: the file cannot be decoded there.
        """
        prepared, size = self.scenes[scene], self.spec.size
        with bounded_block_cache(_BLOCK_CACHE_BYTES):
            pixels, valid = self._reader(scene).read(window)
        chip, mask = resample(prepared.scaling.apply(pixels, valid), valid, (size, size))
        scale = (size / window.width, size / window.height)
        objects = objects_in_window(prepared.labels.objects, window, self.spec.cut, scale)
        return SceneChip(chip, mask, objects, scene, window, land=self._land_of(scene, window))

    def _land_of(self, scene: int, window: Window) -> BoolArray | None:
        """The land mask of a chip, by points some px apart; what lies next to land counts as land."""
        if self._land is None:
            return None
        if scene not in self._areas:
            prepared = self.scenes[scene]
            georef = self._reader(scene).scene.georef
            reach = max(prepared.tile)
            self._areas[scene] = Area(self._land, georef, (prepared.height, prepared.width), reach)
        points = math.ceil(self.spec.size / _LAND_STEP)
        y = window.row + (np.arange(points) + 0.5) * window.height / points
        x = window.col + (np.arange(points) + 0.5) * window.width / points
        grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        near = binary_dilation(self._areas[scene].holds(grid).reshape(points, points), np.ones((3, 3), bool))
        across = np.arange(self.spec.size) * points // self.spec.size
        mask: BoolArray = near[across[:, None], across]
        return mask

    def _reader(self, scene: int) -> SceneReader:
        """The open reader of a scene; the one that was not used for longest is closed for it."""
        reader = self._readers.pop(scene, None)
        if reader is None:
            while len(self._readers) >= _OPEN_AT_ONCE:
                self._readers.popitem(last=False)[1].__exit__()
            reader = self._open(scene)
        self._readers[scene] = reader
        return reader

    def _open(self, scene: int) -> SceneReader:
        prepared = self.scenes[scene]
        return open_scene(prepared.path, bands=self.spec.bands, name=prepared.name)

    def input_spec(self, declared: InputSpec) -> InputSpec:
        """What a model trained on these chips takes: ``declared``, with their range of GSD if it has none.

        Raises:
            ConfigError: chips lie outside of the declared range.
        """
        sides = [value for scene in self.scenes for value in (scene.gsd or ())]
        if not sides:
            return declared
        names = SamplingNames("m/px", "gsd_range", "chips.gsd")
        return replace(declared, gsd_range=covering_range(sides, declared.gsd_range, names))

    def facts(self) -> dict[str, Any]:
        """Plain values for JSON: what was read, how it was scaled, what labels gave."""
        return {
            "classes": list(self.classes),
            "chip_size": self.spec.size,
            "gsd": self.spec.gsd,
            "negative_share": self.sampler.spec.negative_share,
            "scenes": [scene.facts() for scene in self.scenes],
        }
