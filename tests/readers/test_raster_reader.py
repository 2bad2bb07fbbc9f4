"""Reading rasters by windows, against arrays that were written."""

from __future__ import annotations

import multiprocessing
import pickle
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from range_server import served
from raster_cases import TRANSFORM, ramp, whole, write_raster
from rasterio.enums import ColorInterp
from rasterio.errors import CRSError

from retina_domains.errors import InputFileError, InvalidValueError
from retina_domains.georef import GcpGeoreference
from retina_domains.readers import OpenOptions, RasterReader, bounded_block_cache, open_scene
from retina_domains.readers.padding import valid_pixels
from retina_domains.readers.raster import _georeference
from retina_domains.types import SceneReader, Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


ALL_TYPES = "uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64".split()


@pytest.mark.parametrize("dtype", ALL_TYPES)
def test_every_type_as_it_was_written(tmp_path: Path, dtype: str) -> None:
    pixels = ramp(dtype=dtype)
    with open_scene(write_raster(tmp_path / "a.tif", pixels)) as reader:
        assert isinstance(reader, SceneReader)
        scene = reader.scene
        assert (scene.height, scene.width, scene.bands, scene.dtype) == (40, 50, 1, dtype)
        found, valid = whole(reader)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, pixels)
    assert valid.all()


@pytest.mark.parametrize(
    ("dtype", "given_type"),
    [("complex64", "float32"), ("complex128", "float64"), ("complex_int16", "float32")],
)
def test_complex_pixels_become_their_modulus(tmp_path: Path, dtype: str, given_type: str) -> None:
    pixels = (ramp().astype(np.float32) * (3 - 4j)).astype("complex64" if "int" in dtype else dtype)
    path = write_raster(tmp_path / "a.tif", pixels, options={"dtype": dtype})
    with open_scene(path) as reader:
        assert reader.scene.dtype == given_type
        found, valid = whole(reader)
        assert found.dtype == given_type
        assert "modulus" in reader.scene.info.extra["pixels"]
    np.testing.assert_allclose(found, 5.0 * ramp(), rtol=1e-6)
    assert valid.all()


def test_scene_facts(tmp_path: Path) -> None:
    path = write_raster(
        tmp_path / "a.tif", ramp(3, 64, 80), options={"tiled": True, "blockxsize": 32, "blockysize": 16}
    )
    with open_scene(path) as reader:
        scene = reader.scene
        assert (scene.name, scene.path, scene.bands, scene.block) == ("a.tif", str(path), 3, (16, 32))
        assert scene.georef is not None
        np.testing.assert_allclose(scene.georef.to_native(np.array([[2.0, 3.0]])), [[400020.0, 3699970.0]])
        assert not scene.calibrated
    with open_scene(path, name="b") as reader:
        assert reader.scene.name == "b"


@settings(max_examples=60, deadline=None)
@given(
    row=st.integers(-60, 60), col=st.integers(-70, 70), height=st.integers(0, 90), width=st.integers(0, 90)
)
def test_any_window_is_padded_as_by_numpy(row: int, col: int, height: int, width: int) -> None:
    pixels = ramp(2)
    padded = np.pad(pixels, ((0, 0), (200, 200), (200, 200)))
    inside = np.pad(np.ones((40, 50), bool), 200)
    part = np.s_[200 + row : 200 + row + height, 200 + col : 200 + col + width]
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=2,
            height=40,
            width=50,
            dtype="uint16",
            transform=TRANSFORM,
            crs="EPSG:32611",
        ) as dataset:
            dataset.write(pixels)
        with open_scene(memory.name) as reader:
            found, valid = reader.read(Window(row, col, height, width))
    np.testing.assert_array_equal(found, padded[(slice(None), *part)])
    np.testing.assert_array_equal(valid, inside[part])


def test_bands_are_chosen_and_may_be_repeated(tmp_path: Path) -> None:
    pixels = ramp(4)
    path = write_raster(tmp_path / "a.tif", pixels)
    with open_scene(path, bands=[3, 1, 1]) as reader:
        np.testing.assert_array_equal(whole(reader)[0], pixels[[2, 0, 0]])


@pytest.mark.parametrize("bands", [[], [0], [5], [-1], [1, 99]])
def test_bands_that_do_not_exist_are_refused(tmp_path: Path, bands: list[int]) -> None:
    path = write_raster(tmp_path / "a.tif", ramp(4))
    with pytest.raises(InvalidValueError, match="expected numbers from 1 to 4"):
        open_scene(path, bands=bands)


