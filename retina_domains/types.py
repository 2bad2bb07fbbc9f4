"""Frozen values that travel along the straight line, validated when they are made.

Frames. ``"tile"`` counts pixels from the upper left corner of a chip, ``"scene"`` from that of the whole
raster. Boxes are ``xyxy``: half-open, float, in pixels, corners (never pixel centres), so that the pixel
in column 3 spans 3.0 to 4.0. Arrays held by these values are marked read-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retina_domains.errors import InvalidValueError

Frame = Literal["tile", "scene"]
Radiometry = Literal["uint8", "amplitude", "intensity", "db"]
RADIOMETRIES: tuple[Radiometry, ...] = ("uint8", "amplitude", "intensity", "db")
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A rectangle of whole pixels: columns ``col .. col + width``, rows ``row .. row + height``.

    ``row`` and ``col`` may be negative and the far side may lie outside the scene: a tile's window is
    then padded when it is read.
    """

    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 0 or self.width < 0:
            raise InvalidValueError(f"window {self.height} x {self.width} px: sides must not be negative")

    @property
    def row_stop(self) -> int:
        """First row below the window."""
        return self.row + self.height

    @property
    def col_stop(self) -> int:
        """First column right of the window."""
        return self.col + self.width

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        """The window as a half-open box in its own frame."""
        return (self.col, self.row, self.col_stop, self.row_stop)

    @property
    def empty(self) -> bool:
        """Whether no pixel lies inside."""
        return self.height == 0 or self.width == 0

    def grown(self, by: int) -> Window:
        """The window with ``by`` px more on every side."""
        return Window(self.row - by, self.col - by, self.height + 2 * by, self.width + 2 * by)

    def intersection(self, other: Window) -> Window:
        """The part shared with ``other``; empty (0 x 0) where they do not meet."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row_stop, other.row_stop) - row
        width = min(self.col_stop, other.col_stop) - col
        if height <= 0 or width <= 0:
            return Window(row, col, 0, 0)
        return Window(row, col, height, width)

    def contains(self, x: float, y: float) -> bool:
        """Whether the point lies inside, the right and lower edges excluded."""
        return self.col <= x < self.col_stop and self.row <= y < self.row_stop


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A planned read. ``row`` and ``col`` count tiles; ``core`` is the part of ``window`` it owns.

    The cores of all tiles of a grid cover the scene once.
    """

    row: int
    col: int
    window: Window
    core: Window


