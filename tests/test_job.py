"""Jobs: what they leave behind, and that nothing short of a changed input keeps them from finishing."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_detectors import Blobs, blob_scene, write_scene

from retina_domains.errors import (
    DeviceMemoryError,
    GeoreferenceError,
    InputFileError,
    InvalidValueError,
    OutputError,
    ResumeError,
    TilingError,
)
from retina_domains.inference import InferenceOptions
from retina_domains.job import JobOptions, JobOutputs, OutputFile, run_job
from retina_domains.journal import journal_path
from retina_domains.pipeline import STAGES
from retina_domains.types import MergeSpec, TileSpec

OUTPUTS = ("found.geojson", "found.gpkg", "found.csv")
DRIVER = Path(__file__).with_name("job_driver.py")


def to(folder: Path, *names: str, **more: Any) -> JobOutputs:
    return JobOutputs(files=tuple(OutputFile(folder / name) for name in names or OUTPUTS), **more)


def features(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["features"]
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A scene of several rows of tiles, and how many blobs it has."""
    pixels, count = blob_scene(700, 500)
    return write_scene(tmp_path_factory.mktemp("scene") / "scene.tif", pixels), count


@pytest.fixture(scope="module")
def undisturbed(scene: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outputs of a job that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run_job([scene[0]], Blobs, to(folder))
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def test_every_blob_is_written_once_and_where_it_is(scene: tuple[Path, int], tmp_path: Path) -> None:
    path, count = scene
    result = run_job([path], Blobs, to(tmp_path, "a.geojson", summary=tmp_path / "s.json"))
    assert result.exit_code == 0
    found = features(tmp_path / "a.geojson")
    assert len(found) == count
    facts = json.loads((tmp_path / "s.json").read_text())
    assert sum(facts["detections"].values()) == count
    assert facts["tiles"] == {
        "planned": 8 * 6,
        "done": 8 * 6,
        "skipped": 0,
        "failed": 0,
        "saturated": 0,
        "recovered": 0,
    }
    assert set(facts["seconds"]) == {*STAGES, "total"}
    assert STAGES == ("prescreen", "read", "normalise", "forward", "merge", "measure", "write")
    assert facts["peak_memory_mib"] > 10
    assert facts["model"]["model"] == "blobs"
    assert facts["inputs"][0]["sha256"].startswith("sha256:")
    assert not journal_path(tmp_path / "a.geojson").exists()


def test_the_result_does_not_depend_on_batches_or_threads(
    scene: tuple[Path, int], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    for batch, threads in ((1, 1), (7, 3), (64, 8)):
        options = JobOptions(inference=InferenceOptions(batch_size=batch, threads=threads))
        run_job([scene[0]], Blobs, to(tmp_path), options)
        for name in OUTPUTS:
            assert (tmp_path / name).read_bytes() == undisturbed[name]


def start(scene: Path, out: Path, *rest: str, seconds: float = 0.03, **how: Any) -> subprocess.Popen[str]:
    root = str(DRIVER.parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, str(DRIVER.parent)])}
    return subprocess.Popen(
        [sys.executable, str(DRIVER), str(scene), str(out), str(seconds), *rest],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **how,
    )