def test_bands_of_different_types_are_read_in_the_widest(tmp_path: Path) -> None:
    byte = write_raster(tmp_path / "a.tif", ramp(dtype="uint8"))
    real = write_raster(tmp_path / "b.tif", ramp(dtype="float32") / 8)
    vrt = tmp_path / "c.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="50" rasterYSize="40">'
        + "".join(
            f'<VRTRasterBand dataType="{kind}" band="{band}"><SimpleSource>'
            f'<SourceFilename relativeToVRT="1">{path.name}</SourceFilename><SourceBand>1</SourceBand>'
            "</SimpleSource></VRTRasterBand>"
            for band, (kind, path) in enumerate((("Byte", byte), ("Float32", real)), 1)
        )
        + "</VRTDataset>"
    )
    with open_scene(vrt) as reader:
        assert reader.scene.dtype == "float32"
        found, _ = whole(reader)
    np.testing.assert_array_equal(found, np.concatenate([ramp(), ramp() / 8]).astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", 7),
        ("int16", -32768),
        ("uint16", 65535),
        ("float32", -9999.0),
        ("float32", -3.4028234663852886e38),
        ("float32", 0.1),
        ("float64", 0.1),
        ("float32", np.nan),
    ],
)
def test_nodata_is_invalid(tmp_path: Path, dtype: str, nodata: float) -> None:
    pixels = ramp(dtype=dtype) if dtype != "uint8" else ramp(dtype=dtype) + 10
    pixels[0, 3, 4] = nodata
    with open_scene(write_raster(tmp_path / "a.tif", pixels, options={"nodata": nodata})) as reader:
        _, valid = whole(reader)
        with rasterio.open(tmp_path / "a.tif") as dataset:
            np.testing.assert_array_equal(valid, dataset.dataset_mask() > 0)
    assert np.argwhere(~valid).tolist() == [[3, 4]]


@pytest.mark.parametrize("nodata", [-9999.0, 300.0, 0.5, float("inf"), float("-inf"), float("nan")])
def test_nodata_that_the_type_cannot_hold_marks_nothing(nodata: float) -> None:
    assert valid_pixels(ramp(dtype="uint8"), [nodata]).all()


def test_black_in_one_band_is_no_hole_but_nan_in_one_band_is(tmp_path: Path) -> None:
    pixels = ramp(3, dtype="float32")
    pixels[1, 0, 0] = 0
    pixels[:, 1, 1] = 0
    pixels[2, 2, 2] = np.nan
    pixels[0, 3, 3] = np.inf
    with open_scene(write_raster(tmp_path / "a.tif", pixels, options={"nodata": 0})) as reader:
        assert np.argwhere(~whole(reader)[1]).tolist() == [[1, 1], [2, 2], [3, 3]]


@pytest.mark.parametrize("internal", [True, False])
def test_stored_masks(tmp_path: Path, internal: bool) -> None:
    mask = np.random.default_rng(0).random((40, 50)) > 0.3
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal):
        path = write_raster(tmp_path / "a.tif", ramp(3), mask=mask)
    assert (tmp_path / "a.tif.msk").exists() != internal
    with open_scene(path) as reader:
        np.testing.assert_array_equal(whole(reader)[1], mask)
        assert not reader.read(Window(-5, -5, 5, 5))[1].any()


def test_alpha_is_a_mask_and_no_band(tmp_path: Path) -> None:
    pixels = ramp(4, dtype="uint8")
    pixels[3] = np.random.default_rng(0).random((40, 50)) > 0.3
    path = write_raster(tmp_path / "a.tif", pixels, options={"photometric": "RGB", "alpha": "YES"})
    with open_scene(path) as reader:
        found, valid = whole(reader)
    np.testing.assert_array_equal(found, pixels[:3])
    np.testing.assert_array_equal(valid, pixels[3] > 0)
    with open_scene(path, bands=[4]) as reader:
        np.testing.assert_array_equal(whole(reader)[0], pixels[3:])


