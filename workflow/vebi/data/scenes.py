"""Which images show the same scene, and so are not independent evidence."""

import numpy as np
from numpy.typing import NDArray

from vebi.data.dataset import Dataset
from vebi.io.hdf5 import open_hdf5


def read_scenes(dataset: Dataset, rows: NDArray[np.integer] | None = None) -> NDArray[np.int64]:
    """Number of the base scene of the images at `rows` (None: of all), int64.

    Where the file knows no scenes each image is its own. Images of one scene are alike: intervals and
    tests draw scenes, not images.
    """
    with open_hdf5(dataset.path) as file:
        scenes = file["base_scene"][:] if "base_scene" in file else np.arange(len(dataset))
    return (scenes if rows is None else scenes[rows]).astype(np.int64)
