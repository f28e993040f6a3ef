"""The data set file `dataset.h5`.

Layout: `images` uint8 (N, H, W, C), `labels` int64 (N), `split` int64 (N) with 0 train and 1 test,
optional `masks` bool (N, H, W), attribute `classes` (names). Further per-image arrays are allowed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vebi.errors import VebiError
from vebi.files import atomic_path

TRAIN, TEST = 0, 1


@dataclass(frozen=True)
class Dataset:
    """Everything of a data set file but its images, which are read in batches.

    `labels` and `split` int64 (N); `classes` the names in label order; `image_shape` (H, W, C).
    """

    path: Path
    labels: np.ndarray
    split: np.ndarray
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    has_masks: bool

    def __len__(self) -> int:
        return len(self.labels)

    def indices(self, split: int) -> np.ndarray:
        """Positions of the images of a split, ascending."""
        return np.flatnonzero(self.split == split)

    def batches(
        self, indices: np.ndarray, batch_size: int, key: str = "images"
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield `(indices, rows of key)` for ascending `indices`, `batch_size` at a time."""
        with h5py.File(self.path, "r") as file:
            for start in range(0, len(indices), batch_size):
                chosen = indices[start : start + batch_size]
                low, high = int(chosen[0]), int(chosen[-1]) + 1
                # One contiguous read and a selection in memory: h5py's own fancy indexing is slow.
                yield chosen, file[key][low:high][chosen - low]

    def read(self, key: str, indices: np.ndarray | None = None) -> np.ndarray:
        """Read one per-image array whole, or its rows at `indices`, in any order."""
        with h5py.File(self.path, "r") as file:
            if key not in file:
                raise VebiError(f"{self.path} has no array '{key}': it holds {', '.join(file)}.")
            if indices is None:
                return file[key][:]
            return np.stack([file[key][int(i)] for i in indices])


def open_dataset(path: str | Path) -> Dataset:
    """Read and check a data set file's index (shapes, label range, splits)."""
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            missing = [key for key in ("images", "labels", "split") if key not in file]
            if missing:
                raise VebiError(f"{path} lacks {', '.join(missing)}: it is no data set file.")
            shape = file["images"].shape
            labels, split = file["labels"][:], file["split"][:]
            classes = tuple(str(name) for name in file.attrs["classes"])
            has_masks = "masks" in file
    except (OSError, KeyError) as error:
        raise VebiError(
            f"{path} can't be read as a data set ({error}). Delete it and run again to rebuild it."
        ) from error
    if len(shape) != 4 or not len(labels) == len(split) == shape[0]:
        raise VebiError(
            f"{path}: images {shape}, labels {labels.shape} and split {split.shape} "
            "do not describe the same images (expected (N, H, W, C), (N), (N))."
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise VebiError(
            f"{path}: labels reach {labels.max()}, but there are {len(classes)} classes."
        )
    return Dataset(path, labels, split, classes, shape[1:], has_masks)


@dataclass(frozen=True)
class Images:
    """A small data set in memory, on its way to a file. Shapes as in the module's docstring."""

    images: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    classes: Sequence[str]
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_dataset(path: str | Path, data: Images) -> None:
    """Write `data` atomically."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("images", data=data.images, chunks=(1, *data.images.shape[1:]))
        file["labels"] = data.labels.astype(np.int64)
        file["split"] = data.split.astype(np.int64)
        for key, values in data.extra.items():
            file[key] = values
        file.attrs["classes"] = list(data.classes)
