"""The rendered interventions (`vebi.data.an8flower.intervene`), an image at a time.

A compact file says `differs` 1: its `images` are what differs, bit by bit, from the image unchanged. Most
changes reach few pixels, so it takes a fifth of the space.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.data.an8flower.parts import masks_of_map, part_map
from vebi.data.an8flower.scene import Scene
from vebi.io.hdf5 import create_hdf5, open_hdf5


@dataclass(frozen=True, eq=False)
class Intervened:
    """An image with its interventions.

    Attributes:
        index: row in the data set.
        scene: every parameter of the image.
        image: unchanged, uint8 (H, W, 3).
        changed: uint8 (k, H, W, 3).
        applies: bool (k).
        masks: of every part that the set can show, bool (H, W), by name.
    """

    index: int
    scene: Scene
    image: NDArray[np.uint8]
    changed: NDArray[np.uint8]
    applies: NDArray[np.bool_]
    masks: dict[str, NDArray[np.bool_]]


def read_changes(path: Path) -> tuple[list[str], list[str]]:
    """Part and kind of every change in a file of interventions."""
    with open_hdf5(path, "interventions") as file:
        return [str(p) for p in file.attrs["change_parts"]], [
            str(k) for k in file.attrs["change_kinds"]
        ]


def read_interventions(path: Path) -> Iterator[Intervened]:
    """Every image of a file of interventions, one at a time in memory."""
    with open_hdf5(path, "interventions") as file:
        flower_set = str(file.attrs["flower_set"])
        differs = bool(file.attrs.get("differs", 0))
        for row, index in enumerate(file["index"][:]):
            numbers = part_map(file["parts"][row], file["shadows"][row])
            image, changed = file["originals"][row], file["images"][row]
            yield Intervened(
                index=int(index),
                scene=Scene.from_json(file["parameters"].asstr()[row]),
                image=image,
                changed=changed ^ image if differs else changed,
                applies=file["applies"][row],
                masks=masks_of_map(numbers, flower_set),
            )


def write_compact(source: Path, out: Path) -> None:
    """Write a file of interventions as a compact one, without the masks of what each change is about."""
    with open_hdf5(source, "interventions") as file, create_hdf5(out) as compact:
        for name, value in file.attrs.items():
            compact.attrs[name] = value
        compact.attrs["differs"] = 1
        for name in ("index", "labels", "base_scene", "applies"):
            compact[name] = file[name][:]
        text = h5py.string_dtype()
        compact.create_dataset("parameters", data=file["parameters"].asstr()[:], dtype=text)
        arrays = {name: file[name][:] for name in ("originals", "parts", "shadows")}
        arrays["images"] = file["images"][:] ^ arrays["originals"][:, None]
        for name, array in arrays.items():
            chunks = (1, *array.shape[1:])
            compact.create_dataset(name, data=array, chunks=chunks, compression=9)
