"""Small rasters of every kind, written where a test wants them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from retina_domains.types import SceneReader, Window

TRANSFORM = Affine(10, 0, 400000, 0, -10, 3700000)


def ramp(bands: int = 1, height: int = 40, width: int = 50, dtype: str = "uint16") -> NDArray[Any]:
    """``(C, H, W)`` pixels that all differ as far as the type allows, none of them 0."""
    count = bands * height * width
    return (1 + np.arange(count) % 120).reshape(bands, height, width).astype(dtype)


def write_raster(
    path: Path,
    pixels: NDArray[Any],
    *,
    crs: str | None = "EPSG:32611",
    mask: NDArray[np.bool_] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Path:
    """A GeoTIFF (or what ``options["driver"]`` says) of ``(C, H, W)`` pixels."""
    profile = {
        "driver": "GTiff",
        "count": pixels.shape[0],
        "height": pixels.shape[1],
        "width": pixels.shape[2],
        "dtype": pixels.dtype.name,
        "transform": TRANSFORM if crs else None,
        "crs": crs,
        **(options or {}),
    }
    with rasterio.open(path, "w", **{k: v for k, v in profile.items() if v is not None}) as dataset:
        dataset.write(pixels)
        if mask is not None:
            dataset.write_mask(mask)
    return path


def whole(reader: SceneReader) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """All that a reader gives."""
    return reader.read(Window(0, 0, reader.scene.height, reader.scene.width))
