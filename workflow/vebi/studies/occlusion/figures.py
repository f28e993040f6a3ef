"""The figure of the box-occlusion study."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from vebi.catalogue.methods import DRAWN, PEER, in_order
from vebi.figures import grid
from vebi.figures.names import title_of
from vebi.figures.style import SMALL, styled


@styled
def draw_occlusion(curves: pd.DataFrame, paired: pd.DataFrame) -> Figure:
    """Above: confidence against covered area. Below: each method's mean difference to deconvnet + GB.

    `curves` the table occlusion, `paired` the table occlusion_paired. A column per experiment.
    """
    experiments = grid.get_experiments(curves)
    methods = in_order(curves["method"])
    figure, axes = grid.new_grid(len(experiments), 2, height=1.6 + 0.11 * len(methods))
    for column, (dataset, model) in enumerate(experiments):
        of_experiment = (curves["dataset"] == dataset) & (curves["model"] == model)
        _draw_curves(axes[0, column], curves[of_experiment], methods)
        part = curves[of_experiment]
        counts = grid.describe_sample(part["n_images"].iloc[0], part["seed"].nunique())
        grid.title_panel(axes[0, column], f"{title_of(dataset, model)}\n{counts}")
        of_experiment = (paired["dataset"] == dataset) & (paired["model"] == model)
        rows = paired[of_experiment & (paired["reference"] == PEER.name)].set_index("method")
        _draw_differences(axes[1, column], rows, methods)
    grid.label_rows(axes[:1], "confidence in the\nfirst prediction")
    grid.share_limits(axes[1], "x")
    for upper in axes[0]:
        upper.set_ylim(0, 1.02)
    for block in range(0, len(experiments), grid.MOST_COLUMNS):
        axes[1, block].set_yticks(range(len(methods)), [DRAWN[m].label for m in methods])
    lines = [f"below: mean over the curve minus that of {PEER.label}"]
    lines += ["bands and bars: 95 % over scenes"]
    if paired["published_difference"].notna().any():
        lines[1] += "; dotted: the paper's 2 %"
    grid.share_legend(figure, axes[0], title="\n".join(lines))
    return figure


def _draw_curves(axis: Axes, table: pd.DataFrame, methods: list[str]) -> None:
    """Mean over seeds; the band is a network's 95 % interval over scenes, also the seeds' mean."""
    for method in methods:
        mean = table[table["method"] == method].groupby("covered_fraction").mean(numeric_only=True)
        colour, style = DRAWN[method].colour, DRAWN[method].line
        axis.fill_between(
            mean.index, mean["ci_low"], mean["ci_high"], color=colour, alpha=0.1, lw=0
        )
        label = DRAWN[method].label
        axis.plot(mean.index, mean["mean_confidence"], style, color=colour, label=label)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.set_xlabel("covered part of the image")
    axis.set_xlim(0, table["covered_fraction"].max())


def _draw_differences(axis: Axes, rows: pd.DataFrame, methods: list[str]) -> None:
    """Mean difference over the curve with its 95 % interval, and the published size on both sides."""
    for size in rows["published_difference"].dropna():
        for sign in (-1, 1):
            axis.axvline(sign * size, color="#888888", lw=0.8, ls=":")
    axis.axvline(0, color=PEER.colour, lw=1)
    for place, method in enumerate(methods):
        if method not in rows.index:
            continue
        row = rows.loc[method]
        axis.plot([row["ci_low"], row["ci_high"]], [place, place], color=DRAWN[method].colour)
        axis.plot(row["difference"], place, "o", ms=4, color=DRAWN[method].colour)
    axis.set_yticks(range(len(methods)), [""] * len(methods))
    axis.tick_params(axis="y", labelsize=SMALL, length=0)
    axis.set_ylim(len(methods) - 0.5, -0.5)
    axis.set_xlabel("difference in confidence")
