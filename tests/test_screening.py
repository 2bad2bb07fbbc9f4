"""Rules change what is computed and kept, and nothing else: runs with and without them are compared."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from screening_cases import LAND, SIDE, Radar, centres, inside, options, pixel_file, vector
from stub_detectors import UTM, Blobs, blob_scene, write_scene

from retina_domains.commands.infer import add_arguments, job_options
from retina_domains.errors import GeoreferenceError, InputFileError, InvalidValueError
from retina_domains.inference import infer_scene, plan_scene
from retina_domains.job import JobOutputs, OutputFile, run_job
from retina_domains.readers import ArrayReader
from retina_domains.screening import Screening, ScreenSpec
from retina_domains.tiling import TileNeeds, plan_tiles
from retina_domains.types import Detections, Merged, Scene, TileSpec


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels, _ = blob_scene(SIDE, SIDE, 3)
    return write_scene(tmp_path_factory.mktemp("scene") / "scene.tif", pixels)


def test_roi_gives_what_lies_inside_and_reads_no_other_tile(scene: Path, tmp_path: Path) -> None:
    everything, _ = centres(scene)
    spec = ScreenSpec(roi=vector(tmp_path / "roi.gpkg", LAND))
    found, facts = centres(scene, spec)
    expected = everything[inside(LAND, everything)]
    assert 50 < len(expected) < len(everything)
    assert found.tolist() == expected.tolist()
    grid = plan_tiles(SIDE, SIDE, TileSpec(128), TileNeeds.of(Radar(), 4.0))
    # A core grown by the 4 px by which two tiles may disagree about a centre, cut to the scene.
    cores = [shapely.box(*t.core.xyxy).buffer(4, join_style="mitre") for t in grid]
    away = sum(not core.intersection(shapely.box(0, 0, SIDE, SIDE)).intersects(LAND) for core in cores)
    assert facts["skipped"] == {"nodata": 0, "roi": away, "mask": 0, "exclude": 0, "prescreen": 0}
    assert facts["tiles"]["skipped"] == away > 5
    assert facts["tiles"]["done"] == len(grid) - away
    # Those outside that a tile with a part inside has found.
    assert 0 < facts["dropped"]["roi"] < len(everything) - len(expected)


@pytest.mark.parametrize("buffer", [-200.0, 0.0, 350.0])
def test_mask_drops_what_lies_on_grown_land(scene: Path, tmp_path: Path, buffer: float) -> None:
    everything, _ = centres(scene)
    spec = ScreenSpec(mask=vector(tmp_path / "land.gpkg", LAND), mask_buffer=buffer)
    found, facts = centres(scene, spec)
    # A metre on the ground is 0.99972 m of the grid there.
    land = LAND.buffer(buffer / 10 * 0.99972, quad_segs=64)
    on_land = inside(land, everything)
    unsure = shapely.distance(land.boundary, shapely.points(everything)) < 0.1
    assert unsure.sum() < 3
    kept = {tuple(xy) for xy in found.tolist()}
    for xy, drop in zip(everything[~unsure].tolist(), on_land[~unsure], strict=True):
        assert (tuple(xy) in kept) != drop
    assert len(found) == pytest.approx((~on_land).sum(), abs=int(unsure.sum()))
    assert facts["skipped"]["mask"] > 3
    assert facts["dropped"]["mask"] + facts["skipped"]["mask"] > 0


def test_exclude_drops_around_points_and_inside_polygons(scene: Path, tmp_path: Path) -> None:
    everything, _ = centres(scene)
    farm = shapely.box(200, 200, 330, 330)
    rigs = [shapely.Point(*everything[5]), shapely.Point(*everything[40] + 7), farm]
    # A metre on the ground is 0.99972 m of the grid there.
    near = shapely.distance(np.array(rigs)[:, None], shapely.points(everything)).min(axis=0) <= 8 * 0.99972
    spec = ScreenSpec(exclude=vector(tmp_path / "rigs.gpkg", rigs), exclude_radius=80.0)
    found, facts = centres(scene, spec)
    # 7 px along both axes are 9.9: outside of 80 m.
    assert near[5]
    assert not near[40]
    assert found.tolist() == everything[~near].tolist()
    assert facts["dropped"] == {"exclude": int(near.sum())}


def test_rules_together_count_each_object_once(scene: Path, tmp_path: Path) -> None:
    everything, _ = centres(scene, tile=608)
    roi, land, farm = shapely.box(0, 0, 400, 600), LAND, shapely.box(0, 0, 200, 300)
    spec = ScreenSpec(
        roi=vector(tmp_path / "roi.gpkg", roi, UTM),
        mask=vector(tmp_path / "land.gpkg", land, "EPSG:3857"),
        exclude=vector(tmp_path / "farm.gpkg", farm, "EPSG:4269"),
    )
    found, facts = centres(scene, spec, tile=608)
    outside, on_land, known = ~inside(roi, everything), inside(land, everything), inside(farm, everything)
    assert found.tolist() == everything[~outside & ~on_land & ~known].tolist()
    assert facts["dropped"] == {
        "roi": int(outside.sum()),
        "mask": int((~outside & on_land).sum()),
        "exclude": int((~outside & ~on_land & known).sum()),
    }


def test_prescreen_skips_open_water_and_finds_every_blob(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = np.rint(1000 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (1024, 1024)))).astype(np.uint16)
    for y, x in ((100, 100), (127, 600), (800, 511), (1018, 3)):
        pixels[y : y + 5, x : x + 5] = 9000
    path = write_scene(tmp_path / "sea.tif", pixels)
    everything, plain = centres(path)
    found, facts = centres(path, ScreenSpec(prescreen=True))
    assert len(everything) == 4
    assert found.tolist() == everything.tolist()
    assert plain["tiles"]["skipped"] == 0
    assert facts["skipped"]["prescreen"] == facts["tiles"]["skipped"] > 0.85 * facts["tiles"]["planned"]
    assert facts["tiles"]["done"] >= 4


@pytest.mark.parametrize(
    ("own", "max_object_px", "multiple", "size"),
    [(1024, 24, 8, 512), (256, 24, 8, 256), (1024, 300, 32, 640), (520, 300, 32, 520)],
)
def test_prescreen_takes_smaller_tiles_where_none_are_named(
    own: int, max_object_px: int, multiple: int, size: int
) -> None:
    detector = Radar()
    detector.tile_size, detector.max_object_px, detector.tile_multiple = own, max_object_px, multiple
    detector.halo_px = 0
    large = Scene("s", "s", 5000, 5000, 1, "uint16")
    needs = TileNeeds.of(detector, 4.0)
    spec = ScreenSpec(prescreen=True)
    # Twice the overlap of 308 px is 616, a multiple of 32 from 640 on.
    assert plan_scene(large, TileSpec(), needs, options(spec)).size == size
    assert plan_scene(large, TileSpec(), needs, options(ScreenSpec())).size == own
    assert plan_scene(large, TileSpec(960), needs, options(spec)).size == 960


def test_prescreen_keeps_a_tile_for_the_part_of_an_object_that_lies_next_door() -> None:
    """An object whose centre is the tile's may have its one bright spot 12 + 4 px outside of the core."""
    grid = plan_tiles(700, 700, TileSpec(256), TileNeeds(256, 8, 24, 60, 4.0))
    tile = grid.tile(1, 1)
    first, last = tile.core.col, tile.core.col_stop
    assert (first, last) == (180, 284)
    sea = 100 * np.sqrt(np.random.default_rng(0).gamma(4.4, 1 / 4.4, (1, 700, 700)))
    # The test goes by blocks of 32 px: those from 160 to 320 meet what lies within 16 px of the core.
    for col, dark in ((190, None), (first - 16, None), (155, "prescreen"), (300, None), (321, "prescreen")):
        pixels = np.rint(sea).astype(np.uint16)
        pixels[0, 228:230, col : col + 2] = 2000
        reader = ArrayReader(pixels)
        screen = Screening.read(ScreenSpec(prescreen=True)).of_scene(reader.scene, grid, 4.0, 24)
        screen.look(reader, "amplitude")
        assert screen.dark(tile) == dark, col


