"""IoU of heatmaps and masks from anywhere: two HDF5 files."""

from math import prod
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.io.errors import VebiError
from vebi.io.hdf5 import BROKEN, first_line, get_array, open_hdf5, read_array
from vebi.studies.iou.curve import iou_curves
from vebi.studies.iou.iou_file import BATCH, Curves
from vebi.studies.iou.tables import auc_table, curve_table

MOST_PIXELS = 80_000_000
BATCH_PIXELS = 1 << 26
AREA = ("auc", "auc_ci_low", "auc_ci_high")


def compare_files(
    heatmaps: Path, masks: Path, n_thresholds: int = 101
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The IoU curve and the area under it of the heatmaps of one file against the masks of another.

    `heatmaps` holds float (N, H, W) in [0, 1] and, if they belong to only some of the masks or to
    another order, `image_index` (N); `masks` holds bool (M, H, W). Returns the tables of
    `curve_table` and `auc_table` without the columns that need to know more than the maps. Intervals are
    over images.
    """
    with (
        open_hdf5(heatmaps, "heatmaps (N, H, W)") as a,
        open_hdf5(masks, "masks (M, H, W)") as b,
    ):
        maps, truth = get_array(a, "heatmaps"), get_array(b, "masks")
        if maps.ndim != 3 or truth.ndim != 3 or maps.shape[1:] != truth.shape[1:]:
            raise VebiError(
                f"heatmaps {maps.shape} and masks {truth.shape} must both be (N, H, W) of one size."
            )
        if maps.dtype.kind != "f":
            raise VebiError(
                f"heatmaps are {maps.dtype}, expected floating-point numbers in [0, 1]."
            )
        if truth.dtype.kind not in "biu":
            raise VebiError(f"masks are {truth.dtype}, expected true and false, or 0 outside.")
        if not len(maps):
            raise VebiError(f"{heatmaps} holds no heatmaps.")
        for name, images in ((heatmaps, maps), (masks, truth)):
            if prod(images.shape[1:]) > MOST_PIXELS:
                raise VebiError(
                    f"{name}: images of {images.shape[1]} x {images.shape[2]} pixels; up to "
                    f"{MOST_PIXELS / 1e6:g} megapixels are handled."
                )
        index = _image_index(a, len(maps), len(truth))
        curves = np.empty((len(maps), n_thresholds))
        step = max(
            1, min(BATCH, BATCH_PIXELS // prod(maps.shape[1:]) if 0 not in maps.shape else 1)
        )
        for start in range(0, len(maps), step):
            rows, stop = slice(start, start + step), min(start + step, len(maps))
            try:
                wanted = np.stack([truth[int(i)] for i in index[rows]]).astype(bool)
                # Other widths and byte orders hold no number that float64 lacks.
                given = maps[rows]
                given = given if given.dtype == np.float32 else given.astype(np.float64)
                curves[rows] = iou_curves(given, wanted, n_thresholds)
            except VebiError as error:
                counted = f", counted from {start}" if start else ""
                raise VebiError(f"In heatmaps {start} to {stop - 1}{counted}: {error}") from None
            except BROKEN as error:
                raise VebiError(
                    f"Heatmaps {start} to {stop - 1} or their masks can't be read "
                    f"({first_line(error)}): {heatmaps} or {masks} is damaged. Make it again."
                ) from error
        # Nothing is known of scenes here: every image stands for itself.
        correct, scene = np.zeros(len(maps), bool), np.arange(len(maps))
    measured = {heatmaps.stem: Curves(curves, index, correct, scene)}
    areas = auc_table(measured)[["method", *AREA, "best_iou", "n_images"]]
    return curve_table(measured).drop(columns="over"), areas


def _image_index(file: h5py.File, n_maps: int, n_masks: int) -> NDArray[np.int64]:
    """The mask that each heatmap belongs to, int64 (n_maps)."""
    if "image_index" not in file:
        if n_maps != n_masks:
            raise VebiError(
                f"{n_maps} heatmaps, {n_masks} masks: without image_index there must be as many."
            )
        return np.arange(n_maps)
    data = get_array(file, "image_index")
    if data.dtype.kind not in "iu" or data.shape != (n_maps,):
        raise VebiError(
            f"{file.filename}: image_index must hold one integer per heatmap ({n_maps}), not "
            f"{data.dtype} of shape {data.shape}."
        )
    index = read_array(file, "image_index", (n_maps,), "iu")
    if not 0 <= index.min() <= index.max() < n_masks:
        bad = index.min() if index.min() < 0 else index.max()
        raise VebiError(f"image_index reaches {bad}, but there are {n_masks} masks.")
    values, counts = np.unique(index, return_counts=True)
    if (counts > 1).any():
        # The interval takes images for independent of each other.
        raise VebiError(
            f"{file.filename}: image_index has {values[np.argmax(counts > 1)]} more than once. Each "
            "image may be there once: put the heatmaps of several methods into a file each."
        )
    return index.astype(np.int64)
