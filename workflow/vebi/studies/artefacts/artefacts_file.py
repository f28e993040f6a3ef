"""The file `artefacts.h5`: grid-artefact scores of one network, image by image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.io.hdf5 import create_hdf5, open_hdf5


@dataclass(frozen=True)
class Artefacts:
    """What `artefacts.h5` holds: N images, L layers with a lattice, M methods that draw features.

    `period` (L, 2) vertical and horizontal, in pixels; `features` int64 (N, L, 2) layer index and
    channel; `selected` bool (N, L): the mu-Lasso gives it a positive weight for the predicted class;
    `scores` (N, L, M) of single features and `overlap` (N, L, M), the area under the IoU curve of the
    same maps with the image's mask, NaN without one; `heatmap_scores` (N, K) of the finished heatmaps of
    K methods, for `heatmap_period` (2), the widest; both are empty where no layer has a lattice.
    """

    image_index: NDArray[np.int64]
    scene: NDArray[np.int64]
    layer_names: tuple[str, ...]
    layer_numbers: NDArray[np.int64]
    period: NDArray[np.float64]
    features: NDArray[np.int64]
    selected: NDArray[np.bool_]
    methods: tuple[str, ...]
    scores: NDArray[np.float64]
    overlap: NDArray[np.float64]
    heatmap_methods: tuple[str, ...]
    heatmap_period: NDArray[np.float64]
    heatmap_scores: NDArray[np.float64]


_TEXTS = ("layer_names", "methods", "heatmap_methods")


def write_artefacts(path: str | Path, artefacts: Artefacts) -> None:
    """Write a dataset per field, under its name."""
    with create_hdf5(path) as file:
        for key, value in vars(artefacts).items():
            if key in _TEXTS:
                file.create_dataset(key, data=list(value), dtype=h5py.string_dtype())
            else:
                file[key] = value


def read_artefacts(path: str | Path) -> Artefacts:
    """Read what `write_artefacts` wrote."""
    with open_hdf5(path) as file:
        values: dict[str, Any] = {
            key: tuple(file[key].asstr()[:]) if key in _TEXTS else file[key][:]
            for key in Artefacts.__dataclass_fields__
        }
    return Artefacts(**values)
