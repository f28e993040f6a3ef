"""Confidences under occlusion of one network, for all methods: `occlusion.h5`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vebi.catalogue.methods import CHANCE
from vebi.io.hdf5 import create_hdf5, open_hdf5

# Boxes at uniformly random places.
CONTROL = CHANCE.name


@dataclass(frozen=True)
class Occlusion:
    """Confidences (N, draws, fractions) of one method, the images they belong to and their scenes.

    `relevant`: likewise, with fractions of the map's positive pixels covered in place of the image's;
    `relevant_area` (N, fractions): the share of the image that this is. NaN for an empty map, None
    where it was not measured.
    """

    confidence: NDArray[np.float64]
    image_index: NDArray[np.int64]
    scene: NDArray[np.int64]
    relevant: NDArray[np.float64] | None = None
    relevant_area: NDArray[np.float64] | None = None


def write_occlusion(
    path: Path, items: Mapping[str, Occlusion], fractions: NDArray[np.float64]
) -> None:
    """Write a group per method, and the covered `fractions` (F), atomically."""
    with create_hdf5(path) as file:
        file.attrs["covered_fractions"] = fractions
        for name, item in items.items():
            group = file.create_group(name)
            group["confidence"], group["image_index"] = item.confidence, item.image_index
            group["scene"] = item.scene
            if item.relevant is not None:
                group["relevant"], group["relevant_area"] = item.relevant, item.relevant_area


def read_occlusion(path: Path) -> tuple[dict[str, Occlusion], NDArray[np.float64]]:
    """All methods of an `occlusion.h5`, and the covered fractions."""
    with open_hdf5(path) as file:
        items = {
            name: Occlusion(**{key: file[name][key][:] for key in file[name]}) for name in file
        }
        return items, file.attrs["covered_fractions"][:]
