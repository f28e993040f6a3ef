"""Explanations of single images: what was predicted, from which features, and where they look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vebi.figures.text import layer_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, repr=False)
class FeatureExplanation:
    """One feature behind a prediction.

    Args:
        layer_number: of the network's layers, from 1.
        layer, layer_type: the layer's name and type.
        spatial: whether the layer has maps, not single values.
        channel: the feature's place in the layer.
        heatmap: its map, float (H, W) in [0, 1].
        metric: what the method ranks features by, as in its record.
        value: the feature's: the weighted response ("relevance"), the mean size of the correlation with
            the output, or the precision.
        weight, response: the mu-Lasso's weight for the predicted class, and the descriptor's value; None
            where no features have been selected, or not among those of the layer.
        share: their product's part of all positive weighted response; 0 if it is not positive.
    """

    layer_number: int
    layer: str
    layer_type: str
    spatial: bool
    channel: int
    heatmap: NDArray[np.float32]
    metric: str
    value: float
    weight: float | None = None
    response: float | None = None
    share: float | None = None

    @property
    def label(self) -> str:
        """The layer as people know it, with its type where its name is a mere number."""
        return layer_label(self.layer, self.layer_type)

    @property
    def strength(self) -> str:
        """How strongly it stands for the prediction, by what its method ranks features by, in words."""
        if self.metric == "relevance":
            return f"{self.share:.0%} of the evidence"
        name = "mean |r|" if self.metric == "correlation" else self.metric
        return f"{name} {self.value:.3g}"

    def __repr__(self) -> str:
        """One line, without the map."""
        return f"<Feature {self.label}: channel {self.channel}, {self.strength}>"


@dataclass(frozen=True)
class ClassScore:
    """A class with the network's output and its probability."""

    name: str
    score: float
    probability: float


@dataclass(frozen=True, repr=False)
class Explanation:
    """One image (H, W, C), its prediction with its probability, and its features, best first.

    `heatmap` (H, W) in [0, 1] is the maximum over the features' maps, or the only map of a method that
    explains the class as one, which has no features. `method` made it; `scores` are the most probable
    classes, best first.
    """

    image: NDArray[np.uint8]
    predicted: str
    confidence: float
    features: tuple[FeatureExplanation, ...]
    heatmap: NDArray[np.float32]
    method: str
    scores: tuple[ClassScore, ...] = ()

    def __repr__(self) -> str:
        """One line, without image and maps."""
        height, width = self.image.shape[:2]
        n = len(self.features)
        features = f", {n} feature{'s' * (n != 1)}" if n else ""
        return (
            f"<Explanation by {self.method}: {self.predicted!r} with probability "
            f"{self.confidence:.2f}{features}, {height} x {width} pixels>"
        )

    def _repr_html_(self) -> str:
        """For notebooks: the image, its classes, and every map over the image."""
        from vebi.explanation.notebook import explanation_html

        return explanation_html(self)


class Explanations(list[Explanation]):
    """A list of explanations that shows itself in a notebook, and as the paper's Fig. 6."""

    def __repr__(self) -> str:
        """One line for a few images, two for many."""
        named = [f"{one.predicted!r} {one.confidence:.2f}" for one in self[:5]]
        more = ["..."] if len(self) > len(named) else []
        n = len(self)
        by = f" by {self[0].method}" if n else ""
        return f"<{n} explanation{'s' * (n != 1)}{by}: {', '.join([*named, *more])}>"

    def _repr_html_(self) -> str:
        """For notebooks: one below the other."""
        return "".join(one._repr_html_() for one in self)

    def panel(self) -> Figure:
        """The paper's Fig. 6: a row per image, with the maps of its features.

        Returns:
            A matplotlib figure that pyplot does not know; it shows itself in a notebook, and
            `figure.savefig(path)` writes it.
        """
        from vebi.explanation.panels import draw_panels

        return draw_panels(self)


def as_plain(explanation: Explanation) -> dict[str, Any]:
    """The numbers of an explanation, without images and maps, as plain values for a JSON file."""
    return {
        "predicted": explanation.predicted,
        "confidence": explanation.confidence,
        "scores": [
            {"class": score.name, "score": score.score, "probability": score.probability}
            for score in explanation.scores
        ],
        "features": [
            {
                "layer": feature.layer,
                "layer_number": feature.layer_number,
                "layer_type": feature.layer_type,
                "channel": feature.channel,
                "metric": feature.metric,
                "value": feature.value,
                "weight": feature.weight,
                "response": feature.response,
                "share": feature.share,
            }
            for feature in explanation.features
        ],
    }
