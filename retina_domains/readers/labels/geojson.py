"""GeoJSON: ours and others', on the ground or in pixels, QuPath's too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import shapely
from pyproj import CRS
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from retina_domains.errors import GeoreferenceError, LabelError
from retina_domains.evaluation.objects import ObjectTable
from retina_domains.georef import WGS84, crs_of, to_wgs84
from retina_domains.readers.labels.columns import Row, TableBuilder, first_of
from retina_domains.types import FloatArray

PIXEL_BOXES = ("box_px", "pixel_bbox")
_QUPATH_TYPES = ("detection", "cell", "annotation", "tile")
_DEGREES = (360.0, 90.0)


def read_geojson(data: Mapping[str, Any], source: str) -> ObjectTable:
    """Every feature as one object.

    Coordinates are degrees unless a ``crs`` member of the 2008 form names another CRS. They are pixels
    where ``coordinate_space`` says so or where the features are QuPath's.

    Raises:
        LabelError: it is not a collection of features with geometry, or its coordinates are no degrees.
        GeoreferenceError: its CRS cannot be understood.
    """
    features = data.get("features")
    if not isinstance(features, list):
        raise LabelError(f"{source}: expected a GeoJSON FeatureCollection")
    if any(_is_qupath(f) for f in features[:1]):
        return _read_pixels(features, source, "QuPath GeoJSON", _from_qupath)
    if data.get("coordinate_space") == "pixel":
        return _read_pixels(features, source, "GeoJSON in pixels", dict)
    return _read_ground(features, source, _declared_crs(data, source))


def _properties(feature: Any) -> dict[str, Any]:
    return dict(feature.get("properties") or {}) if isinstance(feature, dict) else {}


def _is_qupath(feature: Any) -> bool:
    return _properties(feature).get("objectType") in _QUPATH_TYPES


def _from_qupath(properties: dict[str, Any]) -> Row:
    kind = properties.get("classification") or {}
    measured = properties.get("measurements") or {}
    named = {str(k).lower(): v for k, v in measured.items()} if isinstance(measured, dict) else {}
    return {
        "label": kind.get("name") if isinstance(kind, dict) else kind,
        "score": first_of(named, ("score", "detection probability", "probability")),
        "length_m": named.get("length m"),
    }


def _geometry(feature: Any, number: int, source: str) -> BaseGeometry:
    if isinstance(feature, Mapping) and feature.get("geometry", 0) is None:
        raise LabelError(f"{source}: feature {number} has no geometry: draw it, or remove it")
    try:
        geometry = shape(feature["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError, ShapelyError) as error:
        raise LabelError(
            f"{source}: feature {number} has no geometry that can be read ({error!r})"
        ) from error
    if geometry.is_empty:
        raise LabelError(f"{source}: feature {number} has an empty geometry")
    return geometry


def _read_pixels(
    features: list[Any], source: str, kind: str, attributes: Callable[[dict[str, Any]], Row]
) -> ObjectTable:
    builder = TableBuilder(source, kind)
    for number, feature in enumerate(features, start=1):
        builder.add(attributes(_properties(feature)), _geometry(feature, number, source).bounds)
    return builder.table()


def _declared_crs(data: Mapping[str, Any], source: str) -> str:
    """The CRS of the collection's ``crs`` member; WGS 84 without one, as RFC 7946 has it."""
    member = data.get("crs")
    if member is None:
        return WGS84
    try:
        name = str(member["properties"]["name"])
    except (KeyError, TypeError) as error:
        raise LabelError(f"{source}: its crs member {member!r} names no CRS") from error
    if "CRS84" in name.upper():
        return WGS84
    found = re.search(r"EPSG:+(?:[\d.]*:)?(\d+)$", name)
    return f"EPSG:{found[1]}" if found else name


def _read_ground(features: list[Any], source: str, crs: str) -> ObjectTable:
    geometries = [_geometry(f, number, source) for number, f in enumerate(features, start=1)]
    placed = on_the_globe(geometries, crs, source)
    builder = TableBuilder(source, "GeoJSON", crs_label(crs, source))
    boxed = all(_pixel_box(_properties(f)) is not None for f in features)
    for feature, geometry in zip(features, placed, strict=True):
        properties = _properties(feature)
        builder.add(properties, _pixel_box(properties) if boxed else None, geometry)
    return builder.table()


def _pixel_box(properties: Row) -> list[float] | None:
    box = first_of(properties, PIXEL_BOXES)
    return box if isinstance(box, list) and len(box) == 4 else None


def _known_crs(crs: str, source: str) -> CRS:
    try:
        return crs_of(crs)
    except GeoreferenceError as error:
        raise GeoreferenceError(f"{source}: {error}: assign the CRS that the labels were drawn in") from error


def crs_label(crs: str, source: str) -> str:
    """A short name of a CRS for messages.

    Raises:
        GeoreferenceError: it cannot be understood.
    """
    found = _known_crs(crs, source)
    authority = found.to_authority()
    return ":".join(authority) if authority else str(found.name)


def on_the_globe(geometries: list[BaseGeometry], crs: str, source: str) -> list[BaseGeometry]:
    """Geometry of a CRS in WGS 84 degrees.

    Raises:
        LabelError: the coordinates cannot be degrees, though the CRS says so.
        GeoreferenceError: the CRS cannot be understood, or a position lies outside of it.
    """
    if not geometries:
        return []
    bounds = np.array([g.bounds for g in geometries])
    farthest = np.abs(bounds).max(axis=0)
    if _known_crs(crs, source).is_geographic and (
        farthest[[0, 2]].max() > _DEGREES[0] or farthest[[1, 3]].max() > _DEGREES[1]
    ):
        raise LabelError(
            f"{source}: coordinates of {farthest.max():.0f} are no degrees, yet its CRS is "
            f"{crs_label(crs, source)}: write longitude and latitude, name the CRS in a crs member, or use a "
            "GeoPackage"
        )
    if crs == WGS84:
        return geometries
    transformer = to_wgs84(crs)

    def place(xy: FloatArray) -> FloatArray:
        return np.stack(transformer.transform(xy[:, 0], xy[:, 1]), axis=1)

    placed = [shapely.transform(g, place) for g in geometries]
    if not all(np.isfinite(g.bounds).all() for g in placed):
        raise GeoreferenceError(
            f"{source}: some positions lie outside the domain of {crs_label(crs, source)}"
        )
    return placed
