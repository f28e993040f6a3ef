"""Figures of input resampling: what is perturbed, what is selected, and what that does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from vebi.catalogue.palette import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from vebi.data.dataset import TEST, open_dataset
from vebi.figures.grid import (
    add_note,
    get_experiments,
    label_rows,
    new_grid,
    rows_of,
    share_legend,
    share_limits,
    title_panel,
)
from vebi.figures.images import show_image
from vebi.figures.names import name_of, title_of
from vebi.figures.style import SMALL, WIDTH, new_figure, styled
from vebi.figures.text import layer_label
from vebi.perturbation.choose import CHOICES
from vebi.perturbation.perturbations import PERTURBATIONS, some_copies
from vebi.studies.perturbation.metrics_file import read_metrics

# In the order of drawing. The last two are not a choice of neurons.
CHOICE_NAMES = {
    "correlation": "correlation",
    "precision": "precision",
    "relative_precision": "precision relative to the activation",
    "both": "both (sum of ranks)",
    "random": "random, not selected",
    "random_active": "random among the active",
    "whole_image": "whole images, same classifier",
    "network": "the network itself",
}
CHOICE_COLOURS = {
    "correlation": VERMILION,
    "precision": PURPLE,
    "relative_precision": BLUE,
    "both": ORANGE,
    "random": SKY,
    "random_active": "#4d4d4d",
    "whole_image": GREEN,
    "network": BLACK,
}
PAIR_NAMES = {
    ("correlation", "precision"): "correlation and precision",
    ("correlation", "vebi"): "correlation and VEBI",
    ("precision", "vebi"): "precision and VEBI",
}
PAIR_COLOURS = dict(zip(PAIR_NAMES, (ORANGE, VERMILION, PURPLE), strict=True))
ALL_LAYERS = "all"
# Last values of the curves that Lengerich et al. show, over 62 epochs on INRIA person.
PUBLISHED_ACCURACY = {"network": 0.89, "precision": 0.85, "correlation": 0.81}
PUBLISHED_SIMILARITY = (0.16, 0.40)


def _perturbations(table: pd.DataFrame) -> list[str]:
    return [name for name in PERTURBATIONS if name in set(table["perturbation"])]


def _bars(
    axis: Axes,
    table: pd.DataFrame,
    groups: list[str],
    group_key: str,
    choices: Mapping[str, str],
) -> None:
    """The drop of the score, a bar with its interval per group and choice.

    Means over networks where there are several.
    """
    width = 0.8 / len(choices)
    for number, (choice, colour) in enumerate(choices.items()):
        rows = table[table["metric"] == choice].groupby(group_key).mean(numeric_only=True)
        rows = rows.reindex(groups)
        at = np.arange(len(groups)) + (number - (len(choices) - 1) / 2) * width
        drop = rows["score_drop_mean"]
        error = np.abs(np.stack([drop - rows["ci_low"], rows["ci_high"] - drop]))
        axis.bar(at, drop, width * 0.9, color=colour, yerr=error, ecolor="#444444",
                 error_kw={"lw": 0.8})  # fmt: skip
    axis.grid(axis="x", visible=False)
    axis.axhline(0, color="#444444", lw=0.6)


@styled
def draw_influence(table: pd.DataFrame, k: int) -> Figure:
    """Drop of the predicted class's score without the top k channels: by perturbation and by layer.

    `table` resampling.csv. A column per experiment: above all layers together, for every perturbation;
    below each layer alone, for the first one.
    """
    experiments = get_experiments(table)
    choices = {name: CHOICE_COLOURS[name] for name in CHOICES}
    table = table[(table["k"] == k) & table["score_drop_mean"].notna()]
    perturbations = _perturbations(table)
    figure, axes = new_grid(len(experiments), 2, most=2, width=WIDTH / 2)
    for (above, below), experiment in zip(axes.T, experiments, strict=True):
        rows = rows_of(table, *experiment)
        together = rows[rows["layer"] == ALL_LAYERS]
        _bars(above, together, perturbations, "perturbation", choices)
        names = [PERTURBATIONS[name].label.replace("\n", " ") for name in perturbations]
        above.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=SMALL)
        images, seeds = rows["n_images"].iloc[0], rows["seed"].nunique()
        networks = f"{seeds} networks" if seeds > 1 else "one network"
        title_panel(above, f"{title_of(*experiment)}, {images:.0f} images, {networks}")
        first = rows[(rows["perturbation"] == perturbations[0]) & (rows["layer"] != ALL_LAYERS)]
        layers = list(dict.fromkeys(first["layer"]))
        _bars(below, first, layers, "layer", choices)
        below.set_xticks(range(len(layers)), list(map(layer_label, layers)))
        below.set_title(PERTURBATIONS[perturbations[0]].label.replace("\n", " "))
    label_rows(axes[:1], "score drop,\nall layers together", most=2)
    label_rows(axes[1:], "score drop,\none layer alone", most=2)
    note = f"softmax of the predicted class before minus after removing {k} channels per layer"
    _legend(figure, choices, f"{note}; lines: 95 % over scenes")
    return figure


@styled
def draw_transfer(table: pd.DataFrame, k: int) -> Figure:
    """How often chosen channels fire on other images: filled on those of the class, open on others."""
    experiments = get_experiments(table)
    choices = {name: CHOICE_COLOURS[name] for name in CHOICES if name != "random"}
    table = table[(table["k"] == k) & (table["layer"] == ALL_LAYERS)]
    perturbations = _perturbations(table)
    figure, axes = new_grid(len(experiments), most=2, width=WIDTH / 2, height=3.6)
    for axis, experiment in zip(axes[0], experiments, strict=True):
        rows = rows_of(table, *experiment)
        for number, (choice, colour) in enumerate(choices.items()):
            mean = rows[rows["metric"] == choice].groupby("perturbation").mean(numeric_only=True)
            mean = mean.reindex(perturbations)
            at = np.arange(len(perturbations)) + (number - (len(choices) - 1) / 2) * 0.19
            axis.vlines(at, mean["fires_other"], mean["fires_same"], color=colour, lw=0.7, ls=":")
            for kind, face in (("same", colour), ("other", "white")):
                value, low, high = (
                    mean[f"fires_{kind}{end}"] for end in ("", "_ci_low", "_ci_high")
                )
                error = np.abs(np.stack([value - low, high - value]))
                axis.errorbar(
                    at, value, error, fmt="o", ms=4, mfc=face, color=colour, elinewidth=0.8
                )
        axis.grid(axis="x", visible=False)
        names = [PERTURBATIONS[name].label.replace("\n", " ") for name in perturbations]
        axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=SMALL)
        title_panel(axis, title_of(*experiment))
        axis.set_ylim(0, 1)
    label_rows(axes, "share of other images\non which a channel fires", most=2)
    note = "filled: images of the same class, open: of other classes; lines: 95 % over scenes"
    _legend(figure, choices, f"{note}; fires: responds at least half as much as on its own image")
    return figure


@styled
def draw_overlap(table: pd.DataFrame, k: int) -> Figure:
    """Channels in common per layer, over what chance gives; a panel per experiment."""
    experiments = get_experiments(table)
    table = table[table["k"] == k]
    perturbation = _perturbations(table)[0]
    table = table[table["perturbation"] == perturbation]
    figure, axes = new_grid(len(experiments), height=3.2)
    for axis, experiment in zip(axes[0], experiments, strict=True):
        rows = rows_of(table, *experiment)
        layers = list(dict.fromkeys(rows["layer"]))
        for number, pair in enumerate(PAIR_NAMES):
            part = rows[(rows["first"] == pair[0]) & (rows["second"] == pair[1])]
            part = part.groupby("layer").mean(numeric_only=True).reindex(layers)
            at = np.arange(len(layers)) + (number - 1) * 0.26
            error = np.stack([part["common"] - part["ci_low"], part["ci_high"] - part["common"]])
            label = PAIR_NAMES[pair] if axis is axes[0, 0] else None
            axis.bar(at, part["common"], 0.22, yerr=np.abs(error), color=PAIR_COLOURS[pair],
                     ecolor="#444444", error_kw={"lw": 0.8}, label=label)  # fmt: skip
            chance = "expected by chance" if label and number == 2 else None
            axis.hlines(
                part["common_null"], at - 0.12, at + 0.12, color=BLACK, lw=1.4, label=chance
            )
        axis.set_xticks(range(len(layers)), list(map(layer_label, layers)))
        axis.grid(axis="x", visible=False)
        title_panel(axis, f"{title_of(*experiment)}, {rows['n_images'].iloc[0]:.0f} images")
    label_rows(axes, f"channels in common, of {k}")
    share_legend(figure, axes)
    return figure


@styled
def draw_epochs(table: pd.DataFrame, similarity: pd.DataFrame) -> Figure:
    """Accuracy on patches, and similarity of the two selections, over the epochs of training.

    `table` resampling.csv, `similarity` resampling_similarity.csv. Open marks at the right: the last
    values that the authors show, on other data.
    """
    table = table[table["patch_accuracy"].notna()]
    experiments = get_experiments(table)
    figure, axes = new_grid(len(experiments), 2, most=2, width=WIDTH / 2, height=3.0)
    for (above, below), experiment in zip(axes.T, experiments, strict=True):
        rows = rows_of(table, *experiment)
        end = rows["epoch"].max() * 1.06
        # Those that need no selection first: the others are drawn upon them, each a little smaller.
        order = [c for c in reversed(CHOICE_NAMES) if c in set(rows["metric"])]
        for size, choice in zip(range(9, 9 - len(order), -1), order, strict=True):
            line = rows[rows["metric"] == choice].groupby("epoch").mean(numeric_only=True)
            colour = CHOICE_COLOURS[choice]
            label = CHOICE_NAMES[choice]
            if choice not in ("whole_image", "network"):
                label += f" ({line['patch_area'].iloc[-1]:.0%} of the image)"
                band = line["patch_ci_low"], line["patch_ci_high"]
                above.fill_between(line.index, *band, color=colour, alpha=0.08, lw=0)
            style = "o-" if choice != "whole_image" else "--"
            values = line["patch_accuracy"]
            above.plot(line.index, values, style, ms=size, lw=size / 4, color=colour, label=label)
            if choice in PUBLISHED_ACCURACY:
                above.plot(end, PUBLISHED_ACCURACY[choice], "D", mfc="none", ms=5, color=colour,
                           clip_on=False)  # fmt: skip
        count = rows["n_patch_images"].iloc[0]
        title_panel(above, f"{title_of(*experiment)}, {count:.0f} test images")
        lowest = min(rows["patch_ci_low"].min(), min(PUBLISHED_ACCURACY.values()))
        above.set(ylim=(max(0, lowest - 0.35), 1.03), xlabel="epoch of the network")
        above.legend(fontsize=SMALL, loc="lower right")
        _draw_similarity(below, rows_of(similarity, *experiment), end)
    label_rows(axes[:1], "test accuracy of a classifier\ntrained on the patches", most=2)
    label_rows(axes[1:], "similarity of the two selections\n(as published, at most 0.5)", most=2)
    add_note(
        figure,
        "diamonds: where the authors' curves end (62 epochs, INRIA person); bands: 95 % over images",
    )
    return figure


def _draw_similarity(axis: Axes, rows: pd.DataFrame, end: float) -> None:
    layers = list(dict.fromkeys(rows["layer"]))
    layers = [layer for layer in layers if layer != ALL_LAYERS] + [ALL_LAYERS]
    shades = [SKY, GREEN, ORANGE, BLUE, PURPLE, GREY]
    for number, layer in enumerate(layers):
        line = rows[rows["layer"] == layer].groupby("epoch").mean(numeric_only=True)
        together = layer == ALL_LAYERS
        colour = BLACK if together else shades[number % len(shades)]
        width = 2.0 if together else 1.0
        name = "all layers" if together else layer_label(layer)
        axis.plot(line.index, line["published"], "o-", ms=3, color=colour, lw=width, label=name)
        if together:
            axis.plot(line.index, line["published_null"], ":", color=BLACK, lw=1, label="chance")
    for value, note in zip(PUBLISHED_SIMILARITY, ("first", "last"), strict=True):
        axis.plot(end, value, "D", mfc="none", ms=5, color=BLACK, clip_on=False)
        axis.annotate(f"{value:.2f} ({note})", (end, value), (-6, 4), fontsize=SMALL, ha="right",
                      textcoords="offset points")  # fmt: skip
    axis.set(ylim=(0, 0.5), xlabel="epoch of the network")
    axis.legend(fontsize=SMALL, loc="upper left", ncols=2)


@styled
def draw_scatter(
    metrics: Mapping[str, Mapping[str, NDArray[np.float64]]], k: int, title: str
) -> Figure:
    """Every channel of every image: correlation against precision, a panel per layer.

    `metrics[layer]` has `correlation` and `precision` (N, channels). Those in the top k of their image
    and layer are coloured. Channels without a precision (they hardly respond) stand below the axis.
    """
    figure, axes = new_grid(len(metrics), height=3.2)
    for axis, (layer, found) in zip(axes[0], metrics.items(), strict=True):
        correlation, precision = found["correlation"], found["precision"]
        finite = np.isfinite(precision) & (precision > 0)
        low = precision[finite].min() if finite.any() else 1.0
        shown = np.where(finite, precision, low / 3)
        tops = [_in_top(values, k) for values in (correlation, precision)]
        groups = (
            (~tops[0] & ~tops[1], "#c4c4c4", "not selected", 3, 0.5),
            (tops[0] & ~tops[1], VERMILION, f"top {k} by correlation", 9, 0.8),
            (~tops[0] & tops[1], PURPLE, f"top {k} by precision", 9, 0.8),
            (tops[0] & tops[1], ORANGE, "both", 16, 1.0),
        )
        for mask, colour, label, size, alpha in groups:
            axis.scatter(correlation[mask], shown[mask], s=size, c=colour, alpha=alpha, lw=0,
                         label=label if axis is axes[0, 0] else None, rasterized=True)  # fmt: skip
        axis.set_yscale("log")
        none = (~finite).mean()
        axis.axhline(low / 1.7, color="#999999", lw=0.6, ls=":")
        channels = correlation.shape[1]
        title_panel(
            axis, f"{layer_label(layer)} ({channels} channels)\n{none:.0%} without precision"
        )
        axis.set_xlabel("mean |correlation| with the output")
    share_limits(axes, "y")
    label_rows(axes, "precision (1 / variance)")
    figure.suptitle(title, fontsize=9.5)
    figure.legend(loc="outside lower center", ncols=4, fontsize=SMALL, markerscale=1.6)
    return figure


def _in_top(values: NDArray[np.float64], k: int) -> NDArray[np.bool_]:
    order = np.argsort(np.argsort(-values, axis=1, kind="stable"), axis=1, kind="stable")
    return (order < k) & (values > 0)


@styled
def draw_contact_sheet(
    image: NDArray[np.uint8], copies: Mapping[str, tuple[float, Sequence[int], NDArray[np.float32]]]
) -> Figure:
    """The image (H, W, C), then a row per perturbation: some of its copies.

    `copies[name]` = (strength, numbers of the copies, the copies (n, H, W, C)). What leaves 0 to 255 is
    cut for show.
    """
    columns = 1 + max(len(numbers) for _, numbers, _ in copies.values())
    width = min(1.25, WIDTH / columns)
    figure, axes = new_figure(
        len(copies), columns, figsize=(width * columns, (width + 0.17) * len(copies))
    )
    for row, (name, (strength, numbers, made)) in zip(axes, copies.items(), strict=True):
        show_image(row[0], image)
        label = PERTURBATIONS[name].label
        row[0].set_ylabel(
            f"{label}\n{strength:g}", fontsize=SMALL, rotation=0, ha="right", va="center"
        )
        for axis, number, copy in zip(row[1:], numbers, made, strict=True):
            show_image(axis, copy.round().clip(0, 255).astype(np.uint8), vmin=0, vmax=255)
            axis.set_title(f"copy {number + 1}", fontsize=SMALL, pad=2)
    axes[0, 0].set_title("image", fontsize=SMALL, pad=2)
    return figure


def _legend(figure: Figure, choices: Mapping[str, str], note: str) -> None:
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in choices.values()]
    names = [CHOICE_NAMES[name] for name in choices]
    figure.legend(
        handles,
        names,
        loc="outside lower center",
        ncols=len(names),
        fontsize=SMALL,
        title=note,
        title_fontsize=SMALL,
    )


@styled
def draw_run_scatter(metrics: Path, k: int, where: Sequence[str]) -> Figure:
    """Every channel of one network, from its file; `where` names data set and model."""
    perturbation, found = read_metrics(metrics)
    images = len(next(iter(found.values()))["correlation"])
    made = PERTURBATIONS[perturbation].label.replace("\n", " ")
    title = f"{', '.join(map(name_of, where))}: every channel of {images} images, {made}"
    return draw_scatter(found, k, title)


@styled
def draw_copies(
    dataset: Path, perturbations: Sequence[Mapping[str, Any]], copies: int, seed: int
) -> Figure:
    """Some copies of a data set's first test image by every perturbation (name, strength)."""
    data = open_dataset(dataset)
    index = data.indices(TEST)[:1]
    image = data.read("images", index)[0]
    key = (seed, int(index[0]))
    made = {
        one["name"]: (
            one["strength"],
            *some_copies(image, one["name"], copies, one["strength"], key),
        )
        for one in perturbations
    }
    return draw_contact_sheet(image, made)
