"""The descriptor file `descriptors.h5`; its layout stands in `describe`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from vebi.errors import VebiError
from vebi.network.layers import Layer

_KEYS = (
    *("X", "labels", "predictions", "split", "feature_layer", "feature_channel"),
    *("layer_names", "layer_types", "layer_spatial"),
)


@dataclass(frozen=True)
class DescriptorFile:
    """Everything of a descriptor file but X, whose rows are read when wanted."""

    path: Path
    labels: np.ndarray
    predictions: np.ndarray
    split: np.ndarray
    feature_layer: np.ndarray
    feature_channel: np.ndarray
    layer_names: tuple[str, ...]
    layer_types: tuple[str, ...]
    layer_spatial: np.ndarray
    variant: str
    classes: tuple[str, ...] = ()

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Rows of X at ascending `indices`: float32 (len(indices), m)."""
        low, high = int(indices[0]), int(indices[-1]) + 1
        with h5py.File(self.path, "r") as file:
            return file["X"][low:high][indices - low]


def open_descriptors(path: str | Path) -> DescriptorFile:
    """Read and check a descriptor file of `describe`, but for X."""
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            missing = [key for key in _KEYS if key not in file]
            if missing:
                raise VebiError(
                    f"{path} lacks {', '.join(missing)}: it is no descriptor file of `vebi`."
                )
            names, types = (tuple(file[key].asstr()[:]) for key in ("layer_names", "layer_types"))
            return DescriptorFile(
                path=path,
                labels=file["labels"][:],
                predictions=file["predictions"][:],
                split=file["split"][:],
                feature_layer=file["feature_layer"][:],
                feature_channel=file["feature_channel"][:],
                layer_names=names,
                layer_types=types,
                layer_spatial=file["layer_spatial"][:],
                variant=str(file.attrs["descriptor"]),
                classes=tuple(str(name) for name in file.attrs.get("classes", ())),
            )
    except (OSError, KeyError) as error:
        raise VebiError(
            f"{path} can't be read as a descriptor file ({error}). Delete it and run again."
        ) from error


def layers_of(layers: Sequence[Layer], descriptors: DescriptorFile) -> list[Layer]:
    """The layers of a network that a descriptor file describes, in the file's order.

    Raises VebiError if the network lacks one of them or has another number of channels there.
    """
    by_name = {layer.name: layer for layer in layers}
    sizes = np.bincount(descriptors.feature_layer, minlength=len(descriptors.layer_names))
    for name, size in zip(descriptors.layer_names, sizes, strict=True):
        if name not in by_name or by_name[name].n_channels != size:
            raise VebiError(
                f"{descriptors.path} describes a layer '{name}' of {size} channels, which this network "
                "does not have. Do they belong together?"
            )
    return [by_name[name] for name in descriptors.layer_names]
