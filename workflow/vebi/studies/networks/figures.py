"""Figures of data sets and trainings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vebi.data.dataset import TEST, TRAIN, open_dataset, open_datasets
from vebi.figures.grid import describe_sample, label_rows, new_grid, title_panel
from vebi.figures.images import pick_examples, show_image
from vebi.figures.names import title_of
from vebi.figures.style import BLUE, SMALL, new_figure, styled
from vebi.figures.text import fit_text
from vebi.io.tables import read_rows
from vebi.run.plan import Run


@styled
def draw_training(
    histories: Sequence[Path],
    datasets: Sequence[Path],
    runs: Sequence[Run],
    names: Sequence[str],
) -> Figure:
    """Test accuracy over the epochs.

    `histories` in the order of `runs`, `datasets` in that of `names`.
    """
    tables = {
        (run["dataset"], run["model"], run["seed"]): read_rows(path)
        for run, path in zip(runs, histories, strict=True)
    }
    opened = open_datasets(datasets, names)
    n_images = {name: len(data.indices(TEST)) for name, data in opened.items()}
    return draw_histories(tables, n_images)


@styled
def draw_histories(
    histories: Mapping[tuple[str, str, int], pd.DataFrame], n_images: Mapping[str, int]
) -> Figure:
    """Test accuracy over the epochs, a panel per experiment, a line per seed.

    `n_images[dataset]`: test images.
    """
    experiments = sorted({key[:2] for key in histories})
    figure, axes = new_grid(len(experiments))
    for axis, experiment in zip(axes[0], experiments, strict=True):
        own = [history for key, history in histories.items() if key[:2] == experiment]
        for history in own:
            axis.plot(
                history["epoch"], history["test_accuracy"], "o-", ms=2.5, color=BLUE, alpha=0.6
            )
        counts = describe_sample(n_images[experiment[0]], len(own))
        title_panel(axis, f"{title_of(*experiment)}\n{counts}")
        axis.set_xlabel("epoch")
        # From 0.9 at least: the difference of one test image should not look like a collapse.
        axis.set_ylim(min(0.9, axis.get_ylim()[0]), 1.003)
    label_rows(axes, "test accuracy, a line per seed")
    return figure


@styled
def draw_montage(
    images: NDArray[np.uint8], titles: Sequence[str], masks: NDArray[np.bool_] | None
) -> Figure:
    """Images (N, H, W, C), each next to its mask (N, H, W) where there is one.

    As many columns as fill the rows best, of those that fit on a page.
    """
    each, most = (1, 8) if masks is None else (2, 4)
    fewest = min(len(images), most // 2)
    columns = min(range(most, fewest - 1, -1), key=lambda n: -len(images) % n)
    rows = -(-len(images) // columns)
    figure, axes = new_figure(rows, columns * each, figsize=(1.05 * columns * each, 1.3 * rows))
    for axis in axes.flat:
        axis.axis("off")
    for number, (image, title) in enumerate(zip(images, titles, strict=True)):
        row, column = divmod(number, columns)
        axis = axes[row, column * each]
        show_image(axis, image)
        # From the image to the end of its mask.
        name = fit_text(title, 72 * 0.95 * each, SMALL)
        axis.set_title(name, fontsize=SMALL, pad=2, loc="center" if masks is None else "left")
        if masks is not None:
            show_image(axes[row, column * each + 1], masks[number], vmin=0, vmax=1)
    return figure


@styled
def draw_data_set(dataset: Path) -> Figure:
    """Some images of a data set's file, next to their masks where it has any."""
    data = open_dataset(dataset)
    # As many of each class, two at least; of many classes some, or the figure would have thousands.
    each = max(2, 24 // len(data.classes))
    n = min(each * len(data.classes), 48)
    chosen = pick_examples(data.labels, data.split, TRAIN, n)
    masks = data.read("masks", chosen) if data.has_masks else None
    titles = [data.classes[data.labels[i]] for i in chosen]
    return draw_montage(data.read("images", chosen), titles, masks)
