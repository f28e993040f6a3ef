"""Figures of where heatmaps lie: IoU curves, localisation measures, distractors."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vebi.catalogue.methods import CHANCE, DRAWN, OURS, in_order
from vebi.figures.grid import describe_sample, get_experiments, new_grid, rows_of, title_panel
from vebi.figures.names import title_of
from vebi.figures.style import GREEN, GREY, SMALL, VERMILION, WIDTH, styled

MEASURES = {
    "relevance_mass": "relevance mass on the mask",
    "relevance_rank": "relevance rank accuracy",
    "pointing": "pointing game: peak on the mask",
}
REGIONS = {
    "part": ("discriminative part", GREEN),
    "distractors": ("distractors", VERMILION),
    "elsewhere": ("elsewhere", "#dcdcdc"),
}


@styled
def draw_iou_curves(curves: pd.DataFrame, areas: pd.DataFrame) -> Figure:
    """The paper's Fig. 8: mean IoU against the threshold, mean over seeds, area in the legend.

    A column per experiment. The paper's methods are in the first row; other ones in a second, with
    the paper's as a reference.
    """
    experiments = get_experiments(curves)
    present = in_order(curves["method"])
    paper = [name for name in present if DRAWN[name].paper or name == CHANCE.name]
    others = [name for name in present if name not in paper]
    beside = [name for name in (OURS.name, CHANCE.name) if name in paper]
    rows = [paper, [*others, *beside]] if others else [paper]
    figure, axes = new_grid(len(experiments), len(rows), width=WIDTH / 2, height=4.2, most=2)
    for row, methods in enumerate(rows):
        for axis, (dataset, model) in zip(axes[row], experiments, strict=True):
            part, area = rows_of(curves, dataset, model), rows_of(areas, dataset, model)
            for method in methods:
                _draw_curve(axis, part, area, method, 1.6 if method in paper else 1.1)
            counts = describe_sample(area["n_images"].iloc[0], area["seed"].nunique())
            title = f"{title_of(dataset, model)}, {counts}"
            title_panel(axis, title if row == 0 else "other methods and VEBI")
            axis.set(
                xlabel="threshold on the heatmap", ylabel="mean IoU with the mask", xlim=(0, 1)
            )
            # Below the axes: the curves leave no free corner.
            axis.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, -0.17),
                fontsize=SMALL,
                title="area under the curve, mean over seeds",
                title_fontsize=SMALL,
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
    axis: Axes, curves: pd.DataFrame, areas: pd.DataFrame, method: str, width: float
) -> None:
    """One method's mean over seeds, and each seed faintly."""
    rows = curves[curves["method"] == method]
    if rows.empty:
        return
    line = rows.groupby("threshold")["mean_iou"].mean()
    colour, style = DRAWN[method].colour, DRAWN[method].line
    label = f"{DRAWN[method].label}: {areas[areas['method'] == method]['auc'].mean():.3f}"
    axis.plot(line.index, line, style, color=colour, lw=width, label=label)
    for _, one in rows.groupby("seed"):
        axis.plot(
            one["threshold"], one["mean_iou"], style, color=colour, alpha=0.25, lw=0.4 * width
        )


@styled
def draw_localisation(table: pd.DataFrame) -> Figure:
    """Relevance mass, rank accuracy and pointing game: a dot and interval per method and seed."""
    experiments, methods = get_experiments(table), _methods(table)
    height = 0.27 * len(methods) + 0.9
    figure, axes = new_grid(len(MEASURES), len(experiments), height=height)
    for row, (dataset, model) in zip(axes, experiments, strict=True):
        part = rows_of(table, dataset, model)
        seeds = sorted(part["seed"].unique())
        offsets = np.linspace(-0.22, 0.22, len(seeds)) if len(seeds) > 1 else [0.0]
        for axis, (measure, title) in zip(row, MEASURES.items(), strict=True):
            for place, method in enumerate(methods):
                for seed, offset in zip(seeds, offsets, strict=True):
                    found = part[(part["method"] == method) & (part["seed"] == seed)]
                    if found.empty:
                        continue
                    one, at = found.iloc[0], place + offset
                    ends = one[f"{measure}_ci_low"], one[f"{measure}_ci_high"]
                    whole = {"color": DRAWN[method].colour, "clip_on": False}
                    axis.plot(ends, (at, at), lw=1.2, **whole)
                    axis.plot(one[measure], at, "o", ms=3, **whole)
            chance = part[part["method"] == CHANCE.name][measure].mean()
            axis.axvline(chance, color=GREY, ls=":", lw=1)
            axis.set(xlim=(0, 1), ylim=(len(methods) - 0.5, -0.5), title=title)
            axis.set_yticks(range(len(methods)), [""] * len(methods))
        row[0].set_yticks(range(len(methods)), [DRAWN[m].label for m in methods])
        row[0].set_ylabel(title_of(dataset, model))
        row[-1].annotate(
            f"{describe_sample(part['n_images'].iloc[0], len(seeds))}; dotted: chance",
            (1, 0),
            (0, -22),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=SMALL,
            color="#555555",
        )
    return figure


@styled
def draw_distractors(table: pd.DataFrame) -> Figure:
    """Share of each method's map on the discriminative part, on distractors and elsewhere.

    Means over seeds; the random map shows the areas' shares. The numbers at the right say how many
    times as dense the map is on part and distractors as a random one.
    """
    experiments, methods = get_experiments(table), _methods(table)
    height = 0.33 * len(methods) + 1.4
    figure, axes = new_grid(1, len(experiments), width=7.2, height=height)
    for axis, (dataset, model) in zip(axes[:, 0], experiments, strict=True):
        part = rows_of(table, dataset, model)
        means = part.groupby("method").mean(numeric_only=True).to_dict("index")
        for place, method in enumerate(methods):
            row, left = means[method], 0.0
            for region, (name, colour) in REGIONS.items():
                column = "mass_elsewhere" if region == "elsewhere" else f"mass_on_{region}"
                share = row[column]
                label = name if place == 0 else None
                axis.barh(place, share, 0.72, left=left, color=colour, label=label)
                left += share
            each = part[part["method"] == method]["mass_on_part"]
            axis.plot(each, [place] * len(each), "|", color="black", ms=7)
            times = [row[f"mass_on_{r}"] / row[f"area_{r}"] for r in ("part", "distractors")]
            for at, value in zip((1.07, 1.18), times, strict=True):
                axis.text(at, place, f"{value:.1f}", ha="center", va="center")
        for at, name in ((1.07, "part"), (1.18, "distractors")):
            axis.text(at, -0.75, name, ha="center", fontsize=SMALL)
        axis.text(1.125, -1.35, "density, chance = 1", ha="center", fontsize=SMALL, color="#555555")
        axis.set_yticks(range(len(methods)), [DRAWN[m].label for m in methods])
        # Room for the numbers right of the bars.
        axis.set(xlim=(0, 1.25), ylim=(len(methods) - 0.5, -0.5))
        axis.set_xticks(np.linspace(0, 1, 6))
        axis.spines["bottom"].set_bounds(0, 1)
        axis.grid(axis="y", visible=False)
        counts = describe_sample(part["n_images"].iloc[0], part["seed"].nunique())
        title_panel(axis, f"{title_of(dataset, model, ', ')}\n{counts} (black marks)", pad=34)
        axis.set_xlabel("share of the heatmap's mass")
        axis.legend(loc="upper center", bbox_to_anchor=(0.4, -0.12), ncols=3, fontsize=SMALL)
    return figure


def _methods(table: pd.DataFrame) -> list[str]:
    return in_order(table["method"])
