"""The figure of the sanity checks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vebi.catalogue.methods import DRAWN, in_order
from vebi.figures.grid import describe_sample, get_experiments, new_grid, share_legend
from vebi.figures.names import title_of
from vebi.figures.style import SMALL, styled
from vebi.figures.text import layer_label
from vebi.studies.sanity.sanity_file import ONLY, RANDOM_LABELS
from vebi.studies.sanity.tables import KEPT, LOST

PER_PANEL = 5


@styled
def draw_sanity(table: pd.DataFrame) -> Figure:
    """Rank correlation to the trained network's map against the layers randomised, a row per experiment.

    Each panel shows a few methods in colour and all others in grey, so that many can be told apart;
    lines are means over seeds with their 95 % interval.
    """
    experiments = get_experiments(table)
    methods = in_order(table["method"])
    parts = np.array_split(np.array(methods, object), -(-len(methods) // PER_PANEL))
    groups = [part.tolist() for part in parts]
    figure, axes = new_grid(len(groups), len(experiments), most=len(groups))
    for row, (dataset, model) in enumerate(experiments):
        part = table[(table["dataset"] == dataset) & (table["model"] == model)]
        counts = describe_sample(part["n_images"].max(), part["seed"].nunique())
        for column, group in enumerate(groups):
            axis = axes[row, column]
            _draw_panel(axis, part, methods, group)
            if column == 0:
                axis.set_title(f"{title_of(dataset, model, ', ')}\n{counts}", loc="left")
                axis.set_ylabel("rank correlation with\nthe trained network's map")
    note = (
        "layers randomised, from the class scores down (cumulative); diamonds: network trained on "
        "shuffled labels\ngrey: the other methods; dotted: the cut points of the verdicts, "
        f"{LOST} and {KEPT}; bands: 95 % over scenes\nwhat is explained stays: the trained network's "
        "prediction, and the hidden features chosen for it, which nothing above them can change "
        "(sanity_verdict.csv has both chosen again, too)"
    )
    share_legend(figure, axes[0], title=note)
    return figure


def _draw_panel(axis: Axes, part: pd.DataFrame, methods: list[str], group: list[str]) -> None:
    down = part[
        (part["randomised_up_to"] != RANDOM_LABELS) & ~part["randomised_up_to"].str.startswith(ONLY)
    ]
    layers = down.sort_values("step")["randomised_up_to"].unique().tolist()
    labelled = part[part["randomised_up_to"] == RANDOM_LABELS]
    places = range(len(layers) + 1)
    for bound in (LOST, KEPT):
        axis.axhline(bound, color="#888888", lw=0.8, ls=":")
    for method in [m for m in methods if m not in group] + group:
        mean = (
            down[down["method"] == method]
            .groupby("randomised_up_to")[["rank_correlation", "ci_low", "ci_high"]]
            .mean()
            .reindex(layers)
        )
        values = [1.0, *mean["rank_correlation"]]
        if method not in group:
            axis.plot(places, values, color="#dddddd", lw=0.9, zorder=1)
            continue
        colour = DRAWN[method].colour
        low, high = [1.0, *mean["ci_low"]], [1.0, *mean["ci_high"]]
        axis.fill_between(places, low, high, color=colour, alpha=0.12, lw=0)
        label = DRAWN[method].label
        # A dashed line is seen on a solid one that it coincides with.
        style = DRAWN[method].line
        order = 2 + len(style)
        axis.plot(places, values, f"o{style}", ms=3, color=colour, label=label, zorder=order)
        rows = labelled[labelled["method"] == method]["rank_correlation"]
        if len(rows):
            axis.plot(len(layers) + 1.3, rows.mean(), "D", ms=4, color=colour)
    names = ["none", *map(layer_label, layers)]
    ticks = [float(place) for place in places]
    if len(labelled):
        names.append("random\nlabels")
        ticks.append(len(layers) + 1.3)
    axis.set_xticks(ticks, names, fontsize=SMALL, rotation=90 if len(names) > 9 else 0)
    axis.set_ylim(-0.25, 1.05)
