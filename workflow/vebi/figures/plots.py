"""Figures that are made of tables alone."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vebi.figures.style import (
    CONDITION_COLOURS,
    CONDITION_NAMES,
    METHOD_COLOURS,
    METHOD_LINES,
    METHOD_NAMES,
    PAPER_METHODS,
    SCOPE_NAMES,
)


def _grid(n_columns: int, n_rows: int = 1, width: float = 3.6, height: float = 2.9) -> tuple:
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(width * n_columns, height * n_rows), squeeze=False
    )
    return figure, axes


def _experiments(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(table["dataset"], table["model"], strict=True)))


def _of(table: pd.DataFrame, dataset: str, model: str) -> pd.DataFrame:
    return table[(table["dataset"] == dataset) & (table["model"] == model)]


def counted(images: int, seeds: int) -> str:
    """How much data stands behind a figure, in words."""
    return f"{images} test images, {seeds} seed{'s' * (seeds != 1)}"


def draw_training(
    histories: dict[tuple[str, str, int], pd.DataFrame], n_images: Mapping[str, int]
) -> Figure:
    """Test accuracy over the epochs, a panel per experiment, a line per seed.

    `n_images[dataset]`: test images.
    """
    experiments = list(dict.fromkeys(key[:2] for key in histories))
    figure, axes = _grid(len(experiments))
    for axis, experiment in zip(axes[0], experiments, strict=True):
        for (dataset, model, seed), history in histories.items():
            if (dataset, model) == experiment:
                axis.plot(history["epoch"], history["test_accuracy"], label=f"seed {seed}")
        title = f"{experiment[0]}\n{experiment[1]}, {n_images[experiment[0]]:,} test images"
        axis.set(title=title, xlabel="epoch", ylabel="test accuracy")
        # From 0.9 at least: the difference of one test image should not look like a collapse.
        axis.set_ylim(min(0.9, axis.get_ylim()[0]), 1.003)
        axis.legend(loc="lower right")
    return figure


def draw_ablation(table: pd.DataFrame) -> Figure:
    """Accuracy left against mu: a row per scope, a column per experiment; mean and range over seeds."""
    experiments, scopes = _experiments(table), sorted(table["scope"].unique())
    figure, axes = _grid(len(experiments), len(scopes))
    for column, (dataset, model) in enumerate(experiments):
        for row, scope in enumerate(scopes):
            axis = axes[row, column]
            part = _of(table, dataset, model)
            part = part[part["scope"] == scope]
            whole = part[part["condition"] == "none"]["mean_class_accuracy"].mean()
            axis.axhline(
                whole, color=CONDITION_COLOURS["none"], ls=":", label=CONDITION_NAMES["none"]
            )
            for condition in ("random", "random_layer_matched", "selected"):
                values = part[part["condition"] == condition]
                grouped = values.groupby("mu")["mean_class_accuracy"]
                mean, low, high = grouped.mean(), grouped.min(), grouped.max()
                colour = CONDITION_COLOURS[condition]
                axis.fill_between(mean.index, low, high, color=colour, alpha=0.15, lw=0)
                axis.plot(
                    mean.index, mean, "o-", ms=3, color=colour, label=CONDITION_NAMES[condition]
                )
            removed = part[part["condition"] == "selected"].groupby("mu")["n_ablated"].mean()
            axis.set_xscale("log")
            axis.set_ylim(0, 1.05)
            axis.set_xticks(
                removed.index, [f"{mu:g}\n({n:.0f})" for mu, n in removed.items()], fontsize=7
            )
            axis.minorticks_off()
            axis.set_xlabel("mu (features removed, mean over seeds)")
            axis.set_ylabel("mean class accuracy")
            counts = counted(part["n_images"].iloc[0], part["seed"].nunique())
            axis.set_title(f"{dataset}\n{SCOPE_NAMES[scope]}, {counts}")
    axes[0, 0].legend(fontsize=7)
    return figure


def draw_ablation_bars(table: pd.DataFrame, mu_of: dict[tuple[str, str], float]) -> Figure:
    """The paper's Fig. 4: All, OnlyConv, Random and the whole network, at one mu per experiment.

    Random takes the layer-matched draws of scope All; error bars are the standard deviation over
    seeds and draws.
    """
    experiments = _experiments(table)
    figure, axes = _grid(len(experiments), width=3.3)
    for axis, (dataset, model) in zip(axes[0], experiments, strict=True):
        mu = mu_of[dataset, model]
        part = _of(table, dataset, model)
        at_mu = part[part["mu"] == mu]
        bars = []
        for scope in sorted(part["scope"].unique()):
            rows = at_mu[(at_mu["scope"] == scope) & (at_mu["condition"] == "selected")]
            bars.append((SCOPE_NAMES[scope], rows, CONDITION_COLOURS["selected"]))
        first = sorted(part["scope"].unique())[0]
        for condition, name in (
            ("random_layer_matched", "Random,\nper layer"),
            ("random", "Random"),
        ):
            rows = at_mu[(at_mu["scope"] == first) & (at_mu["condition"] == condition)]
            bars.append((name, rows, CONDITION_COLOURS[condition]))
        whole = part[(part["condition"] == "none") & (part["scope"] == first)]
        bars.append(("whole\nnetwork", whole, CONDITION_COLOURS["none"]))
        for position, (_, rows, colour) in enumerate(bars):
            values = rows["mean_class_accuracy"]
            deviation = values.std(ddof=1) if len(values) > 1 else 0.0
            axis.bar(position, values.mean(), 0.7, yerr=deviation, color=colour, capsize=3)
            axis.text(position, 0.02, f"{rows['n_ablated'].mean():.0f}", ha="center", color="white")
        axis.set_xticks(range(len(bars)), [name for name, _, _ in bars], fontsize=7)
        axis.grid(axis="x", visible=False)
        axis.set_ylim(0, 1.08)
        counts = counted(part["n_images"].iloc[0], part["seed"].nunique())
        axis.set(title=f"{dataset}\n{counts}, mu = {mu:g}", ylabel="mean class accuracy")
    note = "in the bars: mean number of features removed; lines: deviation over seeds and draws"
    figure.supxlabel(note, fontsize=8, color="#555555")
    return figure


def draw_iou_curves(curves: pd.DataFrame, areas: pd.DataFrame) -> Figure:
    """The paper's Fig. 8: mean IoU against the threshold, mean over seeds, area in the legend.

    A column per experiment. The paper's methods stand in the first row; other ones in a second, with
    the paper's as a reference.
    """
    experiments = _experiments(curves)
    present = [name for name in METHOD_NAMES if name in set(curves["method"])]
    paper = [name for name in present if name in PAPER_METHODS or name == "random"]
    others = [name for name in present if name not in paper]
    rows = [paper] + ([[*others, *(m for m in ("vebi", "random") if m in paper)]] if others else [])
    figure, axes = _grid(len(experiments), len(rows), width=4.4, height=4.2)
    for row, methods in enumerate(rows):
        for axis, (dataset, model) in zip(axes[row], experiments, strict=True):
            part, area = _of(curves, dataset, model), _of(areas, dataset, model)
            for method in methods:
                _draw_curve(axis, part, area, method, 1.6 if method in paper else 1.1)
            counts = counted(area["n_images"].iloc[0], area["seed"].nunique())
            title = f"{dataset}\n{model}, {counts}"
            axis.set_title(title if row == 0 else "other methods beside VEBI")
            axis.set(
                xlabel="threshold on the heatmap", ylabel="mean IoU with the mask", xlim=(0, 1)
            )
            # Below the axes: the curves leave no free corner.
            axis.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, -0.17),
                fontsize=7,
                title="area under the curve, mean over seeds",
                title_fontsize=7,
                ncols=2 if len(methods) > 6 else 1,
                columnspacing=0.8,
                handletextpad=0.5,
            )
    for column in axes.T:
        highest = max(axis.get_ylim()[1] for axis in column)
        for axis in column:
            axis.set_ylim(0, highest)
    return figure


def _draw_curve(
    axis: plt.Axes, curves: pd.DataFrame, areas: pd.DataFrame, method: str, width: float
) -> None:
    """One method's mean over seeds, and each seed faintly."""
    rows = curves[curves["method"] == method]
    if rows.empty:
        return
    line = rows.groupby("threshold")["mean_iou"].mean()
    colour, style = METHOD_COLOURS[method], METHOD_LINES[method]
    label = f"{METHOD_NAMES[method]}: {areas[areas['method'] == method]['auc'].mean():.3f}"
    axis.plot(line.index, line, style, color=colour, lw=width, label=label)
    for _, one in rows.groupby("seed"):
        axis.plot(
            one["threshold"], one["mean_iou"], style, color=colour, alpha=0.25, lw=0.4 * width
        )


