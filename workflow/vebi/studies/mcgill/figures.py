"""Figures of the McGill report, reproduced and audited."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vebi.catalogue.descriptors import DESCRIPTORS
from vebi.figures.grid import draw_legend, label_rows, new_grid, share_legend, title_panel
from vebi.figures.names import name_of
from vebi.figures.style import (
    BLACK,
    BLUE,
    CONDITION_COLOURS,
    CONDITION_NAMES,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    SMALL,
    VERMILION,
    YELLOW,
    styled,
)
from vebi.studies.mcgill.report_networks import PRINTED_KERAS_ACCURACY, REPORTED, ReportedExperiment
from vebi.studies.mcgill.tipping import find_crossing

Kinds = Mapping[str, str]

CONDITIONS = ("selected", "random", "random_layer_matched")
REMOVAL_NAMES = {
    "partial": "partial removal (first input and bias only)",
    "complete": "complete removal",
}
SOLVER_NAMES = {
    "path": "exact path",
    "spgl1": "spgl1, 9,999 iterations",
    "spgl1_1000": "spgl1, 1,000 iterations",
}
LINE_STYLES = {"path": "-", "spgl1": "--", "spgl1_1000": ":"}
COMPARISONS = {
    "other_seed": "another seed",
    "untrained": "untrained",
    "shuffled_labels": "shuffled\nlabels",
}
LAYER_CYCLE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, GREY, BLACK)


def _title(table: pd.DataFrame, model: str, kinds: Kinds) -> str:
    """The model, its filters next to the report's, and whether it is smaller than that."""
    facts = table[table["model"] == model]
    reduced = ", reduced" if facts["reduced"].iloc[0] else ""
    filters = facts["n_filters" if "n_filters" in facts else "filters"].max()
    return (
        f"{name_of(model)}\n{filters:.0f} filters (report: {REPORTED[kinds[model]].total}){reduced}"
    )


@styled
def draw_published(*removal: pd.DataFrame, kinds: Kinds) -> Figure:
    """The report's Figs. 3 and 4: accuracy at its values of mu, theirs and ours.

    Upper row: set up as in the report. Lower row: complete removal of what the exact path selects,
    against layer-matched random filters, on test images.
    """
    parts = {}
    tables = pd.concat(removal, ignore_index=True)
    for model in kinds:
        here = tables[(tables["model"] == model) & tables["published_selected"].notna()]
        if len(here):
            parts[model] = here
    figure, axes = new_grid(max(1, len(parts)), 2)
    for column, (model, table) in enumerate(parts.items()):
        reported = REPORTED[kinds[model]]
        uniform = "uniform" if reported.control == "random" else "layer_matched"
        report = [reported.rows[0], reported.labels, reported.evaluation, reported.removal, uniform]
        right = [reported.rows[0], "annotations", "test", "complete", "layer_matched"]
        solvers = [s for s in SOLVER_NAMES if s in set(table["solver"])]
        peer = next((s for s in solvers if s != "path"), "path")
        settings = (("as in the report", report, peer), ("corrected", right, "path"))
        for axis, (name, variant, solver) in zip(axes[:, column], settings, strict=True):
            rows = table[(table["variant"] == "/".join(variant)) & (table["solver"] == solver)]
            _draw_rows(axis, rows.sort_values("mu"), reported, variant[-1])
            title_panel(axis, f"{_title(table, model, kinds)}\n{name}")
    label_rows(axes, "accuracy")
    share_legend(figure, axes, 3)
    return figure


def _draw_rows(axis: Axes, rows: pd.DataFrame, reported: ReportedExperiment, control: str) -> None:
    place = np.arange(len(rows))
    condition = "random" if control == "uniform" else "random_layer_matched"
    for name, mean, ends, printed, dashes in (
        ("selected", "accuracy_selected", "selected", "published_selected", (0, (4, 4))),
        # In the gaps of the other line, on which it may lie.
        (condition, "accuracy_random_mean", "random", "published_random", (4, (4, 4))),
    ):
        colour = CONDITION_COLOURS[name]
        error = [rows[mean] - rows[f"{ends}_ci_low"], rows[f"{ends}_ci_high"] - rows[mean]]
        error = np.maximum(np.array(error), 0)
        axis.errorbar(
            place, rows[mean], error, fmt="o-", color=colour, ms=4, capsize=2,
            label=f"ours: {CONDITION_NAMES[name]}",
        )  # fmt: skip
        axis.plot(
            place, rows[printed], "x", ls=dashes, color=colour, ms=6, lw=1.1,
            label=f"report: {'selected' if name == 'selected' else 'random'}",
        )  # fmt: skip
    labels = []
    for row in rows.to_dict("records"):
        theirs = row["published_dropped"]
        share = "" if np.isnan(theirs) else f"{theirs / row['published_filters']:.0%}"
        ours = row["filters_dropped"] / row["filters"]
        labels.append(f"{row['mu']:g}\n{ours:.0%}\n{share}")
    axis.set_xticks(place, labels, fontsize=SMALL)
    axis.set_ylim(0, 1.05)
    axis.set_xlabel("mu; filters removed, ours; the report's")


