"""Worker processes that import the plugin before they unpickle anything of MMDetection.

A spawned worker starts bare and unpickles its data set. Where the outermost class of that is MMDetection's
own, ``mmcv.ops`` is imported before anybody has supplied its operators, and fails. The first thing in the
pickle of a process is its class: a process class of ours imports the plugin, whatever the data set is.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from mmengine.runner import Runner
from torch.utils.data import DataLoader

from retina_domains.errors import RetinaDomainsError
from retina_domains.plugin.collate import packed_collate

# What torch makes the message of an error that came up in a worker: its traceback, which ends with the error.
_IN_WORKER = re.compile(
    r"Caught \w+ in DataLoader worker process .*^[\w.]+: (?P<said>.*)", re.DOTALL | re.MULTILINE
)


@contextmanager
def worker_errors_as_told() -> Iterator[None]:
    """Let errors of ours that a worker raised say what they said there, without the worker's traceback."""
    try:
        yield
    except RetinaDomainsError as error:
        found = _IN_WORKER.match(str(error))
        if found is None:
            raise
        raise type(error)(found["said"].strip()) from error


class PluginProcess(SpawnProcess):
    """A spawned process that imports this module, and so the plugin, first."""


class PluginContext(SpawnContext):
    """What ``DataLoader`` takes as ``multiprocessing_context`` to start such processes."""

    Process = PluginProcess


class PluginRunner(Runner):  # type: ignore[misc]
    """mmengine's Runner, with packed batches and workers that import the plugin first where it spawns any."""

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader[Any] | Mapping[str, Any],
        seed: int | None = None,
        diff_rank_seed: bool = False,
    ) -> DataLoader[Any]:
        """As mmengine's; arguments are the same. Batches are packed unless the config says otherwise."""
        if isinstance(dataloader, Mapping):
            dataloader = {"collate_fn": {"type": packed_collate.__name__}, **dataloader}
        spawns = multiprocessing.get_start_method(allow_none=True) == "spawn"
        if spawns and isinstance(dataloader, Mapping) and dataloader.get("num_workers", 0) > 0:
            dataloader = {"multiprocessing_context": PluginContext(), **dataloader}
        built: DataLoader[Any] = Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        return built
