"""One look for all figures: sizes, colours, names, and how a figure is saved.

Colours, lines and names of heatmap methods are in their records (`vebi.catalogue.methods`).
"""

import base64
import functools
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.backends import backend_pdf
from matplotlib.figure import Figure as PlainFigure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter
from numpy.typing import NDArray

# Figures take all of their look from here.
from vebi.catalogue.palette import BLACK as BLACK
from vebi.catalogue.palette import BLUE as BLUE
from vebi.catalogue.palette import GREEN as GREEN
from vebi.catalogue.palette import GREY as GREY
from vebi.catalogue.palette import ORANGE as ORANGE
from vebi.catalogue.palette import PURPLE as PURPLE
from vebi.catalogue.palette import SKY as SKY
from vebi.catalogue.palette import VERMILION as VERMILION
from vebi.catalogue.palette import YELLOW as YELLOW
from vebi.io.files import atomic_path

P = ParamSpec("P")
T = TypeVar("T")

# A page of the report, in inches: no figure is wider, so that type has one size where it is shown.
WIDTH = 9.6
# The smallest type, in points.
SMALL = 7.5
# A note below a figure.
NOTE: dict[str, Any] = {"fontsize": 8, "color": "#555555"}

STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": SMALL,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "image.interpolation": "nearest",
    "svg.hashsalt": "vebi",
    "pdf.fonttype": 42,
}

CONDITION_COLOURS = {
    "selected": VERMILION,
    "random": SKY,
    "random_selected_layers": ORANGE,
    "random_layer_matched": BLUE,
    "none": GREY,
}
CONDITION_NAMES = {
    "selected": "selected features",
    "random": "random features",
    "random_selected_layers": "random, from the layers of these",
    "random_layer_matched": "random, as many per layer",
    "none": "whole network",
}
# Of a claimed ordering. Grey tells "undecided" apart where colours don't.
VERDICT_COLOURS = {"holds": GREEN, "undecided": "#dcdcdc", "reversed": VERMILION}
SCOPE_NAMES = {"all": "All", "conv": "OnlyConv"}
# The paper's Fig. 6: convolution green, fully connected pink.
LAYER_COLOURS = {"conv": "#14602c", "fc": "#c8377f"}
HEATMAP = "inferno"


def get_layer_colour(layer_type: str, spatial: bool) -> str:
    """Green for layers with a map, pink for those after it has been used up (fully connected)."""
    return LAYER_COLOURS["conv" if spatial and layer_type != "fc" else "fc"]


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Run a function that draws in the project's style; the user's own settings are as before."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> T:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return in_style


class Figure(PlainFigure):
    """matplotlib's figure, which a notebook shows although pyplot does not know it."""

    def _repr_html_(self) -> str:
        _show_dollars(self)
        buffer = io.BytesIO()
        with mpl.rc_context(STYLE):
            self.savefig(buffer, format="png", metadata={"Software": None})
        data = base64.b64encode(buffer.getvalue()).decode()
        width = round(96 * self.get_figwidth())
        return (
            f'<img src="data:image/png;base64,{data}" width="{width}" alt="{escape(self.spoken)}">'
        )

    @property
    def spoken(self) -> str:
        """The titles of its panels, for who can't see it."""
        titles = dict.fromkeys(" ".join(axes.get_title().split()) for axes in self.axes)
        return "; ".join(title for title in titles if title)


# Panels by row and column: matplotlib's Axes, for which numpy has no type.
AxesGrid = NDArray[Any]


def new_figure(n_rows: int, n_columns: int, **options: Any) -> tuple[PlainFigure, AxesGrid]:
    """A figure and its axes (n_rows, n_columns), unknown to pyplot: it goes when nobody holds it.

    `options`: figsize (inches), and what `Figure.subplots` takes. Inside a function that is `styled`.
    """
    figure = Figure(figsize=options.pop("figsize"))
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **options)


def _show_dollars(figure: PlainFigure) -> None:
    def escape(text: str) -> str:
        return re.sub(r"(?<!\\)\$", r"\\$", text)

    for text in figure.findobj(Text):
        # Ticks of logarithmic axes are matplotlib's own formulas.
        if not text.get_text().startswith(r"$\mathdefault"):
            text.set_text(escape(text.get_text()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            # Of names, whose texts are made while it is drawn.
            if isinstance(formatter, FuncFormatter | FixedFormatter):
                axis.set_major_formatter(
                    FuncFormatter(lambda x, i, formatter=formatter: escape(formatter(x, i)))
                )


# matplotlib writes ten decimals, and six in paths. The last bit of a float, which may differ between
# processes, decides how a position of eleven decimals that ends in 5 is rounded.
_write_number = backend_pdf.pdfRepr
PDF_DECIMALS = 6


def _short_number(value: object) -> bytes:
    """What matplotlib writes into a PDF for a value, numbers with fewer decimals."""
    if isinstance(value, float | np.floating) and np.isfinite(value):
        value = round(float(value), PDF_DECIMALS)
    return bytes(_write_number(value))


@contextmanager
def _short_numbers() -> Iterator[None]:
    backend_pdf.pdfRepr = _short_number
    try:
        yield
    finally:
        backend_pdf.pdfRepr = _write_number


@styled
def save(figure: PlainFigure, path: str | Path) -> None:
    """Write `path` (PNG) and a vector PDF next to it, without dates, so that equal is equal.

    A `$` in a name is a dollar, and begins no formula.
    """
    path = Path(path)
    _show_dollars(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    with atomic_path(path.with_suffix(".pdf")) as temporary, _short_numbers():
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None, "Producer": None})
