"""Whether a SAR chip shows the shore, by a rule that needs no map: is a large part of it far above its sea?

Detectors of ships do much worse among quays than at sea, so that figures are told apart. Sets publish the two
parts or do not; this rule parts any set of chips in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from retina_domains.errors import InvalidValueError
from retina_domains.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class ShoreRule:
    """A chip is inshore where one connected region of bright blocks covers ``least_share`` of it.

    Blocks average speckle and swell away. The sea is the darkest tenth of the blocks, so that a chip of land
    with some water is judged like one of water with some land. A long thin thing, such as a power line or a
    wake, hardly fills the blocks that it crosses; buoys, side lobes and ships without a label are small.

    Args:
        block_px: side of the square blocks of which means are taken.
        sea_percentile: of the blocks' means; the level of the sea.
        times_sea: a block is bright from so many times the level of the sea on.
        margin_px: labelled ships are left out with so much around them.
        least_share: of the chip's blocks.
    """

    block_px: int = 32
    sea_percentile: float = 10.0
    times_sea: float = 2.0
    margin_px: int = 16
    least_share: float = 0.01

    def __post_init__(self) -> None:
        if self.block_px < 1 or self.margin_px < 0:
            raise InvalidValueError(f"blocks of {self.block_px} px, margin {self.margin_px} px: below 1 or 0")
        if not 0 <= self.sea_percentile < 100 or self.times_sea <= 1 or not 0 < self.least_share < 1:
            raise InvalidValueError(
                f"sea at percentile {self.sea_percentile}, bright from {self.times_sea} times it, share "
                f"{self.least_share}: expected 0 to 100, above 1, and 0 to 1"
            )

    def is_inshore(self, amplitude: FloatArray, ships: FloatArray) -> bool:
        """Whether a chip shows the shore; arguments as in :func:`land_share`."""
        return land_share(amplitude, ships, self) >= self.least_share


def land_share(amplitude: FloatArray, ships: FloatArray, rule: ShoreRule | None = None) -> float:
    """Share of a chip's blocks that the largest connected bright region covers, 0 to 1.

    Args:
        amplitude: ``(H, W)``, linear; 8-bit chips as published will do.
        ships: ``(N, 4)`` xyxy px of the labelled ships, which must not pass for land.
        rule: what is bright.

    Raises:
        InvalidValueError: the chip is smaller than one block.
    """
    rule = rule or ShoreRule()
    rows, columns = (length // rule.block_px for length in amplitude.shape)
    if not rows or not columns:
        raise InvalidValueError(
            f"chip of shape {amplitude.shape}: smaller than a block of {rule.block_px} px"
        )
    open_water = _without_ships(amplitude.shape, ships, rule.margin_px)
    shape = (rows, rule.block_px, columns, rule.block_px)
    whole = np.s_[: rows * rule.block_px, : columns * rule.block_px]
    seen = open_water[whole].reshape(shape).sum(axis=(1, 3))
    total = np.where(open_water, amplitude, 0.0)[whole].reshape(shape).sum(axis=(1, 3))
    known = seen >= rule.block_px**2 / 2
    if not known.any():
        return 0.0
    means = total / np.maximum(seen, 1)
    sea = np.percentile(means[known], rule.sea_percentile)
    regions, count = ndimage.label(known & (means > rule.times_sea * sea))
    return float(np.bincount(regions.ravel(), minlength=2)[1:].max() / regions.size) if count else 0.0


def _without_ships(shape: tuple[int, ...], ships: FloatArray, margin: int) -> BoolArray:
    mask = np.ones(shape, np.bool_)
    for x0, y0, x1, y1 in ships:
        mask[max(0, int(y0) - margin) : int(y1) + margin, max(0, int(x0) - margin) : int(x1) + margin] = False
    return mask
