"""Parts that figures of images share: how one is shown, which are taken."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from vebi.figures.style import SMALL
from vebi.figures.text import fit_text
from vebi.io.arrays import AnyArray
from vebi.io.hdf5 import open_hdf5


def show_image(axis: Axes, image: NDArray[np.number], **options: Any) -> None:
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


def title_feature(
    axis: Axes, layer: tuple[int, str], channel: int, colour: str, width: float | None = None
) -> None:
    """A feature's title, on its layer's colour: number and name of the layer, and the channel.

    With a `width` in points a long name is wrapped, and shortened in the middle if that is not enough.
    """
    number, name = layer
    title = f"{number}: {name} / {channel}"
    if width is not None:
        title = f"{fit_text(name, width, SMALL)}\nlayer {number}, channel {channel}"
    axis.set_title(
        title,
        fontsize=SMALL,
        color="white",
        parse_math=False,
        bbox={"facecolor": colour, "edgecolor": "none", "pad": 2},
    )


def pick_examples(
    labels: NDArray[np.integer], split: NDArray[np.integer], which: int, n: int
) -> NDArray[np.int64]:
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


def read_rows(path: str | Path, key: str, rows: NDArray[np.integer]) -> AnyArray:
    """Some rows of an array of an HDF5 file, in the order asked for."""
    with open_hdf5(path) as file:
        return np.stack([file[key][int(row)] for row in rows])
