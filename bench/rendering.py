"""What one rendered flower image costs, step by step, and what a second process adds.

    python bench/rendering.py [--quick] [--out results/bench/rendering.csv]

Runs Blender in the environment that has it, one thread per process. Steps of an image: `scene update`
(objects, camera, colours), then two renderings, `picture` and `part masks`, each written to a file in
memory and read back. The picture is split further by rendering with several numbers of samples: the
slope of a line through the times is the cost of sampling, and its value at zero is what it takes to
bring the scene to Cycles and the pixels back (`synchronise and write`). CPU seconds are medians over
images. `one intervention` is a scene with one thing changed: drawn whole from its parameters, and as
the interventions' file is made, where the scene is reused and only the pixels that the change can reach
are drawn; means over all changes of the set. `images_per_second` is wall time of whole chunk jobs,
start-up included, as the workflow runs them; for interventions it is one over the CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from vebi.data.an8flower.launch import PACKAGE_ROOT, get_render_python, render
from vebi.io.files import write_text

SIDE, SAMPLES, SET = 112, 6, "double-12c"

# Runs in Blender's environment and prints one JSON object: seconds of every step of every image.
WORKER = """
import json, sys, time
start = time.process_time()
from vebi.data.an8flower.render import Renderer
from vebi.data.an8flower.scene import sample_scene
images, count, side, name = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
found = {}
def timed(step, work):
    begin = time.process_time()
    result = work()
    found.setdefault(step, []).append(time.process_time() - begin)
    return result
renderer = Renderer(side, count)
found["start-up"] = [time.process_time() - start]
for i in range(images):
    scene = sample_scene(name, 0, i, 5)
    timed("scene update", lambda: renderer._place(scene))
    timed(f"picture {count}", lambda: renderer._shoot(renderer._beauty))
    timed("part masks", lambda: renderer._shoot(renderer._parts))
renderer.close()
json.dump(found, sys.stdout)
"""


INTERVENTIONS = """
import json, sys, time
from vebi.data.an8flower.changes import apply_change, changes_of
from vebi.data.an8flower.render import Renderer
from vebi.data.an8flower.scene import sample_scene
images, count, side, name = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
found = {"drawn whole": [], "scene reused": []}
renderer = Renderer(side, count)
renderer.render(sample_scene(name, 0, 0, 5))
for i in range(images):
    scene = sample_scene(name, 0, 7 * i, 5)
    before = renderer.render(scene)
    for changed in filter(None, (apply_change(scene, change) for change in changes_of(name))):
        start = time.process_time()
        after = renderer.render_change(scene, before, changed)
        middle = time.process_time()
        whole = renderer.render(changed)
        end = time.process_time()
        assert (after.image == whole.image).all()
        found["scene reused"].append(middle - start)
        found["drawn whole"].append(end - middle)
renderer.close()
json.dump(found, sys.stdout)
"""


def run_worker(code: str, images: int, samples: int) -> dict[str, list[float]]:
    """Seconds by step, as a program in Blender's environment prints them."""
    done = subprocess.run(
        [get_render_python(), "-c", code, str(images), str(samples), str(SIDE), SET],
        env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_interventions(images: int) -> list[dict[str, Any]]:
    """Mean CPU seconds of an intervention, with the scene reused and without."""
    rows = []
    for step, seconds in run_worker(INTERVENTIONS, images, SAMPLES).items():
        cost = statistics.fmean(seconds)
        row = {"work": "one intervention", "step": step, "cpu_seconds": cost}
        rows.append(row | {"images": len(seconds), "images_per_second": 1.0 / cost})
    return rows


def measure_steps(images: int, samples: list[int]) -> dict[str, list[float]]:
    """CPU seconds of every step; `picture` once for every number of samples, a process for each."""
    found: dict[str, list[float]] = {}
    for count in samples:
        for step, seconds in run_worker(WORKER, images, count).items():
            # The first image pays for what Cycles loads once.
            found.setdefault(step, []).extend(seconds if step == "start-up" else seconds[1:])
    return found


def steps_table(found: dict[str, list[float]], samples: list[int]) -> list[dict[str, Any]]:
    """Median CPU seconds of each step; the picture's split by a straight line through the samples."""
    at = [statistics.median(found[f"picture {count}"]) for count in samples]
    mean_x, mean_y = statistics.fmean(samples), statistics.fmean(at)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(samples, at, strict=True))
    slope /= sum((x - mean_x) ** 2 for x in samples)
    steps = {
        "scene update": statistics.median(found["scene update"]),
        "picture: synchronise and write": max(0.0, mean_y - slope * mean_x),
        f"picture: {SAMPLES} samples": slope * SAMPLES,
        "part masks": statistics.median(found["part masks"]),
    }
    total = sum(steps.values())
    rows = [
        {"work": "one image", "step": step, "cpu_seconds": cost, "share": cost / total}
        for step, cost in steps.items()
    ]
    rows.append({"work": "one image", "step": "all", "cpu_seconds": total, "share": 1.0})
    start_up = statistics.median(found["start-up"])
    rows.append({"work": "one process", "step": "start-up", "cpu_seconds": start_up})
    return rows


def _render_chunk(start: int, images: int, folder: str) -> None:
    command = f"--set {SET} --seed 0 --start {start} --stop {start + images} --size {SIDE}"
    command += f" --samples {SAMPLES} --views-per-base 5 --out {folder}/{start}.h5"
    render(command.split(), f"{folder}/{start}.log")


def measure_processes(processes: int, images: int) -> dict[str, Any]:
    """Whole chunks, one per process, at once."""
    with tempfile.TemporaryDirectory() as folder:
        work = [(n * images, images, folder) for n in range(processes)]
        start = time.perf_counter()
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.starmap(_render_chunk, work)
        wall = time.perf_counter() - start
    total = processes * images
    return {
        "work": "chunks",
        "processes": processes,
        "images": total,
        "seconds": wall,
        "images_per_second": total / wall,
    }


def run(out_csv: str | Path, quick: bool) -> pd.DataFrame:
    """Measure and write the table."""
    images, chunk, rounds = (6, 12, 1) if quick else (40, 150, 3)
    samples = [2, SAMPLES, 12]
    rows = steps_table(measure_steps(images, samples), samples)
    rows += measure_interventions(2 if quick else 8)
    for processes in (1, 2):
        found = [measure_processes(processes, chunk) for _ in range(rounds)]
        rows.append(sorted(found, key=lambda row: row["seconds"])[len(found) // 2])
    rows[-1]["times_one_process"] = rows[-1]["images_per_second"] / rows[-2]["images_per_second"]
    table = pd.DataFrame(rows)
    write_text(out_csv, table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results/bench/rendering.csv"))
    options = parser.parse_args()
    print(run(options.out, options.quick).to_string(index=False))