@styled
def draw_tipping_point(table: pd.DataFrame, kinds: Kinds) -> Figure:
    """Accuracy against removed filters: a row per removal, a column per network, a line per case."""
    models = [m for m in kinds if m in set(table["model"])]
    figure, axes = new_grid(len(models), 2)
    for column, model in enumerate(models):
        part, reported = table[table["model"] == model], REPORTED[kinds[model]]
        none = part[part["condition"] == "none"].set_index("seed")["accuracy"]
        for axis, removal in zip(axes[:, column], ("partial", "complete"), strict=True):
            rows = part[part["removal"] == removal]
            for solver in [s for s in SOLVER_NAMES if s in set(rows["solver"])]:
                for condition in CONDITIONS:
                    one = rows[(rows["solver"] == solver) & (rows["condition"] == condition)]
                    _draw_curve(axis, one, none, condition, solver)
            # Half of the way to the accuracy of guessing among ten classes.
            axis.axhline((none.mean() + 0.1) / 2, color=GREY, lw=0.8, ls=(0, (1, 3)))
            if removal == reported.removal:
                _mark_printed(axis, reported)
            axis.set(xlim=(0, 1), ylim=(0, 1.03))
            axis.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
            title_panel(axis, f"{_title(table, model, kinds)}\n{REMOVAL_NAMES[removal]}")
            axis.set_xlabel("filters removed")
    label_rows(axes, "test accuracy")
    share_legend(figure, axes, 3)
    return figure


def _draw_curve(
    axis: Axes, rows: pd.DataFrame, none: pd.Series, condition: str, solver: str
) -> None:
    """Mean over seeds, and a thin line for each; starts at the whole network."""
    colour, style = CONDITION_COLOURS[condition], LINE_STYLES[solver]
    for seed, of_seed in rows.groupby("seed"):
        line = of_seed.sort_values("n_removed")
        x = [0, *(line["n_removed"] / line["n_filters"])]
        axis.plot(x, [none[seed], *line["accuracy"]], style, color=colour, lw=0.5, alpha=0.35)
    mean = rows.groupby("mu")[["n_removed", "accuracy", "n_filters"]].mean()
    mean = mean.sort_values("n_removed")
    axis.plot(
        [0, *(mean["n_removed"] / mean["n_filters"])],
        [none.mean(), *mean["accuracy"]],
        style,
        color=colour,
        lw=1.5,
        label=f"{CONDITION_NAMES[condition]} ({SOLVER_NAMES[solver]})",
    )


def _mark_printed(axis: Axes, reported: ReportedExperiment) -> None:
    printed = [p for p in reported.printed[reported.rows[0]].values() if p.dropped is not None]
    share = [(p.dropped or 0) / reported.total for p in printed]
    selected, random = np.array([[p.selected, p.random] for p in printed], float).T
    axis.plot(share, selected, "kx", ms=5, label="report: selected")
    axis.plot(share, random, "k+", ms=6, label="report: random")


