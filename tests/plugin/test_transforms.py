from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retina_domains.errors import ConfigError
from retina_domains.plugin.transforms import Dihedral, SarRadiometry, ZoomMosaic
from retina_domains.plugin.transforms.geometry import dihedral


def painted(height: int, width: int, boxes: list[tuple[int, int, int, int]]) -> np.ndarray[Any, Any]:
    """Each box filled with its own grey, so that pixels say where a box went."""
    image = np.zeros((height, width, 1), np.uint8)
    for k, (x1, y1, x2, y2) in enumerate(boxes):
        image[y1:y2, x1:x2] = 50 * (k + 1)
    return image


def extent(image: np.ndarray[Any, Any], value: int) -> list[int]:
    rows, cols = np.nonzero(image[:, :, 0] == value)
    return [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]


@given(turn=st.integers(0, 3), flip=st.booleans(), height=st.integers(12, 40), width=st.integers(12, 40))
def test_boxes_follow_their_pixels_through_all_eight(turn: int, flip: bool, height: int, width: int) -> None:
    boxes = [(1, 2, 5, 4), (7, 5, 11, 12)]
    image, moved = dihedral(painted(height, width, boxes), np.array(boxes, np.float32), turn, flip)
    assert moved.tolist() == [extent(image, 50), extent(image, 100)]


def test_quarter_turns_by_hand() -> None:
    image, boxes = dihedral(np.array([[[1], [2], [3]]]), np.array([[0.0, 0, 1, 1]]), 1, False)
    assert image[:, :, 0].tolist() == [[3], [2], [1]]
    assert boxes.tolist() == [[0, 2, 1, 3]]


def record(boxes: list[tuple[int, int, int, int]], side: int = 400) -> dict[str, Any]:
    return {
        "img": painted(side, side, boxes),
        "gt_bboxes": np.array(boxes, np.float32).reshape(-1, 4),
        "gt_labels": np.arange(len(boxes)),
        "gt_ignore": np.zeros(len(boxes), bool),
    }


def masked(seed: int) -> dict[str, Any]:
    """An image with land where it is bright, and valid but for some columns."""
    results = record([(150, 120, 230, 190)])
    results["img"][:, : 40 + seed % 50] = 200
    results["land"] = results["img"][:, :, 0] == 200
    results["valid"] = np.ones((400, 400), bool)
    results["valid"][:, 300:] = False
    results["img"][:, 300:] = 120
    return results


@given(seed=st.integers(0, 10_000))
def test_masks_turn_with_their_pixels(seed: int) -> None:
    np.random.seed(seed)
    out = Dihedral().transform(masked(seed))
    np.testing.assert_array_equal(out["land"], out["img"][:, :, 0] == 200)
    np.testing.assert_array_equal(out["valid"], out["img"][:, :, 0] != 120)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 3))
def test_masks_go_with_their_pixels_into_a_mosaic(seed: int, n: int) -> None:
    np.random.seed(seed)
    results = masked(seed)
    results["mix_results"] = [masked(seed + k) for k in range(1, n * n)]
    out = ZoomMosaic(size=320, cells=(n,), weights=(1,), scales=(0.6, 1.6)).transform(results)
    grey = out["img"][:, :, 0]
    # Within a pixel of a border the resized image holds mixtures.
    assert (out["land"] != (grey > 170)).mean() < 0.02
    assert (out["valid"] & (grey > 115) & (grey < 125)).mean() < 0.02
    assert out["valid"].any()


def test_an_image_without_a_mask_is_valid_open_sea_and_what_no_image_fills_is_neither() -> None:
    """Two of four cells have masks; images of half a cell leave the rest of it empty."""
    sources = [masked(0), record([]), masked(1), record([])]
    for source in sources:
        for name in {"img", "land", "valid"} & set(source):
            source[name] = source[name][:, :100]
    sources[0]["mix_results"] = sources[1:]
    out = ZoomMosaic(size=400, cells=(2,), weights=(1,), scales=(2.0, 2.0)).transform(sources[0])
    assert out["valid"][:, 200:300].all()
    assert out["valid"][:, :100].all()
    assert not out["valid"][:, 100:200].any()
    assert not out["land"][:, 200:].any()
    assert out["land"][:, :40].all()


def test_no_mask_comes_from_none() -> None:
    out = ZoomMosaic(size=100, cells=(1,), weights=(1,)).transform({**record([]), "land": None})
    assert out["land"] is None
    assert "valid" not in out


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 3))
def test_mosaic_boxes_lie_on_their_pixels(seed: int, n: int) -> None:
    np.random.seed(seed)
    results = record([(150, 120, 230, 190)])
    results["mix_results"] = [record([(150, 120, 230, 190)]) for _ in range(n * n - 1)]
    out = ZoomMosaic(size=320).transform(results)
    assert out["img"].shape == (320, 320, 1)
    for x1, y1, x2, y2 in out["gt_bboxes"]:
        assert 0 <= x1 < x2 <= 320
        assert 0 <= y1 < y2 <= 320
        inner = out["img"][int(np.ceil(y1 + 1)) : int(y2 - 1), int(np.ceil(x1 + 1)) : int(x2 - 1)]
        assert inner.size == 0 or inner.min() > 45
    covered = np.zeros((320, 320), bool)
    for x1, y1, x2, y2 in out["gt_bboxes"]:
        covered[max(0, int(y1) - 2) : int(y2) + 3, max(0, int(x1) - 2) : int(x2) + 3] = True
    assert not (out["img"][:, :, 0] > 1)[~covered].any()


def test_mosaic_ignores_what_is_cut_or_too_small() -> None:
    np.random.seed(3)
    cut = seen = 0
    for _ in range(300):
        out = ZoomMosaic(size=100, cells=(1,), weights=(1,), scales=(1.0, 1.0)).transform(
            record([(180, 180, 240, 240), (10, 10, 12, 12)])
        )
        for b, label, ignored in zip(out["gt_bboxes"], out["gt_labels"], out["gt_ignore"], strict=True):
            area = (b[2] - b[0]) * (b[3] - b[1])
            expected = label == 1 or area < 0.4 * 60 * 60
            assert ignored == expected
            cut += int(ignored and label == 0)
            seen += int(not ignored)
    assert cut > 3
    assert seen > 10


def test_mosaic_asks_for_as_many_images_as_its_grid_needs() -> None:
    np.random.seed(0)
    counts = {len(ZoomMosaic().get_indexes(range(10))) for _ in range(100)}
    assert counts == {0, 3, 8}


def test_mosaic_weights_must_fit() -> None:
    with pytest.raises(ConfigError, match="one weight a grid"):
        ZoomMosaic(cells=(1, 2), weights=(1.0,))


def test_radiometry_without_variation_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 20, 1)).astype(np.uint8)
    step = SarRadiometry(gain_db=0, gamma=(1, 1), floor=0, speckle_prob=0)
    np.testing.assert_allclose(step.transform({"img": image})["img"], image, atol=1e-3)


def test_speckle_has_unit_mean_power_and_the_stated_looks() -> None:
    np.random.seed(0)
    step = SarRadiometry(gain_db=0, gamma=(1, 1), floor=0, speckle_prob=1, looks=(8, 8))
    power = (step.transform({"img": np.full((400, 400, 1), 60, np.uint8)})["img"].astype(float) / 60) ** 2
    assert power.mean() == pytest.approx(1, abs=0.01)
    assert power.mean() ** 2 / power.var() == pytest.approx(8, rel=0.05)
