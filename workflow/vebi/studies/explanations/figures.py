"""Examples of every method's heatmaps (the paper's Fig. 9)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vebi.catalogue.methods import CHANCE, DRAWN, in_order
from vebi.data.dataset import TEST, open_dataset
from vebi.figures.images import explain_colours, pick_examples, read_rows, show_image
from vebi.figures.style import HEATMAP, SMALL, WIDTH, new_figure, styled
from vebi.figures.text import fit_text
from vebi.studies.iou.curve import area_under_curve
from vebi.studies.iou.iou_file import read_curves

# Methods side by side, with names that can be read.
MOST_METHODS = 6


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

    Methods that do not fit on the page's width stand below, all images once more. `distractors` bool
    (N, H, W) are shown grey next to the white mask.
    """
    methods = in_order(heatmaps)
    blocks = -(-len(methods) // MOST_METHODS)
    each = -(-len(methods) // blocks)
    width = min(1.5, WIDTH / (2 + each))
    size = (width * (2 + each), blocks * ((width + 0.12) * len(images) + 0.45) + 0.45)
    figure, axes = new_figure(blocks * len(images), 2 + each, figsize=size)
    shown = masks if distractors is None else masks + 0.45 * distractors
    mask = "mask" if distractors is None else "mask,\ndistractors grey"
    for axis in axes.flat:
        axis.axis("off")
    for block in range(blocks):
        of_block = methods[block * each : (block + 1) * each]
        rows = axes[block * len(images) : (block + 1) * len(images)]
        for i, (row, image) in enumerate(zip(rows, images, strict=True)):
            show_image(row[0], image)
            row[0].set_ylabel(fit_text(row_titles[i], 72 * width, SMALL), fontsize=SMALL)
            show_image(row[1], shown[i], vmin=0, vmax=1)
            for axis, method in zip(row[2:], of_block, strict=False):
                show_image(axis, heatmaps[method][i], cmap=HEATMAP, vmin=0, vmax=1)
                axis.set_xlabel(f"area {areas[method][i]:.2f}", fontsize=SMALL, labelpad=1)
        names = ["image", mask, *(DRAWN[m].short for m in of_block)]
        for axis, name in zip(rows[0], names, strict=False):
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
