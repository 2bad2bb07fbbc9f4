"""Labels on the ground for any rasters: GeoJSON, GeoPackage, GeoParquet and CSV, in any CRS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry import Polygon as ShapelyPolygon
from shapely.geometry.base import BaseGeometry

from retina_domains.errors import GeoreferenceError, InputFileError, LabelError
from retina_domains.evaluation.objects import ObjectTable
from retina_domains.georef import crs_of
from retina_domains.labelled.values import Box, ImageLabels, LabelledObject, Polygon
from retina_domains.readers import open_scene
from retina_domains.readers.datasets.files import files_in
from retina_domains.readers.labels import read_objects
from retina_domains.readers.pictures import RASTER_ENDINGS
from retina_domains.scene_labels import from_lonlat, nowhere
from retina_domains.types import FloatArray, Scene


def read_vector(labels: Path, images: Path) -> list[ImageLabels]:
    """Objects of every raster of a folder (or of one raster), each where it lies.

    An object that lies on several rasters comes with each. Those whose geometry tells no class are called
    ``unlabelled``.

    Args:
        labels: the file.
        images: raster, or folder of rasters at any depth.

    Raises:
        InputFileError: a file is missing.
        LabelError: no object lies on any raster, as of labels in a wrong CRS.
        GeoreferenceError: a raster has no georeference.
    """
    table = read_objects(labels)
    rasters = [images] if images.is_file() else files_in([images], RASTER_ENDINGS)
    if not rasters:
        raise InputFileError(
            f"{images}: no rasters ({', '.join(RASTER_ENDINGS)}): give their folder with --images"
        )
    if table.lonlat is None:
        raise LabelError(
            f"{labels}: tells pixels and no places: convert it as csv, with a column that names the image of "
            "each object, or give geometry"
        )
    scenes = []
    for path in rasters:
        with open_scene(path) as reader:
            scenes.append(reader.scene)
    placed = [objects_on(table, scene) for scene in scenes]
    unplaced = len(table) - len({row for objects in placed for row in objects})
    if len(table) and unplaced == len(table):
        raise LabelError(nowhere(table, str(labels), scenes[0], len(scenes)))
    return [
        ImageLabels(
            path,
            tuple(objects.values()),
            scene.width,
            scene.height,
            scene=path.stem,
            source=str(labels),
            unplaced=0 if number else unplaced,
        )
        for number, (path, scene, objects) in enumerate(zip(rasters, scenes, placed, strict=True))
    ]


def objects_on(table: ObjectTable, scene: Scene) -> dict[int, LabelledObject]:
    """The objects that share area or place with a scene, in its pixels, by their rows of the table.

    Args:
        table: with geometry.
        scene: with a georeference.

    Raises:
        GeoreferenceError: the scene has none.
    """
    if scene.georef is None:
        raise GeoreferenceError(
            f"{scene.path}: has no georeference, and its labels are on the ground: georeference it, or give "
            "labels in pixels"
        )
    objects = {}
    for index, outline in enumerate(pixel_outlines(table.lonlat or (), scene)):
        if not np.isfinite(outline).all():
            continue
        (x1, y1), (x2, y2) = outline.min(axis=0), outline.max(axis=0)
        if x2 < 0 or y2 < 0 or x1 > scene.width or y1 > scene.height:
            continue
        told = {name: float(column[index]) for name, column in table.numbers.items()}
        facts = {name: value for name, value in told.items() if math.isfinite(value)}
        ignored = bool(table.ignored[index] or table.crowd[index])
        box = (float(x1), float(y1), float(x2), float(y2))
        name = str(table.names[index]) or "unlabelled"
        objects[index] = LabelledObject(name, box, _polygon(outline, box), ignored, facts)
    return objects


def pixel_outlines(shapes: Sequence[BaseGeometry], scene: Scene) -> list[FloatArray]:
    """``(P, 2)`` corners of each geometry in scene pixels, not finite where no pixel maps there.

    Args:
        shapes: WGS 84 degrees; parts cut at the antimeridian are joined again.
        scene: with a georeference.
    """
    if not shapes:
        return []
    assert scene.georef is not None
    rings = [outline(shape) for shape in shapes]
    lonlat = np.concatenate(rings)
    if crs_of(scene.georef.crs_wkt).is_geographic:
        # A raster may run on past 180 degrees, or start west of -180.
        middle = scene.georef.to_native(np.array([[scene.width / 2, scene.height / 2]]))[0, 0]
        lonlat[:, 0] += 360.0 * np.round((middle - lonlat[:, 0]) / 360.0)
    pixels = from_lonlat(lonlat, scene.georef)
    return np.split(pixels, np.cumsum([len(ring) for ring in rings])[:-1])


def outline(shape: BaseGeometry) -> FloatArray:
    """``(P, 2)`` corners of a geometry's outer ring, without the closing repeat, holes and inner cuts."""
    if isinstance(shape, MultiPolygon):
        shape = _joined(shape)
    ring = np.array(shapely.get_coordinates(shape.exterior if isinstance(shape, ShapelyPolygon) else shape))
    closed = len(ring) > 1 and (ring[0] == ring[-1]).all()
    return ring[:-1] if closed else ring


def _joined(parts: MultiPolygon) -> BaseGeometry:
    """Parts as one shape; those on both sides of the antimeridian with longitudes that run on past it."""
    west, _, east, _ = parts.bounds
    if east - west <= 180:
        whole = shapely.union_all(list(parts.geoms))
        return whole if isinstance(whole, ShapelyPolygon) else shapely.convex_hull(whole)
    moved = [
        shapely.transform(part, lambda xy: np.where([True, False], xy % 360.0, xy)) for part in parts.geoms
    ]
    whole = shapely.union_all(moved)
    if not isinstance(whole, ShapelyPolygon):
        return shapely.convex_hull(whole)
    ring = shapely.get_coordinates(whole.exterior)[:-1]
    # The cut left corners on the antimeridian that lie on straight sides.
    before, after = np.roll(ring, 1, axis=0) - ring, np.roll(ring, -1, axis=0) - ring
    across = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    straight = np.abs(across) <= 1e-4 * np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return ShapelyPolygon(ring[~((ring[:, 0] == 180.0) & straight)])


def _polygon(outline: FloatArray, box: Box) -> Polygon:
    """The outline where it is more than a point, a line or the upright box itself."""
    if len(outline) < 3:
        return ()
    corners = tuple((float(x), float(y)) for x, y in outline)
    x1, y1, x2, y2 = box
    at_corner = all(
        min(abs(x - x1), abs(x - x2)) < 1e-6 and min(abs(y - y1), abs(y - y2)) < 1e-6 for x, y in corners
    )
    return () if at_corner else corners