@dataclass(frozen=True, slots=True)
class Chip:
    """The pixels read for a tile.

    Args:
        pixels: ``(C, H, W)``; raw values as read, or float32 in 0..255 after ``BandScaling.apply``.
        valid: ``(H, W)`` bool; false for nodata, NaN, masked and padded pixels.
        tile: the tile they were read for.
    """

    pixels: NDArray[Any]
    valid: BoolArray
    tile: Tile

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[1:] != self.valid.shape:
            raise InvalidValueError(
                f"chip pixels {self.pixels.shape} and valid mask {self.valid.shape}: "
                "expected (C, H, W) and (H, W)"
            )


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes of one tile or scene, by column.

    Args:
        xyxy: ``(N, 4)`` float64, half-open pixels in ``frame``.
        scores: ``(N,)`` float64 in [0, 1].
        labels: ``(N,)`` int64, 0-based index into the detector's classes.
        frame: ``"tile"`` or ``"scene"``.
        saturated: candidates were cut, so the list is not complete.
        recovered: caps were met and the chip was decoded again with larger ones; nothing is missing.
    """

    xyxy: FloatArray
    scores: FloatArray
    labels: IntArray
    frame: Frame = "tile"
    saturated: bool = False
    recovered: bool = False

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.xyxy.shape != (n, 4) or self.scores.shape != (n,) or self.labels.shape != (n,):
            raise InvalidValueError(
                f"detections of shapes {self.xyxy.shape}, {self.scores.shape}, {self.labels.shape}: "
                "expected (N, 4), (N,), (N,)"
            )
        if n and not (np.isfinite(self.xyxy).all() and np.isfinite(self.scores).all()):
            raise InvalidValueError("detections hold NaN or infinite values: the detector is at fault")
        if n and (self.scores.min() < 0 or self.scores.max() > 1):
            raise InvalidValueError("detection scores lie outside [0, 1]")
        if n and ((self.xyxy[:, 2] < self.xyxy[:, 0]) | (self.xyxy[:, 3] < self.xyxy[:, 1])).any():
            raise InvalidValueError("detection boxes have a right or lower edge before the left or upper one")
        for name in ("xyxy", "scores", "labels"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))

    @classmethod
    def of(
        cls,
        xyxy: ArrayLike,
        scores: ArrayLike,
        labels: ArrayLike,
        frame: Frame = "tile",
        saturated: bool = False,
        recovered: bool = False,
    ) -> Detections:
        """From anything array-like, converted to the right types."""
        return cls(
            np.asarray(xyxy, np.float64).reshape(-1, 4),
            np.asarray(scores, np.float64).reshape(-1),
            np.asarray(labels, np.int64).reshape(-1),
            frame,
            saturated,
            recovered,
        )

    @classmethod
    def none(cls, frame: Frame = "tile") -> Detections:
        """No detections."""
        return cls.of((), (), (), frame)

    @classmethod
    def concatenate(cls, parts: Sequence[Detections], frame: Frame) -> Detections:
        """All boxes of ``parts``, in their order; every part must be in ``frame``."""
        if any(p.frame != frame for p in parts):
            raise InvalidValueError(f"cannot join detections of other frames into frame {frame!r}")
        if not parts:
            return cls.none(frame)
        return cls(
            np.concatenate([p.xyxy for p in parts]),
            np.concatenate([p.scores for p in parts]),
            np.concatenate([p.labels for p in parts]),
            frame,
            any(p.saturated for p in parts),
            any(p.recovered for p in parts),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: NDArray[Any]) -> Detections:
        """The boxes picked by an index or boolean array, in that order."""
        return replace(self, xyxy=self.xyxy[index], scores=self.scores[index], labels=self.labels[index])

    def to_scene(self, window: Window) -> Detections:
        """From the frame of a chip read at ``window`` to the frame of the scene."""
        if self.frame != "tile":
            raise InvalidValueError("these detections are in the scene's frame already")
        offset = np.array([window.col, window.row, window.col, window.row], np.float64)
        return replace(self, xyxy=self.xyxy + offset, frame="scene")


@dataclass(frozen=True, slots=True)
class TileSpec:
    """How to cut a scene: side of a tile and pixels shared by neighbours. ``None``: from the detector."""

    size: int | None = None
    overlap: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise InvalidValueError(f"tile size {self.size} px: expected 1 or more")
        if self.overlap is not None and self.overlap < 0:
            raise InvalidValueError(f"overlap {self.overlap} px: expected 0 or more (pixels, not a ratio)")


@dataclass(frozen=True, slots=True)
class MergeSpec:
    """When two boxes of one class are one object.

    Args:
        iou_threshold: at least this intersection over union, or
        centre_distance: centres at most this far apart, as a share of the geometric mean of the smaller
            box's sides.
        margin: px by which two tiles may disagree about one object's centre.
    """

    iou_threshold: float = 0.5
    centre_distance: float = 0.35
    margin: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.iou_threshold <= 1:
            raise InvalidValueError(f"merge IoU threshold {self.iou_threshold}: expected above 0, at most 1")
        if not 0 <= self.centre_distance <= 1:
            raise InvalidValueError(f"merge centre distance {self.centre_distance}: expected in [0, 1]")
        if self.margin < 0:
            raise InvalidValueError(f"merge margin {self.margin} px: expected 0 or more")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a detector was trained on.

    Args:
        channels: bands it takes.
        radiometry: unit of the pixels that its fixed ``low``/``high`` range is in after conversion to
            amplitude; see ``radiometry.py``.
        low: value drawn as 0, one a channel.
        high: value drawn as 255, one a channel.
        gsd_range: metres a pixel that it serves, or None.
        mpp_range: micrometres a pixel that it serves, or None.
    """

    channels: int
    radiometry: Radiometry = "uint8"
    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (255.0,)
    gsd_range: tuple[float, float] | None = None
    mpp_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise InvalidValueError(f"{self.channels} channels: expected 1 or more")
        if self.radiometry not in RADIOMETRIES:
            raise InvalidValueError(
                f"radiometry {self.radiometry!r}: expected one of {', '.join(RADIOMETRIES)}"
            )
        if len(self.low) != self.channels or len(self.high) != self.channels:
            raise InvalidValueError(f"expected {self.channels} low and high values, one a channel")
        if any(h <= lo for lo, h in zip(self.low, self.high, strict=True)):
            raise InvalidValueError(f"band range {self.low} to {self.high}: high must be above low")


