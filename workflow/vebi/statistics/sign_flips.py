"""Tests that differences are symmetric about zero, by flipping their signs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vebi.statistics.estimate import RESOLUTION

_BLOCK = 256


def sign_flip_test(
    differences: NDArray[np.float64], n_resamples: int, key: Sequence[int], exact_up_to: int = 30
) -> float:
    """Two-sided p-value of a paired test that differences are symmetric about zero.

    The statistic is the mean, its null distribution comes from flipping signs (Fisher's randomisation
    test). The smallest exact p is 2 / 2^N.

    Args:
        differences: (N). Those that are the rounding of sums (below 1e-9) count as zero.
        n_resamples: random sign patterns where p is not exact; the observed one is counted, so that p
            is never zero.
        key: seeds them.
        exact_up_to: with up to this many differences p is exact, over all 2^N sign patterns.

    Returns:
        p; 1.0 if all differences are zero.
    """
    values = np.asarray(differences, float)
    values = np.where(np.abs(values) <= RESOLUTION, 0.0, values)
    # Sums of exactly tied sizes must count as ties whatever the order of summation.
    observed = abs(values.sum()) - 1e-12 * np.abs(values).sum()
    if observed <= 0:
        return 1.0
    if len(values) <= exact_up_to:
        return _count_reaching(values, observed) / 2 ** len(values)
    rng = np.random.default_rng(list(key))
    hits = 0
    for start in range(0, n_resamples, _BLOCK):
        stop = min(start + _BLOCK, n_resamples)
        flips = 1 - 2 * rng.integers(2, size=(stop - start, len(values)))
        hits += int((np.abs(flips @ values) >= observed).sum())
    return (hits + 1) / (n_resamples + 1)


def cluster_sign_flip_test(
    differences: NDArray[np.float64],
    clusters: NDArray[np.int64],
    n_resamples: int,
    key: Sequence[int],
) -> float:
    """`sign_flip_test` that flips the signs of whole clusters together, exact up to 30 of them.

    Args:
        differences: (N).
        clusters: int64 (N), alike for those that flip together.
        n_resamples, key: as for `sign_flip_test`.
    """
    _, position = np.unique(clusters, return_inverse=True)
    totals = np.bincount(position, differences).astype(float)
    return sign_flip_test(totals, n_resamples, key)


def _count_reaching(values: NDArray[np.float64], observed: float) -> int:
    """How many of the 2^N sign patterns have a sum of at least `observed` > 0 in size.

    Every sum is one of the first half's plus one of the second's: for each of the former, a sorted
    list of the latter tells how many reach, in 2^(N/2) steps instead of 2^N.
    """
    first, second = (_signed_sums(part) for part in np.array_split(values, 2))
    second.sort()
    above = len(second) - np.searchsorted(second, observed - first, side="left")
    below = np.searchsorted(second, -observed - first, side="right")
    return int(above.sum() + below.sum())


def _signed_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of `values` (n) under all sign patterns: (2^n)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums
