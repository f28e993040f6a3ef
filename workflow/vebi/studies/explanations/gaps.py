"""Do maps mark where a digit has no ink but another one would (VEBI 4.2, Fig. 6)?

A stroke draws heat to its edges, and gaps lie next to strokes. So a gap is compared with other empty
pixels of the same image that are as far from the ink.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from vebi.data.dataset import TEST, TRAIN, Dataset, open_dataset
from vebi.heatmaps.heatmap_file import read_heatmaps
from vebi.statistics import over_images
from vebi.studies.explanations import STUDY

# The paper's examples: features of the first digit that support gaps against the second.
PAIRS = (("2", "0"), ("6", "4"))
# Darker than this share of full ink a pixel is empty; by so much more ink the other digit fills a gap.
EMPTY, FILLED = 0.1, 0.3


def tabulate(
    paths: Sequence[Path],
    datasets: Sequence[Path],
    runs: Sequence[Mapping[str, Any]],
    methods: Sequence[str],
) -> dict[str, pd.DataFrame]:
    """The table gaps.

    Args:
        paths: heatmap files, of each run those of all `methods`.
        datasets: files of the data sets, named by their folders.
        runs: data set, model and seed of each network.
        methods: names of the heatmap methods.

    Raises:
        VebiError: a file lacks heatmaps of some test images.
    """
    found_in = {
        path.parent.name: {pair: find_gaps(open_dataset(path), *pair) for pair in PAIRS}
        for path in datasets
    }
    rows = []
    for number, run in enumerate(runs):
        files = paths[number * len(methods) : (number + 1) * len(methods)]
        for (digit, other), (images, gaps) in found_in[run["dataset"]].items():
            for method, path in zip(methods, files, strict=True):
                # A digit without test images is one image without a number.
                excess = [float("nan")]
                if len(images):
                    maps = read_heatmaps(path, images)
                    excess = [gap_excess(*pair) for pair in zip(maps, gaps, strict=True)]
                found = over_images(np.array([excess]), np.arange(len(excess)))
                row = {**run, "method": method, "digit": digit, "other": other}
                row |= found.columns("gap_excess", "gap_excess_")
                rows.append({**row, "n_images": int((~np.isnan(excess)).sum()), "over": "images"})
    return {"gaps": pd.DataFrame(rows, columns=STUDY.tables["gaps"].columns)}


def find_gaps(
    dataset: Dataset, digit: str, other: str
) -> tuple[NDArray[np.int64], list[tuple[NDArray[np.bool_], NDArray[np.float64]]]]:
    """The test images of a digit, and of each its gaps and the distance of empty pixels from its ink.

    A gap is an empty pixel at which the mean training image of `other` has more ink than that of
    `digit` by `FILLED`. Both arrays are (H, W); the distance is 0 where there is ink.
    """
    mean = {
        name: _ink(dataset, dataset.indices(TRAIN)[_labelled(dataset, TRAIN, name)]).mean(0)
        for name in (digit, other)
    }
    filled = mean[other] - mean[digit] >= FILLED
    images = dataset.indices(TEST)[_labelled(dataset, TEST, digit)]
    found = []
    for ink in _ink(dataset, images):
        empty = ink < EMPTY
        found.append((empty & filled, distance_transform_edt(empty)))
    return images, found


def gap_excess(
    heatmap: NDArray[np.floating], gaps: tuple[NDArray[np.bool_], NDArray[np.float64]]
) -> float:
    """How much more of a map (H, W) lies on a pixel of the gaps than on another one as far from the ink.

    In units of the map's mean: 0 for a map that does not know of the gap, 1 where gaps get as much more
    as an average pixel has. Distances are taken in whole pixels; those at which the image has no gap, or
    nothing but gaps, do not count. NaN where none is left, or the map is zero.
    """
    gap, distance = gaps
    level = np.ceil(distance).astype(int)
    difference, weight = 0.0, 0
    for value in np.unique(level[gap]):
        mine, others = gap & (level == value), ~gap & (level == value)
        if others.any():
            n = int(mine.sum())
            difference += n * float(heatmap[mine].mean() - heatmap[others].mean())
            weight += n
    mean = float(heatmap.mean())
    return difference / weight / mean if weight and mean > 0 else float("nan")


def _labelled(dataset: Dataset, split: int, name: str) -> NDArray[np.bool_]:
    """Which images of a split are of the class."""
    return np.asarray(dataset.labels[dataset.indices(split)] == dataset.classes.index(name))


def _ink(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Images as shares of full ink, which is white: (N, H, W)."""
    return dataset.images_at(rows).mean(3) / 255