def draw_selection_path(
    counts: dict[tuple[str, str, str], dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]],
    n_images: Mapping[tuple[str, str], int],
) -> Figure:
    """Features selected (union over classes) and objective against mu, from the exact path.

    `counts[dataset, model, scope][seed]` = (mu, features, objective per training image);
    `n_images[dataset, model]`: images that the features are selected from.
    """
    experiments = list(dict.fromkeys(key[:2] for key in counts))
    figure, axes = _grid(len(experiments), 2, height=2.5)
    for column, experiment in enumerate(experiments):
        upper, lower = axes[0, column], axes[1, column]
        for (dataset, model, scope), per_seed in counts.items():
            if (dataset, model) != experiment:
                continue
            colour = CONDITION_COLOURS["selected" if scope == "all" else "random_layer_matched"]
            for number, (mu, features, objective) in enumerate(per_seed.values()):
                label = SCOPE_NAMES[scope] if number == 0 else None
                upper.plot(mu, features, color=colour, alpha=0.8, lw=1, label=label)
                lower.plot(mu, objective, color=colour, alpha=0.8, lw=1, label=label)
        for axis in (upper, lower):
            axis.set_xscale("log")
            axis.set_xlabel("mu")
        title = f"{experiment[0]}\n{experiment[1]}, {n_images[experiment]:,} images"
        upper.set(title=title, ylabel="features selected")
        lower.set(ylabel="squared error per image")
        upper.legend(fontsize=7, title="a line per seed", title_fontsize=7)
    return figure
