"""The descriptor of VEBI's text from its code's, and back, without the network.

Both measure the same channels, one by the L2 norm, the other by its square, and divide by the sum
over the layer. So each is the other's power, divided again.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vebi.catalogue.descriptors import DESCRIPTORS, get_descriptor
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5, open_hdf5

_BLOCK = 4096


def can_convert(source: str, target: str) -> bool:
    """Whether the descriptor `target` follows from `source` alone."""
    return DESCRIPTORS[source].gives(DESCRIPTORS[target])


def convert_rows(
    rows: NDArray[np.float32], feature_layer: NDArray[np.int64], source: str, target: str
) -> NDArray[np.float32]:
    """Descriptors of one variant as those of another.

    Equal to computing `target` from the network up to the rounding of float32.

    Args:
        rows: (N, m).
        feature_layer: layer of each feature, int64 (m), ascending.
        source: variant of `rows`.
        target: variant that follows from it (`can_convert`).

    Returns:
        float32 (N, m); a layer without any response stays zero.
    """
    power = _power_of(target) / _power_of(source)
    values = rows.astype(np.float64) ** power
    starts = np.flatnonzero(np.diff(feature_layer, prepend=-1))
    total = np.add.reduceat(values, starts, axis=1)
    total[total == 0] = 1.0
    return (values / np.repeat(total, np.diff(starts, append=len(feature_layer)), axis=1)).astype(
        np.float32
    )


def _power_of(descriptor: str) -> float:
    power = DESCRIPTORS[descriptor].norm_power
    assert power is not None  # see can_convert
    return power


def convert(source: str | Path, path: str | Path, target: str) -> None:
    """Write the descriptor file of another variant, in memory that does not grow with the images.

    Args:
        source: a descriptor file.
        path: the file to write.
        target: its variant.

    Raises:
        VebiError: `target` does not follow from the variant in `source`.
    """
    descriptors = open_descriptors(source)
    get_descriptor(target)
    if descriptors.variant not in DESCRIPTORS or not can_convert(descriptors.variant, target):
        raise VebiError(
            f"{source} holds descriptor '{descriptors.variant}', from which '{target}' does not follow: "
            "they measure other layers or other statistics. Compute it from the network."
        )
    with (
        open_hdf5(source) as old,
        create_hdf5(path) as new,
    ):
        for key in old:
            if key != "X":
                old.copy(key, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
        new.attrs["descriptor"] = target
        x = new.create_dataset("X", old["X"].shape, np.float32)
        for start in range(0, len(x), _BLOCK):
            block = old["X"][start : start + _BLOCK]
            x[start : start + _BLOCK] = convert_rows(
                block, descriptors.feature_layer, descriptors.variant, target
            )
