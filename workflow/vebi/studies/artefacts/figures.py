"""Grid artefacts: maps side by side (the paper's Figs. 2 and 7), and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vebi.catalogue.methods import DRAWN, in_order
from vebi.data.dataset import open_dataset
from vebi.figures.grid import (
    MOST_COLUMNS,
    MOST_UPRIGHT,
    describe_sample,
    get_experiments,
    label_rows,
    new_grid,
    share_legend,
    share_limits,
    title_panel,
)
from vebi.figures.images import explain_colours, show_image
from vebi.figures.names import title_of
from vebi.figures.style import HEATMAP, LAYER_COLOURS, SMALL, new_figure, styled
from vebi.figures.text import layer_label
from vebi.io.arrays import AnyArray
from vebi.models.model_file import load_model
from vebi.studies.artefacts.artefacts_file import read_artefacts
from vebi.studies.artefacts.examples import draw_features

if TYPE_CHECKING:
    from vebi.studies.artefacts.examples import DrawnFeature

# Of the height and width, where the maps are brightest.
ZOOM = 1 / 3


def _zoom_window(drawn: DrawnFeature) -> tuple[slice, slice]:
    """The part of the image in which the maps, all together, show most."""
    mean = np.mean(list(drawn.maps.values()), axis=0)
    height, width = (max(4, round(n * ZOOM)) for n in mean.shape)
    sums = np.pad(mean, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = (sums[height:, width:] - sums[height:, :-width] - sums[:-height, width:]) + sums[
        :-height, :-width
    ]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


@styled
def draw_artefact_maps(features: Sequence[DrawnFeature]) -> Figure:
    """A pair of rows per feature: the image and each method's map, and below a part of them enlarged."""
    methods = in_order(features[0].maps) if features else []
    columns = 1 + len(methods)
    rows = max(1, 2 * len(features))
    figure, axes = new_figure(rows, columns, figsize=(1.55 * columns + 0.3, 1.6 * rows + 1.1))
    for axis in axes.flat:
        axis.axis("off")
    if not features:
        axes[0, 0].text(0.5, 0.5, "no layer with\na lattice", ha="center")
    for number, drawn in enumerate(features):
        window = _zoom_window(drawn)
        pictures: list[AnyArray] = [drawn.image, *(drawn.maps[m] for m in methods)]
        for column, picture in enumerate(pictures):
            options: dict[str, Any] = {"cmap": HEATMAP, "vmax": 1} if column else {"vmax": 255}
            for row, part in ((2 * number, picture), (2 * number + 1, picture[window])):
                show_image(axes[row, column], part, vmin=0, **options)
            if column:
                score = drawn.scores[methods[column - 1]]
                text = f"grid score {round(score, 3) + 0:.3f}"
                axes[2 * number, column].set_xlabel(text, fontsize=SMALL, labelpad=1)
        axes[2 * number, 0].set_ylabel(
            f"{layer_label(drawn.layer)}\nlayer {drawn.layer_number}, channel {drawn.channel}",
            fontsize=SMALL,
            color="white",
            bbox={"facecolor": LAYER_COLOURS["conv"], "edgecolor": "none", "pad": 2},
        )
        why = "highest weighted response" if drawn.selected else "highest response"
        axes[2 * number, 0].set_xlabel(
            f"{drawn.class_name}, stride {drawn.stride:g}\n{why}", fontsize=SMALL, labelpad=1
        )
        axes[2 * number + 1, 0].set_ylabel("enlarged", fontsize=SMALL)
    for axis, name in zip(axes[0], ["image", *(DRAWN[m].short for m in methods)], strict=False):
        axis.set_title(name, fontsize=SMALL)
    if features:
        explain_colours(figure, "feature")
    return figure