@styled
def draw_causes(table: pd.DataFrame, kinds: Kinds) -> Figure:
    """Where half of the accuracy is gone, for every combination, with intervals over seeds."""
    models = [m for m in kinds if m in set(table["model"])]
    n_rows = max(len(table[table["model"] == m]) for m in models)
    figure, axes = new_grid(len(models), 1, height=0.2 * n_rows + 1.4)
    for axis, model in zip(axes[0], models, strict=True):
        part = table[table["model"] == model]
        labels = []
        order = [(r, s) for r in ("partial", "complete") for s in SOLVER_NAMES]
        position = 0.0
        for removal, solver in order:
            rows = part[(part["removal"] == removal) & (part["solver"] == solver)]
            if not len(rows):
                continue
            for condition in CONDITIONS:
                row = rows[rows["condition"] == condition].iloc[0]
                _draw_point(axis, row, position, CONDITION_COLOURS[condition])
                name = f"{removal},\n{SOLVER_NAMES[solver]}" if condition == "random" else ""
                labels.append((position, name))
                position += 1
            position += 0.7
        reported = REPORTED[kinds[model]]
        axis.axvline(_printed_tip(reported), color=BLACK, lw=0.8, ls=":", label="report, selected")
        axis.set_yticks([p for p, _ in labels], [name for _, name in labels], fontsize=SMALL)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", visible=False)
        axis.set(xlim=(0, 1.04), ylim=(position, -0.7))
        axis.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
        title_panel(axis, _title(table, model, kinds))
        axis.set_xlabel("filters removed when half\nof the accuracy is gone")
    handles = [
        Line2D([], [], color=CONDITION_COLOURS[c], marker="o", ms=4, label=CONDITION_NAMES[c])
        for c in CONDITIONS
    ]
    handles.append(Line2D([], [], color=BLACK, lw=0.8, ls=":", label="report, selected"))
    draw_legend(figure, {str(handle.get_label()): handle for handle in handles})
    return figure


def _draw_point(axis: Axes, row: pd.Series, position: float, colour: str) -> None:
    total = row["n_filters"]
    if np.isnan(row["filters_at_50"]):
        # Open triangle: not reached by the largest number removed.
        axis.plot(row["largest_removed"] / total, position, ">", mfc="white", color=colour, ms=5)
        return
    if not np.isnan(row["filters_at_90"]):
        ends = [row["filters_at_10"] / total, row["filters_at_90"] / total]
        axis.plot(ends, [position, position], color=colour, lw=4, alpha=0.2, solid_capstyle="butt")
    ends = [row["ci_low"] / total, row["ci_high"] / total]
    axis.plot(ends, [position] * 2, color=colour, lw=1.4)
    axis.plot(row["filters_at_50"] / total, position, "o", color=colour, ms=4)


def _printed_tip(reported: ReportedExperiment) -> float:
    """The tipping point of the report's own printed accuracies, as a share of its filters."""
    printed = [p for p in reported.printed[reported.rows[0]].values() if p.dropped is not None]
    removed = np.array([p.dropped for p in printed], float)
    accuracy = np.array([p.selected for p in printed], float)
    # Its MatConvNet network is scored against its own predictions, where the whole network has 1.
    whole = PRINTED_KERAS_ACCURACY if reported is REPORTED["keras"] else 1.0
    return float(find_crossing(removed, accuracy, whole, 0.1, 0.5)) / reported.total


@styled
def draw_invariance(table: pd.DataFrame, kinds: Kinds) -> Figure:
    """Agreement of selected sets with another network's, against two exact nulls."""
    models = [m for m in kinds if m in set(table["model"])]
    mus = sorted(table["mu"].unique())
    figure, axes = new_grid(len(models), len(mus), height=2.7)
    for column, model in enumerate(models):
        for axis, mu in zip(axes[:, column], mus, strict=True):
            rows = table[(table["model"] == model) & (table["mu"] == mu)]
            names = [c for c in COMPARISONS if c in set(rows["comparison"])]
            for place, comparison in enumerate(names):
                pairs = rows[rows["comparison"] == comparison]
                offsets = (
                    place + np.linspace(-0.22, 0.22, len(pairs)) if len(pairs) > 1 else [place]
                )
                for k, (name, style) in enumerate(
                    (
                        ("jaccard", {"marker": "o", "color": VERMILION}),
                        ("jaccard_expected", {"marker": "_", "color": GREY}),
                        ("jaccard_expected_per_layer", {"marker": "_", "color": BLACK}),
                    )
                ):
                    label = ("measured", "chance", "chance, sets keep their layers")[k]
                    axis.plot(
                        offsets, pairs[name], ls="none", ms=5 if k == 0 else 9, mew=1.5, **style,
                        label=label if place == 0 else None,
                    )  # fmt: skip
                smallest = pairs["p_value_per_layer"].min()
                axis.annotate(
                    f"p ≥ {smallest:.2g}" if smallest >= 1e-3 else f"p ≥ {smallest:.0e}",
                    (place, 1.0),
                    xycoords=("data", "axes fraction"),
                    ha="center",
                    va="top",
                    fontsize=SMALL,
                    color="#555555",
                )
            axis.set_xticks(range(len(names)), [COMPARISONS[c] for c in names], fontsize=SMALL)
            axis.set_xlim(-0.6, len(names) - 0.4)
            axis.set_ylim(0, 1.1 * max(0.1, rows[["jaccard"]].to_numpy().max()) + 0.08)
            sizes = f"{rows['n_first'].mean():.0f} of {rows['n_filters'].iloc[0]} filters"
            title_panel(axis, f"{name_of(model)}, mu = {mu:g}\nselected: {sizes}")
            axis.grid(axis="x", visible=False)
    label_rows(axes, "Jaccard index")
    share_legend(figure, axes, 3)
    return figure


