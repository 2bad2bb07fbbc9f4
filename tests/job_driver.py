"""A job in a process of its own, for tests that end it: ``job_driver.py SCENE OUT SECONDS [resume]``."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path

from stub_detectors import Blobs

from retina_domains.cli import guarded
from retina_domains.inference import InferenceOptions
from retina_domains.job import JobOptions, JobOutputs, OutputFile, run_job
from retina_domains.progress import Progress


def main(scene: str, out: str, seconds: str, *rest: str) -> int:
    """Write GeoJSON, GeoPackage and a summary."""
    folder = Path(out)
    files = tuple(OutputFile(folder / f"found.{ending}") for ending in ("geojson", "gpkg", "csv"))
    options = JobOptions(inference=InferenceOptions(batch_size=3), resume="resume" in rest)
    outputs = JobOutputs(files=files, summary=folder / "summary.json")
    print("ready", flush=True)
    result = run_job([scene], partial(Blobs, float(seconds)), outputs, options, Progress())
    print(result.line)
    return result.exit_code


if __name__ == "__main__":
    # A shell that runs the tests in the background leaves Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(guarded(lambda: main(*sys.argv[1:]), "job", debug=False))
