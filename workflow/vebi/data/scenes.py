"""Which images show the same scene, and so are not independent evidence."""

import h5py
import numpy as np

from vebi.data.dataset import Dataset


def read_scenes(dataset: Dataset, rows: np.ndarray | None = None) -> np.ndarray:
    """Number of the base scene of the images at `rows` (None: of all), int64.

    Where the file knows no scenes each image is its own. Images of one scene are alike: intervals and
    tests draw scenes, not images.
    """
    with h5py.File(dataset.path, "r") as file:
        scenes = file["base_scene"][:] if "base_scene" in file else np.arange(len(dataset))
    return (scenes if rows is None else scenes[rows]).astype(np.int64)
