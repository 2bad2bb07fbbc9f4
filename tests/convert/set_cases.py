"""Small labelled sets, and what prepare wrote of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import Affine

from retina_domains.convert import DataSource, PrepareOptions
from retina_domains.labelled import ImageLabels, LabelledObject

WIDTH, HEIGHT = 64, 48


def put_images(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Fields of noise, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"field_{k:03d}.png" for k in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH), np.uint8)).save(path)
    return paths


def source_for(images: list[ImageLabels], **changes: Any) -> DataSource:
    facts: dict[str, Any] = {
        "name": "trial",
        "title": "A trial",
        "licence": "none",
        "origin": "here",
        "layout": "anything",
        "read": lambda root, folder: images,
    }
    return DataSource(**(facts | changes))


CHECK_LEAKS = PrepareOptions(allow_leaks=True)


def put_raster(path: Path, number: int) -> None:
    """A raster of 20 m a side, 10 km east of the one before."""
    profile = {"driver": "GTiff", "width": 20, "height": 20, "count": 1, "dtype": "uint8"}
    transform = Affine(1, 0, 500_000 + 10_000 * number, 0, -1, 5_000_000)
    pixels = np.random.default_rng(number).integers(0, 255, (1, 20, 20), np.uint8)
    with rasterio.open(path, "w", crs="EPSG:32631", transform=transform, **profile) as file:
        file.write(pixels)


def labelled(paths: list[Path], per_scene: int = 2) -> list[ImageLabels]:
    box = (10.0, 10.0, 20.0, 20.0)
    return [
        ImageLabels(path, (LabelledObject("ship", box),), scene=f"s{k // per_scene}", source="labels.json")
        for k, path in enumerate(paths)
    ]


def load(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    return data
