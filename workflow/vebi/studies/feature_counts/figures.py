"""How many features each variant of the method selects, next to the paper's numbers."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vebi.figures.grid import new_grid, title_panel
from vebi.figures.names import title_of
from vebi.figures.style import BLUE, GREY, SCOPE_NAMES, SMALL, VERMILION, WIDTH, styled

# Features selected at mu = 10 on the four data sets of the paper's Fig. 4: All, OnlyConv. Which pair
# belongs to which data set it does not say.
PUBLISHED = ((46, 28), (92, 101), (104, 111), (248, 180))
PUBLISHED_MU = 10
_COLOURS = {"all": VERMILION, "conv": BLUE}
_FORM = ["descriptor", "nonnegative"]
_NAMES = {"vebi_text": "L2 norm\n(text)", "vebi_code": "squared\n(code)"}


@styled
def draw_feature_counts(table: pd.DataFrame) -> Figure:
    """A panel per experiment and mu: a point per network, by descriptor and sign of W.

    At the paper's mu its pairs of numbers stand at the right, from the smallest to the largest.
    """
    experiments = list(
        table[["dataset", "model", "mu"]].drop_duplicates().itertuples(index=False, name=None)
    )
    figure, axes = new_grid(len(experiments), width=0.6 * WIDTH, height=3.4, most=1)
    for axis, (dataset, model, mu) in zip(axes[0], experiments, strict=True):
        keys = (table["dataset"] == dataset) & (table["model"] == model) & (table["mu"] == mu)
        part = table[keys]
        forms = part[_FORM].drop_duplicates().sort_values(_FORM, ascending=[False, True])
        columns = list(forms.itertuples(index=False, name=None))
        for scope, offset in (("all", -0.12), ("conv", 0.12)):
            _draw_scope(axis, part[part["scope"] == scope], columns, scope, offset)
        ticks = [
            f"{_NAMES.get(d, d)}\n{'W ≥ 0' if n == 'True' else 'signed W'}" for d, n in columns
        ]
        if mu == PUBLISHED_MU:
            _draw_published(axis, len(columns))
            ticks.append("published,\nfour data sets")
        positions = [*range(len(columns)), len(columns) + 0.5][: len(ticks)]
        axis.set_xticks(positions, ticks, fontsize=SMALL)
        axis.grid(axis="x", visible=False)
        axis.set_ylim(bottom=0)
        networks = part["seed"].nunique()
        counted = f"{networks} network{'s' if networks > 1 else ''}"
        title_panel(axis, f"{title_of(dataset, model, ', ')}\nμ = {mu:g}, {counted}")
        axis.set_ylabel("features selected by any class")
        axis.legend(fontsize=SMALL, loc="upper left")
    return figure


def _draw_scope(
    axis: Axes, rows: pd.DataFrame, columns: list[tuple[str, str]], scope: str, offset: float
) -> None:
    """A point per network in the column of its form, and the mean of each column."""
    places = [columns.index(pair) + offset for pair in rows[_FORM].itertuples(False, None)]
    label = f"{SCOPE_NAMES[scope]} (of {rows['n_features_total'].max()})" if len(rows) else ""
    axis.plot(places, rows["n_features"], "o", ms=5, color=_COLOURS[scope], label=label, alpha=0.8)
    for column, pair in enumerate(columns):
        mine = rows[(rows["descriptor"] == pair[0]) & (rows["nonnegative"] == pair[1])]
        if len(mine):
            axis.annotate(
                f"{mine['n_features'].mean():.0f}",
                (column + offset, mine["n_features"].max()),
                (0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
            )


def _draw_published(axis: Axes, first: int) -> None:
    """The paper's pairs of numbers, from the place `first` on."""
    for number, pair in enumerate(PUBLISHED):
        x = first + 0.35 * number
        for value, scope in zip(pair, ("all", "conv"), strict=True):
            axis.plot(x, value, "_", ms=11, mew=2, color=_COLOURS[scope])
            # Away from the other number of the pair, which may be close.
            upper = value == max(pair)
            axis.annotate(
                str(value),
                (x, value),
                (0, 3 if upper else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if upper else "top",
                fontsize=SMALL,
            )
    axis.axvline(first - 0.5, color=GREY, lw=0.8)
