"""Examples of every method's heatmaps (the paper's Fig. 9)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vebi.catalogue.methods import CHANCE, DRAWN, in_order
from vebi.data.dataset import TEST, open_dataset
from vebi.figures.images import explain_colours, pick_examples, read_rows, show_image
from vebi.figures.style import HEATMAP, SMALL, new_figure, styled
from vebi.studies.iou.curve import area_under_curve
from vebi.studies.iou.iou_file import read_curves


@styled
def draw_examples(
    images: NDArray[np.uint8],
    masks: NDArray[np.bool_],
    heatmaps: dict[str, NDArray[np.float32]],
    row_titles: Sequence[str],
    areas: dict[str, NDArray[np.float64]],
    *,
    distractors: NDArray[np.bool_] | None = None,
) -> Figure:
    """The paper's Fig. 9: image, mask and each method's map (N, H, W), with its area under the IoU.

    `distractors` bool (N, H, W) are shown grey next to the white mask.
    """
    methods = in_order(heatmaps)
    n_columns = 2 + len(methods)
    width = 1.5 if len(methods) < 6 else 1.15
    size = (width * n_columns, (width + 0.12) * len(images) + 0.75)
    figure, axes = new_figure(len(images), n_columns, figsize=size)
    shown = masks if distractors is None else masks + 0.45 * distractors
    for row, image in enumerate(images):
        show_image(axes[row, 0], image)
        axes[row, 0].set_ylabel(row_titles[row], fontsize=SMALL)
        show_image(axes[row, 1], shown[row], vmin=0, vmax=1)
        for column, method in enumerate(methods, start=2):
            show_image(axes[row, column], heatmaps[method][row], cmap=HEATMAP, vmin=0, vmax=1)
            axes[row, column].set_xlabel(
                f"area {areas[method][row]:.2f}", fontsize=SMALL, labelpad=1
            )
    mask = "mask" if distractors is None else "mask,\ndistractors grey"
    names = ["image", mask, *(DRAWN[m].short for m in methods)]
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, fontsize=SMALL)
    explain_colours(figure)
    return figure


@styled
def draw_run_examples(dataset: Path, heatmaps: Sequence[Path], iou: Path, images: int) -> Figure:
    """Examples of one network, from its files: `heatmaps` one per method, named by it."""
    data = open_dataset(dataset)
    chosen = pick_examples(data.labels, data.split, TEST, images)
    rows = np.searchsorted(data.indices(TEST), chosen)
    maps = {path.stem: read_rows(path, "heatmaps", rows) for path in heatmaps}
    curves = read_curves(iou)
    with_distractors = "mass_on_distractors" in curves[CHANCE.name].scores
    return draw_examples(
        data.read("images", chosen),
        data.read("masks", chosen),
        maps,
        [data.classes[data.labels[i]] for i in chosen],
        {method: area_under_curve(curves[method].curves[rows]) for method in maps},
        distractors=data.read("distractor_masks", chosen) if with_distractors else None,
    )