@runtime_checkable
class Detector(Protocol):
    """Finds objects in chips. ``predict`` gives one ``Detections(frame="tile")`` a chip, in order.

    Attributes:
        classes: names, in the order of labels.
        input_spec: what it takes.
        max_object_px: longest side of an object that it can find.
        halo_px: context, in px, that an object needs around it for a stable answer.
        tile_multiple: coarsest level_stride; tile steps must be multiples of it.
        tile_size: side of the tiles it prefers, px.
        score_threshold: the recommended one; a detector may have ``class_thresholds`` besides, see
            ``retina_domains.thresholds``.
        provenance: name, hash and the like, for every output.
    """

    classes: tuple[str, ...]
    input_spec: InputSpec
    max_object_px: int
    halo_px: int
    tile_multiple: int
    tile_size: int
    score_threshold: float
    provenance: dict[str, str]

    def predict(self, batch: Sequence[Chip]) -> Sequence[Detections]:
        """Detections of each chip; raises ``DeviceMemoryError`` when the device is full."""
        ...


class DetectorFactory(Protocol):
    """A picklable maker of a detector, for workers."""

    def __call__(self) -> Detector:
        """Make the detector."""
        ...


@dataclass(frozen=True, slots=True)
class SceneInfo:
    """Facts about a scene that its outputs carry; anything unknown is left empty."""

    acquired: str | None = None
    platform: str | None = None
    polarisation: str | None = None
    extra: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class Georeference(Protocol):
    """Where pixels lie on the ground. Pixel positions are corners-based scene ``(x, y)``, float64.

    Attributes:
        crs_wkt: the native coordinate reference system, WKT.
        residual_m: root mean square misfit at the control points in metres, or None where there are none.
    """

    crs_wkt: str
    residual_m: float | None

    def to_native(self, xy: FloatArray) -> FloatArray:
        """``(N, 2)`` scene pixels to ``(N, 2)`` native x, y (easting or longitude first, always)."""
        ...

    def to_pixel(self, native: FloatArray) -> FloatArray:
        """``(N, 2)`` native x, y to ``(N, 2)`` scene pixels."""
        ...

    def to_lonlat(self, xy: FloatArray) -> FloatArray:
        """``(N, 2)`` scene pixels to ``(N, 2)`` WGS 84 longitude, latitude in degrees."""
        ...

    def describe(self) -> dict[str, str | float]:
        """Kind, CRS name and misfit, for the run summary."""
        ...


