"""Average images: all classes in one figure, and a sheet for each class (the paper's Fig. 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vebi.figures.images import show_image, title_feature
from vebi.figures.style import GREY, SMALL, VERMILION, WIDTH, get_layer_colour, new_figure, styled
from vebi.figures.text import fit_text, layer_label

if TYPE_CHECKING:
    from vebi.studies.average.patches import Tile

# By layer and channel of a feature: of each part of the scene, the share of its response that it carries.
Shares = Mapping[tuple[str, int], Mapping[str, float]]
# Classes in one figure, and its columns, which fill a page.
MOST_CLASSES = 24
MOST_COLUMNS = 6
# Of a patch on a class's sheet, in inches.
PATCH_WIDTH = 1.45


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


def place_in_rows(sizes: Sequence[int], most: int = MOST_COLUMNS) -> list[list[tuple[int, int]]]:
    """Where the pictures of each class stand: classes one behind another, in rows.

    A class begins a row where it does not fit into the last one, and goes on in the next one where it is
    longer than a row. Of the possible numbers of columns the one that leaves the fewest cells empty is
    taken, the largest of several.

    Args:
        sizes: pictures of each class, 1 at least.
        most: columns, at most.

    Returns:
        Row and column of each picture, a list per class.
    """
    fewest, largest = min(max(sizes), most), min(sum(sizes), most)
    layouts = [_fill_rows(sizes, columns) for columns in range(largest, fewest - 1, -1)]
    return min(layouts, key=_count_empty)


def _fill_rows(sizes: Sequence[int], columns: int) -> list[list[tuple[int, int]]]:
    at, places = 0, []
    for n in sizes:
        left = -at % columns
        if n > left:
            at += left
        places.append([divmod(at + i, columns) for i in range(n)])
        at += n
    return places


def _count_empty(places: Sequence[Sequence[tuple[int, int]]]) -> int:
    cells = [cell for of_class in places for cell in of_class]
    return (1 + max(r for r, _ in cells)) * (1 + max(c for _, c in cells)) - len(cells)


@styled
def draw_average_rows(sheets: Sequence[tuple[str, Sequence[Tile]]]) -> Figure:
    """The mean patches of every class's features, highest weight first, classes one behind another.

    Of very many classes, some are enough: see MOST_CLASSES.
    """
    places = place_in_rows([max(1, len(tiles)) for _, tiles in sheets])
    rows, columns = (1 + max(cell[i] for some in places for cell in some) for i in (0, 1))
    figure, axes = new_figure(rows, columns, figsize=(1.5 * columns, 2.0 * rows))
    for axis in axes.flat:
        axis.axis("off")
    for (name, tiles), cells in zip(sheets, places, strict=True):
        for cell, tile in zip(cells, tiles, strict=False):
            _show_mean(axes[cell], tile)
        first = axes[cells[0]]
        if not tiles:
            _say_nothing(first)
        first.text(
            *(-0.12, 0.5),
            fit_text(name, 72 * 1.5, 9),
            rotation=90,
            multialignment="center",
            ha="right",
            va="center",
            transform=first.transAxes,
        )
    return figure


def _say_nothing(axis: Axes) -> None:
    axis.text(0.5, 0.5, "no feature with\na positive weight", ha="center", fontsize=SMALL)


@styled
def draw_average_sheet(name: str, tiles: Sequence[Tile], shares: Shares | None = None) -> Figure:
    """One class: a row per feature with its mean patch and the patches of highest response.

    `shares`: of the response of a feature (layer, channel), what a change of each part of the scene
    takes; bars at the end of the row.
    """
    n_parts = max(map(len, shares.values()), default=0) if shares else 0
    bars = [2.2] if n_parts else []
    columns = 1 + max((len(tile.examples) for tile in tiles), default=0)
    # Next to bars fewer patches have room.
    columns = min(columns, int((WIDTH - 0.2 - sum(bars)) / PATCH_WIDTH))
    widths = [PATCH_WIDTH] * columns + bars
    rows = max(1, len(tiles))
    height = max(2.05, 0.15 * n_parts + 0.6)
    figure, axes = new_figure(
        *(rows, len(widths)),
        figsize=(sum(widths) + 0.2, height * rows + 0.5),
        width_ratios=widths,
    )
    for axis in axes.flat:
        axis.axis("off")
    for row, tile in zip(axes, tiles, strict=False):
        _show_mean(row[0], tile)
        for rank, (axis, example) in enumerate(zip(row[1:columns], tile.examples, strict=False), 1):
            _show_patch(axis, example)
            axis.set_xlabel(f"patch {rank}", fontsize=SMALL, labelpad=2)
        if shares and (of_feature := shares.get((tile.layer, tile.channel))):
            _show_shares(row[-1], of_feature)
    if not tiles:
        _say_nothing(axes[0, 0])
    shown = ["mean patch", "then the patches of highest response"]
    if bars:
        shown.append("then what it loses with each part of the scene")
    figure.suptitle(f"{name}\n{', '.join(shown)}", fontsize=9)
    return figure


def _show_shares(axis: Axes, shares: Mapping[str, float]) -> None:
    """Bars, longest first: the part on which a feature depends most stands out."""
    parts = sorted(shares, key=lambda part: -shares[part])
    axis.axis("on")
    axis.barh(parts, [shares[part] for part in parts], color=[VERMILION] + [GREY] * len(parts))
    axis.invert_yaxis()
    axis.set(xlim=(0, max(1.0, *shares.values())), xticks=(0, 0.5, 1))
    axis.tick_params(labelsize=SMALL)
    axis.set_xlabel("share of the response that\na change of the part takes", fontsize=SMALL)


def sheet_name(number: int, name: str) -> str:
    """File name of a class's sheet, whatever characters its name has."""
    return f"{number:03d}_{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-') or 'class'}.png"
