"""Figures of the ablation: over mu, and as the paper's Fig. 4."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vebi.figures.grid import (
    add_note,
    describe_sample,
    get_experiments,
    label_rows,
    new_grid,
    rows_of,
    share_legend,
    title_panel,
)
from vebi.figures.names import short_title
from vebi.figures.style import CONDITION_COLOURS, CONDITION_NAMES, SCOPE_NAMES, SMALL, styled
from vebi.studies.ablation.controls import CONTROLS


@styled
def draw_ablation(table: pd.DataFrame) -> Figure:
    """Accuracy left against mu: a row per scope, a column per experiment; mean and range over seeds."""
    experiments, scopes = get_experiments(table), sorted(table["scope"].unique())
    figure, axes = new_grid(len(experiments), len(scopes))
    for column, (dataset, model) in enumerate(experiments):
        for row, scope in enumerate(scopes):
            axis = axes[row, column]
            part = rows_of(table, dataset, model)
            part = part[part["scope"] == scope]
            whole = part[part["condition"] == "none"]["mean_class_accuracy"].mean()
            axis.axhline(
                whole, color=CONDITION_COLOURS["none"], ls=":", label=CONDITION_NAMES["none"]
            )
            there = set(part["condition"])
            for condition in [name for name in (*CONTROLS, "selected") if name in there]:
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
                removed.index, [f"{mu:g}\n({n:.0f})" for mu, n in removed.items()], fontsize=SMALL
            )
            axis.minorticks_off()
            axis.set_xlabel("mu (features removed, mean over seeds)")
            counts = describe_sample(part["n_images"].iloc[0], part["seed"].nunique())
            title = short_title(dataset, model, experiments)
            title_panel(axis, f"{title}\n{SCOPE_NAMES[scope]}, {counts}")
    label_rows(axes, "mean class accuracy")
    share_legend(figure, axes)
    return figure


@styled
def draw_ablation_bars(table: pd.DataFrame, mu_of: dict[tuple[str, str], float]) -> Figure:
    """The paper's Fig. 4: All, OnlyConv, Random and the whole network, at one mu per experiment.

    Random takes the draws of scope All. Dots: the networks, each a mean over its draws.
    """
    experiments = get_experiments(table)
    figure, axes = new_grid(len(experiments), width=3.8)
    for axis, (dataset, model) in zip(axes[0], experiments, strict=True):
        mu = mu_of[dataset, model]
        part = rows_of(table, dataset, model)
        at_mu = part[part["mu"] == mu]
        bars = []
        for scope in sorted(part["scope"].unique()):
            rows = at_mu[(at_mu["scope"] == scope) & (at_mu["condition"] == "selected")]
            bars.append((SCOPE_NAMES[scope], rows, CONDITION_COLOURS["selected"]))
        first = sorted(part["scope"].unique())[0]
        for condition, name in (
            ("random_layer_matched", "Random, per layer"),
            ("random_selected_layers", "Random, of layers"),
            ("random", "Random"),
        ):
            rows = at_mu[(at_mu["scope"] == first) & (at_mu["condition"] == condition)]
            # A table of an earlier version lacks one of them.
            if len(rows):
                bars.append((name, rows, CONDITION_COLOURS[condition]))
        whole = part[(part["condition"] == "none") & (part["scope"] == first)]
        bars.append(("whole network", whole, CONDITION_COLOURS["none"]))
        for position, (_, rows, colour) in enumerate(bars):
            networks = rows.groupby("seed")["mean_class_accuracy"].mean()
            axis.bar(position, networks.mean(), 0.7, color=colour, alpha=0.75)
            places = position + np.linspace(-0.2, 0.2, len(networks) + 2)[1:-1]
            axis.plot(places, networks, "o", ms=3, color="black", clip_on=False)
        names = [f"{name} ({rows['n_ablated'].mean():.0f})" for name, rows, _ in bars]
        axis.set_xticks(range(len(bars)), names, rotation=35, ha="right", fontsize=SMALL)
        axis.grid(axis="x", visible=False)
        axis.set_ylim(0, 1)
        counts = describe_sample(part["n_images"].iloc[0], part["seed"].nunique())
        title = short_title(dataset, model, experiments)
        title_panel(axis, f"{title}\nmu = {mu:g}, {counts}")
    label_rows(axes, "mean class accuracy")
    note = (
        "in brackets: mean number of features removed; dots: the networks, means over draws; "
        "mu: that of each data set's heatmaps"
    )
    add_note(figure, note)
    return figure
