"""Jobs over areas: resumed, refused, summed up."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyogrio
import pytest
import shapely
from screening_cases import LAND, SIDE, Radar, options, pixel_file, vector
from stub_detectors import Blobs, blob_scene, write_scene

from retina_domains.errors import ResumeError
from retina_domains.job import JobOptions, JobOutputs, OutputFile, run_job
from retina_domains.screening import ScreenSpec
from retina_domains.types import Detections


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels, _ = blob_scene(SIDE, SIDE, 3)
    return write_scene(tmp_path_factory.mktemp("scene") / "scene.tif", pixels)


def outputs(folder: Path) -> JobOutputs:
    files = (OutputFile(folder / "found.csv"), OutputFile(folder / "found.gpkg"))
    return JobOutputs(files=files, summary=folder / "summary.json")


class Interrupted(Blobs):
    """Gives up at its fourth batch."""

    def predict(self, batch: Sequence[Any]) -> list[Detections]:
        if len(self.batches) == 3:
            raise KeyboardInterrupt
        return super().predict(batch)


def test_a_resumed_job_counts_and_keeps_as_one_that_was_not_disturbed(scene: Path, tmp_path: Path) -> None:
    spec = ScreenSpec(
        roi=vector(tmp_path / "roi.gpkg", LAND),
        exclude=vector(tmp_path / "e.gpkg", shapely.box(0, 400, 90, 600)),
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    undisturbed = run_job([scene], Blobs, outputs(whole), JobOptions(inference=options(spec)))
    with pytest.raises(KeyboardInterrupt):
        run_job([scene], Interrupted, outputs(broken), JobOptions(inference=options(spec)))
    for other in (ScreenSpec(roi=spec.roi), ScreenSpec(roi=spec.exclude, exclude=spec.exclude)):
        with pytest.raises(ResumeError, match="other rules"):
            run_job([scene], Blobs, outputs(broken), JobOptions(inference=options(other), resume=True))
    result = run_job([scene], Blobs, outputs(broken), JobOptions(inference=options(spec), resume=True))
    for name in ("found.csv", "found.gpkg"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    for name in ("tiles", "skipped", "dropped", "detections"):
        assert result.facts[name] == undisturbed.facts[name]
    assert result.facts["skipped"]["roi"] > 0
    assert result.facts["dropped"]["exclude"] > 0
    status = pyogrio.raw.read(whole / "found.gpkg", layer="tiles", columns=["status"])[3][0]
    assert sum(status == "skipped") == result.facts["tiles"]["skipped"]


def test_a_job_goes_on_only_while_the_geometry_is_the_same(scene: Path, tmp_path: Path) -> None:
    spec = ScreenSpec(mask=pixel_file(tmp_path / "a.geojson", LAND))
    with pytest.raises(KeyboardInterrupt):
        run_job([scene], Interrupted, outputs(tmp_path), JobOptions(inference=options(spec)))
    pixel_file(tmp_path / "a.geojson", LAND.buffer(1))
    with pytest.raises(ResumeError, match="other rules"):
        run_job([scene], Blobs, outputs(tmp_path), JobOptions(inference=options(spec), resume=True))
    pixel_file(tmp_path / "a.geojson", LAND)
    assert run_job([scene], Blobs, outputs(tmp_path), JobOptions(inference=options(spec), resume=True))


def test_summary_tells_files_and_rates(scene: Path, tmp_path: Path) -> None:
    spec = ScreenSpec(mask=vector(tmp_path / "land.gpkg", LAND), mask_buffer=100.0, prescreen=True)
    run_job([scene], Radar, outputs(tmp_path), JobOptions(inference=options(spec)))
    told = json.loads((tmp_path / "summary.json").read_text())["screening"]
    assert told["mask"]["file"] == "land.gpkg"
    assert told["mask"]["crs"] == "EPSG:4326"
    assert told["mask"]["metres"] == 100.0
    assert len(told["mask"]["sha256"]) == 64
    assert told["prescreen"] == {"rate": 1e-9}


def test_one_scene_of_several_without_place_is_left_out(scene: Path, tmp_path: Path) -> None:
    pixels, _ = blob_scene(SIDE, SIDE, 3)
    placeless = write_scene(tmp_path / "plain.tif", pixels, crs=None)
    spec = ScreenSpec(roi=vector(tmp_path / "roi.gpkg", LAND))
    result = run_job(
        [scene, placeless],
        Blobs,
        JobOutputs(files=(OutputFile(tmp_path / "found.csv"),)),
        JobOptions(inference=options(spec)),
    )
    assert result.exit_code == 3
    assert "no georeference, and roi.gpkg" in result.facts["failed_inputs"]["plain.tif"]
    assert {row["scene_id"] for row in csv.DictReader((tmp_path / "found.csv").open())} == {"scene.tif"}
