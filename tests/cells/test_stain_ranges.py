"""Looks of training fields by data set, as the shipped models name them."""

from __future__ import annotations

from retina_domains.bundle import read_bundle, shipped_bundles
from retina_domains.cells.stain import TRAINING_STAIN, stain_range


def test_the_range_of_several_sets_holds_each_of_them() -> None:
    one, other = TRAINING_STAIN["BCCD"], TRAINING_STAIN["IML malaria"]
    both = stain_range(["BCCD", "IML malaria"])
    assert both is not None
    # By hand from the table: the lower and the higher end of the two, component by component.
    assert both.background_low == (67.4, -18.5, -2.9)
    assert both.stained_high == (72.5, 58.7, 9.0)
    for each in (one, other):
        assert all(a <= b for a, b in zip(both.stained_low, each.stained_low, strict=True))
    assert stain_range(["BCCD"]) == one


def test_a_set_that_is_not_known_leaves_the_stain_unjudged() -> None:
    assert stain_range([]) is None
    assert stain_range(["BCCD", "fields of my own"]) is None


def test_every_shipped_model_of_cells_has_a_range() -> None:
    for name, folder in shipped_bundles().items():
        manifest = read_bundle(folder).manifest
        if {"RBC", "WBC"} & set(manifest.classes):
            assert stain_range(data.name for data in manifest.training) is not None, name