def wait_for(journal: Path, size: int, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and (not journal.exists() or journal.stat().st_size < size):
        time.sleep(0.002)


def test_killed_at_any_moment_a_resumed_job_writes_the_same_bytes(
    scene: tuple[Path, int], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    rng = np.random.default_rng()
    journal = journal_path(tmp_path / OUTPUTS[0])
    kills = 0
    for size in (1, 200, 4000, 9000):
        process = start(scene[0], tmp_path, *(["resume"] if kills else []))
        wait_for(journal, size, process)
        time.sleep(float(rng.uniform(0, 0.05)))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        assert kills < 3 or not any((tmp_path / name).exists() for name in OUTPUTS)
    assert kills >= 3, "the job was too fast to be killed"
    last = start(scene[0], tmp_path, "resume", seconds=0)
    said, errors = last.communicate()
    assert last.returncode == 0, errors
    assert said.splitlines()[-1].startswith("found ")
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == undisturbed[name]
    assert not [p.name for p in tmp_path.iterdir() if "journal" in p.name or "partial" in p.name]


def test_a_torn_journal_is_cut_and_gone_on_from(
    scene: tuple[Path, int], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    journal = journal_path(tmp_path / OUTPUTS[0])
    process = start(scene[0], tmp_path)
    wait_for(journal, 6000, process)
    process.kill()
    process.communicate()
    whole = journal.read_bytes()
    rng = np.random.default_rng()
    for cut in (0, 3, int(rng.integers(30, len(whole))), len(whole) - 1):
        damaged = bytearray(whole[:cut])
        if cut > 200:
            damaged[-50] ^= 0xFF
        journal.write_bytes(bytes(damaged))
        run_job(
            [scene[0]], Blobs, to(tmp_path), JobOptions(inference=InferenceOptions(batch_size=3), resume=True)
        )
        for name in OUTPUTS:
            assert (tmp_path / name).read_bytes() == undisturbed[name]


def test_an_interrupt_ends_with_130_and_leaves_only_the_journal(
    scene: tuple[Path, int], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    journal = journal_path(tmp_path / OUTPUTS[0])
    process = start(scene[0], tmp_path)
    wait_for(journal, 9000, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert [p.name for p in tmp_path.iterdir()] == [journal.name]
    again = start(scene[0], tmp_path, "resume", seconds=0)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert (tmp_path / OUTPUTS[0]).read_bytes() == undisturbed[OUTPUTS[0]]


@pytest.mark.parametrize("limit", [10, 3000, 60_000])
def test_a_full_disk_is_told_in_one_line_and_can_be_resumed(
    scene: tuple[Path, int], undisturbed: dict[str, bytes], tmp_path: Path, limit: int
) -> None:
    def small_files() -> None:
        # Writing beyond it fails as on a full disk; the signal would end the process before it can say so.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = start(scene[0], tmp_path, seconds=0, preexec_fn=small_files)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    assert "cannot write" in errors.splitlines()[-1]
    assert not any((tmp_path / name).exists() for name in OUTPUTS)
    again = start(scene[0], tmp_path, "resume", seconds=0)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == undisturbed[name]


def interrupted(scene: Path, folder: Path, options: JobOptions) -> None:
    """Leave the journal of a job that ended after some tiles."""

    class Dying(Blobs):
        def predict(self, batch: Any) -> Any:
            if len(self.batches) > 3:
                raise KeyboardInterrupt
            return super().predict(batch)

    with pytest.raises(KeyboardInterrupt):
        run_job([scene], Dying, to(folder), options)
    assert journal_path(folder / OUTPUTS[0]).exists()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (JobOptions(resume=True, inference=InferenceOptions(score_threshold=0.9)), "score threshold"),
        (JobOptions(resume=True, merge=MergeSpec(0.4)), "merge"),
        (JobOptions(resume=True, tile=TileSpec(160)), "tile size"),
        (JobOptions(resume=True, inference=InferenceOptions(bands=(1,))), "bands"),
    ],
)
def test_a_job_with_other_options_does_not_go_on_from_the_journal(
    scene: tuple[Path, int], tmp_path: Path, changed: JobOptions, named: str
) -> None:
    interrupted(scene[0], tmp_path, JobOptions())
    with pytest.raises(ResumeError, match=named):
        run_job([scene[0]], Blobs, to(tmp_path), changed)
    # Refusing costs nothing: the right call still goes on.
    run_job([scene[0]], Blobs, to(tmp_path), JobOptions(resume=True))


def test_a_changed_input_is_not_gone_on_with(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene.tif", blob_scene(500, 300)[0])
    interrupted(path, tmp_path, JobOptions())
    write_scene(path, blob_scene(500, 300, seed=1)[0])
    with pytest.raises(ResumeError, match="has changed"):
        run_job([path], Blobs, to(tmp_path), JobOptions(resume=True))


def test_without_resume_a_job_starts_over(
    scene: tuple[Path, int], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    interrupted(scene[0], tmp_path, JobOptions(inference=InferenceOptions(score_threshold=0.9)))
    run_job([scene[0]], Blobs, to(tmp_path))
    assert (tmp_path / OUTPUTS[0]).read_bytes() == undisturbed[OUTPUTS[0]]


def test_batches_go_on_as_if_not_interrupted(scene: tuple[Path, int], tmp_path: Path) -> None:
    whole, rest = Blobs(), Blobs()
    options = InferenceOptions(batch_size=4)
    run_job([scene[0]], lambda: whole, to(tmp_path / "..", "whole.csv"), JobOptions(inference=options))
    interrupted(scene[0], tmp_path, JobOptions(inference=options))
    run_job([scene[0]], lambda: rest, to(tmp_path), JobOptions(inference=options, resume=True))
    # Tiles of finished rows are not seen again, and full batches begin where they would have.
    assert sum(rest.batches) < sum(whole.batches)
    assert (sum(whole.batches) - sum(rest.batches) + rest.batches[0]) % 4 == 0


def test_a_device_that_is_full_gets_smaller_batches(
    scene: tuple[Path, int], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    options = JobOptions(inference=InferenceOptions(batch_size=8))
    result = run_job([scene[0]], partial(Blobs, 0.0, 2), to(tmp_path), options)
    assert result.facts["inputs"][0]["batch_halvings"] == 2
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == undisturbed[name]
    with pytest.raises(DeviceMemoryError):
        run_job([scene[0]], partial(Blobs, 0.0, 0), to(tmp_path, "other.csv"), options)
    assert not (tmp_path / "other.csv").exists()


def corrupted(path: Path, source: Path) -> Path:
    """A copy of which the compressed bytes in the middle are overwritten."""
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(bytes(data))
    return path


def test_tiles_that_cannot_be_read_are_listed_and_nothing_else_is_lost(
    scene: tuple[Path, int], tmp_path: Path
) -> None:
    path, count = scene
    result = run_job([corrupted(tmp_path / "bad.tif", path)], Blobs, to(tmp_path, "a.geojson"))
    assert result.exit_code == 3
    failures = result.facts["inputs"][0]["failures"]
    assert len(failures) == result.facts["tiles"]["failed"] > 0
    assert all("cannot be decoded" in failure["reason"] for failure in failures)
    assert count - 40 * len(failures) < len(features(tmp_path / "a.geojson")) < count
    assert "unreadable" in result.line


def test_nodata_tiles_are_skipped(tmp_path: Path) -> None:
    pixels, _ = blob_scene(600, 600)
    pixels[:, 200:] = 0
    path = write_scene(tmp_path / "scene.tif", pixels, nodata=0)
    detector = Blobs()
    result = run_job([path], lambda: detector, to(tmp_path, "a.csv"))
    tiles = result.facts["tiles"]
    assert tiles["skipped"] > tiles["done"] == sum(detector.batches) > 0
    assert tiles["skipped"] + tiles["done"] == tiles["planned"]


def test_one_bad_scene_does_not_stop_the_others(scene: tuple[Path, int], tmp_path: Path) -> None:
    path, count = scene
    noise = tmp_path / "noise.tif"
    noise.write_bytes(b"this is no raster")
    placeless = write_scene(tmp_path / "placeless.tif", blob_scene(90, 90)[0], crs=None)
    wide = write_scene(tmp_path / "bands.tif", np.zeros((2, 90, 90), np.uint8))
    inputs = [noise, path, tmp_path / "missing.tif", placeless, wide]
    result = run_job(inputs, Blobs, to(tmp_path, "a.geojson"))
    assert result.exit_code == 3
    assert set(result.facts["failed_inputs"]) == {"noise.tif", "missing.tif", "placeless.tif", "bands.tif"}
    assert "takes 1" in result.facts["failed_inputs"]["bands.tif"]
    found = features(tmp_path / "a.geojson")
    assert len(found) == count
    assert {feature["properties"]["scene"] for feature in found} == {path.name}


def test_a_lone_bad_scene_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    placeless = write_scene(tmp_path / "placeless.tif", blob_scene(90, 90)[0], crs=None)
    with pytest.raises(GeoreferenceError, match="--space pixel"):
        run_job([placeless], Blobs, to(tmp_path, "a.geojson"))
    with pytest.raises(InputFileError, match="no such file"):
        run_job([tmp_path / "missing.tif"], Blobs, to(tmp_path, "a.geojson"))
    assert [p.name for p in tmp_path.iterdir()] == ["placeless.tif"]


def test_pixel_space_needs_no_georeference(tmp_path: Path) -> None:
    pixels, count = blob_scene(300, 300)
    path = write_scene(tmp_path / "placeless.tif", pixels, crs=None)
    run_job([path], Blobs, to(tmp_path, "a.geojson", space="pixel"))
    assert len(features(tmp_path / "a.geojson")) == count


def test_several_scenes_share_one_output(scene: tuple[Path, int], tmp_path: Path) -> None:
    path, count = scene
    pixels, more = blob_scene(300, 260, seed=4)
    second = write_scene(tmp_path / "second.tif", pixels)
    result = run_job(
        [path, second], Blobs, to(tmp_path, "a.geojson", "b.coco.json", preview=tmp_path / "p.png")
    )
    assert len(features(tmp_path / "a.geojson")) == count + more
    assert {r["image_id"] for r in json.loads((tmp_path / "b.coco.json").read_text())} == {1, 2}
    assert len(result.facts["inputs"]) == 2
    assert {p.name for p in tmp_path.glob("*.png")} == {f"p.{path.name}.png", "p.second.tif.png"}


def test_preview_and_report_are_written(scene: tuple[Path, int], tmp_path: Path) -> None:
    run_job(
        [scene[0]],
        Blobs,
        to(tmp_path, "a.csv", preview=tmp_path / "p.png", report=tmp_path / "r.html"),
    )
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "r.html").read_text()
    assert page.count("<figure>") == 48
    assert f"<b>{scene[1]}</b>objects" in page.replace("\u202f", "").replace(",", "")


def test_impossible_calls_are_refused_before_anything_is_read(
    scene: tuple[Path, int], tmp_path: Path
) -> None:
    with pytest.raises(InvalidValueError, match="names no format"):
        run_job([scene[0]], Blobs, to(tmp_path, "a.shp"))
    with pytest.raises(InvalidValueError, match="two outputs"):
        to(tmp_path, "a.csv", "a.csv")
    with pytest.raises(InvalidValueError, match="no output"):
        JobOutputs(files=())
    with pytest.raises(TilingError, match="use 32 or more"):
        run_job([scene[0]], Blobs, to(tmp_path, "a.csv"), JobOptions(tile=TileSpec(128, 24)))
    with pytest.raises(OutputError, match="folder does not exist"):
        run_job([scene[0]], Blobs, to(tmp_path / "nowhere", "a.csv"))
    assert list(tmp_path.iterdir()) == []
