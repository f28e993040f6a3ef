"""metrics.h5: the metrics of every channel of the images that were resampled.

One group per perturbation with the attributes `strength`, `copies` and `layers` (names), in it
`image_index` and `predicted` int64 (N), and for each layer, by its index, `correlation`, `precision` and
`activation` float64 (N, channels).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vebi.io.hdf5 import create_hdf5, open_hdf5
from vebi.perturbation.resample import Sampling
from vebi.studies.perturbation.chosen_channels import Measured

KEPT = ("correlation", "precision", "activation")


def write_metrics(
    path: str | Path, measured: Mapping[str, Measured], samplings: Sequence[Sampling]
) -> None:
    """Write what `run_study` measured."""
    with create_hdf5(path, track_order=True) as file:
        for sampling in samplings:
            found = measured[sampling.perturbation]
            group = file.create_group(sampling.perturbation, track_order=True)
            group.attrs["strength"] = sampling.strength
            group.attrs["copies"] = sampling.copies
            group["image_index"], group["predicted"] = found.image_index, found.predicted
            group.attrs["layers"] = [layer.name for layer in found.layers]
            layers = group.create_group("layers")
            for layer in found.layers:
                kept = layers.create_group(str(layer.index))
                for name in KEPT:
                    values = [getattr(one, name) for one in found.metrics[layer.index]]
                    kept[name] = np.stack(values)


def read_metrics(path: str | Path) -> tuple[str, dict[str, dict[str, NDArray[np.float64]]]]:
    """Name of the first perturbation, and its arrays (N, channels) by layer name and metric."""
    with open_hdf5(path, track_order=True) as file:
        perturbation = next(iter(file))
        group = file[perturbation]
        order = sorted(group["layers"], key=int)
        return perturbation, {
            str(name): {kept: group[f"layers/{index}/{kept}"][:] for kept in KEPT}
            for name, index in zip(group.attrs["layers"], order, strict=True)
        }
