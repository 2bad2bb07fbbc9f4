"""Vector files with a table and a geometry column: GeoPackage and GeoParquet."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import shapely
from shapely.errors import ShapelyError

from retina_domains.errors import LabelError, MissingDependencyError
from retina_domains.evaluation.objects import ObjectTable
from retina_domains.georef import WGS84
from retina_domains.readers.labels.columns import Row, TableBuilder
from retina_domains.readers.labels.geojson import crs_label, on_the_globe

_OUR_LAYER = "detections"
_SIDES = ("x1", "y1", "x2", "y2")
# Bytes of the envelope by its code in the flags (OGC 12-128r17, clause 2.1.3.1.1).
_ENVELOPES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}


def read_geopackage(path: Path) -> ObjectTable:
    """The layer ``detections``, or else the only layer of features.

    Raises:
        LabelError: there is no such layer, several may be meant, or its geometry cannot be read.
        GeoreferenceError: its CRS cannot be understood.
    """
    source = path.name
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
            base.row_factory = sqlite3.Row
            layer, column, crs = _layer(base, source)
            rows = [dict(row) for row in base.execute(f'SELECT * FROM "{layer}"')]
    except sqlite3.DatabaseError as error:
        raise LabelError(f"{source}: is not a GeoPackage that can be read ({error})") from error
    return wkb_table(rows, [_from_gpkg(row[column], source) for row in rows], source, ("GeoPackage", crs))


def _layer(base: sqlite3.Connection, source: str) -> tuple[str, str, str]:
    """Name, geometry column and CRS of the layer to read."""
    layers = {
        row["table_name"]: (row["column_name"], row["srs_id"])
        for row in base.execute("SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns")
    }
    name = _OUR_LAYER if _OUR_LAYER in layers else next(iter(layers), None)
    if name is None or (name != _OUR_LAYER and len(layers) > 1):
        raise LabelError(
            f"{source}: layers {', '.join(layers) or 'none'}: expected one, or one named {_OUR_LAYER!r}"
        )
    column, srs = layers[name]
    found = base.execute(
        "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys "
        "WHERE srs_id = ?",
        (srs,),
    ).fetchone()
    if found is None or srs in (-1, 0):
        raise LabelError(f"{source}: layer {name} has no CRS: assign one, or give pixels as CSV")
    if str(found["organization"]).upper() == "EPSG":
        return name, column, f"EPSG:{found['organization_coordsys_id']}"
    return name, column, str(found["definition"])


def _from_gpkg(blob: Any, source: str) -> bytes:
    if not isinstance(blob, bytes) or blob[:2] != b"GP" or (blob[3] >> 1) & 7 not in _ENVELOPES:
        raise LabelError(f"{source}: holds a geometry that is not GeoPackage's")
    return blob[8 + _ENVELOPES[(blob[3] >> 1) & 7] :]


def read_geoparquet(path: Path) -> ObjectTable:
    """The primary geometry column and all attributes.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        LabelError: it is not GeoParquet.
        GeoreferenceError: its CRS cannot be understood.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingDependencyError(
            "reading GeoParquet needs pyarrow: pip install 'retina-domains[parquet]', or give GeoJSON or CSV"
        ) from error
    source = path.name
    try:
        with parquet.ParquetFile(path) as file:
            meta = json.loads((file.metadata.metadata or {})[b"geo"])
            table = file.read()
        column = meta["primary_column"]
        about = meta["columns"][column]
    except (ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise LabelError(f"{source}: is not GeoParquet that can be read ({error})") from error
    if about.get("encoding") != "WKB":
        raise LabelError(f"{source}: its geometry is encoded as {about.get('encoding')}, expected WKB")
    if "crs" in about and about["crs"] is None:
        raise LabelError(f"{source}: has no CRS: assign one, or give pixels as CSV")
    crs = json.dumps(about["crs"]) if "crs" in about else WGS84
    rows = table.to_pylist()
    return wkb_table(rows, [row[column] for row in rows], source, ("GeoParquet", crs))


def wkb_table(rows: Sequence[Row], wkb: list[bytes], source: str, kind: tuple[str, str]) -> ObjectTable:
    """Objects of rows of attributes, each with its geometry.

    Args:
        rows: attributes under any known names.
        wkb: geometry of each.
        source: name of the file.
        kind: what it is, and the CRS of its geometry.

    Raises:
        LabelError: a geometry is missing or cannot be read.
        GeoreferenceError: the CRS cannot be understood.
    """
    try:
        geometries = list(shapely.from_wkb(wkb)) if wkb else []
    except (ShapelyError, TypeError) as error:
        raise LabelError(f"{source}: holds a geometry that cannot be read ({error})") from error
    if any(g is None or g.is_empty for g in geometries):
        raise LabelError(f"{source}: holds an object without geometry")
    name, crs = kind
    builder = TableBuilder(source, name, crs_label(crs, source))
    boxed = all(row.get(side) is not None for row in rows for side in _SIDES)
    for row, geometry in zip(rows, on_the_globe(geometries, crs, source), strict=True):
        builder.add(row, [row[side] for side in _SIDES] if boxed else None, geometry)
    return builder.table()
