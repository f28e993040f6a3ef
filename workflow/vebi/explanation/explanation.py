"""Explanations of single images: what was predicted, from which features, and where they look."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True)
class ClassScore:
    """A class with the network's output and its probability."""

    name: str
    score: float
    probability: float


@dataclass(frozen=True)
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
