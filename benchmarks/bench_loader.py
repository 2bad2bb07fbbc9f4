"""Tiles a second and memory of our raster data set, against torchgeo's RasterDataset and GridGeoSampler.

Both read the same tiles of the same file, 512 px side by side, through a DataLoader with the same workers, in
turn, each in a process of its own. Ours also scales pixels to float32 in 0..255 and gives the objects of each
tile; torchgeo gives float32 as stored. A third row is ours as it trains: tiles drawn around objects and in
empty places. The clock starts when the first batch is there, so that starting the workers does not count.

Memory is that of the process and its workers at twenty marks of the way, in a run of its own, as looking at
it takes time; its growth is the slope of a line through the last ten, when block caches are full.

Run as ``python benchmarks/bench_loader.py SCRATCH_FOLDER [--size 20000]``; the file is made there once.
torchgeo is timed where it can be imported. It is no dependency of ours; a folder of its own keeps it apart:

    pip install --target TORCHGEO --no-deps torchgeo geopandas pandas einops requests urllib3 idna
    PYTHONPATH=TORCHGEO python benchmarks/bench_loader.py SCRATCH_FOLDER
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine

TILE = 512
GSD = 10.0
MARKS = 20
ROLES = ("ours", "ours, drawn", "torchgeo")


def make_scene(folder: Path, size: int, compress: str) -> tuple[Path, Path]:
    """A square uint16 GeoTIFF of speckle in 512 px blocks, and boxes of some ships as CSV."""
    path, labels = folder / f"scene_{size}_{compress}.tif", folder / f"ships_{size}.csv"
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, size - 40, (max(4, round(1000 * (size / 20_000) ** 2)), 2))
    rows = [f"{path.name},ship,{x:.1f},{y:.1f},{x + 20:.1f},{y + 12:.1f}" for x, y in corners]
    labels.write_text("\n".join(["image,label,x1,y1,x2,y2", *rows]) + "\n")
    if path.exists():
        return path, labels
    profile = {
        "driver": "GTiff",
        "height": size,
        "width": size,
        "count": 1,
        "dtype": "uint16",
        "crs": "EPSG:32633",
        "transform": Affine(GSD, 0, 500_000, 0, -GSD, 5_000_000),
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": compress,
        "BIGTIFF": "IF_SAFER",
    }
    partial = path.with_suffix(".partial")
    with rasterio.open(partial, "w", **profile) as file:
        for top in range(0, size, TILE):
            height = min(TILE, size - top)
            speckle = rng.standard_gamma(4.0, (height, size), dtype=np.float32) * 60
            file.write(speckle.astype(np.uint16), 1, window=((top, top + height), (0, size)))
    partial.rename(path)
    return path, labels


def our_loader(path: Path, labels: Path, workers: int, drawn: bool) -> Iterator[Any]:
    """Batches of four from our data set."""
    from torch.utils.data import DataLoader

    from retina_domains.plugin.collate import packed_collate
    from retina_domains.plugin.datasets import RasterTiles
    from retina_domains.plugin.workers import PluginContext

    # After the plugin, which must come before anything of MMDetection.
    from mmengine.registry import init_default_scope  # isort: skip

    init_default_scope("mmdet")
    data = RasterTiles(
        scenes={"images": str(path), "labels": str(labels)},
        classes=("ship",),
        chips={"size": TILE},
        input={"channels": 1, "radiometry": "amplitude", "low": [0.0], "high": [1.0]},
        pipeline=[{"type": "LoadObjects"}, {"type": "PackObjects"}],
        test_mode=not drawn,
    )
    context = PluginContext() if workers else None
    return iter(
        DataLoader(data, 4, num_workers=workers, collate_fn=packed_collate, multiprocessing_context=context)
    )


def torchgeo_loader(path: Path, workers: int) -> Iterator[Any]:
    """Batches of four from torchgeo."""
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    data = RasterDataset(str(path))
    sampler = GridGeoSampler(data, size=TILE, stride=TILE)
    context = "spawn" if workers else None
    return iter(
        DataLoader(
            data,
            4,
            sampler=sampler,
            num_workers=workers,
            collate_fn=stack_samples,
            multiprocessing_context=context,
        )
    )


def tiles_in(batch: Any) -> int:
    """Tiles of one batch."""
    return len(batch["inputs"] if "inputs" in batch else batch["image"])


def memory_mib() -> float:
    """Memory of this process and its workers that is in use, MiB, pages that they share counted once."""
    total = 0
    for process in [os.getpid(), *children()]:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def cpu_seconds() -> float:
    """Processor time that this process and its workers have used, which a busy machine does not stretch."""
    ticks = 0
    for process in [os.getpid(), *children()]:
        # The name may hold spaces; times are the 14th and 15th field, counted from 1.
        numbers = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(numbers[11]) + int(numbers[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children() -> list[int]:
    """Process ids of the workers."""
    own = Path(f"/proc/{os.getpid()}/task")
    return [int(pid) for task in own.iterdir() for pid in (task / "children").read_text().split()]


def measure(role: str, files: tuple[Path, Path], workers: int, limit: int, marks: int) -> dict[str, Any]:
    """Tiles a second and processor time after the first batch, and memory at ``marks`` places on the way."""
    path, labels = files
    started = time.perf_counter()
    if role == "torchgeo":
        batches = torchgeo_loader(path, workers)
    else:
        batches = our_loader(path, labels, workers, role.endswith("drawn"))
    next(batches)
    first, cpu = time.perf_counter(), cpu_seconds()
    done, memory, places = 0, [], [limit * k // marks for k in range(1, marks + 1)]
    for batch in batches:
        done += tiles_in(batch)
        while places and done >= places[0]:
            memory.append((done, memory_mib()))
            places.pop(0)
        if done >= limit:
            break
    seconds, cpu = time.perf_counter() - first, cpu_seconds() - cpu
    return {"rate": done / seconds, "cpu_ms": 1000 * cpu / done, "start": first - started, "memory": memory}


def growth(memory: list[tuple[int, float]]) -> float:
    """MiB a thousand tiles over the second half of the way, by least squares."""
    tiles, mib = np.array(memory[len(memory) // 2 :], np.float64).T
    return 1000 * float(np.polyfit(tiles, mib, 1)[0]) if len(tiles) > 1 else math.nan


def main() -> None:
    """Make the file, time all in turn, print a line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="for the file that is read")
    parser.add_argument("--size", type=int, default=20_000, help="side of the scene, px")
    parser.add_argument("--tiles", type=int, help="tiles to read (default: all of the scene)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--compress", default="deflate", choices=("none", "deflate", "zstd", "lzw"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--marks", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    path, labels = make_scene(args.folder, args.size, args.compress)
    # The first batches are read before the clock starts.
    limit = (args.size // TILE) ** 2 - 8
    if limit < MARKS:
        parser.error(f"--size {args.size}: expected {6 * TILE} px or more")
    limit = min(args.tiles or limit, limit)
    if args.role:
        print(json.dumps(measure(args.role, (path, labels), args.workers, limit, args.marks)))
        return
    roles = [r for r in ROLES if r != "torchgeo" or importlib.util.find_spec("torchgeo")]
    found: dict[str, list[dict[str, Any]]] = {role: [] for role in roles}
    for marks in [*[0] * args.repeats, MARKS]:
        for role in roles:
            call = [sys.executable, *sys.argv, "--role", role, "--marks", str(marks)]
            run = subprocess.run(call, capture_output=True, text=True, check=False)
            if run.returncode:
                raise SystemExit(f"{role}: {run.stderr}")
            found[role].append(json.loads(run.stdout.splitlines()[-1]))
    last = {role: runs.pop()["memory"] for role, runs in found.items()}
    print(f"{path.name}: {limit} tiles of {TILE} px, {args.workers} workers, median of {args.repeats} runs")
    for role, runs in found.items():
        rate = statistics.median(r["rate"] for r in runs)
        held = [row[1] for row in last[role]]
        memory = f"{held[0]:.0f} to {held[-1]:.0f} MiB, {growth(last[role]):+.0f} MiB a 1000 tiles"
        start = statistics.median(r["start"] for r in runs)
        cpu = statistics.median(r["cpu_ms"] for r in runs)
        print(
            f"{role:12s} {rate:8.1f} tiles/s   {cpu:6.2f} ms of CPU a tile   {memory}   "
            f"first batch after {start:.1f} s"
        )
    if "torchgeo" in found:
        ours, theirs = (statistics.median(r["rate"] for r in found[k]) for k in ("ours", "torchgeo"))
        print(f"ours / torchgeo {ours / theirs:.2f}")
    else:
        print("torchgeo is not installed: see the head of this file")


if __name__ == "__main__":
    main()
