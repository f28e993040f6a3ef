"""Which features of an image a method draws: one function per way to choose them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from vebi.heatmaps.perturbed import features_by_metric
from vebi.heatmaps.ranking import top_features
from vebi.network.layers import Layer


@dataclass(frozen=True)
class Subject:
    """A batch of N images with all that features can be chosen from.

    `images` float (N, C, H, W) as the network takes them; `layers` all of the network's; `described`
    those that the m columns of `descriptors` (N, m) belong to; `weights` (classes, m) the mu-Lasso's;
    `predictions` int64 (N); `image_index` int64 (N), the images' places in their data set, which with
    `seed` is the key of any random draw. `memory`: what sources share.
    """

    model: nn.Module
    images: Tensor
    layers: Sequence[Layer]
    described: Sequence[Layer]
    descriptors: np.ndarray
    weights: np.ndarray
    predictions: np.ndarray
    image_index: np.ndarray
    seed: int = 0
    memory: dict[str, Any] = field(default_factory=dict)


Chosen = tuple[np.ndarray, np.ndarray]


def _relevance(subject: Subject, k: int, spatial_only: bool) -> Chosen:
    return top_features(
        subject.descriptors,
        subject.weights,
        subject.predictions,
        subject.described,
        k,
        spatial_only,
    )


# Each returns features int64 (N, k, 2), layer index and channel, -1 for none, and their scores (N, k).
FEATURE_SOURCES: dict[str, Callable[[Subject, int], Chosen]] = {
    "relevance": lambda subject, k: _relevance(subject, k, False),
    "relevance_spatial": lambda subject, k: _relevance(subject, k, True),
    "correlation": lambda subject, k: features_by_metric(subject, k, "correlation"),
    "precision": lambda subject, k: features_by_metric(subject, k, "precision"),
}