def test_a_file_in_pixels_serves_a_scene_without_place(scene: Path, tmp_path: Path) -> None:
    pixels, _ = blob_scene(SIDE, SIDE, 3)
    placeless = write_scene(tmp_path / "plain.tif", pixels, crs=None)
    spec = ScreenSpec(roi=pixel_file(tmp_path / "roi.geojson", LAND))
    everything, _ = centres(scene)
    for path in (placeless, scene):
        assert centres(path, spec)[0].tolist() == everything[inside(LAND, everything)].tolist()
    with pytest.raises(GeoreferenceError, match=r"no georeference, and roi\.gpkg is in WGS 84"):
        centres(placeless, ScreenSpec(roi=vector(tmp_path / "roi.gpkg", LAND)))
    with pytest.raises(InvalidValueError, match="in pixels, where 50 metres mean nothing"):
        centres(placeless, ScreenSpec(mask=spec.roi, mask_buffer=50.0))


def test_what_a_run_in_pixels_has_found_can_be_excluded_from_the_next(tmp_path: Path) -> None:
    pixels, count = blob_scene(300, 300, 3)
    path = write_scene(tmp_path / "plain.tif", pixels, crs=None)
    names = ("found.gpkg", "found.geojson", "found.qupath.geojson")
    files = tuple(OutputFile(tmp_path / name) for name in names)
    run_job([path], Radar, JobOutputs(files=files, space="pixel"))
    for name in ("found.gpkg|layername=detections", *names[1:]):
        found, facts = centres(path, ScreenSpec(exclude=str(tmp_path / name)))
        assert len(found) == 0
        assert facts["dropped"] == {"exclude": count}


