"""Whole slides through the tiles: nothing twice at a seam, nothing lost, whatever the sampling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from smear_oracle import Cell, SlideOracle, draw, grid_of_cells

from retina_domains.counting import CountOptions, CountOutputs, CountResult, count_smears
from retina_domains.errors import InputFileError, InvalidValueError
from retina_domains.types import Chip, Detections, InputSpec, TileSpec, Window
from retina_domains.writers.pyramid import PyramidSpec, write_pyramid

WIDTH, HEIGHT = 1000, 700


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    """Cells all over the slide, one in fifteen a ring."""
    grid = grid_of_cells(260, WIDTH, 40, 48)
    return [Cell("ring" if k % 15 == 7 else "RBC", c.x, c.y) for k, c in enumerate(grid)]


@pytest.fixture(scope="module")
def slide(cells: Sequence[Cell], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pyramid of 0.195 um a px."""
    path = tmp_path_factory.mktemp("slides") / "slide.tiff"
    pixels = draw(cells, WIDTH, HEIGHT)
    spec = PyramidSpec(HEIGHT, WIDTH, 0.195, "deflate", block=128, smallest=400)
    write_pyramid(path, spec, [(Window(0, 0, HEIGHT, WIDTH), pixels)])
    return path


def counted(slide: Path, oracle: SlideOracle, out: Path) -> CountResult:
    options = CountOptions(tile=TileSpec(256))
    return count_smears([slide], oracle, CountOutputs(folder=out), options)


def test_a_slide_is_a_smear_and_every_cell_of_it_is_found_once(
    slide: Path, cells: Sequence[Cell], tmp_path: Path
) -> None:
    result = counted(slide, SlideOracle([(np.zeros((0, 0, 3), np.uint8), cells)]), tmp_path / "out")
    found = result.smears[0].cells
    assert sorted(map(tuple, found.xyxy.tolist())) == sorted(cell.xyxy for cell in cells)
    rings = sum(cell.name == "ring" for cell in cells)
    assert result.smears[0].report.headline[0].value == pytest.approx(100 * rings / len(cells))
    assert result.smears[0].report.fields[0].mpp == pytest.approx(0.195)
    assert (tmp_path / "out/cells.qupath.geojson").is_file()


def test_a_slide_is_searched_at_the_sampling_of_the_model(
    slide: Path, cells: Sequence[Cell], tmp_path: Path
) -> None:
    spec = InputSpec(3, low=(0.0,) * 3, high=(255.0,) * 3, mpp_range=(0.38, 0.4003))
    oracle = SlideOracle([(np.zeros((0, 0, 3), np.uint8), cells)], input_spec=spec)
    # Level 1 of the pyramid, to within 1 %: its own pixels are taken.
    oracle.scale = 2.0
    found = counted(slide, oracle, tmp_path / "out").smears[0].cells
    assert len(found) == len(cells)
    assert np.allclose(sorted(found.xyxy[:, 0]), sorted(cell.xyxy[0] for cell in cells), atol=1e-6)


def test_a_slide_far_too_coarse_for_the_model_is_refused_before_it_is_enlarged(
    slide: Path, cells: Sequence[Cell], tmp_path: Path
) -> None:
    spec = InputSpec(3, low=(0.0,) * 3, high=(255.0,) * 3, mpp_range=(0.02, 0.03))
    oracle = SlideOracle([(np.zeros((0, 0, 3), np.uint8), cells)], input_spec=spec)
    with pytest.raises(InvalidValueError, match=r"0\.195 um a pixel.*enlarged 8 times.*--mpp"):
        counted(slide, oracle, tmp_path / "out")


def test_a_truncated_slide_is_refused_in_one_line(slide: Path, tmp_path: Path) -> None:
    whole = slide.read_bytes()
    cut = tmp_path / "cut.tiff"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputFileError) as caught:
        counted(cut, SlideOracle([]), tmp_path / "out")
    assert "cut.tiff" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_of_very_many_cells_areas_are_kept_and_outlines_are_not(
    slide: Path, cells: Sequence[Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = SlideOracle([(np.zeros((0, 0, 3), np.uint8), cells)])
    few = counted(slide, oracle, tmp_path / "few").smears[0].cells
    monkeypatch.setattr("retina_domains.counting.search.KEPT_OUTLINES", 10)
    monkeypatch.setattr("retina_domains.counting.search._BAND_ROWS", 128)
    many = counted(slide, oracle, tmp_path / "many").smears[0].cells
    assert np.array_equal(few.area_px, many.area_px, equal_nan=True)
    assert few.outline_status == many.outline_status
    assert many.outlines is not None
    assert set(map(type, many.outlines)) == {type(None)}


def test_bare_glass_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells in the upper left; the tiles over the rest of the slide never reach the detector."""
    cells = grid_of_cells(30, 300)
    path = tmp_path / "slide.tiff"
    spec = PyramidSpec(1024, 1024, 0.195, "deflate", block=128, smallest=600)
    write_pyramid(path, spec, [(Window(0, 0, 1024, 1024), draw(cells, 1024, 1024))])
    monkeypatch.setattr("retina_domains.counting.area.WHOLE_PX", 1000)
    oracle = SlideOracle([(np.zeros((0, 0, 3), np.uint8), cells)])
    seen = []
    predict = oracle.predict

    def watched(batch: Sequence[Chip]) -> list[Detections]:
        seen.extend(chip.tile for chip in batch)
        return predict(batch)

    oracle.predict = watched  # type: ignore[method-assign]
    result = counted(path, oracle, tmp_path / "out")
    assert len(result.smears[0].cells) == 30
    assert max(tile.core.col for tile in seen) < 400
    assert result.smears[0].report.fields[0].searched_px < 1024**2 / 4
