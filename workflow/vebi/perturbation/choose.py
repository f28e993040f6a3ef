"""Which channels each metric selects in a layer, and how alike two selections are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vebi.perturbation.metrics import Metrics

# How the ablation study chooses channels: the authors' two metrics, ours, and controls.
METRICS = ("correlation", "precision")
RELATIVE = "relative_precision"
CONTROLS = ("random", "random_active")
CHOICES = (*METRICS, RELATIVE, "both", *CONTROLS)


def top_channels(values: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """The k channels with the highest positive value, best first; equal ones by index. int64 (<= k)."""
    order = np.argsort(-values, kind="stable")[:k]
    return order[values[order] > 0].astype(np.int64)


def choose(metrics: Metrics, choice: str, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Up to k channels of a layer: int64, best first (random ones ascending).

    `correlation`, `precision`, `relative_precision`: the top k of each. `both`: the k with the lowest sum
    of ranks among those that have both of the authors' metrics. `random`: k channels drawn from those in
    neither of their top k; `random_active`: from those of them that are not dead on
    the image (mean activation over the copies not zero).
    """
    if choice in (*METRICS, RELATIVE):
        return top_channels(getattr(metrics, choice), k)
    if choice == "both":
        eligible = (metrics.correlation > 0) & (metrics.precision > 0)
        ranks = _ranks(metrics.correlation) + _ranks(metrics.precision)
        return top_channels(np.where(eligible, 2.0 * len(ranks) - ranks, 0.0), k)
    pool = np.ones(len(metrics.correlation), bool)
    for metric in METRICS:
        pool[top_channels(getattr(metrics, metric), k)] = False
    if choice == "random_active":
        pool &= metrics.activation != 0
    candidates = np.flatnonzero(pool)
    return np.sort(rng.choice(candidates, min(k, len(candidates)), replace=False))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """0 for the highest value; equal ones by index."""
    return np.argsort(np.argsort(-values, kind="stable"), kind="stable")


def similarity(
    pairs: Sequence[tuple[NDArray[np.integer], NDArray[np.integer]]],
) -> dict[str, float]:
    """How alike pairs of sets are: three measures, each over all pairs together.

    `published`: the authors' code, sum |A n B| / sum (|A| + |B|), which is at most a half; `dice`: twice
    that; `jaccard`: sum |A n B| / sum |A u B|. Empty sets alone: 0.
    """
    common = sum(len(np.intersect1d(a, b)) for a, b in pairs)
    sizes = sum(len(a) + len(b) for a, b in pairs)
    if not sizes:
        return {"published": 0.0, "dice": 0.0, "jaccard": 0.0}
    return {
        "published": common / sizes,
        "dice": 2 * common / sizes,
        "jaccard": common / (sizes - common),
    }
