"""Per-image IoU curves of one network, for all methods: `iou.h5`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from vebi.data.store import Dataset, open_dataset
from vebi.files import atomic_path
from vebi.iou.curve import iou_curves

BATCH = 64
CHANCE = "random"


@dataclass(frozen=True)
class Curves:
    """IoU curves (N, T) of one method, the images they belong to, and which were predicted right."""

    curves: np.ndarray
    image_index: np.ndarray
    correct: np.ndarray


def measure(
    dataset_path: Path,
    descriptors_path: Path,
    heatmap_paths: Mapping[str, Path],
    out: Path,
    n_thresholds: int,
    seed: int,
) -> None:
    """Write the IoU curve of every image and method to `out`: a group per method.

    The group `random` is what chance gives: maps of independent uniform pixels, drawn from
    (`seed`, image), for the same images.
    """
    dataset = open_dataset(dataset_path)
    with h5py.File(descriptors_path, "r") as file:
        correct = file["predictions"][:] == dataset.labels
    with atomic_path(out) as temporary, h5py.File(temporary, "w") as target:
        for method, path in sorted(heatmap_paths.items()):
            with h5py.File(path, "r") as source:
                index = source["image_index"][:]
                curves = np.empty((len(index), n_thresholds))
                for start, (_, masks) in enumerate(dataset.batches(index, BATCH, "masks")):
                    rows = slice(start * BATCH, start * BATCH + len(masks))
                    curves[rows] = iou_curves(source["heatmaps"][rows], masks, n_thresholds)
            _write(target, method, Curves(curves, index, correct[index]))
        _write(
            target,
            CHANCE,
            Curves(_chance(dataset, index, n_thresholds, seed), index, correct[index]),
        )


def _chance(dataset: Dataset, index: np.ndarray, n_thresholds: int, seed: int) -> np.ndarray:
    curves = []
    for rows, masks in dataset.batches(index, BATCH, "masks"):
        maps = [np.random.default_rng([seed, int(i)]).random(masks.shape[1:]) for i in rows]
        curves.append(iou_curves(np.stack(maps), masks, n_thresholds))
    return np.concatenate(curves)


def _write(file: h5py.File, method: str, item: Curves) -> None:
    group = file.create_group(method)
    group["curves"], group["image_index"] = item.curves, item.image_index
    group["correct"] = item.correct


def read_curves(path: Path) -> dict[str, Curves]:
    """All methods of an `iou.h5`."""
    with h5py.File(path, "r") as file:
        return {
            method: Curves(group["curves"][:], group["image_index"][:], group["correct"][:])
            for method, group in file.items()
        }
