"""Pyramidal TIFFs, and pictures as pyramids of one level, through GDAL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rasterio.errors import RasterioError

from retina_domains.errors import BlockReadError, InvalidValueError
from retina_domains.readers.bands import plan_bands, read_bands
from retina_domains.readers.handles import DatasetHandles, one_line, open_dataset
from retina_domains.readers.raster import refuse_truncated
from retina_domains.readers.slide_levels import Level, LevelPixels, level_factors
from retina_domains.types import Window

_UM_A_UNIT = {"2": 25_400.0, "3": 10_000.0}
# Coarser than any slide scanner's level 0; what pictures of 72 dots an inch say of themselves is 353.
COARSEST_MPP = 25.0


class TiffLevels:
    """A :class:`~retina_domains.readers.slide_levels.SlideLevels` of what GDAL reads.

    Blocks that a TIFF leaves out are invalid: scanners leave out the empty glass.

    Args:
        path: as GDAL names it.
        bands: bands to read, from 1 and in this order; None: all but alpha.

    Raises:
        InputFileError: the file cannot be read, or ends before its blocks do.
        InvalidValueError: a band does not exist, or the raster is one of the ground.
    """

    def __init__(self, path: str, bands: Sequence[int] | None = None) -> None:
        self.path = path
        with open_dataset(path) as dataset:
            self._plan = plan_bands(dataset, path, bands)
            refuse_truncated(dataset, path, self._plan)
            self._sparse = dataset.driver == "GTiff"
            # What GDAL calls overviews of a JPEG are its coefficients, decoded to fewer pixels.
            overviews = len(dataset.overviews(self._plan.indexes[0])) if self._sparse else 0
            if is_placed(dataset):
                raise InvalidValueError(
                    f"{path}: lies on the ground: expected a slide or a picture of one; `infer` takes rasters"
                )
            self.mpp, self.mpp_source = tag_mpp(dataset.tags())
            sizes, blocks = [dataset.shape], [dataset.block_shapes[self._plan.indexes[0] - 1]]
        for overview in range(overviews):
            with open_dataset(path, overview) as dataset:
                refuse_truncated(dataset, path, self._plan)
                sizes.append(dataset.shape)
                blocks.append(dataset.block_shapes[self._plan.indexes[0] - 1])
        self._handles = [DatasetHandles(path, k) for k in (None, *range(overviews))]
        parts = zip(sizes, level_factors(sizes), blocks, strict=True)
        self.levels = tuple(Level(height, width, factor, block) for (height, width), factor, block in parts)
        self.bands, self.dtype = self._plan.bands, self._plan.dtype
        self.facts = {"slide": f"{overviews + 1} level{'s' * bool(overviews)}, read by GDAL"}

    def read(self, level: int, window: Window) -> LevelPixels | None:
        """The pixels of a window that lies within a level; None where the file holds none of them.

        Raises:
            BlockReadError: they cannot be decoded.
        """
        dataset = self._handles[level].get()
        missing = missing_blocks(dataset, self._plan.indexes[0], window) if self._sparse else []
        if sum(hole.height * hole.width for hole in missing) == window.height * window.width:
            return None
        try:
            pixels, valid = read_bands(dataset, self._plan, window, (window.height, window.width))
        except RasterioError as error:
            raise BlockReadError(
                f"{self.path}: level {level}, rows {window.row} to {window.row_stop}, columns {window.col} "
                f"to {window.col_stop} cannot be decoded: {one_line(error)}"
            ) from error
        for hole in missing:
            top, left = hole.row - window.row, hole.col - window.col
            valid[top : top + hole.height, left : left + hole.width] = False
        return LevelPixels(pixels, valid, window.col, window.row)

    def close(self) -> None:
        """Close all handles; no thread may be reading."""
        for handles in self._handles:
            handles.close()


def missing_blocks(dataset: Any, band: int, window: Window) -> list[Window]:
    """The parts of a window whose blocks the TIFF leaves out."""
    rows, cols = dataset.block_shapes[band - 1]
    missing = []
    for row in range(window.row // rows, -(-window.row_stop // rows)):
        for col in range(window.col // cols, -(-window.col_stop // cols)):
            if not int(dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band) or 0):
                missing.append(Window(row * rows, col * cols, rows, cols).intersection(window))
    return missing


def tag_mpp(tags: dict[str, str]) -> tuple[tuple[float, float] | None, str]:
    """Micrometres a px along x and y from a TIFF's resolution tags, and who told, or why it is not known."""
    unit = _UM_A_UNIT.get(tags.get("TIFFTAG_RESOLUTIONUNIT", "").split(" ")[0])
    try:
        dots = [float(tags.get(f"TIFFTAG_{axis}RESOLUTION", "0")) for axis in "XY"]
    except ValueError:
        dots = [0.0, 0.0]
    if unit is None or min(dots) <= 0:
        return None, "not recorded"
    mpp = (unit / dots[0], unit / dots[1])
    if max(mpp) > COARSEST_MPP:
        return None, f"the resolution tags give {mpp[0]:.4g} um a pixel, which is that of a screen or printer"
    return mpp, "resolution tags"


def is_pyramid(path: str) -> bool:
    """Whether a file is a picture of 8 bits with levels, and not a raster of the ground."""
    with open_dataset(path) as dataset:
        colour = dataset.count in (3, 4) and set(dataset.dtypes) == {"uint8"}
        return bool(colour and not is_placed(dataset) and dataset.overviews(1))


def is_placed(dataset: Any) -> bool:
    """Whether a raster says where on the ground it lies."""
    return bool(dataset.crs or dataset.gcps[0] or dataset.rpcs or not dataset.transform.is_identity)
