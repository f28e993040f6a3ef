"""The figure of the study."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vebi.catalogue.methods import get_method
from vebi.catalogue.palette import BLUE, GREEN, GREY, PURPLE, VERMILION
from vebi.figures.grid import add_note, get_experiments, label_rows, new_grid, rows_of, title_panel
from vebi.figures.names import title_of
from vebi.figures.style import NOTE, SMALL, WIDTH, styled
from vebi.studies.identifiability.rankings import RANKINGS
from vebi.studies.identifiability.rivals_file import METHODS

KIND_COLOURS = {"selected": VERMILION, "predictive": BLUE, "relevance": GREEN, "random": GREY}
# How strong the colours of bars side by side are, the first one's and the second one's.
STRENGTHS = (0.6, 0.25)


@styled
def draw_identifiability(
    stability: pd.DataFrame, rivals: pd.DataFrame, maps: pd.DataFrame | None = None
) -> Figure:
    """Stability of each selected feature; what removing each ranking's features costs; where they lie.

    `maps`: None where no data set has masks.
    """
    experiments = get_experiments(rivals)
    n_rows = 2 if maps is None else 3
    figure, axes = new_grid(len(experiments), n_rows, width=WIDTH / 3, height=2.7)
    for column, experiment in zip(axes.T, experiments, strict=True):
        features = rows_of(stability, *experiment)
        networks = features["seed"].nunique()
        counted = f"{networks} networks" if networks > 1 else "one network"
        title_panel(column[0], f"{title_of(*experiment)}\n{counted}, {len(features)} features")
        _draw_stability(column[0], features)
        _draw_bars(column[1], [rows_of(rivals, *experiment)], "drop")
        if maps is not None:
            rows = rows_of(maps, *experiment)
            _draw_bars(column[2], [rows[rows["method"] == name] for name in METHODS[::-1]], "auc")
    label_rows(axes[:1], "share of resamples\nthat select it again")
    label_rows(axes[1:2], "drop of accuracy\nwithout its features")
    label_rows(axes[2:], "overlap with the mask\nof its features' maps")
    note = "as many features per layer as are selected; a dot is a network"
    if maps is not None:
        pair = " and, pale, ".join(get_method(name).label for name in METHODS[::-1])
        note = f"{note}\nlast row: maps by {pair}"
    add_note(figure, note)
    return figure


def _draw_stability(axes: Axes, features: pd.DataFrame) -> None:
    size = np.abs(features["weight"].astype(float))
    axes.plot(size, features["selected_share"], "o", ms=4, color=PURPLE, alpha=0.5, mew=0)
    axes.set(ylim=(-0.03, 1.03), xlabel="size of the weight", xscale="log")


def _draw_bars(axes: Axes, parts: Sequence[pd.DataFrame], value: str) -> None:
    """A bar per ranking and part, the mean of its networks, which are dots."""
    names = [name for name in RANKINGS if name in set(parts[0]["ranking"])]
    if not names:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no masks", ha="center", transform=axes.transAxes, **NOTE)
        return
    width = 0.8 / len(parts)
    for number, (part, strength) in enumerate(zip(parts, STRENGTHS, strict=False)):
        for place, name in enumerate(names):
            values = part.loc[part["ranking"] == name, value]
            colour = KIND_COLOURS[RANKINGS[name].kind]
            at = place + (number - (len(parts) - 1) / 2) * width
            axes.bar(at, values.mean(), 0.9 * width, color=colour, alpha=strength)
            axes.plot([at] * len(values), values, "o", ms=3, color=colour, clip_on=False)
    labels = [RANKINGS[name].label for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=40, ha="right", fontsize=SMALL)
    axes.grid(axis="x", visible=False)
    axes.axhline(0, color="#444444", lw=0.6)
