"""Figures of single images: their interventions, and relevance per part next to the true effects."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vebi.catalogue.methods import DRAWN, in_order
from vebi.catalogue.palette import BLACK, GREEN, GREY
from vebi.figures.images import show_image
from vebi.figures.style import SMALL, WIDTH, new_figure, styled
from vebi.studies.interventions.effects_file import Effects, read_effects
from vebi.studies.interventions.interventions_file import Intervened, read_interventions
from vebi.studies.interventions.parts import effects_of_parts

# Pictures side by side.
COLUMNS = 9


def draw_run_panels(interventions: Path, effects: Path, images: int) -> Figure:
    """The first images of an experiment with their interventions."""
    found = read_effects(effects)
    rows = np.linspace(0, len(found.image_index) - 1, images).round().astype(int)
    chosen = {int(found.image_index[row]) for row in rows}
    pictures = [one for one in read_interventions(interventions) if one.index in chosen]
    return draw_panels(pictures, found)


@styled
def draw_panels(pictures: list[Intervened], effects: Effects) -> Figure:
    """For each image: it and its interventions in rows, then bars of relevance and effect per part."""
    applied = [np.flatnonzero(one.applies) for one in pictures]
    lines = [-(-(1 + len(columns)) // COLUMNS) for columns in applied]
    figure = Figure(figsize=(WIDTH, sum(1.5 * n + 2.3 for n in lines)))
    outer = figure.subfigures(len(pictures), 1, squeeze=False)[:, 0]
    for part, one, columns, n in zip(outer, pictures, applied, lines, strict=True):
        upper, lower = part.subfigures(2, 1, height_ratios=(1.5 * n, 2.3))
        axes = upper.subplots(n, COLUMNS, squeeze=False).ravel()
        row = int(np.flatnonzero(effects.image_index == one.index)[0])
        for axis in axes:
            axis.axis("off")
        show_image(axes[0], one.image)
        axes[0].set_title("image", fontsize=SMALL)
        axes[0].set_xlabel(f"score {effects.score[row]:.1f}", fontsize=SMALL, labelpad=1)
        for axis, column in zip(axes[1:], columns, strict=False):
            show_image(axis, one.changed[column])
            name = f"{effects.change_parts[column]}\n{effects.change_kinds[column]}"
            axis.set_title(name.replace("_", " "), fontsize=SMALL)
            axis.set_xlabel(
                f"{round(-effects.score_drop[row, column], 1) + 0.0:+.1f}",
                fontsize=SMALL,
                labelpad=1,
            )
        _draw_bars(lower.subplots(), effects, row)
    return figure


def _draw_bars(axis: Axes, effects: Effects, row: int) -> None:
    true, shown = _scaled_effects(effects)[row], effects.area[row] > 0
    places = np.flatnonzero(shown & ~np.isnan(true))
    places = places[np.argsort(-true[places], kind="stable")]
    methods = in_order(effects.density)
    width = 0.8 / (len(methods) + 2)
    at = np.arange(len(places))
    axis.bar(
        at - 0.4 + width,
        true[places],
        2 * width,
        facecolor="white",
        edgecolor=BLACK,
        hatch="////",
        label="true effect",
    )
    for number, method in enumerate(methods):
        values = _scaled(effects.density[method])[row, places]
        shift = -0.4 + (number + 2.5) * width
        colour, label = DRAWN[method].colour, DRAWN[method].label
        axis.bar(at + shift, values, width, color=colour, label=label)
    carrier = effects.class_part[row]
    names = [f"{effects.parts[p]}{' (class)' * bool(p == carrier)}" for p in places]
    axis.set_xticks(at, names, fontsize=SMALL)
    axis.axhline(0, color=GREY, lw=0.8)
    axis.set(ylim=(min(-0.1, float(true[places].min(initial=0))), 1.05), ylabel="largest = 1")
    axis.legend(fontsize=SMALL, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def draw_run_scatter(effects: Path) -> Figure:
    """Relevance over effect of all images of an experiment, first network."""
    return draw_scatter(read_effects(effects))


@styled
def draw_scatter(effects: Effects) -> Figure:
    """A panel per method: relevance of each part over its effect, both scaled in each image."""
    methods = in_order(effects.density)
    columns = min(5, len(methods))
    lines = -(-len(methods) // columns)
    size = WIDTH / 5
    figure, axes = new_figure(
        lines, columns, figsize=(size * columns, size * lines), sharex=True, sharey=True
    )
    true = np.where(effects.area > 0, _scaled_effects(effects), np.nan)
    is_carrier = np.arange(len(effects.parts))[None] == effects.class_part[:, None]
    for axis in axes.flat[len(methods) :]:
        axis.axis("off")
    for axis, method in zip(axes.flat, methods, strict=False):
        relevance = _scaled(effects.density[method])
        for chosen, colour, name in (
            (~is_carrier, GREY, "other parts"),
            (is_carrier, GREEN, "part with the class"),
        ):
            x, y = true[chosen], relevance[chosen]
            axis.plot(x, y, "o", ms=2.5, alpha=0.5, mew=0, color=colour, label=name)
        axis.set(xlim=(-0.6, 1.05), ylim=(-0.05, 1.05))
        axis.set_title(DRAWN[method].short, fontsize=SMALL)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), fontsize=SMALL, loc="outside upper right"
    )
    figure.supxlabel("true effect of the part, largest of the image = 1", fontsize=8)
    figure.supylabel("relevance per pixel, largest of the image = 1", fontsize=8)
    return figure


def _scaled_effects(effects: Effects) -> NDArray[np.float64]:
    """Effects of the parts (n, P), the largest of each image 1; NaN for an image that needs none."""
    kinds, parts = list(effects.change_kinds), list(effects.change_parts)
    return _scaled(effects_of_parts(effects.score_drop, parts, kinds, list(effects.parts)))


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their largest value; 0 for a row whose largest is not positive."""
    largest = np.nanmax(np.where(np.isnan(values), 0.0, values), axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(largest > 0, values / largest, np.where(np.isnan(values), np.nan, 0.0))
