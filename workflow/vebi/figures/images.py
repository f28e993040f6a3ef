"""Parts that figures of images share: how one is shown, which are taken."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vebi.figures.style import HEATMAP, SMALL
from vebi.figures.text import fit_text
from vebi.io.arrays import AnyArray
from vebi.io.hdf5 import open_hdf5

# Inches: a colour bar's height.
_BAR = 0.09


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


def explain_colours(figure: Figure, explained: str = "prediction") -> None:
    """One colour bar below all heatmaps of a sheet, with what it means: what the `explained` rests on."""
    width, height = figure.get_size_inches()
    wide = min(2.6, 0.8 * width)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), HEATMAP),
        ax=figure.axes,
        location="bottom",
        shrink=wide / width,
        aspect=wide / _BAR,
        fraction=_BAR / height,
        pad=0.06 / height,
        ticks=[0, 1],
    )
    bar.ax.set_xticklabels(["least", "most"], fontsize=SMALL)
    bar.ax.tick_params(length=0, pad=2)
    bar.outline.set_visible(False)
    text = f"what the {explained} rests on, each map from its lowest to its highest value"
    bar.set_label(fit_text(text, 72 * width, SMALL, lines=3), fontsize=SMALL, labelpad=2)


def title_feature(
    axis: Axes, layer: tuple[int, str], channel: int, colour: str, width: float = 72 * 1.3
) -> None:
    """A feature's title, on its layer's colour: name and number of the layer, and the channel.

    A name that is longer than `width` (points) is wrapped, and shortened in the middle if that is not
    enough.
    """
    number, name = layer
    axis.set_title(
        f"{fit_text(name, width, SMALL)}\nlayer {number}, channel {channel}",
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
