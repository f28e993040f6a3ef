"""Average images: a row per class, and a sheet for each class (the paper's Fig. 5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vebi.figures.images import show_image, title_feature
from vebi.figures.style import SMALL, get_layer_colour, new_figure, styled
from vebi.figures.text import layer_label

if TYPE_CHECKING:
    from vebi.studies.average.patches import Tile

# Classes in one figure.
MOST_ROWS = 24


def _show_patch(axis: Axes, pixels: NDArray[np.uint8]) -> None:
    """A patch in a thin frame, without which white ones end in the page."""
    show_image(axis, pixels, vmin=0, vmax=255)
    for spine in axis.spines.values():
        spine.set(visible=True, color="#bbbbbb", linewidth=0.5)


def _show_mean(axis: Axes, tile: Tile) -> None:
    _show_patch(axis, tile.mean.clip(0, 255).round().astype(np.uint8))
    colour = get_layer_colour(tile.layer_type, tile.spatial)
    name = layer_label(tile.layer, tile.layer_type)
    title_feature(axis, (tile.layer_number, name), tile.channel, colour)
    height, width = tile.mean.shape[:2]
    axis.set_xlabel(
        f"weight {tile.weight:.2g}\n{height} × {width} px, n = {tile.n_patches}",
        fontsize=SMALL,
        labelpad=2,
    )


@styled
def draw_average_rows(sheets: Sequence[tuple[str, Sequence[Tile]]]) -> Figure:
    """Every class a row: the mean patches of its features, highest weight first.

    More than 6 classes stand in two blocks. Of very many, some are enough: see MOST_ROWS.
    """
    width = max(1, max(len(tiles) for _, tiles in sheets))
    blocks = 2 if len(sheets) > 6 else 1
    rows = -(-len(sheets) // blocks)
    figure, axes = new_figure(rows, blocks * width, figsize=(1.5 * blocks * width, 2.0 * rows))
    for axis in axes.flat:
        axis.axis("off")
    for number, (name, tiles) in enumerate(sheets):
        block, row = divmod(number, rows)
        cells = axes[row, block * width : (block + 1) * width]
        for axis, tile in zip(cells, tiles, strict=False):
            _show_mean(axis, tile)
        cells[0].text(
            *(-0.12, 0.5), name, rotation=90, ha="right", va="center", transform=cells[0].transAxes
        )
    return figure


@styled
def draw_average_sheet(name: str, tiles: Sequence[Tile]) -> Figure:
    """One class: a row per feature with its mean patch and the patches of highest response."""
    columns = 1 + max((len(tile.examples) for tile in tiles), default=0)
    rows = max(1, len(tiles))
    figure, axes = new_figure(rows, columns, figsize=(1.45 * columns + 0.2, 2.05 * rows + 0.3))
    for axis in axes.flat:
        axis.axis("off")
    for row, tile in zip(axes, tiles, strict=False):
        _show_mean(row[0], tile)
        for rank, (axis, example) in enumerate(zip(row[1:], tile.examples, strict=False), 1):
            _show_patch(axis, example)
            axis.set_xlabel(f"patch {rank}", fontsize=SMALL, labelpad=2)
    if not tiles:
        axes[0, 0].text(0.5, 0.5, "no feature with\na positive weight", ha="center", fontsize=SMALL)
    figure.suptitle(f"{name}: mean patch, then the patches of highest response", fontsize=9)
    return figure


def sheet_name(number: int, name: str) -> str:
    """File name of a class's sheet, whatever characters its name has."""
    return f"{number:03d}_{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-') or 'class'}.png"
