"""Similarities of maps to those of the trained network, for all methods: `sanity.h5`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.io.hdf5 import create_hdf5, open_hdf5

# What stands where the name of the lowest randomised layer stands otherwise.
RANDOM_LABELS = "random_labels"
ONLY = "only "


@dataclass(frozen=True)
class Sanity:
    """Rank correlation and SSIM (stages, N) of one method, the images, and the images' scenes.

    `again` (stages, N): rank correlation where each network has its own prediction explained, by
    features selected in it; None where that was not done.
    """

    correlation: NDArray[np.float64]
    similarity: NDArray[np.float64]
    image_index: NDArray[np.int64]
    scene: NDArray[np.int64]
    again: NDArray[np.float64] | None = None


def write_sanity(path: Path, items: Mapping[str, Sanity], stages: Sequence[str]) -> None:
    """Write a group per method, and what was randomised in each of the `stages`, atomically."""
    with create_hdf5(path) as file:
        file.attrs["stages"] = list(stages)
        for name, item in items.items():
            group = file.create_group(name)
            group["rank_correlation"], group["ssim"] = item.correlation, item.similarity
            group["image_index"], group["scene"] = item.image_index, item.scene
            if item.again is not None:
                group["again"] = item.again


def read_sanity(path: Path) -> tuple[dict[str, Sanity], list[str]]:
    """All methods of a `sanity.h5`, and the names of the stages."""
    with open_hdf5(path) as file:
        items = {name: _read(file[name]) for name in file}
        return items, [str(name) for name in file.attrs["stages"]]


def _read(group: h5py.Group) -> Sanity:
    return Sanity(
        correlation=group["rank_correlation"][:],
        similarity=group["ssim"][:],
        image_index=group["image_index"][:],
        scene=group["scene"][:],
        again=group["again"][:] if "again" in group else None,
    )
