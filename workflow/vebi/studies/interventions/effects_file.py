"""What interventions do to one network, and where every method's maps lie: `effects.h5`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.io.hdf5 import create_hdf5, open_hdf5

# Boxes over a part's bounding box, in place of the part's removal: of the mean colour, or blurred.
BOXES = ("grey", "blurred")


@dataclass(frozen=True, eq=False)
class Effects:
    """Of n images, k changes, P parts and F features.

    Drops are those of the class that the network predicts for the unchanged image: before minus after.
    All that is NaN does not apply.

    Attributes:
        image_index: rows in the data set, int64 (n).
        scene: base scenes, int64 (n).
        class_part: place among `parts` of the one that carries the image's class, int64 (n).
        change_parts, change_kinds: of each change, texts (k).
        parts: names, texts (P).
        score: of the predicted class in the unchanged image, (n).
        score_drop, probability_drop: (n, k).
        changed_class: 1 where another class is predicted, else 0: (n, k).
        box_drop: drop of the score under BOXES, (n, k, 2); for removals of things.
        area: share of the image that shows the part, (n, P).
        features: class, place in the descriptor file's layers, channel: int64 (F, 3).
        weights: the mu-Lasso's, (F).
        response: norm of the feature's map, (n, F).
        response_drop: share of it that a change takes away, (n, k, F).
        mass: by method, share of the map on each part, (n, P).
        density: by method, mean of the map over the part's pixels, (n, P).
    """

    image_index: NDArray[np.int64]
    scene: NDArray[np.int64]
    class_part: NDArray[np.int64]
    change_parts: NDArray[np.str_]
    change_kinds: NDArray[np.str_]
    parts: NDArray[np.str_]
    score: NDArray[np.float64]
    score_drop: NDArray[np.float64]
    probability_drop: NDArray[np.float64]
    changed_class: NDArray[np.float64]
    box_drop: NDArray[np.float64]
    area: NDArray[np.float64]
    features: NDArray[np.int64]
    weights: NDArray[np.float64]
    response: NDArray[np.float64]
    response_drop: NDArray[np.float64]
    mass: Mapping[str, NDArray[np.float64]]
    density: Mapping[str, NDArray[np.float64]]


def write_effects(path: Path, effects: Effects) -> None:
    """Write all of it, atomically."""
    with create_hdf5(path) as file:
        for one in fields(effects):
            value = getattr(effects, one.name)
            if isinstance(value, Mapping):
                group = file.create_group(one.name)
                for method, values in value.items():
                    group[method] = values
            elif value.dtype.kind in "UO":
                file.create_dataset(one.name, data=value.astype(object), dtype=h5py.string_dtype())
            else:
                file[one.name] = value


def read_effects(path: Path) -> Effects:
    """The contents of an `effects.h5`."""
    values: dict[str, object] = {}
    with open_hdf5(path) as file:
        for one in fields(Effects):
            item = file[one.name]
            if isinstance(item, h5py.Group):
                values[one.name] = {method: item[method][:] for method in item}
            elif h5py.check_string_dtype(item.dtype):
                values[one.name] = item.asstr()[:].astype(str)
            else:
                values[one.name] = item[:]
    return Effects(**values)  # type: ignore[arg-type]
