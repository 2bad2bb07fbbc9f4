"""Label files and images written for a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from retina_domains.labelled.values import ImageLabels

# Of an xView3 table.
HEADER = (
    "detect_lat,detect_lon,vessel_length_m,source,detect_scene_row,detect_scene_column,is_vessel,is_fishing,"
    "distance_from_shore_km,scene_id,confidence,top,left,bottom,right,detect_id\n"
)


def put_image(path: Path, width: int = 200, height: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (width, height)).save(path)
    return path


def put(path: Path, content: str | Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def only(images: list[ImageLabels]) -> ImageLabels:
    assert len(images) == 1
    return images[0]
