"""The rule that parts inshore from offshore, on chips made for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.inshore import ShoreRule, land_share
from retina_domains.types import FloatArray

NO_SHIPS = np.zeros((0, 4))


def sea(side: int = 320, level: float = 12.0, seed: int = 0) -> FloatArray:
    """Single-look amplitude speckle: Rayleigh."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.rayleigh(level / np.sqrt(np.pi / 2), (side, side)), np.float64)


def test_shares_by_hand() -> None:
    """Ten by ten blocks; six of them of land in one piece, two in another."""
    chip = np.full((320, 320), 10.0)
    chip[0:64, 0:96] = 25.0
    chip[256:288, 256:320] = 25.0
    assert land_share(chip, NO_SHIPS) == 0.06
    # Twice the sea is not above twice the sea.
    chip[chip == 25.0] = 20.0
    assert land_share(chip, NO_SHIPS) == 0.0


def test_corners_do_not_connect() -> None:
    chip = np.full((320, 320), 10.0)
    chip[0:32, 0:32] = chip[32:64, 32:64] = 90.0
    assert land_share(chip, NO_SHIPS) == 0.01


def test_land_is_told_from_water_whichever_is_more() -> None:
    chip = sea()
    chip[:, :240] *= 3
    assert land_share(chip, NO_SHIPS) == pytest.approx(0.7, abs=0.06)
    assert ShoreRule().is_inshore(chip, NO_SHIPS)


def test_open_sea_swell_and_a_power_line_are_offshore() -> None:
    rows, columns = np.mgrid[:640, :640]
    swell = sea(640) * (1 + 0.6 * np.sin((rows + 0.4 * columns) / 5))
    line = sea(640)
    line[np.abs(rows - 2 * columns) < 3] = 120.0
    for chip in (sea(640), swell, line):
        assert not ShoreRule().is_inshore(chip, NO_SHIPS)


def test_labelled_ships_are_not_land() -> None:
    """A large ship alone passes for land without its label."""
    chip = sea()
    chip[100:220, 100:170] = 255.0
    assert ShoreRule().is_inshore(chip, NO_SHIPS)
    assert not ShoreRule().is_inshore(chip, np.array([[100.0, 100, 170, 220]]))


def test_a_chip_full_of_ships_is_no_land() -> None:
    assert land_share(sea(64), np.array([[0.0, 0, 64, 64]])) == 0.0


@given(gain=st.floats(0.01, 100.0))
def test_the_gain_does_not_matter(gain: float) -> None:
    chip = sea()
    chip[:96] *= 4
    assert land_share(gain * chip, NO_SHIPS) == land_share(chip, NO_SHIPS)


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="smaller than a block of 32 px"):
        land_share(np.ones((31, 640)), NO_SHIPS)
    for wrong in ({"block_px": 0}, {"margin_px": -1}, {"times_sea": 1.0}, {"least_share": 0.0}):
        with pytest.raises(InvalidValueError):
            ShoreRule(**wrong)
