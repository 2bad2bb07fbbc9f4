"""Which image is drawn next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sized
from typing import Any

import torch
from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import InfiniteSampler

from retina_domains.errors import ConfigError


@DATA_SAMPLERS.register_module()
class SceneBalancedSampler(InfiniteSampler):  # type: ignore[misc]
    """Draws images with replacement so that a scene of many images does not drown the others.

    Smears and passes differ more from each other than the fields or chips of one of them do: a set in which
    one slide has a hundred fields and ten slides have one each teaches that slide. An image of a scene of n
    is drawn in proportion to ``n ** -power``, so that the scene as a whole is in proportion to
    ``n ** (1 - power)``.

    Args:
        dataset: its ``get_data_info`` names the ``scene``, as ``CocoObjects`` does; wrappers that pass
            records on (``MultiImageMixDataset``, ``ConcatDataset``, ``RepeatDataset``) may stand around it.
        power: 0 draws every image as often, 1 every scene as often.
        seed: of the draws; None for mmengine's own.

    Raises:
        ConfigError: ``power`` is out of range, or an image names no scene.
    """

    def __init__(self, dataset: Sized, power: float = 0.5, seed: int | None = None) -> None:
        if not 0 <= power <= 1:
            raise ConfigError(f"SceneBalancedSampler: power {power}: expected 0 to 1")
        self.weights = scene_weights(dataset, power)
        super().__init__(dataset, shuffle=True, seed=seed)

    def _infinite_indices(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed)
        while True:
            yield from torch.multinomial(self.weights, self.size, True, generator=generator).tolist()


def scene_weights(dataset: Any, power: float) -> torch.Tensor:
    """``(N,)`` float64 of sum 1: how likely each image is drawn; see :class:`SceneBalancedSampler`."""
    scenes = [dataset.get_data_info(index).get("scene", "") for index in range(len(dataset))]
    if "" in scenes:
        raise ConfigError(
            f"SceneBalancedSampler: image {scenes.index('')} of {len(scenes)} names no scene: give every "
            'image of the COCO file a "scene", or use InfiniteSampler'
        )
    images = Counter(scenes)
    weights = torch.tensor([images[scene] ** -power for scene in scenes], dtype=torch.float64)
    return weights / weights.sum()
