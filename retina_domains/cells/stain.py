"""How the fields look that models were trained on, by data set: what a stain is far from, or not.

A range depends on the fields alone, not on the weights that were learned from them, so that it is kept here
by data set and not with a bundle. Made by ``python benchmarks/measure_stain.py COCO.json ...`` on the
training part of each set: 1st to 99th percentile of its fields, and 3 of Lab beyond.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from retina_domains.cells.quality import StainRange

TRAINING_STAIN: Mapping[str, StainRange] = {
    "BCCD": StainRange(
        background_low=(74.7, -7.2, -2.9),
        background_high=(84.2, 4.1, 6.9),
        stained_low=(60.7, 3.8, -8.2),
        stained_high=(72.5, 16.1, 9.0),
    ),
    "IML malaria": StainRange(
        background_low=(67.4, -18.5, -0.7),
        background_high=(97.8, 3.0, 14.9),
        stained_low=(27.6, -5.8, -28.0),
        stained_high=(71.7, 58.7, 5.9),
    ),
    "thick smears by species (YOLO layout)": StainRange(
        background_low=(51.1, -1.3, -15.4),
        background_high=(99.7, 36.8, 30.0),
        stained_low=(9.5, 1.7, -74.2),
        stained_high=(90.7, 65.5, 20.3),
    ),
}


def stain_range(data_sets: Iterable[str]) -> StainRange | None:
    """The looks of fields of any of some data sets, CIE Lab.

    Args:
        data_sets: names, as a bundle tells what it learned from.

    Returns:
        The least range that holds those of all; None where one of them is not known: a stain that it holds
        would be called strange.
    """
    names = list(data_sets)
    if not names or any(name not in TRAINING_STAIN for name in names):
        return None
    known = [TRAINING_STAIN[name] for name in names]
    ends = {
        f"{what}_{end}": tuple(pick([getattr(one, f"{what}_{end}") for one in known], axis=0).tolist())
        for what in ("background", "stained")
        for end, pick in (("low", np.min), ("high", np.max))
    }
    return StainRange(**ends)