@styled
def draw_artefact_scores(table: pd.DataFrame) -> Figure:
    """Above the scores of single features over the layers, below those of finished heatmaps.

    A column per experiment; mean over seeds, bars from the lowest to the highest end of the intervals.
    """
    experiments = get_experiments(table)
    columns = max(1, len(experiments))
    methods = in_order(table["method"])
    figure, axes = new_grid(columns, 2, height=1.7 + 0.12 * len(methods))
    for (dataset, model), (upper, lower) in zip(experiments, axes.T, strict=False):
        part = table[(table["dataset"] == dataset) & (table["model"] == model)]
        finished = part["layer_number"] == 0
        _draw_layers(upper, part[~finished])
        counts = describe_sample(part["n_images"].max(), part["seed"].nunique())
        title = f"{title_of(dataset, model)}\n{counts}"
        title_panel(upper, title)
        upper.set_xlabel("layer of the feature (its stride)")
        for row, method in enumerate(methods):
            rows = part[finished & (part["method"] == method)]
            if len(rows):
                colour = DRAWN[method].colour
                _draw_interval(lower, rows, row, colour, vertical=False)
        lower.set_yticks(range(len(methods)), [""] * len(methods))
        lower.set_ylim(len(methods) - 0.4, -0.6)
        lower.axvline(0, color="#555555", lw=0.8)
        stride = part[finished]["cumulative_stride"].max()
        lower.set_xlabel(f"score of whole heatmaps, stride {stride:g}")
    names = [DRAWN[m].label for m in methods]
    for first in axes[1, ::MOST_COLUMNS]:
        first.set_yticks(range(len(methods)), names, fontsize=SMALL)
    share_limits(axes[1], "x")
    for axis in axes[1]:
        axis.locator_params(axis="x", nbins=5)
    share_limits(axes[0], "y")
    label_rows(axes[:1], "grid-artefact score")
    share_legend(figure, axes[0])
    return figure


def _draw_layers(axis: Axes, part: pd.DataFrame) -> None:
    layers = part.drop_duplicates("layer_number").sort_values("layer_number")
    methods = in_order(part["method"])
    for place, (number, name, stride) in enumerate(
        zip(layers["layer_number"], layers["layer"], layers["cumulative_stride"], strict=True)
    ):
        for offset, method in enumerate(methods):
            rows = part[(part["layer_number"] == number) & (part["method"] == method)]
            at = place + 0.6 * (offset - (len(methods) - 1) / 2) / len(methods)
            label = DRAWN[method].label if place == 0 else None
            _draw_interval(axis, rows, at, DRAWN[method].colour, label=label)
        if place % 2:
            axis.axvspan(place - 0.5, place + 0.5, color="#f6f6f6", lw=0, zorder=0)
        layers.loc[layers["layer_number"] == number, "text"] = f"{layer_label(name)} ({stride:g})"
    if len(layers):
        turn = 90 if len(layers) > MOST_UPRIGHT else 0
        axis.set_xticks(range(len(layers)), layers["text"], fontsize=SMALL, rotation=turn)
    axis.grid(axis="x", visible=False)
    axis.axhline(0, color="#555555", lw=0.8)


def _draw_interval(
    axis: Axes,
    rows: pd.DataFrame,
    at: float,
    colour: str,
    *,
    vertical: bool = True,
    label: str | None = None,
) -> None:
    mean = rows["grid_artefact_score"].mean()
    ends = [[max(0.0, mean - rows["ci_low"].min())], [max(0.0, rows["ci_high"].max() - mean)]]
    options: dict[str, Any] = {"fmt": "o", "ms": 3.5, "lw": 1.1, "color": colour, "label": label}
    if vertical:
        axis.errorbar([at], [mean], yerr=ends, **options)
    else:
        axis.errorbar([mean], [at], xerr=ends, **options)


@styled
def draw_run_maps(
    *, dataset: Path, model: Path, artefacts: Path, examples: int, factories: Sequence[str] = ()
) -> Figure:
    """Features of some scored images of one network, by every method, from its files.

    `factories`: the user's own code that the network may be made with.
    """
    network, _ = load_model(model, factories=factories)
    scores = read_artefacts(artefacts)
    return draw_artefact_maps(list(draw_features(network, open_dataset(dataset), scores, examples)))
