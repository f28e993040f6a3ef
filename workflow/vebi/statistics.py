"""Intervals and tests that the tables share. Every draw comes from an explicit key."""

import math
from collections.abc import Sequence

import numpy as np

_BLOCK = 256


def bootstrap_interval(
    values: np.ndarray, n_resamples: int, key: Sequence[int], level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values` (N), resampling its entries.

    `key` seeds the draw; NaNs for no values.
    """
    if not len(values):
        return float("nan"), float("nan")
    rng = np.random.default_rng(list(key))
    means = np.empty(n_resamples)
    for start in range(0, n_resamples, _BLOCK):
        stop = min(start + _BLOCK, n_resamples)
        picks = rng.integers(len(values), size=(stop - start, len(values)))
        means[start:stop] = values[picks].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def cluster_interval(
    values: np.ndarray,
    clusters: np.ndarray,
    n_resamples: int,
    key: Sequence[int],
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap intervals of the mean of `values` (N, ...), resampling whole clusters.

    `clusters` (N): entries of one number are alike and drawn together, as views of one scene. Returns
    both ends (...), of every trailing place from the same draws; NaNs for fewer than two clusters,
    which say nothing about how clusters differ.
    """
    _, position = np.unique(clusters, return_inverse=True)
    count = np.bincount(position)
    if len(count) < 2:
        empty = np.full(values.shape[1:], np.nan)
        return empty, empty
    total = np.zeros((len(count), *values.shape[1:]))
    np.add.at(total, position, values)
    even = np.full(len(count), 1 / len(count))
    draws = np.random.default_rng(list(key)).multinomial(len(count), even, n_resamples)
    shape = (-1, *[1] * (values.ndim - 1))
    means = np.tensordot(draws, total, 1) / (draws @ count).reshape(shape)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def nested_interval(
    values: np.ndarray, n_resamples: int, key: Sequence[int], level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values` (seeds, draws).

    Seeds are resampled first, then the draws within each: what another set of trainings and of random
    draws would give.
    """
    rng = np.random.default_rng(list(key))
    n_seeds, n_draws = values.shape
    seeds = rng.integers(n_seeds, size=(n_resamples, n_seeds, 1))
    draws = rng.integers(n_draws, size=(n_resamples, n_seeds, n_draws))
    means = values[seeds, draws].mean((1, 2))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def crossed_interval(
    values: np.ndarray,
    clusters: np.ndarray,
    n_resamples: int,
    key: Sequence[int],
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values` (seeds, N), of the same N for all seeds.

    Seeds and `clusters` (N, numbers: images of one scene) are resampled independently, the clusters
    alike for all seeds (the pigeonhole bootstrap of Owen 2007): what other trainings, judged on other
    scenes, would give.
    """
    rng = np.random.default_rng(list(key))
    n_seeds = len(values)
    _, position = np.unique(clusters, return_inverse=True)
    count = np.bincount(position)
    total = np.stack([np.bincount(position, row) for row in values])
    seeds, drawn = (np.full(n, 1 / n) for n in (n_seeds, len(count)))
    means = np.empty(n_resamples)
    for start in range(0, n_resamples, _BLOCK):
        stop = min(start + _BLOCK, n_resamples)
        share = rng.multinomial(n_seeds, seeds, stop - start) / n_seeds
        times = rng.multinomial(len(count), drawn, stop - start)
        means[start:stop] = ((share @ total) * times).sum(1) / (times @ count)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def sign_flip_test(
    differences: np.ndarray, n_resamples: int, key: Sequence[int], exact_up_to: int = 12
) -> float:
    """Two-sided p-value of a paired test that `differences` (N) are symmetric about zero.

    The statistic is the mean; its null distribution comes from flipping signs (Fisher's randomisation
    test): all 2^N of them for N <= `exact_up_to`, else `n_resamples` random ones, with the observed
    one counted, so that p is never zero. 1.0 for no differences or all zero.
    """
    count = len(differences)
    if not count or not np.any(differences):
        return 1.0
    # Means of exactly tied sizes must count as ties whatever the order of summation.
    observed = abs(differences.sum()) * (1 - 1e-12)
    if count <= exact_up_to:
        flips = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
        return float((np.abs(flips @ differences) >= observed).mean())
    rng = np.random.default_rng(list(key))
    hits = 0
    for start in range(0, n_resamples, _BLOCK):
        stop = min(start + _BLOCK, n_resamples)
        flips = 1 - 2 * rng.integers(2, size=(stop - start, count))
        hits += int((np.abs(flips @ differences) >= observed).sum())
    return (hits + 1) / (n_resamples + 1)


def cluster_sign_flip_test(
    differences: np.ndarray, clusters: np.ndarray, n_resamples: int, key: Sequence[int]
) -> float:
    """`sign_flip_test` of `differences` (N) that flips the signs of whole `clusters` (N) together."""
    _, position = np.unique(clusters, return_inverse=True)
    return sign_flip_test(np.bincount(position, differences), n_resamples, key)


def wilson_interval(hits: int, total: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """95 % interval of a proportion of `hits` among `total` independent trials (Wilson 1927)."""
    if not total:
        return float("nan"), float("nan")
    share = hits / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total)
    half *= math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, centre - half), min(1.0, centre + half)


def stratified_interval(
    hits: np.ndarray, totals: np.ndarray, z: float = 1.959963984540054
) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of the mean of several proportions: both ends (...).

    `hits` (..., C) among `totals` (C) independent trials, as for a mean class accuracy. Wilson's
    interval of each proportion, put together by the rule of Newcombe (1998, method 10) as Zou and
    Donner (2008) extend it to sums: the distances from estimate to end add up in squares. It holds
    the estimate, stays in [0, 1] and has a width also where every trial was a hit.
    """
    share = hits / totals
    centre = (share + z * z / (2 * totals)) / (1 + z * z / totals)
    half = z / (1 + z * z / totals)
    half = half * np.sqrt(share * (1 - share) / totals + z * z / (4 * totals * totals))
    n_strata = share.shape[-1]
    below = np.sqrt(((share - (centre - half)) ** 2).sum(-1)) / n_strata
    above = np.sqrt(((centre + half - share) ** 2).sum(-1)) / n_strata
    mean = share.mean(-1)
    return np.maximum(mean - below, 0.0), np.minimum(mean + above, 1.0)
