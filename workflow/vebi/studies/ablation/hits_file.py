"""Which images the ablated networks of one run get right: `hits.h5`, next to `ablation.csv`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5, open_hdf5


@dataclass(frozen=True)
class Hits:
    """`hits` bool (rows, N), a row for each of `ablation.csv`; `labels` int64 (N) of the test images."""

    hits: NDArray[np.bool_]
    labels: NDArray[np.int64]


def write_hits(path: str | Path, item: Hits) -> None:
    """Write `hits` as bits, uint8 (rows, ceil(N / 8)) in numpy's order, and `labels`."""
    with create_hdf5(path) as file:
        file["hits"], file["labels"] = np.packbits(item.hits, axis=1), item.labels


def read_hits(path: str | Path) -> Hits:
    """Read what `write_hits` wrote; raises VebiError for another file."""
    try:
        with open_hdf5(path) as file:
            bits, labels = file["hits"][:], file["labels"][:]
    except (OSError, KeyError) as error:
        raise VebiError(
            f"{path} can't be read as hits of an ablation ({error}). Delete it and run again."
        ) from error
    return Hits(np.unpackbits(bits, axis=1, count=len(labels)).astype(bool), labels)
