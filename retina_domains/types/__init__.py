"""Frozen values that travel along the straight line, validated when they are made.

Frames. ``"tile"`` counts pixels from the upper left corner of a chip, ``"scene"`` from that of the whole
raster. Boxes are ``xyxy``: half-open, float, in pixels, corners (never pixel centres), so that the pixel
in column 3 spans 3.0 to 4.0. Arrays held by these values are marked read-only.
"""

from retina_domains.types.arrays import BoolArray, FloatArray, IntArray
from retina_domains.types.detections import Detections, Frame, Merged
from retina_domains.types.detectors import Detector, DetectorFactory
from retina_domains.types.located import GeoDetections, RunHeader
from retina_domains.types.scenes import Georeference, Scene, SceneInfo, SceneReader, SlideGrid
from retina_domains.types.specs import RADIOMETRIES, InputSpec, MergeSpec, Radiometry, TileSpec
from retina_domains.types.tiles import Chip, Tile, Window

__all__ = [
    "RADIOMETRIES",
    "BoolArray",
    "Chip",
    "Detections",
    "Detector",
    "DetectorFactory",
    "FloatArray",
    "Frame",
    "GeoDetections",
    "Georeference",
    "InputSpec",
    "IntArray",
    "MergeSpec",
    "Merged",
    "Radiometry",
    "RunHeader",
    "Scene",
    "SceneInfo",
    "SceneReader",
    "SlideGrid",
    "Tile",
    "TileSpec",
    "Window",
]
