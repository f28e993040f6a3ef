"""Parts that figures of tables share: a grid of panels, a column per experiment, one legend for all."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vebi.figures.style import NOTE, SMALL, STYLE, WIDTH, AxesGrid, new_figure
from vebi.figures.text import fit_text

# Columns of panels that fit on a page with type that can be read.
MOST_COLUMNS = 3
# More names than these do not stand side by side below one of them.
MOST_UPRIGHT = 4
# The smallest type's letters to an inch.
LETTERS = 17.0
# Inches of a panel's column that the labels of its y axis take.
LABELS = 0.55


def new_grid(
    n_columns: int,
    n_rows: int = 1,
    width: float = WIDTH / MOST_COLUMNS,
    height: float = 2.9,
    most: int = MOST_COLUMNS,
) -> tuple[Figure, AxesGrid]:
    """A figure with its panels as axes (n_rows, n_columns).

    More than `most` columns are laid below the first ones, all rows of them, so that a figure is never
    wider than a page. `width` and `height` (inches) are a panel's.
    """
    across = min(n_columns, most)
    blocks = -(-n_columns // across)
    # A title has room over a single panel, too.
    wide = min(WIDTH, max(width * across, 2 / 3 * WIDTH))
    size = (wide, height * n_rows * blocks)
    figure, laid = new_figure(n_rows * blocks, across, figsize=size)
    axes = np.concatenate(np.split(laid, blocks), axis=1)
    for unused in axes[:, n_columns:].flat:
        unused.remove()
    return figure, axes[:, :n_columns]


def title_panel(axis: Axes, title: str, pad: float | None = None) -> None:
    """A panel's title, each line broken to the panel's width: a wider one would run into the next."""
    figure, grid = axis.figure, axis.get_gridspec()
    assert figure is not None
    assert grid is not None
    room = 72 * (figure.bbox.width / figure.dpi / grid.ncols - LABELS)
    size = STYLE["axes.titlesize"]
    lines = [fit_text(line, room, size, lines=3) for line in title.split("\n")]
    axis.set_title("\n".join(lines), pad=pad)


def label_rows(axes: AxesGrid, label: str, most: int = MOST_COLUMNS, **options: object) -> None:
    """The label of the y axis where a row of panels begins; `axes` as `new_grid` returns them."""
    for axis in axes[:, ::most].flat:
        axis.set_ylabel(label, **options)


def share_limits(axes: AxesGrid, which: Literal["x", "y"]) -> None:
    """One range of values for some panels, from the smallest to the largest of any."""
    lows, highs = zip(*(getattr(axis, f"get_{which}lim")() for axis in axes.flat), strict=True)
    for axis in axes.flat:
        getattr(axis, f"set_{which}lim")(min(lows), max(highs))


def share_legend(
    figure: Figure,
    axes: Sequence[Axes] | AxesGrid,
    n_columns: int = 4,
    title: str | None = None,
) -> None:
    """One legend below the figure with what any of the panels shows, each thing once."""
    found: dict[str, Artist] = {}
    for axis in np.ravel(np.asarray(axes, object)):
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    draw_legend(figure, found, n_columns, title)


def draw_legend(
    figure: Figure, entries: Mapping[str, Artist], n_columns: int = 4, title: str | None = None
) -> None:
    """A legend below the figure: what is drawn, by its name, below a `title` that may be sentences."""
    if entries:
        room = figure.get_figwidth()
        fitting = int(room / (max(map(len, entries)) / LETTERS + 0.5))
        figure.legend(
            list(entries.values()),
            list(entries),
            loc="outside lower center",
            ncols=max(1, min(n_columns, len(entries), fitting)),
            fontsize=SMALL,
            title=_in_lines(figure, title or "", SMALL),
            title_fontsize=SMALL,
        )


def add_note(figure: Figure, text: str) -> None:
    """What holds for the whole figure, below it: sentences, on as many lines as they need."""
    figure.supxlabel(_in_lines(figure, text, NOTE["fontsize"]), **NOTE)


def _in_lines(figure: Figure, text: str, size: float) -> str:
    """A text of one line or more, each broken to the figure's width at `size` points."""
    letters = int(figure.get_figwidth() * LETTERS * SMALL / size)
    return "\n".join(fill(line, letters) for line in text.split("\n"))


def get_experiments(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Data set and model of every experiment, in the order of all figures: by name."""
    return sorted(set(zip(table["dataset"], table["model"], strict=True)))


def rows_of(table: pd.DataFrame, dataset: str, model: str) -> pd.DataFrame:
    return table[(table["dataset"] == dataset) & (table["model"] == model)]


def describe_sample(images: int, seeds: int) -> str:
    """How much data stands behind a figure, in words."""
    return f"{images} test images, {seeds} seed{'s' * (seeds != 1)}"
