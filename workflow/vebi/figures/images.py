"""Parts that figures of images share: how one is shown, which are taken."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from vebi.io.hdf5 import open_hdf5


def show_image(axis: Axes, image: np.ndarray, **options: Any) -> None:
    """An image (H, W, C) or map (H, W) without ticks or frame; its labels stay."""
    squeezed = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    if squeezed.ndim == 2:
        options = {"cmap": "gray", **options}
    axis.imshow(squeezed, **options)
    axis.axis("on")
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def pick_examples(labels: np.ndarray, split: np.ndarray, which: int, n: int) -> np.ndarray:
    """Up to `n` indices of a split, going round the classes, the first image of each first.

    With fewer images than classes, classes are taken at equal steps.
    """
    rows = np.flatnonzero(split == which)
    classes = np.unique(labels[rows])
    if n < len(classes):
        classes = classes[np.linspace(0, len(classes) - 1, n).round().astype(int)]
    rows = rows[np.isin(labels[rows], classes)]
    by_class = rows[np.argsort(labels[rows], kind="stable")]
    turn = np.concatenate([np.arange((labels[rows] == c).sum()) for c in classes])
    return by_class[np.lexsort((labels[by_class], turn))][:n]


def read_rows(path: str | Path, key: str, rows: np.ndarray) -> np.ndarray:
    """Some rows of an array of an HDF5 file, in the order asked for."""
    with open_hdf5(path) as file:
        return np.stack([file[key][int(row)] for row in rows])
