"""Spawned workers have mmcv's operators before they unpickle what needs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader, Dataset

from retina_domains.errors import InputFileError
from retina_domains.plugin.workers import worker_errors_as_told

ROOT = Path(__file__).parents[2]
# RoIAlign is the class of an operator: whoever unpickles a reference to it imports mmcv.ops.
SCRIPT = """
import json
import multiprocessing
from multiprocessing.context import SpawnContext

if __name__ == "__main__":
    from retina_domains.plugin import OPS
    from retina_domains.plugin.workers import PluginContext, PluginRunner
    from mmcv.ops import RoIAlign

    contexts = [PluginContext(), SpawnContext()]
    processes = [context.Process(target=bool, args=(RoIAlign,)) for context in contexts]
    for process in processes:
        process.start()
    multiprocessing.set_start_method("spawn", force=True)  # as mmengine does
    loaders = [
        PluginRunner.build_dataloader(
            dict(dataset=list(range(5)), sampler=dict(type="DefaultSampler", shuffle=False), batch_size=2,
                 num_workers=workers)
        )
        for workers in (0, 1)
    ]
    for process in processes:
        process.join()
    facts = dict(
        ops=OPS,
        status_of_ours=processes[0].exitcode,
        status_of_plain=processes[1].exitcode,
        contexts=[type(loader.multiprocessing_context).__name__ for loader in loaders],
        batches=[list(loader) for loader in loaders],
    )
    print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script found; a file, because a spawned process imports its parent's script."""
    script = tmp_path_factory.mktemp("workers") / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_worker_of_ours_finds_the_operators(facts: dict[str, Any]) -> None:
    assert facts["status_of_ours"] == 0


def test_a_plain_worker_would_not(facts: dict[str, Any]) -> None:
    if facts["ops"] == "compiled":
        pytest.skip("mmcv has compiled operators here: any worker finds them")
    assert facts["status_of_plain"] == 1


def test_runner_uses_such_workers_where_it_has_any(facts: dict[str, Any]) -> None:
    assert facts["contexts"] == ["NoneType", "PluginContext"]
    assert facts["batches"] == [[[0, 1], [2, 3], [4]]] * 2


class _Broken(Dataset[int]):
    """A data set whose file does not decode, or that is at fault itself."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        raise self.error


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_ours_in_a_worker_says_what_it_says_elsewhere(workers: int) -> None:
    told = "images/a.png: is not an image that can be decoded: replace or remove it"
    with pytest.raises(InputFileError) as caught, worker_errors_as_told():
        next(iter(DataLoader(_Broken(InputFileError(told)), num_workers=workers)))
    assert str(caught.value) == told


def test_other_errors_in_a_worker_keep_their_traceback() -> None:
    with pytest.raises(KeyError, match="Original Traceback"), worker_errors_as_told():
        next(iter(DataLoader(_Broken(KeyError("x")), num_workers=1)))
