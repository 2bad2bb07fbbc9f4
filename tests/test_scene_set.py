"""Chips straight from rasters: the same pixels as inference, at the stated GSD, in any process."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio._env import get_gdal_config
from rasterio.transform import Affine
from shapely.geometry import box

from retina_domains.areas import Shapes
from retina_domains.errors import ConfigError, InputFileError, LabelError, RadiometryError
from retina_domains.inference import InferenceOptions, prepare
from retina_domains.readers import open_scene
from retina_domains.readers.handles import BLOCK_CACHE_BYTES, DatasetHandles
from retina_domains.samples import CutRule, SamplingSpec
from retina_domains.scene_labels import LabelSpec
from retina_domains.scene_set import ChipSpec, PreparedScene, SceneChip, SceneSet, prepare_scenes
from retina_domains.types import Chip, Detections, InputSpec, MergeSpec, TileSpec, Window

SAR = InputSpec(1, "amplitude", (0.0,), (1.0,))


def write_scene(
    path: Path, pixels: np.ndarray, gsd: float | None = 10.0, nodata: float | None = None
) -> np.ndarray:
    """A GeoTIFF in UTM, tiled; ``gsd`` None: without georeference."""
    profile = {
        "driver": "GTiff",
        "height": pixels.shape[-2],
        "width": pixels.shape[-1],
        "count": 1,
        "dtype": pixels.dtype.name,
        "tiled": True,
        "blockxsize": 64,
        "blockysize": 64,
        "nodata": nodata,
    }
    if gsd is not None:
        profile |= {"crs": "EPSG:32633", "transform": Affine(gsd, 0, 500_000, 0, -gsd, 5_000_000)}
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels, 1)
    return pixels


def write_boxes(path: Path, rows: list[tuple[str, float, float, float, float]]) -> Path:
    lines = ["image,label,x1,y1,x2,y2", *(f"{n},ship,{a},{b},{c},{d}" for n, a, b, c, d in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    sea = rng.gamma(4, 50, (300, 400)).astype(np.uint16)
    sea[100:110, 200:220] = 3000
    write_scene(tmp_path / "a.tif", sea)
    write_scene(tmp_path / "b.tif", rng.gamma(4, 20, (200, 200)).astype(np.uint16), gsd=20.0)
    write_boxes(tmp_path / "l.csv", [("a.tif", 200, 100, 220, 110), ("b.tif", 50, 60, 58, 64)])
    return tmp_path


def scene_set(folder: Path, spec: ChipSpec, labels: str = "l.csv", images: str = "*.tif") -> SceneSet:
    return SceneSet(
        prepare_scenes(str(folder / images), str(folder / labels), ("ship",), spec, SAR), spec, ("ship",)
    )


class Watcher:
    """A detector that keeps the chips it is given."""

    classes = ("ship",)
    input_spec = SAR
    max_object_px, halo_px, tile_multiple, tile_size, score_threshold = 20, 4, 4, 128, 0.5
    provenance: dict[str, str] = {}  # noqa: RUF012

    def predict(self, batch: list[Chip]) -> list[Detections]:
        return [Detections.none() for _ in batch]


def test_the_trainer_gets_the_pixels_that_inference_gets(folder: Path) -> None:
    data = scene_set(folder, ChipSpec(size=128))
    with open_scene(folder / "a.tif") as reader:
        work = prepare(reader, Watcher(), TileSpec(128), MergeSpec(), InferenceOptions())
        for tile in list(work.grid)[:4]:
            chip = work.load(tile)
            assert chip is not None
            ours = data.read(0, tile.window)
            np.testing.assert_array_equal(ours.pixels, chip.pixels)
            np.testing.assert_array_equal(ours.valid, chip.valid)
    assert data.scenes[0].scaling == work.scaling


def test_objects_lie_on_their_pixels(folder: Path) -> None:
    data = scene_set(folder, ChipSpec(size=128))
    chip = data.read(0, Window(60, 150, 128, 128))
    assert chip.objects.xyxy.tolist() == [[50, 40, 70, 50]]
    rows, cols = np.nonzero(chip.pixels[0] == 255)
    bright = (chip.pixels[0][40:50, 50:70] == 255).mean()
    assert bright == 1
    assert np.median(rows) == pytest.approx(44.5, abs=1)
    assert np.median(cols) == pytest.approx(59.5, abs=1)


def test_every_scene_is_brought_to_the_stated_gsd(folder: Path) -> None:
    data = scene_set(folder, ChipSpec(size=64, gsd=20.0))
    assert [scene.tile for scene in data.scenes] == [(128, 128), (64, 64)]
    for scene in data.scenes:
        assert scene.gsd == pytest.approx((20, 20), rel=1e-3)
    chip = data.read(0, Window(60, 150, 128, 128))
    assert chip.pixels.shape == (1, 64, 64)
    assert chip.objects.xyxy.tolist() == [[25, 20, 35, 25]]
    assert chip.pixels[0, 20:25, 25:35].min() == 255
    # Two by two pixels are averaged after they were scaled, as multilooking does to amplitude.
    whole = data.scenes[0].scaling.apply(*_read(folder / "a.tif", Window(60, 150, 128, 128)))
    np.testing.assert_allclose(
        chip.pixels[0], whole[0].reshape(64, 2, 64, 2).mean(axis=(1, 3)), rtol=1e-5, atol=1e-3
    )
    assert data.input_spec(SAR).gsd_range == pytest.approx((20, 20), rel=1e-3)


def _read(path: Path, window: Window) -> tuple[np.ndarray, np.ndarray]:
    with open_scene(path) as reader:
        return reader.read(window)


def test_a_declared_range_of_gsd_is_kept_to(folder: Path) -> None:
    data = scene_set(folder, ChipSpec(size=64))
    with pytest.raises(ConfigError, match=r"chips have 10 to 20\.01 m/px, and input says gsd_range 1 to 15"):
        data.input_spec(InputSpec(1, "amplitude", (0.0,), (1.0,), gsd_range=(1.0, 15.0)))


def test_draws_are_repeatable_and_survive_a_process(folder: Path) -> None:
    data = scene_set(folder, ChipSpec(size=64, sampling=SamplingSpec(0.5, tiles_per_epoch=6)))
    here = [data.draw(k, np.random.default_rng(k)) for k in range(6)]
    copy = pickle.loads(pickle.dumps(data))
    there = [copy.draw(k, np.random.default_rng(k)) for k in range(6)]
    assert [c.window for c in here] == [c.window for c in there]
    assert sum(c.negative for c in here) == 3
    assert all(len(c.objects) == 0 for c in here if c.negative)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)


def _sum_of(data: SceneSet, index: int) -> float:
    return float(data.draw(index, np.random.default_rng(index)).pixels.sum())


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_workers_read_what_the_parent_reads(folder: Path, method: str) -> None:
    data = scene_set(folder, ChipSpec(size=64, sampling=SamplingSpec(0.5, tiles_per_epoch=8)))
    # The parent has read before: a forked child must not go on with its handles.
    expected = [_sum_of(data, k) for k in range(8)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap(_sum_of, [(data, k) for k in range(8)]) == expected


def test_the_cover_reads_every_pixel_once(folder: Path) -> None:
    data = scene_set(folder, ChipSpec(size=128))
    seen = [np.zeros((s.height, s.width), int) for s in data.scenes]
    for scene, window in data.cover():
        seen[scene][window.row : window.row_stop, window.col : window.col_stop] += 1
    assert all((count == 1).all() for count in seen)


def test_empty_tiles_are_sought_where_there_are_pixels(tmp_path: Path) -> None:
    pixels = np.full((128, 640), 7, np.uint16)
    pixels[:, :512] = 0
    pixels[::2, ::2] += 1
    pixels[:, :512] = 0
    write_scene(tmp_path / "a.tif", pixels, nodata=0)
    write_boxes(tmp_path / "l.csv", [("a.tif", 600, 100, 610, 110)])
    data = scene_set(
        tmp_path, ChipSpec(size=64, min_valid=0.5, sampling=SamplingSpec(1.0, tiles_per_epoch=20))
    )
    shares = [data.draw(k, np.random.default_rng(k)).valid.mean() for k in range(20)]
    # About one place in eight is valid: with eight draws most find one.
    assert np.mean(np.array(shares) >= 0.5) > 0.4


def test_objects_cut_by_the_tile_follow_the_rule(folder: Path) -> None:
    data = scene_set(folder, ChipSpec(size=64, cut=CutRule(keep=0.6, ignore=0.2)))
    window = Window(90, 208, 64, 64)
    chip = data.read(0, window)
    # Twelve of twenty columns are left: just kept; one less: ignored.
    assert chip.objects.ignored.tolist() == [False]
    assert data.read(0, Window(90, 209, 64, 64)).objects.ignored.tolist() == [True]
    assert len(data.read(0, Window(90, 217, 64, 64)).objects) == 0


def draws(data: SceneSet, epochs: int, seed: int) -> Iterator[SceneChip]:
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        yield from (data.draw(index, rng) for index in range(len(data)))


@pytest.mark.parametrize("seed", [0, 1])
def test_every_draw_shows_what_a_plain_loop_finds(tmp_path: Path, seed: int) -> None:
    """Visible share, sampling, pixels and share of negatives, at two samplings brought to one."""
    rng = np.random.default_rng(seed)
    truth: dict[str, list[tuple[int, int, int, int]]] = {}
    for name, gsd in (("a.tif", 10.0), ("b.tif", 5.0)):
        pixels = np.full((700, 700), 10, np.uint8)
        truth[name] = []
        for row, col in np.argwhere(rng.random((7, 7)) < 0.5) * 100:
            width, height = rng.integers(8, 60, 2).tolist()
            x, y = int(col + rng.integers(0, 100 - width)), int(row + rng.integers(0, 100 - height))
            pixels[y : y + height, x : x + width] = 200
            truth[name].append((x, y, x + width, y + height))
        write_scene(tmp_path / name, pixels, gsd=gsd)
    write_boxes(tmp_path / "l.csv", [(name, *box) for name, boxes in truth.items() for box in boxes])
    rule, sampling = CutRule(keep=0.6, ignore=0.2), SamplingSpec(0.25, tiles_per_epoch=16)
    spec = ChipSpec(size=96, gsd=10.0, cut=rule, sampling=sampling)
    raw = InputSpec(1, "uint8", (0.0,), (255.0,))
    scenes = prepare_scenes(str(tmp_path / "*.tif"), str(tmp_path / "l.csv"), ("ship",), spec, raw)
    empty, windows = 0, set()
    for chip in draws(SceneSet(scenes, spec, ("ship",)), epochs=4, seed=seed):
        name = scenes[chip.scene].name
        side = {"a.tif": 96, "b.tif": 192}[name]
        assert (chip.window.height, chip.window.width) == (side, side)
        expected, touched = [], False
        for x1, y1, x2, y2 in truth[name]:
            left, right = max(x1, chip.window.col), min(x2, chip.window.col + side)
            top, bottom = max(y1, chip.window.row), min(y2, chip.window.row + side)
            if left < right and top < bottom:
                touched = True
                share = (right - left) * (bottom - top) / ((x2 - x1) * (y2 - y1))
                if share >= 0.2:
                    corners = (left - chip.window.col, top - chip.window.row)
                    corners += (right - chip.window.col, bottom - chip.window.row)
                    expected.append((*(v * 96 / side for v in corners), share < 0.6))
        found = zip(chip.objects.xyxy.tolist(), chip.objects.ignored.tolist(), strict=True)
        np.testing.assert_allclose(sorted((*box, ignored) for box, ignored in found), sorted(expected))
        for x1, y1, x2, y2, _ in expected:
            inner = chip.pixels[0, int(y1) + 2 : int(y2) - 2, int(x1) + 2 : int(x2) - 2]
            assert inner.size == 0 or inner.min() > 199
        empty += not touched
        windows.add((name, chip.window.row, chip.window.col))
    # A quarter of 64 draws, by the epoch; the same place hardly ever comes twice.
    assert empty == 16
    assert len(windows) > 55


def test_every_read_holds_gdal_s_block_cache_to_a_bound(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GDAL_CACHEMAX", raising=False)
    before = get_gdal_config("GDAL_CACHEMAX")
    bounds: list[int] = []
    handle = DatasetHandles.get

    def watched(self: DatasetHandles) -> Any:
        bounds.append(get_gdal_config("GDAL_CACHEMAX"))
        return handle(self)

    monkeypatch.setattr(DatasetHandles, "get", watched)
    data = scene_set(folder, ChipSpec(size=64, sampling=SamplingSpec(0.25, tiles_per_epoch=12)))
    looks = len(bounds)
    assert set(bounds) == {BLOCK_CACHE_BYTES}
    # As a worker has it: a copy that opens its own files.
    for _ in draws(pickle.loads(pickle.dumps(data)), epochs=3, seed=0):
        assert get_gdal_config("GDAL_CACHEMAX") == before
    assert len(bounds) - looks >= 36
    assert max(bounds[looks:]) <= 64 * 2**20 < before


def test_labels_of_each_scene_may_have_their_own_file(folder: Path) -> None:
    for name, row in (("a", "200,100,220,110"), ("b", "1,1,9,9")):
        (folder / f"{name}.boxes.csv").write_text(f"label,x1,y1,x2,y2\nship,{row}\n")
    data = scene_set(folder, ChipSpec(size=64), labels="{stem}.boxes.csv")
    assert [s.labels.objects.xyxy[0].tolist() for s in data.scenes] == [[200, 100, 220, 110], [1, 1, 9, 9]]


def test_facts_are_plain(folder: Path) -> None:
    facts = json.loads(json.dumps(scene_set(folder, ChipSpec(size=64)).facts()))
    assert [s["scene"] for s in facts["scenes"]] == ["a.tif", "b.tif"]
    assert facts["scenes"][0]["radiometry"]["stretch"] == "scene"
    assert facts["scenes"][0]["objects"] == 1


def prepared(
    folder: Path, spec: ChipSpec, labels: str = "l.csv", images: str = "*.tif"
) -> list[PreparedScene]:
    return prepare_scenes(
        str(folder / images), str(folder / labels), ("ship",), spec, SAR, LabelSpec(unlisted="empty")
    )


def test_what_cannot_be_read_says_so_in_one_line(folder: Path) -> None:
    with pytest.raises(InputFileError, match="no file matches"):
        prepared(folder, ChipSpec(), images="*.jp2")
    with pytest.raises(InputFileError, match="no such file"):
        prepared(folder, ChipSpec(), labels="nothing.csv")
    with pytest.raises(RadiometryError, match="2 bands are read and the detector takes 1"):
        prepared(folder, ChipSpec(bands=(1, 1)), images="a.tif")
    (folder / "bare.csv").write_text("label,x1,y1,x2,y2\nship,1,1,5,5\n")
    with pytest.raises(LabelError, match="without saying of which image, and there are several"):
        prepared(folder, ChipSpec(), labels="bare.csv")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_gsd_needs_a_georeference(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", np.arange(64 * 64, dtype=np.uint16).reshape(64, 64), gsd=None)
    write_boxes(tmp_path / "l.csv", [("a.tif", 1, 1, 5, 5)])
    with pytest.raises(ConfigError, match=r"a\.tif: gsd=1\.0 m/px is asked for, but its own is not known"):
        prepared(tmp_path, ChipSpec(gsd=1.0))
    assert prepared(tmp_path, ChipSpec())[0].gsd is None


def test_labels_of_another_place_are_refused(folder: Path) -> None:
    (folder / "far.csv").write_text(
        "label,x1,y1,x2,y2\n".replace("x1,y1,x2,y2", "lon,lat") + "ship,100.0,10.0\n"
    )
    with pytest.raises(LabelError, match="none of 1 objects lies on any of 2 rasters"):
        prepare_scenes(
            str(folder / "*.tif"),
            str(folder / "far.csv"),
            ("ship",),
            ChipSpec(),
            SAR,
            LabelSpec(point_size_px=9),
        )


def test_land_is_masked_at_every_sampling(folder: Path) -> None:
    # Land right of column 240 of the first scene: 10 m pixels from easting 500,000.
    land = Shapes.of("land", [box(502_400, 4_990_000, 520_000, 5_010_000)], "EPSG:32633")
    for gsd, edge in ((None, 90), (20.0, 45)):
        spec = ChipSpec(size=64 if gsd else 128, gsd=gsd)
        prepared = prepare_scenes(str(folder / "a.tif"), str(folder / "l.csv"), ("ship",), spec, SAR)
        data = pickle.loads(pickle.dumps(SceneSet(prepared, spec, ("ship",), land)))
        mask = data.read(0, Window(60, 150, 128, 128)).land
        assert mask is not None
        assert mask[:, edge:].all()
        # Water within two steps of eight pixels of land counts as land.
        assert not mask[:, : edge - 16].any()
    assert scene_set(folder, ChipSpec(size=64)).read(0, Window(0, 0, 64, 64)).land is None


def test_many_scenes_do_not_stay_open(tmp_path: Path) -> None:
    for k in range(40):
        write_scene(tmp_path / f"s{k:02}.tif", np.full((32, 32), k + 1, np.uint16))
    write_boxes(tmp_path / "l.csv", [(f"s{k:02}.tif", 1, 1, 5, 5) for k in range(40)])
    data = scene_set(tmp_path, ChipSpec(size=16))
    for k in [*range(40), 0]:
        data.read(k, Window(0, 0, 16, 16))
    assert len(data._readers) == 32


@pytest.mark.parametrize("values", [{"size": 0}, {"gsd": 0.0}, {"min_valid": 2.0}])
def test_specifications_are_checked(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ChipSpec(**values)  # type: ignore[arg-type]


def test_real_trees_are_read_at_two_samplings(shared_data: Path) -> None:
    folder = shared_data / "trees_geotiff_voc"
    rgb = InputSpec(3, "uint8", (0.0,) * 3, (255.0,) * 3)
    for gsd, tile in ((0.1, 160), (0.2, 320)):
        spec = ChipSpec(size=160, gsd=gsd)
        scenes = prepare_scenes(
            str(folder / "*.tif"), str(folder), ("tree",), spec, rgb, LabelSpec(class_map={"Tree": "tree"})
        )
        assert {s.tile for s in scenes} == {(tile, tile)}
        assert sum(len(s.labels.objects) for s in scenes) == 91
