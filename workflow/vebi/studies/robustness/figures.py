"""Where the paper's orderings hold: a grid of verdicts."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from vebi.figures.names import title_of
from vebi.figures.style import GREY, SMALL, VERDICT_COLOURS, WIDTH, new_figure, styled
from vebi.statistics import ORDERINGS
from vebi.studies.robustness.comparisons import COMPARISONS, say_comparison

_MEANING = {
    "holds": "holds: 95 % interval above zero",
    "undecided": "undecided: interval holds zero",
    "reversed": "reversed: interval below zero",
}
_SHORT_DESCRIPTOR = {"vebi_text": "text", "vebi_code": "code"}


@styled
def draw_robustness(table: pd.DataFrame) -> Figure:
    """A panel per experiment, a row per comparison, a column per setting, a colour per verdict.

    In the cells: 100 x the mean difference, of areas under the IoU curve in the upper rows and of drops
    in mean class accuracy in the lower ones.
    """
    datasets = list(dict.fromkeys(table["dataset"]))
    models = list(dict.fromkeys(table["model"]))
    names = [name for name in COMPARISONS if name in set(table["comparison"])]
    order = ["descriptor", "nonnegative", "mu"]
    settings = table[order].drop_duplicates().sort_values(order, ascending=[False, True, True])
    columns = list(settings.itertuples(index=False, name=None))
    ticks = [
        f"{_SHORT_DESCRIPTOR.get(d, d)}\n{'W ≥ 0' if n == 'True' else 'signed'}\nμ = {mu:g}"
        for d, n, mu in columns
    ]
    ticks.append("holds\nin")
    panels = [(dataset, model) for dataset in datasets for model in models]
    # Cells as wide as their numbers; where two panels do not fit, each has a row.
    across = len(models) if 2.6 + 0.4 * (len(columns) + 1.4) * len(models) <= WIDTH else 1
    figure, axes = new_figure(
        len(panels) // across,
        across,
        figsize=(WIDTH, 1.1 + 3.1 * len(panels) // across),
        sharex=True,
        sharey=True,
    )
    for axis, (dataset, model) in zip(axes.flat, panels, strict=True):
        part = table[(table["dataset"] == dataset) & (table["model"] == model)]
        _draw_cells(axis, part, columns, names)
        axis.set_title(_title(dataset, model, part), fontsize=9)
        axis.set_xlim(-0.5, len(columns) + 0.9)
        axis.set_ylim(len(names) - 0.5, -0.5)
        for y, name in enumerate(names):
            verdicts = part[part["comparison"] == name]["verdict"]
            count = f"{(verdicts == 'holds').sum()}/{len(verdicts)}"
            axis.text(len(columns) + 0.2, y, count, va="center", ha="center", fontsize=SMALL)
        n_areas = sum(not name.startswith(("selected", "All")) for name in names)
        axis.axhline(n_areas - 0.5, color=GREY, lw=0.8)
        axis.set_xticks([*range(len(columns)), len(columns) + 0.2], ticks, fontsize=SMALL)
        axis.set_yticks(range(len(names)), [say_comparison(name) for name in names])
        axis.grid(visible=False)
        axis.tick_params(length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
    # One legend says all: a label of the figure would lie on it.
    figure.legend(
        handles=[Patch(color=VERDICT_COLOURS[v], label=_MEANING[v]) for v in ORDERINGS],
        loc="outside lower center",
        ncols=3,
        title="in the cells: 100 × the mean difference of areas under the IoU curve (above the line),"
        "\nof drops in mean class accuracy (below)",
        title_fontsize=SMALL,
    )
    return figure


def _draw_cells(
    axis: Axes, part: pd.DataFrame, columns: list[tuple[str, str, float]], names: list[str]
) -> None:
    """A box per comparison and setting, with its mean difference."""
    row: Any
    for row in part.itertuples():
        x = columns.index((row.descriptor, row.nonnegative, row.mu))
        y = names.index(row.comparison)
        box = Rectangle((x - 0.47, y - 0.44), 0.94, 0.88, color=VERDICT_COLOURS[row.verdict], lw=0)
        axis.add_patch(box)
        text = _signed(100 * row.mean_difference)
        axis.text(x, y, text, ha="center", va="center", fontsize=SMALL)


def _signed(value: float) -> str:
    text = f"{value:+.1f}".replace("-", "−")
    return "0.0" if text.endswith("0.0") and len(text) == 4 else text


def _title(dataset: str, model: str, part: pd.DataFrame) -> str:
    seeds, images, scenes = (part[f"n_{name}"].iloc[0] for name in ("seeds", "images", "scenes"))
    views = f"{images} test images" + (f" of {scenes} scenes" if scenes < images else "")
    return f"{title_of(dataset, model, ', ')}\n{seeds} network{'s' if seeds > 1 else ''}, {views}"
