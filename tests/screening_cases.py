"""A radar scene of blobs, and areas drawn over it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry
from stub_detectors import UTM, Blobs

from retina_domains.georef import AffineGeoreference
from retina_domains.inference import InferenceOptions, infer_scene
from retina_domains.screening import ScreenSpec
from retina_domains.types import InputSpec, TileSpec

SIDE = 600
GEOREF = AffineGeoreference((10.0, 0.0, 400_000.0, 0.0, -10.0, 3_700_000.0), UTM)


class Radar(Blobs):
    """The same, of SAR amplitude."""

    def __init__(self) -> None:
        super().__init__(input_spec=InputSpec(1, "amplitude", (0.0,), (1.0,)))


def vector(path: Path, pixels: BaseGeometry | Sequence[BaseGeometry], crs: str = "EPSG:4326") -> str:
    """A GeoPackage of geometry that is given in pixels of the scene."""
    to_file = Transformer.from_crs(UTM, crs, always_xy=True)

    def place(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack(to_file.transform(*GEOREF.to_native(xy).T), axis=1)

    shapes = [pixels] if isinstance(pixels, BaseGeometry) else list(pixels)
    # Straight in pixels, so with many points in degrees.
    placed = [shapely.transform(shapely.segmentize(s, 5.0), place) for s in shapes]
    pyogrio.raw.write(
        str(path), shapely.to_wkb(placed), field_data=[], fields=[], geometry_type="Unknown", crs=crs
    )
    return str(path)


def pixel_file(path: Path, geometry: BaseGeometry) -> str:
    feature = {"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(geometry))}
    members = {"type": "FeatureCollection", "coordinate_space": "pixel", "features": [feature]}
    path.write_text(json.dumps(members))
    return str(path)


def options(spec: ScreenSpec, **more: Any) -> InferenceOptions:
    return InferenceOptions(batch_size=3, screen=spec, **more)


def centres(
    path: Path, spec: ScreenSpec | None = None, tile: int = 128
) -> tuple[NDArray[Any], dict[str, Any]]:
    """``(N, 2)`` centres of the objects that are found, in px, and the summary."""
    found = infer_scene(path, Radar(), TileSpec(tile), options=options(spec or ScreenSpec()))
    boxes = found.detections.merged.detections.xyxy
    return (boxes[:, :2] + boxes[:, 2:]) / 2, found.summary


LAND = shapely.Polygon([(-50, 100.3), (300.7, 180.2), (421.3, 650), (-50, 650)])


def inside(area: BaseGeometry, xy: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(shapely.contains_xy(area, *xy.T))
