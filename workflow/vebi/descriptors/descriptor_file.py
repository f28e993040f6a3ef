"""The descriptor file `descriptors.h5`; its layout is described in `describe`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vebi.io.errors import VebiError
from vebi.io.hdf5 import (
    BROKEN,
    check_form,
    get_array,
    open_hdf5,
    read_array,
    read_rows_at,
    read_text_attribute,
    read_texts,
)
from vebi.network.layers import Layer

_KEYS = (
    *("X", "labels", "predictions", "split", "feature_layer", "feature_channel"),
    *("layer_names", "layer_types", "layer_spatial"),
)


@dataclass(frozen=True)
class DescriptorFile:
    """Everything of a descriptor file but X, whose rows are read when wanted."""

    path: Path
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    split: NDArray[np.int64]
    feature_layer: NDArray[np.int64]
    feature_channel: NDArray[np.int64]
    layer_names: tuple[str, ...]
    layer_types: tuple[str, ...]
    layer_spatial: NDArray[np.bool_]
    variant: str
    classes: tuple[str, ...] = ()

    def rows(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows of X at `indices`: float32 (len(indices), m)."""
        with open_hdf5(self.path) as file:
            return read_rows_at(file["X"], indices)


def open_descriptors(path: str | Path) -> DescriptorFile:
    """Read and check a descriptor file of `describe`, but for X."""
    path = Path(path)
    with open_hdf5(path, "a descriptor file of `vebi`") as file:
        missing = [key for key in _KEYS if key not in file]
        if missing:
            raise VebiError(
                f"{path} lacks {', '.join(missing)}: it is not a descriptor file of `vebi`."
            )
        x = get_array(file, "X")
        check_form(str(path), "X", x, ("N", "m"), "f")
        n, m = x.shape
        names, types = (read_texts(file, key) for key in ("layer_names", "layer_types"))
        try:
            variant = str(file.attrs["descriptor"])
        except BROKEN as error:
            raise VebiError(
                f"{path} can't be read as a descriptor file ({error}). Delete it and run again."
            ) from error
        found = DescriptorFile(
            path=path,
            labels=read_array(file, "labels", (n,), "iu"),
            predictions=read_array(file, "predictions", (n,), "iu"),
            split=read_array(file, "split", (n,), "iu"),
            feature_layer=read_array(file, "feature_layer", (m,), "iu"),
            feature_channel=read_array(file, "feature_channel", (m,), "iu"),
            layer_names=names,
            layer_types=types,
            layer_spatial=read_array(file, "layer_spatial", (len(names),), "b"),
            variant=variant,
            classes=read_text_attribute(file, "classes"),
        )
    layers = found.feature_layer
    if len(types) != len(names) or not 0 <= layers.min() <= layers.max() < len(names):
        raise VebiError(
            f"{path}: feature_layer must index layer_names and layer_types ({len(names)} and "
            f"{len(types)} entries), but goes from {layers.min()} to {layers.max()}."
        )
    return found


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
