from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdet.datasets import MultiImageMixDataset
from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset

from retina_domains.errors import ConfigError
from retina_domains.plugin.datasets.sampler import SceneBalancedSampler, scene_weights


class Records(BaseDataset):  # type: ignore[misc]
    """Images that have nothing but a scene."""

    def __init__(self, scenes: list[str]) -> None:
        self.scenes = scenes
        super().__init__(serialize_data=False)

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"scene": scene} for scene in self.scenes]


def test_weights_by_hand() -> None:
    # a: four images of 1/2 each, b: one of 1; together 3.
    weights = scene_weights(Records(["a", "b", "a", "a", "a"]), 0.5)
    assert weights.tolist() == pytest.approx([1 / 6, 1 / 3, 1 / 6, 1 / 6, 1 / 6])


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30), st.floats(0, 1))
def test_a_scene_weighs_its_size_to_the_power(scenes: list[str], power: float) -> None:
    weights = scene_weights(Records(scenes), power)
    mass: Counter[str] = Counter()
    for scene, weight in zip(scenes, weights.tolist(), strict=True):
        mass[scene] += weight
    sizes = Counter(scenes)
    total = sum(n ** (1 - power) for n in sizes.values())
    for scene, n in sizes.items():
        assert mass[scene] == pytest.approx(n ** (1 - power) / total)


def test_draws_follow_the_weights_and_the_seed() -> None:
    records = Records(["a"] * 9 + ["b"])
    sampler = DATA_SAMPLERS.build(
        {"type": "SceneBalancedSampler", "dataset": records, "power": 1.0, "seed": 3}
    )
    drawn = list(islice(iter(sampler), 4000))
    # One of ten images has half of the mass: 2,000 of 4,000 draws, standard deviation 32.
    assert drawn.count(9) == pytest.approx(2000, abs=160)
    assert set(drawn) == set(range(10))
    assert drawn == list(islice(iter(SceneBalancedSampler(records, 1.0, seed=3)), 4000))
    assert drawn != list(islice(iter(SceneBalancedSampler(records, 1.0, seed=4)), 4000))


def test_through_wrappers() -> None:
    wrapped = MultiImageMixDataset(Records(["a", "a", "b"]), pipeline=[])
    assert scene_weights(wrapped, 1.0).tolist() == pytest.approx([0.25, 0.25, 0.5])
    joined = ConcatDataset([Records(["a"]), Records(["a", "b"])])
    assert scene_weights(joined, 1.0).tolist() == pytest.approx([0.25, 0.25, 0.5])
    repeated = RepeatDataset(Records(["a", "b"]), 2)
    assert scene_weights(repeated, 1.0).tolist() == pytest.approx([0.25] * 4)


def test_an_image_without_a_scene_is_refused() -> None:
    with pytest.raises(ConfigError, match="image 1 of 2 names no scene"):
        SceneBalancedSampler(Records(["a", ""]))


@pytest.mark.parametrize("power", [-0.1, 1.1])
def test_a_power_out_of_range_is_refused(power: float) -> None:
    with pytest.raises(ConfigError, match="expected 0 to 1"):
        SceneBalancedSampler(Records(["a"]), power)