@styled
def draw_sensitivity(table: pd.DataFrame, kinds: Kinds) -> Figure:
    """Selected share of each layer against mu, images, descriptor and labels; mean over seeds."""
    models = [m for m in kinds if m in set(table["model"])]
    largest = table[table["factor"] != "mu"]["mu"].max()
    figure, axes = new_grid(len(models), 4, height=2.3)
    for column, model in enumerate(models):
        part = table[table["model"] == model]
        share = (part["n_selected"] / part["n_features"]).rename("share")
        part = part.assign(share=share)
        own = sorted(part[part["factor"] == "mu"]["layer"].unique())
        colours = dict(zip(own, LAYER_CYCLE, strict=False))
        over_mu, over_n = axes[0, column], axes[1, column]
        for layer in own:
            rows = part[part["layer"] == layer]
            line = rows[rows["factor"] == "mu"].groupby("mu")["share"].mean()
            over_mu.plot(line.index, line, color=colours[layer], label=layer, lw=1.3)
            sizes = rows[(rows["factor"] == "n_images") & (rows["mu"] == largest)]
            sizes = sizes.assign(n=sizes["level"].astype(int)).groupby("n")["share"]
            mean, low, high = sizes.mean(), sizes.min(), sizes.max()
            over_n.fill_between(mean.index, low, high, color=colours[layer], alpha=0.15, lw=0)
            over_n.plot(mean.index, mean, "o-", ms=3, color=colours[layer], lw=1.3)
        over_mu.set(xscale="log", xlabel="mu (exact path)", ylim=(0, 1.03))
        over_n.set(xscale="log", xlabel=f"training images, mu = {largest:g}", ylim=(0, 1.03))
        over_n.set_xticks(mean.index, [f"{n:,}" for n in mean.index], fontsize=SMALL, rotation=45)
        over_n.minorticks_off()
        # Above the panel: curves may lie anywhere in it.
        over_mu.legend(
            fontsize=SMALL, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), title=name_of(model)
        )
        _draw_levels(axes[2, column], part, "descriptor", largest)
        _draw_levels(axes[3, column], part, "labels", largest)
    label_rows(axes, "share of the layer\nthat is selected")
    return figure


def _draw_levels(axis: Axes, part: pd.DataFrame, factor: str, mu: float) -> None:
    """Share of each layer by the levels of a factor; layers of any level, in order of their name."""
    rows = part[(part["factor"] == factor) & (part["mu"] == mu)]
    table = rows.pivot_table(index="layer", columns="level", values="share")
    order = sorted(table.index, key=lambda name: (int("".join(filter(str.isdigit, name))), name))
    marks = dict(zip(table.columns, "osD^", strict=False))
    for level, colour in zip(table.columns, (BLUE, ORANGE, GREEN, PURPLE), strict=False):
        place = np.arange(len(order)) + 0.12 * (list(table.columns).index(level) - 1)
        values = table.loc[order, level]
        label = DESCRIPTORS[level].label if factor == "descriptor" else level
        axis.plot(place, values, marks[level], color=colour, ms=4, label=label)
    axis.set_xticks(range(len(order)), order, fontsize=SMALL, rotation=45)
    axis.set(ylim=(0, 1.03), xlabel=f"layer, mu = {mu:g}")
    # Above the panel: marks may lie anywhere in it.
    axis.legend(fontsize=SMALL, loc="lower left", bbox_to_anchor=(0, 1), title=factor)
