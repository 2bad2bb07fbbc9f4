"""Rasters and slides as their readers find them, and where their pixels lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from retina_domains.errors import InvalidValueError
from retina_domains.types.arrays import BoolArray, FloatArray
from retina_domains.types.tiles import Window


@dataclass(frozen=True, slots=True)
class SceneInfo:
    """Facts about a scene that its outputs carry; anything unknown is left empty."""

    acquired: str | None = None
    platform: str | None = None
    polarisation: str | None = None
    extra: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class Georeference(Protocol):
    """Where pixels lie on the ground. Pixel positions are corners-based scene ``(x, y)``, float64.

    Attributes:
        crs_wkt: the native coordinate reference system, WKT.
        residual_m: root mean square misfit at the control points in metres, or None where there are none.
    """

    crs_wkt: str
    residual_m: float | None

    def to_native(self, xy: FloatArray) -> FloatArray:
        """``(N, 2)`` scene pixels to ``(N, 2)`` native x, y (easting or longitude first, always)."""
        ...

    def to_pixel(self, native: FloatArray) -> FloatArray:
        """``(N, 2)`` native x, y to ``(N, 2)`` scene pixels."""
        ...

    def to_lonlat(self, xy: FloatArray) -> FloatArray:
        """``(N, 2)`` scene pixels to ``(N, 2)`` WGS 84 longitude, latitude in degrees."""
        ...

    def describe(self) -> dict[str, str | float]:
        """Kind, CRS name and misfit, for the run summary."""
        ...


@dataclass(frozen=True, slots=True)
class SlideGrid:
    """How a scene's pixels lie on level 0 of its slide, or on the pixels of its image file.

    Both grids start at the same corner, so that scene pixel ``(x, y)`` is level-0 pixel
    ``(x * scale[0], y * scale[1])``; corners, never pixel centres.

    Args:
        height: rows of level 0.
        width: columns of level 0.
        scale: level-0 px a scene px along x and y; 1 where nothing was resampled.
        mpp: micrometres a level-0 px along x and y, or None where that is not known.
        mpp_source: who says so: ``"slide"`` (its own record), ``"resolution tags"``, ``"stated"`` (by the
            caller) or, where it is not known, why.
    """

    height: int
    width: int
    scale: tuple[float, float] = (1.0, 1.0)
    mpp: tuple[float, float] | None = None
    mpp_source: str = "not recorded"

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or not all(0 < s < float("inf") for s in self.scale):
            raise InvalidValueError(
                f"slide of {self.height} x {self.width} px, scale {self.scale}: expected 1 or more, above 0"
            )
        if self.mpp is not None and not all(0 < m < float("inf") for m in self.mpp):
            raise InvalidValueError(f"{self.mpp} um a pixel: expected numbers above 0")

    @property
    def scene_mpp(self) -> tuple[float, float] | None:
        """Micrometres a scene px along x and y, or None."""
        return None if self.mpp is None else (self.mpp[0] * self.scale[0], self.mpp[1] * self.scale[1])

    def to_level0(self, coordinates: FloatArray) -> FloatArray:
        """``(..., 2)`` xy or ``(..., 4)`` xyxy scene px to level-0 px."""
        level0: FloatArray = coordinates * np.tile(self.scale, coordinates.shape[-1] // 2)
        return level0

    def from_level0(self, coordinates: FloatArray) -> FloatArray:
        """``(..., 2)`` xy or ``(..., 4)`` xyxy level-0 px to scene px."""
        scene: FloatArray = coordinates / np.tile(self.scale, coordinates.shape[-1] // 2)
        return scene


@dataclass(frozen=True, slots=True)
class Scene:
    """One raster, as its reader found it.

    Args:
        name: file name without folder, unique within a job.
        path: as GDAL names it; empty for an array.
        height: rows.
        width: columns.
        bands: number of bands that will be read.
        dtype: numpy name of the pixel type.
        nodata: value that marks missing pixels, NaN allowed, or None.
        block: (rows, columns) in which the file stores its pixels.
        georef: where it lies, or None.
        info: acquisition facts.
        calibrated: pixels are sigma0 (amplitude or intensity), not counts, so that a fixed range fits them.
        grid: how it lies on its slide or image file, where its micrometres a pixel matter, or None.
    """

    name: str
    path: str
    height: int
    width: int
    bands: int
    dtype: str
    nodata: float | None = None
    block: tuple[int, int] = (256, 256)
    georef: Georeference | None = None
    info: SceneInfo = field(default_factory=SceneInfo)
    calibrated: bool = False
    grid: SlideGrid | None = None


@runtime_checkable
class SceneReader(Protocol):
    """An open scene. Safe to use from several threads; a context manager that closes what it opened."""

    scene: Scene

    def read(self, window: Window) -> tuple[NDArray[Any], BoolArray]:
        """Pixels ``(C, H, W)`` and valid mask ``(H, W)``; outside the scene zeros, invalid.

        Raises ``BlockReadError`` where the file's blocks under the window cannot be decoded.
        """
        ...

    def read_overview(self, max_side: int) -> tuple[NDArray[Any], BoolArray]:
        """The whole scene, decimated so that no side exceeds ``max_side``."""
        ...

    def __enter__(self) -> SceneReader:
        """Enter a with-block."""
        ...

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        ...
