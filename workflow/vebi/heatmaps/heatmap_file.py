"""Reading heatmap files; `write` makes them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vebi.io.errors import VebiError
from vebi.io.hdf5 import open_hdf5


def read_heatmaps(path: Path, images: NDArray[np.integer]) -> NDArray[np.float32]:
    """The heatmaps float32 (n, H, W) of the images at some rows (n) of the data set, in that order.

    Raises:
        VebiError: the file lacks any of them.
    """
    with open_hdf5(path) as file:
        index = file["image_index"][:]
        rows = np.searchsorted(index, images)
        if not len(index) or rows.max() >= len(index) or (index[rows] != images).any():
            raise VebiError(f"{path} lacks heatmaps of test images. Delete it and run again.")
        return np.stack([file["heatmaps"][int(row)] for row in rows])
