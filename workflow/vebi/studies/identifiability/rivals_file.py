"""What the features of each ranking did in each image of one network: `rivals.h5`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vebi.io.hdf5 import create_hdf5, open_hdf5

# How the features of a ranking are drawn: the paper's baseline, and its own.
METHODS = ("upsampled_activation", "vebi")


@dataclass(frozen=True, eq=False)
class Removal:
    """What removing a ranking's features costs.

    Attributes:
        lost: of every test image, whether it was right before minus whether it is after, weighted so
            that the mean is the loss of mean class accuracy; mean over draws. Float64 (N).
        n_features: how many were removed.
        overlap: the part of them that the mu-Lasso selects.
    """

    lost: NDArray[np.float64]
    n_features: float
    overlap: float


@dataclass(frozen=True, eq=False)
class Rivals:
    """What the rankings of one network's features give.

    Attributes:
        scene: of every test image, int64 (N).
        removals: by ranking.
        mapped_scene: of the images whose maps were compared with masks, int64 (M); none without masks.
        n_drawn: how many features a ranking has in these images, on average.
        areas: by method and ranking, the area under the IoU curve of every such image, float64 (M).
    """

    scene: NDArray[np.int64]
    removals: Mapping[str, Removal]
    mapped_scene: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    n_drawn: float = 0.0
    areas: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)


def write_rivals(path: str | Path, item: Rivals) -> None:
    """Write `removals/<ranking>`, and `areas/<method>/<ranking>` of a data set with masks."""
    with create_hdf5(path) as file:
        file["scene"] = item.scene
        group = file.create_group("removals")
        for name, removal in item.removals.items():
            data = group.create_dataset(name, data=removal.lost)
            data.attrs["n_features"], data.attrs["overlap"] = removal.n_features, removal.overlap
        maps = file.create_group("areas")
        maps["scene"], maps.attrs["n_drawn"] = item.mapped_scene, item.n_drawn
        for method, by_ranking in item.areas.items():
            of_method = maps.create_group(method)
            for name, areas in by_ranking.items():
                of_method[name] = areas


def read_rivals(path: str | Path) -> Rivals:
    """Read what `write_rivals` wrote; raises VebiError for a file that is none."""
    with open_hdf5(path, "rankings of features (removals, areas)") as file:
        removals = {
            name: Removal(data[:], float(data.attrs["n_features"]), float(data.attrs["overlap"]))
            for name, data in file["removals"].items()
        }
        maps = file["areas"]
        areas = {
            method: {name: data[:] for name, data in group.items()}
            for method, group in maps.items()
            if method != "scene"
        }
        scene, drawn = maps["scene"][:], float(maps.attrs["n_drawn"])
        return Rivals(file["scene"][:], removals, scene, drawn, areas)
