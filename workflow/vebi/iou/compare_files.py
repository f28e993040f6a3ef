"""IoU of heatmaps and masks from anywhere: two HDF5 files."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from vebi.errors import VebiError
from vebi.iou.curve import iou_curves
from vebi.iou.store import BATCH, Curves
from vebi.iou.tables import auc_table, curve_table


def compare_files(
    heatmaps: Path, masks: Path, n_thresholds: int = 101, n_resamples: int = 2000
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The IoU curve and the area under it of the heatmaps of one file against the masks of another.

    `heatmaps` holds float (N, H, W) in [0, 1] and, if they belong to only some of the masks or to
    another order, `image_index` (N); `masks` holds bool (M, H, W). Returns the tables of
    `curve_table` and `auc_table` without the columns that need a network's predictions.
    """
    with _open(heatmaps, "heatmaps") as a, _open(masks, "masks") as b:
        maps, truth = a["heatmaps"], b["masks"]
        index = a["image_index"][:] if "image_index" in a else np.arange(len(maps))
        if maps.ndim != 3 or truth.ndim != 3 or maps.shape[1:] != truth.shape[1:]:
            raise VebiError(
                f"heatmaps {maps.shape} and masks {truth.shape} must both be (N, H, W) of one size."
            )
        if not np.issubdtype(maps.dtype, np.floating):
            raise VebiError(
                f"heatmaps are {maps.dtype}, expected floating-point numbers in [0, 1]."
            )
        if not np.issubdtype(index.dtype, np.integer) or index.shape != (len(maps),):
            raise VebiError("image_index must hold one integer per heatmap.")
        if not len(maps):
            raise VebiError(f"{heatmaps} holds no heatmaps.")
        if "image_index" not in a and len(maps) != len(truth):
            raise VebiError(
                f"{len(maps)} heatmaps, {len(truth)} masks: without image_index there must be as many."
            )
        if not 0 <= index.min() <= index.max() < len(truth):
            raise VebiError(f"image_index reaches {index.max()}, but there are {len(truth)} masks.")
        curves = np.empty((len(maps), n_thresholds))
        for start in range(0, len(maps), BATCH):
            rows = slice(start, start + BATCH)
            wanted = np.stack([truth[int(i)] for i in index[rows]]).astype(bool)
            try:
                curves[rows] = iou_curves(maps[rows], wanted, n_thresholds)
            except VebiError as error:
                stop = min(start + BATCH, len(maps))
                raise VebiError(f"In heatmaps {start} to {stop - 1}: {error}") from None
        # Nothing is known of scenes here: every image stands for itself.
        correct, scene = np.zeros(len(maps), bool), np.arange(len(maps))
    measured = {heatmaps.stem: Curves(curves, index, correct, scene)}
    areas = auc_table(measured, n_resamples, [0]).drop(columns=["auc_correct_only", "n_correct"])
    return curve_table(measured, n_resamples, [0]), areas


def _open(path: Path, key: str) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise VebiError(f"{path} can't be read as HDF5: {error}") from error
    if key not in file or not isinstance(file[key], h5py.Dataset):
        with file:
            raise VebiError(
                f"{path} has no array '{key}'; it holds: {', '.join(file) or 'nothing'}."
            )
    return file
