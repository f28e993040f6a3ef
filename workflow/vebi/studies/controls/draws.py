"""Random features to compare the selected ones with, matched in four ways."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vebi.network.layers import Layer
from vebi.studies.ablation.measure import draw_control

# Candidates for each selected feature in the control that is matched by norm.
NEAREST = 10


class Features(NamedTuple):
    """What the controls of one scope are drawn from.

    selected: int64 (n, 2), layer index and channel; pool: every feature of the scope, int64 (p, 2); norm:
    float64 (p), the mean over the training images of each one's share of its layer's response.
    """

    selected: NDArray[np.int64]
    pool: NDArray[np.int64]
    norm: NDArray[np.float64]

    @property
    def is_selected(self) -> NDArray[np.bool_]:
        """Which of the pool are selected: bool (p)."""
        chosen = set(map(tuple, self.selected.tolist()))
        return np.array([tuple(feature) in chosen for feature in self.pool.tolist()], bool)


def draw_norm_matched(
    features: Features, layers: Sequence[Layer], rng: np.random.Generator
) -> NDArray[np.int64]:
    """For each selected feature one that was not, of about the same norm, from any layer: (n, 2).

    In random order each takes one of the `NEAREST` that are left (by the ratio of norms).
    """
    mine = features.is_selected
    # Channels that never respond have no ratio to anything; they come last.
    size = np.log(np.maximum(features.norm, np.finfo(float).tiny))
    free = np.flatnonzero(~mine)
    wanted = rng.permutation(size[mine])[: len(free)]
    taken = []
    for value in wanted:
        near = np.argsort(np.abs(size[free] - value), kind="stable")[:NEAREST]
        place = int(rng.choice(near))
        taken.append(int(free[place]))
        free = np.delete(free, place)
    return features.pool[np.sort(np.array(taken, np.int64))]


def draw_share_matched(
    features: Features, layers: Sequence[Layer], rng: np.random.Generator
) -> NDArray[np.int64]:
    """As large a part of other layers, of features that were not selected: (k, 2).

    The shares of the layers that are selected from are dealt to layers drawn at random from the scope;
    each loses that part of its channels, rounded, at least one, as far as it has that many to draw from.
    """
    width = {layer.index: layer.n_channels for layer in layers}
    found, counts = np.unique(features.selected[:, 0], return_counts=True)
    shares = rng.permutation([n / width[layer] for layer, n in zip(found, counts, strict=True)])
    free = features.pool[~features.is_selected]
    parts = [np.zeros((0, 2), np.int64)]
    for layer, share in zip(rng.permutation(np.unique(free[:, 0])), shares, strict=False):
        candidates = free[free[:, 0] == layer]
        n = min(max(1, round(float(share) * width[int(layer)])), len(candidates))
        parts.append(candidates[np.sort(rng.choice(len(candidates), n, replace=False))])
    drawn = np.concatenate(parts)
    return drawn[np.lexsort((drawn[:, 1], drawn[:, 0]))]


def draw_anywhere(
    features: Features, layers: Sequence[Layer], rng: np.random.Generator
) -> NDArray[np.int64]:
    """As many features, from the whole scope: (n, 2)."""
    return draw_control("random", features.selected, features.pool, rng)


def draw_layer_matched(
    features: Features, layers: Sequence[Layer], rng: np.random.Generator
) -> NDArray[np.int64]:
    """As many features of each layer as are selected there: (n, 2)."""
    return draw_control("random_layer_matched", features.selected, features.pool, rng)


Draw = Callable[[Features, Sequence[Layer], np.random.Generator], NDArray[np.int64]]
CONTROLS: dict[str, Draw] = {
    "random": draw_anywhere,
    "random_layer_matched": draw_layer_matched,
    "random_norm_matched": draw_norm_matched,
    "random_share_matched": draw_share_matched,
}
