"""Explanation panels (the paper's Fig. 6)."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from vebi.catalogue.methods import get_method
from vebi.explanation.explanation import Explanation
from vebi.figures.images import explain_colours, show_image, title_feature
from vebi.figures.style import HEATMAP, SMALL, get_layer_colour, new_figure, styled
from vebi.figures.text import fit_text

# Inches of a cell's column and row, of the text that fits above a picture, and of the colours' key.
_WIDTH, _HEIGHT, _TEXT, _KEY = 2.0, 2.6, 1.78, 0.4


@styled
def draw_panels(explanations: Sequence[Explanation]) -> Figure:
    """The paper's Fig. 6: image, predicted class, and the maps of its most relevant features.

    Each map's label is its layer's name and number and its channel, on green for layers with maps and on
    pink for fully connected ones. A method that explains the class as one has one map.

    Args:
        explanations: one or more, of any methods.

    Returns:
        The figure; the colour bar below says what the colours of the maps mean.
    """
    n_maps = max(1, max(len(explanation.features) for explanation in explanations))
    rows = len(explanations)
    figure, axes = new_figure(
        rows, 1 + n_maps, figsize=(_WIDTH * (1 + n_maps), _HEIGHT * rows + _KEY)
    )
    layout = figure.get_layout_engine()
    assert isinstance(layout, ConstrainedLayoutEngine)
    # The coloured boxes stand out from their text, which is all that the layout measures.
    layout.set(h_pad=0.06, w_pad=0.06)
    for axis in axes.flat:
        axis.axis("off")
    for row, explanation in zip(axes, explanations, strict=True):
        show_image(row[0], explanation.image)
        _set_title(row[0], explanation.predicted, f"{explanation.confidence:.2f}")
        if not explanation.features and explanation.heatmap.any():
            show_image(row[1], explanation.heatmap, cmap=HEATMAP, vmin=0, vmax=1)
            _set_title(row[1], get_method(explanation.method).label)
        for axis, feature in zip(row[1:], explanation.features, strict=False):
            show_image(axis, feature.heatmap, cmap=HEATMAP, vmin=0, vmax=1)
            colour = get_layer_colour(feature.layer_type, feature.spatial)
            title_feature(
                axis,
                (feature.layer_number, feature.label),
                feature.channel,
                colour,
                width=72 * _TEXT,
            )
            axis.set_xlabel(feature.strength, fontsize=SMALL, labelpad=1)
    explain_colours(figure)
    return figure


def _set_title(axis: Axes, name: str, *below: str) -> None:
    """Up to two lines of a name, never read as mathematics, and what is below it."""
    lines = [fit_text(name, 72 * _TEXT, SMALL), *below]
    axis.set_title("\n".join(lines), fontsize=SMALL, parse_math=False)