@settings(max_examples=20, deadline=None)
@given(
    tile=st.sampled_from([96, 128, 200]),
    x=st.floats(-50, 400),
    y=st.floats(-50, 400),
    width=st.floats(1, 400),
    height=st.floats(1, 400),
    seed=st.integers(0, 10**6),
)
def test_no_tile_is_skipped_that_owns_an_object_to_keep(
    tile: int, x: float, y: float, width: float, height: float, seed: int, tmp_path_factory: Any
) -> None:
    """And none is computed all of whose objects would be dropped."""
    box = shapely.box(x, y, x + width, y + height)
    folder = tmp_path_factory.mktemp("rule")
    file = pixel_file(folder / "a.geojson", box)
    grid = plan_tiles(350, 350, TileSpec(tile), TileNeeds(tile, 8, 24, 4, 4.0))
    scene = Scene("s", "s", 350, 350, 1, "uint8")
    roi = Screening.read(ScreenSpec(roi=file)).of_scene(scene, grid, 4.0, 24)
    mask = Screening.read(ScreenSpec(mask=file)).of_scene(scene, grid, 4.0, 24)
    spots = np.random.default_rng(seed).uniform(0, 350, (300, 2))
    found = Merged(
        Detections.of(np.hstack([spots - 1, spots + 1]), np.full(300, 0.5), np.zeros(300), "scene"),
        grid.owners(spots),
    )
    for screen, wanted in ((roi, inside(box, spots)), (mask, ~inside(box, spots))):
        kept = screen.keep(found)
        assert len(kept) == wanted.sum()
        for row, col in np.unique(kept.tiles, axis=0):
            assert screen.skip(grid.tile(int(row), int(col))) is None
    # By every half pixel of the part of the scene in which a tile's objects may have their centre.
    for one in grid:
        x0, y0, x1, y1 = one.core.xyxy
        cols = np.arange(max(0, x0 - 4), min(350, x1 + 4) + 0.1, 0.5)
        rows = np.arange(max(0, y0 - 4), min(350, y1 + 4) + 0.1, 0.5)
        held = shapely.intersects_xy(box, *np.meshgrid(cols, rows))
        assert (mask.skip(one) == "mask") == held.all()
        if roi.skip(one) == "roi":
            assert not held.any()
        elif not held.any():
            # Between two half pixels.
            assert (
                min(width, height) < 1 or box.distance(shapely.box(cols[0], rows[0], cols[-1], rows[-1])) == 0
            )


def test_prescreen_refuses_optical_models(scene: Path) -> None:
    with pytest.raises(InvalidValueError, match="takes optical images: leave it out"):
        infer_scene(scene, Blobs(), options=options(ScreenSpec(prescreen=True)))


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"mask_buffer": 5.0}, "--mask-buffer is given without --mask"),
        ({"exclude_radius": 5.0}, "--exclude-radius is given without --exclude"),
        ({"exclude": "a", "exclude_radius": -1.0}, "expected 0 or more"),
        ({"mask": "a", "mask_buffer": float("nan")}, "expected a number of metres"),
    ],
)
def test_wishes_that_contradict_themselves(wishes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidValueError, match=reason):
        ScreenSpec(**wishes)


def test_files_that_do_not_fit_their_rule(tmp_path: Path) -> None:
    coast = vector(tmp_path / "coast.gpkg", shapely.LineString([(0, 0), (600, 600)]))
    for wish in ("roi", "mask"):
        with pytest.raises(
            InvalidValueError, match=r"coast\.gpkg: holds points or lines alone: expected polygons"
        ):
            Screening.read(ScreenSpec(**{wish: coast}))
    with pytest.raises(InvalidValueError, match=r"coast\.gpkg: holds points or lines, .* --exclude-radius"):
        Screening.read(ScreenSpec(exclude=coast))
    assert Screening.read(ScreenSpec(exclude=coast, exclude_radius=10.0)).rules[0].grow_m == 10.0
    with pytest.raises(InputFileError, match="no such file"):
        Screening.read(ScreenSpec(roi=str(tmp_path / "nothing.gpkg")))


def test_no_rules_leave_everything(scene: Path) -> None:
    grid = plan_tiles(SIDE, SIDE, TileSpec(128), TileNeeds.of(Radar(), 4.0))
    screen = Screening().of_scene(Scene("s", "s", SIDE, SIDE, 1, "uint8"), grid, 4.0, 24)
    assert all(screen.skip(tile) is None for tile in grid)
    assert screen.dropped == {}
    assert Screening().facts() == {}


def test_command_asks_for_what_its_options_say() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    call = ["a.tif", "--out", "a.csv"]
    assert job_options(parser.parse_args(call)).inference.screen == ScreenSpec()
    rules = ["--roi", "r.kml", "--mask", "m.shp", "--mask-buffer", "250", "--exclude", "e.csv"]
    given = parser.parse_args([*call, *rules, "--exclude-radius", "80", "--prescreen"])
    assert job_options(given).inference.screen == ScreenSpec(
        roi="r.kml", mask="m.shp", mask_buffer=250.0, exclude="e.csv", exclude_radius=80.0, prescreen=True
    )
    shrunk = parser.parse_args([*call, "--mask", "m.shp", "--mask-buffer", "-250"])
    assert job_options(shrunk).inference.screen.mask_buffer == -250.0
