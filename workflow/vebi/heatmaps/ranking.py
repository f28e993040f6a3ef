"""Which features explain a prediction (VEBI 3.2)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vebi.heatmaps.subject import Chosen, Subject
from vebi.io.errors import VebiError
from vebi.network.layers import Layer, feature_index


def top_features(
    descriptors: NDArray[np.float32],
    weights: NDArray[np.float64],
    predictions: NDArray[np.int64],
    layers: Sequence[Layer],
    k: int = 3,
    *,
    spatial_only: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The features of each image with the highest positive response r = w_j * x (VEBI 3.2).

    Args:
        descriptors: (N, m).
        weights: (classes, m), one row per class.
        predictions: int64 (N), the classes j.
        layers: the ones that the m columns belong to, in order.
        k: features per image. Of equal responses the lowest index comes first.
        spatial_only: pass over features of single values (fully connected).

    Returns:
        Features int64 (N, k, 2), layer index and channel, -1 where there are fewer than k positive
        responses; and scores float64 (N, k), 0 there.

    Raises:
        VebiError: descriptors or weights of other layers.
    """
    positions, channels = feature_index(layers)
    if descriptors.shape[1] != len(positions) or weights.shape[1] != len(positions):
        raise VebiError(
            f"Descriptors have {descriptors.shape[1]} columns and weights {weights.shape[1]}, but the "
            f"layers have {len(positions)} channels. Do they belong to the same network?"
        )
    responses = weights[predictions].astype(np.float64) * descriptors
    if spatial_only:
        responses[:, ~np.array([layer.spatial for layer in layers])[positions]] = 0
    order = np.argsort(-responses, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(responses, order, 1)
    indices = np.array([layer.index for layer in layers])[positions]
    features = np.stack([indices[order], channels[order]], axis=2)
    features[scores <= 0] = -1
    missing = k - features.shape[1]
    features = np.pad(features, ((0, 0), (0, missing), (0, 0)), constant_values=-1)
    return features, np.pad(np.maximum(scores, 0), ((0, 0), (0, missing)))


def relevant_features(subject: Subject, k: int) -> Chosen:
    """The k features of each image with the highest weighted response: see `top_features`."""
    return _ranked(subject, k, spatial_only=False)


def relevant_maps(subject: Subject, k: int) -> Chosen:
    """The same among the features that are maps."""
    return _ranked(subject, k, spatial_only=True)


def _ranked(subject: Subject, k: int, *, spatial_only: bool) -> Chosen:
    weighted = subject.weighted
    if weighted is None:
        raise VebiError(
            "This method explains by features that the mu-Lasso has selected, and none are given: "
            "select some first, or use a method that needs none."
        )
    rows = weighted.descriptors, weighted.weights, subject.predictions
    return top_features(*rows, weighted.layers, k, spatial_only=spatial_only)
