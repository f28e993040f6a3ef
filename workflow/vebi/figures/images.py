"""Figures that show images: montages, examples, explanation panels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from vebi.figures.style import HEATMAP, METHOD_NAMES, SHORT_NAMES, get_layer_colour

if TYPE_CHECKING:
    from vebi.heatmaps.explanation import Explanation


def show_image(axis: plt.Axes, image: np.ndarray, **options: Any) -> None:
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
    with h5py.File(path, "r") as file:
        return np.stack([file[key][int(row)] for row in rows])


def draw_montage(
    images: np.ndarray, titles: Sequence[str], masks: np.ndarray | None, columns: int = 6
) -> Figure:
    """Images (N, H, W, C), each beside its mask (N, H, W) where there is one."""
    each = 1 if masks is None else 2
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(
        rows, columns * each, figsize=(1.05 * columns * each, 1.3 * rows), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for number, (image, title) in enumerate(zip(images, titles, strict=True)):
        row, column = divmod(number, columns)
        axis = axes[row, column * each]
        show_image(axis, image)
        axis.set_title(title, fontsize=7, pad=2)
        if masks is not None:
            show_image(axes[row, column * each + 1], masks[number], vmin=0, vmax=1)
    return figure


def draw_examples(
    images: np.ndarray,
    masks: np.ndarray,
    heatmaps: dict[str, np.ndarray],
    row_titles: Sequence[str],
    areas: dict[str, np.ndarray],
    distractors: np.ndarray | None = None,
) -> Figure:
    """The paper's Fig. 9: image, mask and each method's map (N, H, W), with its area under the IoU.

    `distractors` bool (N, H, W) are shown grey beside the white mask.
    """
    methods = [m for m in METHOD_NAMES if m in heatmaps]
    n_columns = 2 + len(methods)
    width = 1.5 if len(methods) < 6 else 1.15
    size = (width * n_columns, (width + 0.12) * len(images) + 0.4)
    figure, axes = plt.subplots(len(images), n_columns, figsize=size, squeeze=False)
    shown = masks if distractors is None else masks + 0.45 * distractors
    for row, image in enumerate(images):
        show_image(axes[row, 0], image)
        axes[row, 0].set_ylabel(row_titles[row], fontsize=7)
        show_image(axes[row, 1], shown[row], vmin=0, vmax=1)
        for column, method in enumerate(methods, start=2):
            show_image(axes[row, column], heatmaps[method][row], cmap=HEATMAP, vmin=0, vmax=1)
            axes[row, column].set_xlabel(f"area {areas[method][row]:.2f}", fontsize=7, labelpad=1)
    mask = "mask" if distractors is None else "mask,\ndistractors grey"
    names = ["image", mask, *(SHORT_NAMES[m] for m in methods)]
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, fontsize=7.5)
    return figure


def draw_panels(explanations: Sequence[Explanation]) -> Figure:
    """The paper's Fig. 6: image, predicted class, and the maps of its most relevant features.

    Each map's label is the number of its layer, its name and its channel, on green for layers with
    maps and on pink for fully connected ones. A method that explains the class as one has one map.
    """
    n_maps = max(1, max(len(explanation.features) for explanation in explanations))
    rows = len(explanations)
    figure, axes = plt.subplots(
        rows, 1 + n_maps, figsize=(1.8 * (1 + n_maps), 2.05 * rows), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for row, explanation in zip(axes, explanations, strict=True):
        show_image(row[0], explanation.image)
        row[0].set_title(f"{explanation.predicted} ({explanation.confidence:.2f})", fontsize=8)
        if not explanation.features and explanation.heatmap.any():
            show_image(row[1], explanation.heatmap, cmap=HEATMAP, vmin=0, vmax=1)
            name = METHOD_NAMES.get(explanation.method, explanation.method)
            row[1].set_title(name, fontsize=7.5)
        for axis, feature in zip(row[1:], explanation.features, strict=False):
            show_image(axis, feature.heatmap, cmap=HEATMAP, vmin=0, vmax=1)
            axis.set_title(
                f"{feature.layer_number}: {feature.layer} / {feature.channel}",
                fontsize=7.5,
                color="white",
                bbox={
                    "facecolor": get_layer_colour(feature.layer_type, feature.spatial),
                    "edgecolor": "none",
                    "pad": 2,
                },
            )
            axis.set_xlabel(f"{feature.share:.0%} of the evidence", fontsize=7, labelpad=1)
    return figure
