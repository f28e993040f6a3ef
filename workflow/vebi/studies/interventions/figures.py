"""Figures of the tables of interventions."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vebi.catalogue.methods import DRAWN, in_order
from vebi.catalogue.palette import BLUE, GREY, VERMILION
from vebi.figures.grid import get_experiments, new_grid, rows_of, title_panel
from vebi.figures.names import title_of
from vebi.figures.style import SMALL, styled
from vebi.figures.text import feature_label

TITLES = {
    "rank_correlation": "rank correlation\nper pixel",
    "rank_correlation_total": "rank correlation\nin total",
    "single_deletion": "rank correlation\nwith removal, in total",
    "wrong_order": "ignored above used\nper pixel",
    "wrong_order_total": "ignored above used\nin total",
}
CHANGES = {"neutral": BLUE, "removed": VERMILION}
# Features of one class are rows side by side; more rows than this can't be read.
MOST_ROWS = 60


@styled
def draw_faithfulness(pooled: pd.DataFrame, networks: pd.DataFrame) -> Figure:
    """Every measure of every method: mean and interval, a small point per network."""
    experiments, methods = get_experiments(pooled), in_order(pooled["method"])
    height = 0.27 * len(methods) + 1.1
    figure, axes = new_grid(len(TITLES), len(experiments), width=2.5, height=height)
    for row, (dataset, model) in zip(axes, experiments, strict=True):
        part, each = rows_of(pooled, dataset, model), rows_of(networks, dataset, model)
        for axis, (measure, title) in zip(row, TITLES.items(), strict=True):
            found = part[part["measure"] == measure].set_index("method")
            for place, method in enumerate(methods):
                one, colour = found.loc[method], DRAWN[method].colour
                values = each[each["method"] == method][measure]
                axis.plot(values, [place + 0.25] * len(values), ".", ms=3, color=colour)
                axis.plot([one["ci_low"], one["ci_high"]], [place, place], color=colour, lw=1.2)
                axis.plot(one["value"], place, "o", ms=4, color=colour)
            is_share = measure.startswith("wrong")
            axis.axvline(0.5 if is_share else 0, color=GREY, ls=":", lw=1)
            limits = (0, 1) if is_share else (-1, 1)
            axis.set(xlim=limits, ylim=(len(methods) - 0.5, -0.5), title=title)
            axis.set_yticks(range(len(methods)), [""] * len(methods))
        row[0].set_yticks(range(len(methods)), [DRAWN[m].label for m in methods])
        n = part.iloc[0]
        counts = f"{n['n_networks']} networks, {n['n_scenes']} scenes"
        row[0].set_ylabel(f"{title_of(dataset, model)}\n{counts}", fontsize=SMALL)
    return figure


@styled
def draw_part_effects(table: pd.DataFrame) -> Figure:
    """Drop of the score per part: a column per experiment, a colour per change."""
    experiments = get_experiments(table)
    is_own = table["change"].isin(CHANGES)
    names = table["part"].where(
        is_own, table["part"] + ": " + table["change"].str.replace("_", " ")
    )
    table = table.assign(part=names)
    first = [p for p in dict.fromkeys(names[is_own]) if not p.startswith("object")]
    parts = list(dict.fromkeys([*first, *sorted(names[is_own]), *names[~is_own]]))
    height = 0.3 * len(parts) + 1.2
    figure, axes = new_grid(len(experiments), 1, width=4.6, height=height)
    for axis, (dataset, model) in zip(axes[0], experiments, strict=True):
        of_experiment = rows_of(table, dataset, model)
        for place, part in enumerate(parts):
            rows = of_experiment[of_experiment["part"] == part]
            for change, of_change in rows.groupby("change"):
                _draw_changes(axis, of_change, place, str(change))
        axis.axvline(0, color=GREY, lw=0.8)
        axis.set_yticks(range(len(parts)), parts)
        title_panel(axis, title_of(dataset, model))
        axis.set_ylim(len(parts) - 0.5, -0.5)
        axis.set_xlabel("drop of the predicted class's score")
        for name, colour in {**CHANGES, "another change": GREY}.items():
            axis.plot([], [], "o", ms=3, color=colour, label=name)
        axis.legend(fontsize=SMALL, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3)
    return figure


def _draw_changes(axis: Axes, rows: pd.DataFrame, place: int, change: str) -> None:
    shift = {"neutral": -0.15, "removed": 0.15}.get(change, 0.0)
    for number, (_, one) in enumerate(rows.sort_values("seed").iterrows()):
        at = place + shift + 0.05 * (number - (len(rows) - 1) / 2)
        colour = CHANGES.get(change, GREY)
        axis.plot([-one["ci_high"], -one["ci_low"]], [at, at], color=colour, lw=0.8)
        axis.plot(-one["score_change"], at, "o", ms=2.5, color=colour)


@styled
def draw_feature_parts(table: pd.DataFrame) -> Figure:
    """A row per class and feature, a column per part; the first network of each experiment."""
    experiments = get_experiments(table)
    parts = sorted(set(table["part"]))
    grids = []
    for dataset, model in experiments:
        rows = rows_of(table, dataset, model)
        rows = rows[rows["seed"] == rows["seed"].min()]
        keys = ["class", "layer", "channel"]
        grids.append(rows.pivot_table("change", keys, "part").reindex(columns=parts)[:MOST_ROWS])
    longest = max(map(len, grids))
    size = (0.5 * len(parts) + 2.4, 0.17 * longest + 1.3)
    figure, axes = new_grid(len(experiments), 1, width=size[0], height=size[1])
    for axis, (dataset, model), grid in zip(axes[0], experiments, grids, strict=True):
        image = axis.imshow(grid.to_numpy(), cmap="viridis", vmin=0, vmax=1, aspect="auto")
        labels = [f"class {c}: {feature_label(layer, channel)}" for c, layer, channel in grid.index]
        axis.set_yticks(range(len(grid)), labels, fontsize=SMALL)
        axis.set_xticks(range(len(parts)), parts, rotation=90, fontsize=SMALL)
        title_panel(axis, title_of(dataset, model))
        axis.grid(visible=False)
        for place, row in enumerate(grid.to_numpy()):
            if not np.isnan(row).all():
                axis.plot(np.nanargmax(row), place, "s", ms=2.5, color=VERMILION)
    figure.colorbar(image, ax=axes[0, -1], label="share of the response that changes", aspect=40)
    return figure
