"""One look for all figures: sizes, colours, names, and how a figure is saved."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from vebi.io.files import atomic_path

P = ParamSpec("P")
T = TypeVar("T")

STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
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

# Okabe and Ito's palette: distinguishable with every common colour blindness, and in grey by order.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE, GREY = "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#8c8c8c"

METHOD_COLOURS = {
    "upsampled_activation": SKY,
    "deconv_gb": ORANGE,
    "vebi": BLUE,
    "vebi_conv": GREEN,
    "resampling_correlation": VERMILION,
    "resampling_precision": PURPLE,
    # Tol's muted palette (but the first), for what stands beside the paper's methods.
    "gradient_x_input": "#7F4A1E",
    "integrated_gradients": "#882255",
    "grad_cam": "#332288",
    "guided_backprop": "#999933",
    "guided_grad_cam": "#DDCC77",
    "lrp": "#117733",
    "smooth_deep_saliency": "#AA4499",
    "random": GREY,
}
# Colours that are alike to some eyes have different lines (tests/unit/figures/test_palette.py).
METHOD_LINES = {
    "upsampled_activation": "-",
    "deconv_gb": "-",
    "vebi": "-",
    "vebi_conv": "--",
    "resampling_correlation": "-.",
    "resampling_precision": "-.",
    "gradient_x_input": "-",
    "integrated_gradients": "-.",
    "grad_cam": "-",
    "guided_backprop": "--",
    "guided_grad_cam": "-.",
    "lrp": "--",
    "smooth_deep_saliency": "--",
    "random": ":",
}
# In the order of the figures. The first six draw features, the others the predicted class.
METHOD_NAMES = {
    "upsampled_activation": "upsampled activation",
    "deconv_gb": "deconvnet + guided backprop",
    "vebi": "VEBI (stride 1 in conv + pool)",
    "vebi_conv": "VEBI (stride 1 in conv only)",
    "resampling_correlation": "input resampling: correlation",
    "resampling_precision": "input resampling: precision",
    "gradient_x_input": "gradient × input",
    "integrated_gradients": "integrated gradients",
    "grad_cam": "Grad-CAM",
    "guided_backprop": "guided backprop of the class",
    "guided_grad_cam": "guided Grad-CAM",
    "lrp": "LRP (epsilon plus flat)",
    "smooth_deep_saliency": "Smooth Deep Saliency",
    "random": "random map",
}
SHORT_NAMES = {
    "upsampled_activation": "upsampled\nactivation",
    "deconv_gb": "deconvnet +\nguided backprop",
    "vebi": "VEBI\n(conv + pool)",
    "vebi_conv": "VEBI\n(conv only)",
    "resampling_correlation": "resampling:\ncorrelation",
    "resampling_precision": "resampling:\nprecision",
    "gradient_x_input": "gradient\n× input",
    "integrated_gradients": "integrated\ngradients",
    "grad_cam": "Grad-CAM",
    "guided_backprop": "guided\nbackprop",
    "guided_grad_cam": "guided\nGrad-CAM",
    "lrp": "LRP",
    "smooth_deep_saliency": "Smooth Deep\nSaliency",
}
# The paper's own comparison; all else but chance is a baseline, drawn thinner.
PAPER_METHODS = ("upsampled_activation", "deconv_gb", "vebi", "vebi_conv")
CONDITION_COLOURS = {
    "selected": VERMILION,
    "random": SKY,
    "random_layer_matched": BLUE,
    "none": GREY,
}
CONDITION_NAMES = {
    "selected": "selected features",
    "random": "random features",
    "random_layer_matched": "random, as many per layer",
    "none": "whole network",
}
# Of a claimed ordering. Grey tells "undecided" apart where colours don't.
VERDICT_COLOURS = {"holds": GREEN, "undecided": "#dcdcdc", "reversed": VERMILION}
SCOPE_NAMES = {"all": "All", "conv": "OnlyConv"}
# The paper's Fig. 6: convolution green, fully connected pink.
LAYER_COLOURS = {"conv": "#2e9e4f", "fc": "#e0559b"}
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


def new_figure(n_rows: int, n_columns: int, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure and its axes (n_rows, n_columns), unknown to pyplot: it goes when nobody holds it.

    `options`: figsize (inches), and what `Figure.subplots` takes. Inside a function that is `styled`.
    """
    figure = Figure(figsize=options.pop("figsize"))
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **options)


@styled
def save(figure: Figure, path: str | Path) -> None:
    """Write `path` (PNG) and a vector PDF beside it, without dates, so that equal is equal."""
    path = Path(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    with atomic_path(path.with_suffix(".pdf")) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None, "Producer": None})
