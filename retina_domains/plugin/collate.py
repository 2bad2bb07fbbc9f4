"""Batches that cross from worker processes cheaply.

torch sends every tensor of a batch through a shared-memory file of its own and a connection to hand that
over: for four tiles with their boxes and labels that is twenty of them, and costs more than reading the
tiles. Here the pixels of a batch go in one such file and all else by value.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmengine.structures import BaseDataElement
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import default_collate


class PackedBatch(dict[str, list[Any]]):
    """A batch as MMDetection wants it, which arrives in another process as a plain dict.

    Args:
        inputs: ``(C, H, W)`` tensors; where all are of one shape they should be views of ``stacked``.
        others: further lists, such as ``data_samples``.
        stacked: ``(B, C, H, W)``, or None.
    """

    def __init__(
        self, inputs: list[Tensor], others: dict[str, list[Any]], stacked: Tensor | None = None
    ) -> None:
        super().__init__(inputs=inputs, **others)
        self._pixels = inputs if stacked is None else stacked
        self._others = others

    def __reduce__(self) -> tuple[Callable[..., dict[str, list[Any]]], tuple[Any, ...]]:
        """One tensor and bytes."""
        plain = {name: [_plain(value) for value in values] for name, values in self._others.items()}
        return _unpacked, (self._pixels, pickle.dumps(plain, pickle.HIGHEST_PROTOCOL))


@FUNCTIONS.register_module()  # type: ignore[untyped-decorator]
def packed_collate(samples: Sequence[Any]) -> Any:
    """Samples of ``PackObjects`` or MMDetection's ``PackDetInputs`` as one batch.

    Args:
        samples: dicts, each with ``inputs`` ``(C, H, W)`` and the same further fields.

    Returns:
        A :class:`PackedBatch`, a dict of lists as mmengine's ``pseudo_collate`` gives; its inputs are views
        of one block where their shapes agree. Samples of another kind: what ``pseudo_collate`` gives.
    """
    if not (isinstance(samples[0], dict) and isinstance(samples[0].get("inputs"), Tensor)):
        return pseudo_collate(samples)
    inputs = [sample["inputs"] for sample in samples]
    others = {name: [sample[name] for sample in samples] for name in samples[0] if name != "inputs"}
    if len({(image.shape, image.dtype) for image in inputs}) > 1:
        return PackedBatch(inputs, others)
    # In a worker this writes straight into shared memory.
    stacked = default_collate(inputs)
    return PackedBatch(list(stacked.unbind()), others, stacked)


class _Array(NamedTuple):
    """A tensor of a data element."""

    values: NDArray[Any]


class _Element(NamedTuple):
    """A data element of mmengine."""

    kind: type[BaseDataElement]
    facts: dict[str, Any]
    fields: dict[str, Any]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseDataElement):
        fields = {name: _plain(field) for name, field in value.items()}
        return _Element(type(value), dict(value.metainfo_items()), fields)
    # A subclass may carry more than its numbers, and NumPy knows no bfloat16.
    if type(value) is Tensor and value.device.type == "cpu" and value.dtype != torch.bfloat16:
        return _Array(value.detach().numpy())
    return value


def _rebuilt(value: Any) -> Any:
    if isinstance(value, _Element):
        element = value.kind(metainfo=value.facts)
        for name, field in value.fields.items():
            setattr(element, name, _rebuilt(field))
        return element
    return torch.from_numpy(value.values) if isinstance(value, _Array) else value


def _unpacked(pixels: Tensor | list[Tensor], others: bytes) -> dict[str, list[Any]]:
    inputs = list(pixels.unbind()) if isinstance(pixels, Tensor) else pixels
    plain = pickle.loads(others)
    return {"inputs": inputs, **{name: [_rebuilt(value) for value in plain[name]] for name in plain}}
