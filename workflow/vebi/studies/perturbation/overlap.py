"""How many channels two choices share, against choosing at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from vebi.network.layers import Layer
from vebi.network.operations import WEIGHTED


@dataclass(frozen=True)
class Overlap:
    """Of N images, float64 (N): channels in common, and as many as chance would give.

    `tail` is the chance of at least that many in common, exact: a set of |B| among C channels hits |A|
    chosen at random with a hypergeometric count.
    """

    common: NDArray[np.float64]
    expected: NDArray[np.float64]
    tail: NDArray[np.float64]


def measure_overlap(
    first: Sequence[NDArray[np.integer]], second: Sequence[NDArray[np.integer]], n_channels: int
) -> Overlap:
    """Overlap of two sets of channels per image, of a layer with `n_channels`."""
    common = np.array(
        [len(np.intersect1d(a, b)) for a, b in zip(first, second, strict=True)], float
    )
    a, b = (np.array([len(one) for one in sets]) for sets in (first, second))
    tail = hypergeom.sf(common - 1, n_channels, a, b)
    # Empty sets share nothing, surely.
    tail = np.where(common == 0, 1.0, np.minimum(tail, 1.0))
    return Overlap(common, a * b / n_channels, tail)


def vebi_channels(
    layers: Sequence[Layer],
    wanted: Layer,
    weights: NDArray[np.float64],
    feature_layer: NDArray[np.str_],
    feature_channel: NDArray[np.int64],
) -> list[NDArray[np.int64]]:
    """For each class, the channels of the convolution behind `wanted` that VEBI selects anywhere.

    VEBI selects among the responses of all operations; the convolution, its ReLU, normalisation and
    pooling up to the next weights show the same channels. `weights` (classes, m) of the features with
    the layer names `feature_layer` (m) and channels `feature_channel` (m); selected: weight not zero.
    """
    start = wanted.index
    while start > 0 and layers[start].kind not in WEIGHTED:
        start -= 1
    names = []
    for layer in layers[start:]:
        if layer.index > start and layer.kind in WEIGHTED:
            break
        if layer.n_channels == wanted.n_channels:
            names.append(layer.name)
    inside = np.isin(feature_layer, names)
    return [np.unique(feature_channel[inside & (row != 0)]).astype(np.int64) for row in weights]
