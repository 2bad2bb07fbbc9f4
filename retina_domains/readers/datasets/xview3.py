"""xView3's table of points, one row an object, in scenes of two polarisations."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from retina_domains.errors import InputFileError, LabelError
from retina_domains.labelled.values import Box, Fact, ImageLabels, LabelledObject
from retina_domains.readers.datasets.files import read_text

GSD_M = 10.0
# A ship of unknown length is taken for one of the usual length in the set, and none for less than 3 px.
UNKNOWN_LENGTH_M = 60.0
MIN_SIDE_PX = 3.0
_COLUMNS = (
    "detect_scene_row",
    "detect_scene_column",
    "scene_id",
    "is_vessel",
    "is_fishing",
    "vessel_length_m",
)


def read_xview3(table: Path, scenes: Path, raster: str = "VH_dB.tif", split: str = "") -> list[ImageLabels]:
    """Every scene that a table names.

    Objects are called ``fishing vessel``, ``other vessel``, ``vessel`` (fishing not known), ``fixed`` or
    ``unknown``. Their boxes are squares centred on the pixel that is named, as long as the vessel is.

    Args:
        table: CSV.
        scenes: folder that holds a folder a scene, at any depth.
        raster: the file of a scene to use.
        split: the publisher's name for what the table holds.

    Raises:
        InputFileError: the table or a scene is missing.
        LabelError: it is no such table.
    """
    rows = csv.DictReader(io.StringIO(read_text(table)))
    if missing := sorted({*_COLUMNS} - {*(rows.fieldnames or ())}):
        raise LabelError(f"{table}: no column {', '.join(missing)}: expected xView3's table of detections")
    by_scene: dict[str, list[LabelledObject]] = defaultdict(list)
    for number, row in enumerate(rows, start=2):
        by_scene[row["scene_id"]].append(_object(row, f"{table}, line {number}"))
    folders = {path.parent.name: path for path in sorted(scenes.rglob(raster))}
    if lost := [scene for scene in by_scene if scene not in folders]:
        raise InputFileError(
            f"{table}: {len(lost)} of {len(by_scene)} scenes have no {raster} below {scenes}, the first is "
            f"{lost[0]}: unpack them there, or remove their rows from the table"
        )
    return [
        ImageLabels(folders[scene], tuple(objects), scene=scene, split=split, gsd=GSD_M, source=str(table))
        for scene, objects in by_scene.items()
    ]


def _object(row: Mapping[str, str], at: str) -> LabelledObject:
    try:
        x, y = float(row["detect_scene_column"]) + 0.5, float(row["detect_scene_row"]) + 0.5
        length = float(row["vessel_length_m"] or "nan")
        shore = float(row.get("distance_from_shore_km") or "nan")
    except (TypeError, ValueError) as error:
        raise LabelError(
            f"{at}: {error}: expected numbers for row, column, length and distance from shore"
        ) from error
    facts: dict[str, Fact] = {}
    if 0 < length < math.inf:
        facts["length_m"] = length
    if math.isfinite(shore):
        facts["distance_from_shore_km"] = shore
    low = (row.get("confidence") or "").upper() == "LOW"
    return LabelledObject(_kind(row, at), _square(x, y, length), ignored=low, facts=facts)


def _square(x: float, y: float, length_m: float) -> Box:
    known = length_m if math.isfinite(length_m) and length_m > 0 else UNKNOWN_LENGTH_M
    half = max(known / GSD_M, MIN_SIDE_PX) / 2
    return (x - half, y - half, x + half, y + half)


def _kind(row: Mapping[str, str], at: str) -> str:
    vessel, fishing = (_answer(row[name], f"{at}, {name}") for name in ("is_vessel", "is_fishing"))
    if vessel is None:
        return "unknown"
    if not vessel:
        return "fixed"
    return "vessel" if fishing is None else "fishing vessel" if fishing else "other vessel"


def _answer(text: str | None, at: str) -> bool | None:
    answers = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    word = (text or "").strip().lower()
    if word in ("", "nan", "none"):
        return None
    if word not in answers:
        raise LabelError(f"{at}: {text!r}: expected True, False or nothing")
    return answers[word]