def test_colour_table_is_drawn(tmp_path: Path) -> None:
    index = ramp(dtype="uint8") % 4
    colours = {0: (0, 0, 0, 0), 1: (255, 0, 0, 255), 2: (0, 200, 0, 255), 3: (9, 8, 7, 255)}
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", driver="GTiff", count=1, height=40, width=50, dtype="uint8") as dataset:
        dataset.write(index)
        dataset.write_colormap(1, colours)
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp == (ColorInterp.palette,)
        transparent = dataset.colormap(1)[0][3] == 0
    with open_scene(path) as reader:
        assert (reader.scene.bands, reader.scene.dtype) == (3, "uint8")
        found, valid = whole(reader)
        assert reader.read_overview(10)[0].shape == (3, 8, 10)
    table = np.array([colours[i][:3] for i in range(4)])
    np.testing.assert_array_equal(found, np.moveaxis(table[index[0]], -1, 0))
    np.testing.assert_array_equal(valid, (index[0] > 0) | (not transparent))


def test_colour_table_of_greys_is_one_band(tmp_path: Path) -> None:
    pixels = ramp(dtype="uint8")
    path = write_raster(tmp_path / "a.bmp", pixels, crs=None, options={"driver": "BMP"})
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp == (ColorInterp.palette,)
    with open_scene(path) as reader:
        assert reader.scene.bands == 1
        np.testing.assert_array_equal(whole(reader)[0], pixels)


def test_scale_and_offset_of_the_file_are_applied(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", ramp(dtype="int16"), options={"nodata": 5})
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.01,), (-30.0,)
    with open_scene(path) as reader:
        assert reader.scene.dtype == "float32"
        found, valid = whole(reader)
    np.testing.assert_allclose(found, ramp() * 0.01 - 30, rtol=1e-6)
    np.testing.assert_array_equal(valid, ramp()[0] != 5)


def with_overviews(path: Path) -> None:
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4], rasterio.enums.Resampling.average)


@pytest.mark.parametrize("prepare", [lambda path: None, with_overviews], ids=["plain", "overviews"])
def test_overview_is_the_scene_made_smaller(tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    row, col = np.mgrid[:300, :400]
    path = write_raster(tmp_path / "a.tif", (row * 10 + col)[None].astype(np.uint16))
    prepare(path)
    with open_scene(path) as reader:
        found, valid = reader.read_overview(100)
        assert found.shape == (1, 75, 100)
        assert reader.read_overview(1000)[0].shape == (1, 300, 400)
        with pytest.raises(InvalidValueError, match="1 or more"):
            reader.read_overview(0)
    assert valid.all()
    small = (np.mgrid[:75, :100] + 0.5) * 4
    assert np.abs(found[0] - (small[0] * 10 + small[1])).max() <= 4 * 11


def test_cog_zip_and_memory_are_read_by_gdals_names(tmp_path: Path) -> None:
    pixels = ramp()
    write_raster(tmp_path / "a.tif", pixels, options={"driver": "COG"})
    (tmp_path / "Häfen é.tif").write_bytes((tmp_path / "a.tif").read_bytes())
    with open_scene(tmp_path / "Häfen é.tif") as reader:
        np.testing.assert_array_equal(whole(reader)[0], pixels)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "in/a.tif")
    for name in (f"/vsizip/{tmp_path}/a.zip/in/a.tif", f"zip://{tmp_path}/a.zip!/in/a.tif"):
        with open_scene(name) as reader:
            assert reader.scene.name == "a.tif"
            np.testing.assert_array_equal(whole(reader)[0], pixels)


def test_remote_raster_is_read_by_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pixels = ramp(1, 512, 512)
    write_raster(tmp_path / "a.tif", pixels, options={"driver": "COG"})
    with served(tmp_path) as url, open_scene(f"/vsicurl/{url}/a.tif") as reader:
        np.testing.assert_array_equal(reader.read(Window(300, 200, 50, 60))[0], pixels[:, 300:350, 200:260])


