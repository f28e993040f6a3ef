"""Intervals of proportions: of independent trials, of several strata, of trials that come in scenes."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vebi.io.errors import VebiError


def wilson_interval(hits: int, total: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Interval of a proportion of independent trials (Wilson 1927).

    Args:
        hits: trials that succeeded.
        total: all trials.
        z: quantile of the normal distribution; 1.96 for 95 %.

    Returns:
        Both ends; NaNs for no trials.
    """
    if not total:
        return float("nan"), float("nan")
    low, high = _wilson(np.asarray(hits / total), np.asarray(total, float), z)
    return float(low), float(high)


def stratified_interval(
    hits: NDArray[np.int64], totals: NDArray[np.int64], z: float = 1.959963984540054
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % interval of the mean of several proportions, as of a mean class accuracy.

    Wilson's interval of each proportion, put together by the rule of Newcombe (1998, method 10) as Zou
    and Donner (2008) extend it to sums: the distances from estimate to end add up in squares. It holds
    the estimate, stays in [0, 1] and has a width also where every trial was a hit.

    Args:
        hits: trials that succeeded (..., C).
        totals: independent trials (C).
        z: quantile of the normal distribution.

    Returns:
        Both ends (...).
    """
    share = hits / totals
    low, high = _wilson(share, np.asarray(totals, float), z)
    n_strata = share.shape[-1]
    below = np.sqrt(((share - low) ** 2).sum(-1)) / n_strata
    above = np.sqrt(((high - share) ** 2).sum(-1)) / n_strata
    mean = share.mean(-1)
    return np.maximum(mean - below, 0.0), np.minimum(mean + above, 1.0)


def clustered_proportion_interval(
    hits: NDArray[np.floating | np.integer],
    totals: NDArray[np.floating | np.integer],
    level: float = 0.95,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of a proportion whose trials come in scenes: both ends (...).

    Wilson's interval for an effective number of trials, as surveys do it (Korn and Graubard 1998):
    the trials divided by the design effect, the variance between scenes in units of what
    independent trials would have, and at least 1. Student's quantile takes the place of the normal
    one. Its degrees of freedom are the scenes that hold a miss (or a hit, if those are fewer), at
    most J - 1: near 1, only they tell how misses cluster. With none at all a scene counts as one
    trial.

    Args:
        hits: trials that succeeded per scene (..., J).
        totals: trials per scene (J), each above zero.
        level: probability.

    Raises:
        VebiError: for hits outside 0 to totals, or a scene without trials.
    """
    hits, totals = np.asarray(hits, np.float64), np.asarray(totals, np.float64)
    if (totals <= 0).any() or (hits < 0).any() or (hits > totals).any():
        raise VebiError(
            "Every scene must have trials, and hits between 0 and these; leave out scenes without any."
        )
    n_scenes, n = len(totals), totals.sum()
    share = np.asarray(hits.sum(-1) / n)
    if n_scenes < 2:
        return np.full(share.shape, np.nan), np.full(share.shape, np.nan)
    # A scene pulls the share towards its own: what is left of it is too small by its part of all trials.
    leverage = 1 - totals / n
    between = ((hits - share[..., None] * totals) ** 2 / leverage).sum(-1)
    independent = n * share * (1 - share)
    with np.errstate(invalid="ignore", divide="ignore"):
        design_effect = np.maximum(between / independent, 1.0)
    effective = np.where(independent > 0, n / design_effect, n_scenes)
    mixed = np.minimum((hits < totals).sum(-1), (hits > 0).sum(-1))
    df = np.where(independent > 0, np.clip(mixed, 1, n_scenes - 1), n_scenes - 1)
    return _wilson(share, effective, special.stdtrit(df, 0.5 + level / 2))


def _wilson(
    share: NDArray[np.float64], trials: NDArray[np.float64], quantile: NDArray[np.float64] | float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of Wilson's (1927) interval: shares from which `share` is `quantile` deviations away."""
    square = quantile**2 / trials
    centre = (share + square / 2) / (1 + square)
    half = np.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
