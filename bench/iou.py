"""The IoU curve in one pass against a loop over the thresholds: same maps, same numbers.

    python bench/iou.py [--quick] [--out results/bench/iou.csv]

One thread, rounds of both one after the other; medians of CPU seconds. The loop is the definition:
compare, intersect, unite, count, for each of 101 thresholds, on all images at once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from vebi.io.files import write_text
from vebi.studies.iou.curve import get_thresholds, iou_curves

SIDE, BATCH, THRESHOLDS = 112, 64, 101


def loop_over_thresholds(heatmaps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """IoU (N, T) threshold by threshold."""
    curves = np.empty((len(heatmaps), THRESHOLDS))
    for k, threshold in enumerate(get_thresholds(THRESHOLDS)):
        above = heatmaps >= threshold
        intersection = np.count_nonzero(above & masks, axis=(1, 2))
        curves[:, k] = intersection / np.count_nonzero(above | masks, axis=(1, 2))
    return curves


def cpu_seconds(work: Callable[[], np.ndarray]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def run(out_csv: str | Path, quick: bool) -> pd.DataFrame:
    """Measure, check that both give the same numbers, and write the table."""
    rng = np.random.default_rng(0)
    heatmaps = rng.random((BATCH, SIDE, SIDE), dtype=np.float32)
    masks = rng.random((BATCH, SIDE, SIDE)) < 0.1
    tools = {
        "vebi": lambda: iou_curves(heatmaps, masks, THRESHOLDS),
        "loop": lambda: loop_over_thresholds(heatmaps, masks),
    }
    ours, loop = (work() for work in tools.values())
    assert np.array_equal(ours, loop)
    rounds = 3 if quick else 15
    seconds: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(rounds):
        for name, work in tools.items():
            seconds[name].append(cpu_seconds(work))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    table = pd.DataFrame(
        {
            "tool": name,
            "images": BATCH,
            "side": SIDE,
            "thresholds": THRESHOLDS,
            "cpu_seconds": median[name],
            "images_per_second": BATCH / median[name],
            "times_loop": median["loop"] / median[name],
        }
        for name in tools
    )
    write_text(out_csv, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results/bench/iou.csv"))
    options = parser.parse_args()
    print(run(options.out, options.quick).to_string(index=False))
