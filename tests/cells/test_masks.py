"""Small masks against scipy and scikit-image, which do the same for any number of dimensions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from retina_domains.cells.masks import dilated, eccentricity, eroded, filled, labelled, outline_of

MASKS = st.tuples(st.integers(2, 14), st.integers(2, 14)).flatmap(lambda shape: arrays(np.bool_, shape))


@given(MASKS)
@settings(max_examples=60, deadline=None)
def test_the_same_as_scipy(mask: NDArray[np.bool_]) -> None:
    assert (eroded(mask) == ndimage.binary_erosion(mask)).all()
    assert (dilated(mask) == ndimage.binary_dilation(mask)).all()
    assert (filled(mask) == ndimage.binary_fill_holes(mask)).all()
    parts, count = labelled(mask)
    expected, number = ndimage.label(mask)
    assert count == number
    assert (parts == expected).all()


@given(MASKS)
@settings(max_examples=60, deadline=None)
def test_the_outline_of_a_part_without_holes_is_that_of_marching_squares(mask: NDArray[np.bool_]) -> None:
    parts, count = labelled(mask)
    if not count:
        assert outline_of(mask, 0.3) is None
        return
    part = filled(parts == 1)
    rings = find_contours(np.pad(part, 1).astype(np.float64), 0.5)
    expected = shapely.Polygon(max(rings, key=len)[:, ::-1] - 0.5)
    found = outline_of(part, 0.0)
    assert found is not None
    assert shapely.Polygon(found).symmetric_difference(expected).area == pytest.approx(0, abs=1e-9)


def test_a_square_loses_its_corners_and_stays_where_it_is() -> None:
    mask = np.zeros((9, 12), bool)
    mask[2:6, 3:8] = True
    outline = outline_of(mask, 0.3)
    assert outline is not None
    polygon = shapely.Polygon(outline)
    # 4 x 5 px less four corners of an eighth of a pixel each.
    assert polygon.area == pytest.approx(20 - 4 / 8)
    assert polygon.bounds == (3, 2, 8, 6)
    assert (polygon.centroid.x, polygon.centroid.y) == pytest.approx((5.5, 4.0))


def test_the_longest_of_two_edges_is_taken_and_is_near_when_simplified() -> None:
    y, x = np.ogrid[:60, :80]
    mask = (np.hypot(x - 30, y - 30) < 24) | (np.hypot(x - 70, y - 10) < 5)
    outline = outline_of(mask, 0.3)
    assert outline is not None
    exact = outline_of(mask, 0.0)
    assert exact is not None
    assert len(outline) < len(exact)
    assert shapely.Polygon(outline).area == pytest.approx(math.pi * 24**2, rel=0.02)
    assert shapely.hausdorff_distance(shapely.Polygon(outline), shapely.Polygon(exact)) <= 0.3


@given(MASKS)
@settings(max_examples=60, deadline=None)
def test_eccentricity_is_that_of_the_covariance_of_pixels(mask: NDArray[np.bool_]) -> None:
    y, x = np.nonzero(mask)
    if len(x) < 3:
        assert math.isnan(eccentricity(mask))
        return
    spread = np.cov(np.stack([x, y]), bias=True) + np.eye(2) / 12
    small, large = np.linalg.eigvalsh(spread)
    assert eccentricity(mask) ** 2 == pytest.approx(1 - small / large, abs=1e-9)
