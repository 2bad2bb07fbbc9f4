"""Objects where they lie on the ground, and what an output says of its run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retina_domains.errors import InvalidValueError
from retina_domains.types.arrays import BoolArray, FloatArray
from retina_domains.types.detections import Merged
from retina_domains.types.scenes import Scene


@dataclass(frozen=True, slots=True)
class GeoDetections:
    """Objects as they are written. Columns of equal length N; ground columns are None without georeference.

    Args:
        scene: the scene they were found in.
        merged: boxes, scores, labels and owner tiles.
        ids: N stable names (no clock, no random).
        corners_native: ``(N, 4, 2)`` upper-left, upper-right, lower-right, lower-left of the pixel box,
            native CRS.
        corners_lonlat: ``(N, 4, 2)`` the same in WGS 84 degrees.
        centre_native: ``(N, 2)``.
        centre_lonlat: ``(N, 2)``.
        length_m: ``(N,)`` longer side, metres on the ellipsoid; of the object's own pixels where measured,
            of the box otherwise.
        width_m: ``(N,)`` shorter side, likewise.
        heading_deg: ``(N,)`` of the long axis, clockwise from north in [0, 180), NaN where not measured.
    """

    scene: Scene
    merged: Merged
    ids: tuple[str, ...]
    corners_native: FloatArray | None = None
    corners_lonlat: FloatArray | None = None
    centre_native: FloatArray | None = None
    centre_lonlat: FloatArray | None = None
    length_m: FloatArray | None = None
    width_m: FloatArray | None = None
    heading_deg: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.merged)
        shapes = {
            "corners_native": (n, 4, 2),
            "corners_lonlat": (n, 4, 2),
            "centre_native": (n, 2),
            "centre_lonlat": (n, 2),
            "length_m": (n,),
            "width_m": (n,),
            "heading_deg": (n,),
        }
        if len(self.ids) != n:
            raise InvalidValueError(f"{len(self.ids)} ids for {n} objects")
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise InvalidValueError(f"{name} has shape {value.shape}, expected {shape}")

    def take(self, index: BoolArray) -> GeoDetections:
        """The objects for which ``index``, ``(N,)`` bool, is true, in their order."""

        def pick(column: FloatArray | None) -> FloatArray | None:
            return None if column is None else column[index]

        return GeoDetections(
            scene=self.scene,
            merged=Merged(self.merged.detections.take(index), self.merged.tiles[index]),
            ids=tuple(name for name, kept in zip(self.ids, index, strict=True) if kept),
            corners_native=pick(self.corners_native),
            corners_lonlat=pick(self.corners_lonlat),
            centre_native=pick(self.centre_native),
            centre_lonlat=pick(self.centre_lonlat),
            length_m=pick(self.length_m),
            width_m=pick(self.width_m),
            heading_deg=pick(self.heading_deg),
        )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What every output says of its run.

    Args:
        classes: names, in the order of labels.
        provenance: flat names and values: ``model``, ``model_sha256``, ``score_threshold``, ``version``,
            ``software``; per input ``input``, ``input_sha256`` come with the scene's ``info.extra``.
        space: ``"ground"`` or ``"pixel"``: which coordinates the geometry has.
        research_only: the outputs must say "research use only".
    """

    classes: tuple[str, ...]
    provenance: dict[str, str]
    space: Literal["ground", "pixel"] = "ground"
    research_only: bool = False