@dataclass(frozen=True, slots=True)
class SlideGrid:
    """How a scene's pixels lie on level 0 of its slide, or on the pixels of its image file.

    Both grids start at the same corner, so that scene pixel ``(x, y)`` is level-0 pixel
    ``(x * scale[0], y * scale[1])``; corners, never pixel centres.

    Args:
        height: rows of level 0.
        width: columns of level 0.
        scale: level-0 px a scene px along x and y; 1 where nothing was resampled.
        mpp: micrometres a level-0 px along x and y, or None where that is not known.
        mpp_source: who says so: ``"slide"`` (its own record), ``"resolution tags"``, ``"stated"`` (by the
            caller) or, where it is not known, why.
    """

    height: int
    width: int
    scale: tuple[float, float] = (1.0, 1.0)
    mpp: tuple[float, float] | None = None
    mpp_source: str = "not recorded"

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or not all(0 < s < float("inf") for s in self.scale):
            raise InvalidValueError(
                f"slide of {self.height} x {self.width} px, scale {self.scale}: expected 1 or more, above 0"
            )
        if self.mpp is not None and not all(0 < m < float("inf") for m in self.mpp):
            raise InvalidValueError(f"{self.mpp} um a pixel: expected numbers above 0")

    @property
    def scene_mpp(self) -> tuple[float, float] | None:
        """Micrometres a scene px along x and y, or None."""
        return None if self.mpp is None else (self.mpp[0] * self.scale[0], self.mpp[1] * self.scale[1])

    def to_level0(self, coordinates: FloatArray) -> FloatArray:
        """``(..., 2)`` xy or ``(..., 4)`` xyxy scene px to level-0 px."""
        level0: FloatArray = coordinates * np.tile(self.scale, coordinates.shape[-1] // 2)
        return level0

    def from_level0(self, coordinates: FloatArray) -> FloatArray:
        """``(..., 2)`` xy or ``(..., 4)`` xyxy level-0 px to scene px."""
        scene: FloatArray = coordinates / np.tile(self.scale, coordinates.shape[-1] // 2)
        return scene


@dataclass(frozen=True, slots=True)
class Scene:
    """One raster, as its reader found it.

    Args:
        name: file name without folder, unique within a job.
        path: as GDAL names it; empty for an array.
        height: rows.
        width: columns.
        bands: number of bands that will be read.
        dtype: numpy name of the pixel type.
        nodata: value that marks missing pixels, NaN allowed, or None.
        block: (rows, columns) in which the file stores its pixels.
        georef: where it lies, or None.
        info: acquisition facts.
        calibrated: pixels are sigma0 (amplitude or intensity), not counts, so that a fixed range fits them.
        grid: how it lies on its slide or image file, where its micrometres a pixel matter, or None.
    """

    name: str
    path: str
    height: int
    width: int
    bands: int
    dtype: str
    nodata: float | None = None
    block: tuple[int, int] = (256, 256)
    georef: Georeference | None = None
    info: SceneInfo = field(default_factory=SceneInfo)
    calibrated: bool = False
    grid: SlideGrid | None = None


@runtime_checkable
class SceneReader(Protocol):
    """An open scene. Safe to use from several threads; a context manager that closes what it opened."""

    scene: Scene

    def read(self, window: Window) -> tuple[NDArray[Any], BoolArray]:
        """Pixels ``(C, H, W)`` and valid mask ``(H, W)``; outside the scene zeros, invalid.

        Raises ``BlockReadError`` where the file's blocks under the window cannot be decoded.
        """
        ...

    def read_overview(self, max_side: int) -> tuple[NDArray[Any], BoolArray]:
        """The whole scene, decimated so that no side exceeds ``max_side``."""
        ...

    def __enter__(self) -> SceneReader:
        """Enter a with-block."""
        ...

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        ...


@dataclass(frozen=True, slots=True)
class Merged:
    """Objects after merging, each owned by one tile.

    Args:
        detections: ``frame="scene"``, in the stable order (owner tile row, then column, then y, x, label).
        tiles: ``(N, 2)`` int64, row and column of the tile whose core holds the merged centre.
    """

    detections: Detections
    tiles: IntArray

    def __post_init__(self) -> None:
        if self.detections.frame != "scene" or self.tiles.shape != (len(self.detections), 2):
            raise InvalidValueError("merged objects need scene-frame detections and one (row, column) each")

    def __len__(self) -> int:
        return len(self.detections)


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
