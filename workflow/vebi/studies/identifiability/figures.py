"""The figure of the study."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vebi.catalogue.palette import BLUE, GREEN, GREY, PURPLE, VERMILION
from vebi.figures.grid import get_experiments, label_rows, new_grid, rows_of
from vebi.figures.names import title_of
from vebi.figures.style import NOTE, SMALL, WIDTH, styled

RANKING_NAMES = {
    "selected": "selected (mu-Lasso)",
    "response": "mean response",
    "omp": "matching pursuit",
    "elastic_net": "elastic net",
    "logistic": "logistic probe",
    "taylor": "gradient x activation",
    "random_layer_matched": "random",
}
KIND_COLOURS = {
    "selected": VERMILION,
    "predictive": BLUE,
    "gradient": GREEN,
    "random": GREY,
}


@styled
def draw_identifiability(stability: pd.DataFrame, rivals: pd.DataFrame) -> Figure:
    """Above, stability of each selected feature; below, what removing each ranking's features costs."""
    experiments = get_experiments(rivals)
    figure, axes = new_grid(len(experiments), 2, width=WIDTH / 3, height=2.9)
    for (above, below), experiment in zip(axes.T, experiments, strict=True):
        features = rows_of(stability, *experiment)
        size = np.abs(features["weight"].astype(float))
        above.plot(size, features["selected_share"], "o", ms=4, color=PURPLE, alpha=0.5, mew=0)
        networks = features["seed"].nunique()
        counted = f"{networks} networks" if networks > 1 else "one network"
        above.set_title(f"{title_of(*experiment)}\n{counted}, {len(features)} features")
        above.set(ylim=(-0.03, 1.03), xlabel="size of the weight", xscale="log")
        rows = rows_of(rivals, *experiment)
        names = [name for name in RANKING_NAMES if name in set(rows["ranking"])]
        for place, name in enumerate(names):
            some = rows[rows["ranking"] == name]
            colour = KIND_COLOURS[some["kind"].iloc[0]]
            below.bar(place, some["drop"].mean(), 0.7, color=colour, alpha=0.45)
            below.plot([place] * len(some), some["drop"], "o", ms=4, color=colour, clip_on=False)
        labels = [RANKING_NAMES[name] for name in names]
        below.set_xticks(range(len(names)), labels, rotation=40, ha="right", fontsize=SMALL)
        below.grid(axis="x", visible=False)
        below.axhline(0, color="#444444", lw=0.6)
    label_rows(axes[:1], "share of resamples\nthat select it again")
    label_rows(axes[1:], "drop of accuracy\nwithout its features")
    figure.supxlabel("as many features per layer as are selected; a dot is a network", **NOTE)
    return figure
