from __future__ import annotations

import pickle
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from torch.utils.data import DataLoader, Dataset

from retina_domains.plugin.collate import PackedBatch, packed_collate
from retina_domains.plugin.workers import PluginContext, PluginRunner


def sample(index: int, side: int = 8) -> dict[str, Any]:
    """Pixels and boxes that tell the index; ``index`` boxes, so that the first has none."""
    packed = DetDataSample(metainfo={"img_id": index, "scene": f"s{index}", "scale_factor": (1.0, 1.0)})
    packed.gt_instances = InstanceData(
        bboxes=torch.arange(4.0 * index).reshape(index, 4), labels=torch.arange(index)
    )
    packed.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    return {"inputs": torch.full((1, side, side + 2), float(index)), "data_samples": packed}


class Samples(Dataset[dict[str, Any]]):
    """Six samples of one size."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Any]:
        return sample(index)


def assert_same(found: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    assert list(found) == ["inputs", "data_samples"]
    assert len(found["inputs"]) == len(found["data_samples"]) == len(samples)
    for image, packed, expected in zip(found["inputs"], found["data_samples"], samples, strict=True):
        torch.testing.assert_close(image, expected["inputs"], rtol=0, atol=0)
        wanted = expected["data_samples"]
        assert type(packed) is DetDataSample
        assert packed.metainfo == wanted.metainfo
        for part in ("gt_instances", "ignored_instances"):
            a, b = getattr(packed, part), getattr(wanted, part)
            assert type(a) is InstanceData
            assert list(a.keys()) == list(b.keys())
            for name in a.keys():
                assert a[name].dtype == b[name].dtype
                torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)


def test_a_batch_is_what_mmengine_would_have_collated() -> None:
    samples = [sample(k) for k in range(3)]
    batch = packed_collate(samples)
    assert_same(batch, samples)
    expected = pseudo_collate(samples)
    assert list(expected) == list(batch)
    assert [type(v) for v in expected.values()] == [type(v) for v in batch.values()]


def test_a_batch_arrives_whole_and_its_images_share_one_block() -> None:
    samples = [sample(k) for k in range(3)]
    arrived = pickle.loads(bytes(ForkingPickler.dumps(packed_collate(samples))))
    assert type(arrived) is dict
    assert_same(arrived, samples)
    assert len({image.untyped_storage().data_ptr() for image in arrived["inputs"]}) == 1


def test_images_of_different_sizes_stay_apart() -> None:
    samples = [sample(1), sample(2, side=16)]
    assert_same(pickle.loads(bytes(ForkingPickler.dumps(packed_collate(samples)))), samples)


def test_fields_that_are_no_tensors_arrive_as_they_were() -> None:
    packed = DetDataSample(metainfo={"window": (1, 2)})
    packed.gt_instances = InstanceData(
        names=["a", "b"], sizes=np.array([1.5, 2.5]), half=torch.ones(2, dtype=torch.bfloat16)
    )
    batch = PackedBatch([torch.zeros(1, 2, 2)], {"data_samples": [packed], "note": ["seen"]})
    arrived = pickle.loads(pickle.dumps(batch))
    assert arrived["note"] == ["seen"]
    instances = arrived["data_samples"][0].gt_instances
    assert instances.names == ["a", "b"]
    np.testing.assert_array_equal(instances.sizes, [1.5, 2.5])
    assert instances.half.dtype == torch.bfloat16
    assert arrived["data_samples"][0].window == (1, 2)


def test_a_worker_opens_one_shared_block_a_batch() -> None:
    loader = DataLoader(
        Samples(), 3, num_workers=1, collate_fn=packed_collate, multiprocessing_context=PluginContext()
    )
    batches = list(loader)
    assert_same(batches[0], [sample(k) for k in range(3)])
    assert_same(batches[1], [sample(k) for k in range(3, 6)])
    blocks = {image.untyped_storage().data_ptr() for batch in batches for image in batch["inputs"]}
    assert len(blocks) == 2


def test_a_runner_packs_unless_told_otherwise() -> None:
    settings = {
        "batch_size": 2,
        "num_workers": 0,
        "dataset": Samples(),
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    built = PluginRunner.build_dataloader(ConfigDict(settings), seed=0)
    assert type(next(iter(built))) is PackedBatch
    told = ConfigDict(settings, collate_fn={"type": "pseudo_collate"})
    assert type(next(iter(PluginRunner.build_dataloader(told, seed=0)))) is dict
