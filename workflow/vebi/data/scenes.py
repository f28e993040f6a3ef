"""Which images show the same scene, and so are no independent evidence."""

import h5py
import numpy as np

from vebi.data.store import Dataset


def read_scenes(dataset: Dataset) -> np.ndarray:
    """Number of the base scene of every image, int64 (N); each its own where the file knows none."""
    with h5py.File(dataset.path, "r") as file:
        if "base_scene" in file:
            return file["base_scene"][:]
    return np.arange(len(dataset))
