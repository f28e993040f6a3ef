"""Explanation panels (the paper's Fig. 6)."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from vebi.catalogue.methods import get_method
from vebi.explanation.explanation import Explanation, FeatureExplanation
from vebi.figures.images import show_image, title_feature
from vebi.figures.style import HEATMAP, get_layer_colour, new_figure, styled


@styled
def draw_panels(explanations: Sequence[Explanation]) -> Figure:
    """The paper's Fig. 6: image, predicted class, and the maps of its most relevant features.

    Each map's label is the number of its layer, its name and its channel, on green for layers with
    maps and on pink for fully connected ones. A method that explains the class as one has one map.
    """
    n_maps = max(1, max(len(explanation.features) for explanation in explanations))
    rows = len(explanations)
    figure, axes = new_figure(rows, 1 + n_maps, figsize=(1.8 * (1 + n_maps), 2.05 * rows))
    for axis in axes.flat:
        axis.axis("off")
    for row, explanation in zip(axes, explanations, strict=True):
        show_image(row[0], explanation.image)
        row[0].set_title(f"{explanation.predicted} ({explanation.confidence:.2f})", fontsize=8)
        if not explanation.features and explanation.heatmap.any():
            show_image(row[1], explanation.heatmap, cmap=HEATMAP, vmin=0, vmax=1)
            name = get_method(explanation.method).label
            row[1].set_title(name, fontsize=7.5)
        for axis, feature in zip(row[1:], explanation.features, strict=False):
            show_image(axis, feature.heatmap, cmap=HEATMAP, vmin=0, vmax=1)
            colour = get_layer_colour(feature.layer_type, feature.spatial)
            title_feature(axis, (feature.layer_number, feature.layer), feature.channel, colour)
            axis.set_xlabel(_describe(feature), fontsize=7, labelpad=1)
    return figure


def _describe(feature: FeatureExplanation) -> str:
    """How strongly a feature stands for the prediction, by what its method ranks features by."""
    if feature.metric == "relevance":
        return f"{feature.share:.0%} of the evidence"
    name = "mean |r|" if feature.metric == "correlation" else feature.metric
    return f"{name} {feature.value:.3g}"
