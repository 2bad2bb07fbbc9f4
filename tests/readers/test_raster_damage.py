"""Rasters that are damaged, gone, or none at all."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from raster_cases import TRANSFORM, whole, write_raster

from retina_domains.errors import BlockReadError, InputFileError
from retina_domains.readers import open_scene
from retina_domains.readers.bands import plan_bands
from retina_domains.readers.handles import is_plain_path
from retina_domains.types import Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def test_truncated_file_is_refused_when_opened(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2**16, (1, 256, 256), np.uint16)
    path = write_raster(tmp_path / "a.tif", noise, options={"compress": "deflate"})
    os.truncate(path, path.stat().st_size * 3 // 4)
    with pytest.raises(
        InputFileError, match=r"damaged: it ends at byte \d+, but its block .* again"
    ) as caught:
        open_scene(path)
    assert not isinstance(caught.value, BlockReadError)
    assert "\n" not in str(caught.value)


def test_damaged_block_loses_its_windows_only(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2**16, (1, 256, 256), np.uint16)
    options = {"compress": "deflate", "tiled": True, "blockxsize": 64, "blockysize": 64}
    path = write_raster(tmp_path / "a.tif", noise, options=options)
    with rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_1_2", "TIFF", bidx=1))
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\0" * 200)
    with open_scene(path) as reader:
        np.testing.assert_array_equal(reader.read(Window(0, 0, 128, 256))[0], noise[:, :128])
        for _ in range(2):
            with pytest.raises(BlockReadError, match=r"a\.tif: rows 120 to 140, columns 60 to 80 cannot be"):
                reader.read(Window(120, 60, 20, 20))
        np.testing.assert_array_equal(reader.read(Window(128, 0, 128, 64))[0], noise[:, 128:, :64])


def test_virtual_raster_whose_source_is_gone(tmp_path: Path) -> None:
    vrt = tmp_path / "c.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="50" rasterYSize="40"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">gone.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with open_scene(vrt) as reader, pytest.raises(BlockReadError, match=r"gone\.tif"):
        whole(reader)


def test_what_is_no_raster_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "empty.tif").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for name, said in {
        "gone.tif": "no such file",
        "a.txt": "not a raster",
        "empty.tif": "not a raster",
        "folder": "a folder",
    }.items():
        with pytest.raises(InputFileError, match=said) as caught:
            open_scene(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputFileError):
        open_scene("/vsizip/gone.zip/a.tif")


def test_container_of_several_rasters_lists_them(tmp_path: Path) -> None:
    path = tmp_path / "several.tif"
    for index in range(2):
        with rasterio.open(
            path, "w", driver="GTiff", count=1, height=4, width=5, dtype="uint8", APPEND_SUBDATASET=index > 0
        ) as dataset:
            dataset.write(np.full((1, 4, 5), index + 1, np.uint8))
    with open_scene(f"GTIFF_DIR:2:{path}") as reader:
        assert (whole(reader)[0] == 2).all()


def test_file_without_any_band_is_refused() -> None:
    with pytest.raises(InputFileError, match=r"a\.nc: has no bands"):
        plan_bands(SimpleNamespace(count=0, subdatasets=[]), "a.nc", None)


def test_file_with_subdatasets_only_names_them(tmp_path: Path) -> None:
    mbtiles = tmp_path / "two.gpkg"
    for table in ("one", "two"):
        append = "YES" if table == "two" else "NO"
        with rasterio.open(
            mbtiles,
            "w",
            driver="GPKG",
            count=1,
            height=256,
            width=256,
            dtype="uint8",
            crs="EPSG:3857",
            transform=TRANSFORM,
            RASTER_TABLE=table,
            APPEND_SUBDATASET=append,
        ) as dataset:
            dataset.write(np.ones((1, 256, 256), np.uint8))
    with pytest.raises(InputFileError, match=r"several rasters.*GPKG:.*:one.*GPKG:.*:two"):
        open_scene(mbtiles)
    with open_scene(f"GPKG:{mbtiles}:two") as reader:
        assert reader.scene.height == 256


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("a.tif", True),
        ("/data/a.tif", True),
        (r"C:\data\a.tif", True),
        ("/vsicurl/https://example.org/a.tif", False),
        ("s3://bucket/a.tif", False),
        ('NETCDF:"a.nc":wind', False),
    ],
)
def test_gdals_own_names_are_told_from_paths(path: str, plain: bool) -> None:
    assert is_plain_path(path) == plain