def test_control_points_of_a_file_are_used(tmp_path: Path) -> None:
    corners = [(0, 0, -118.0, 34.0), (50, 0, -117.9, 34.0), (0, 40, -118.0, 33.9), (50, 40, -117.9, 33.9)]
    gcps = [rasterio.control.GroundControlPoint(row=r, col=c, x=x, y=y) for c, r, x, y in corners]
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=40, width=50, dtype="uint8", gcps=gcps, crs="EPSG:4326"
    ) as dataset:
        dataset.write(ramp(dtype="uint8"))
    for method in ("tps", "polynomial"):
        with open_scene(path, gcp_method=method) as reader:  # type: ignore[arg-type]
            georef = reader.scene.georef
        assert isinstance(georef, GcpGeoreference)
        np.testing.assert_allclose(georef.to_lonlat(np.array([[25.0, 20.0]])), [[-117.95, 33.95]], atol=1e-9)
    with pytest.raises(InvalidValueError, match="GCP method 'spline'"):
        open_scene(path, gcp_method="spline")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("crs", "options", "said"),
    [
        (None, {"transform": TRANSFORM}, "no coordinate reference system"),
        # A GeoTIFF keeps the place of such a transform and not its steps: one control point.
        ("EPSG:32611", {"transform": rasterio.transform.Affine(0, 0, 1, 0, -1, 0)}, "expected 3 or more"),
    ],
)
def test_georeference_that_cannot_be_used_is_told_and_pixels_are_read(
    tmp_path: Path, crs: str | None, options: dict[str, Any], said: str
) -> None:
    path = write_raster(tmp_path / "a.tif", ramp(), crs=crs, options=options)
    with open_scene(path) as reader:
        assert reader.scene.georef is None
        assert said in reader.scene.info.extra["georeference"]
        assert whole(reader)[1].all()


class OddCrs:
    """A dataset whose CRS cannot be exported."""

    transform, gcps, rpcs = TRANSFORM, ([], None), None

    @property
    def crs(self) -> object:
        raise CRSError("no such projection")


def test_crs_that_gdal_cannot_tell_is_no_georeference() -> None:
    assert _georeference(OddCrs(), OpenOptions()) == (None, {"georeference": "none: no such projection"})


def test_picture_without_any_georeference(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = write_raster(tmp_path / "a.png", ramp(3, dtype="uint8"), crs=None, options={"driver": "PNG"})
    recwarn.clear()
    with open_scene(path) as reader:
        assert reader.scene.georef is None
        assert reader.scene.info.extra == {}
        np.testing.assert_array_equal(whole(reader)[0], ramp(3, dtype="uint8"))
    assert not recwarn.list


def test_threads_read_the_same_through_handles_of_their_own(tmp_path: Path) -> None:
    pixels = ramp(2, 400, 400)
    path = write_raster(tmp_path / "a.tif", pixels, options={"compress": "deflate"})
    windows = [Window(r, c, 90, 90) for r in range(-20, 400, 70) for c in range(-20, 400, 70)] * 3
    padded = np.pad(pixels, ((0, 0), (200, 200), (200, 200)))
    with RasterReader(str(path)) as reader:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(reader.read, windows))
        handles = list(reader._handles._handles.values())
        assert 1 <= len(handles) <= 4
    for window, (block, _) in zip(windows, found, strict=True):
        row, col = window.row + 200, window.col + 200
        np.testing.assert_array_equal(block, padded[:, row : row + 90, col : col + 90])
    assert all(handle.closed for handle in handles)
    with pytest.raises(InputFileError, match="after its reader was closed"):
        reader.read(windows[0])


def test_handles_of_ended_threads_are_closed(tmp_path: Path) -> None:
    with RasterReader(str(write_raster(tmp_path / "a.tif", ramp()))) as reader:
        for _ in range(5):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(reader.read, Window(0, 0, 5, 5)).result()
        assert len(reader._handles._handles) == 1


def read_sum(reader: SceneReader) -> int:
    return int(whole(reader)[0].sum())


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_copy_in_another_process_opens_its_own_handles(tmp_path: Path, method: Any) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    with open_scene(write_raster(tmp_path / "a.tif", ramp())) as reader:
        read_sum(reader)
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.apply(read_sum, (reader,)) == int(ramp().sum())
        assert read_sum(pickle.loads(pickle.dumps(reader))) == int(ramp().sum())


def test_block_cache_is_bounded_unless_the_user_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from rasterio._env import get_gdal_config

    monkeypatch.delenv("GDAL_CACHEMAX", raising=False)
    before = get_gdal_config("GDAL_CACHEMAX")
    with bounded_block_cache(50 * 2**20):
        assert get_gdal_config("GDAL_CACHEMAX") == 50 * 2**20
    assert get_gdal_config("GDAL_CACHEMAX") == before
    monkeypatch.setenv("GDAL_CACHEMAX", "64")
    with bounded_block_cache():
        assert get_gdal_config("GDAL_CACHEMAX") == before
