"""How far two sets of filters agree, against what two random sets of their sizes would."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True)
class Overlap:
    """Two selected sets A and B.

    jaccard = |A n B| / |A u B| (1 for two empty sets). expected: its mean if A and B were random sets of
    their sizes. p_value: the probability that random sets share at least as many.
    """

    shared: int
    jaccard: float
    expected: float
    p_value: float


def overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Overlap:
    """Overlap of two sets given as bool (m), against the hypergeometric distribution of m filters."""
    return overlap_in_strata(first, second, np.zeros(len(first), np.int64))


def overlap_in_strata(
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    stratum: Sequence[int] | NDArray[np.integer],
) -> Overlap:
    """The same where random sets keep the number of filters that each set has in every stratum (m).

    With layers as strata: do the sets agree beyond both liking the same layers? The number of shared
    filters is then a sum of independent hypergeometric numbers, whose distribution is computed
    exactly by convolution.
    """
    strata = np.asarray(stratum)
    probability = np.ones(1)
    for value in np.unique(strata):
        here = strata == value
        a, b = int(first[here].sum()), int(second[here].sum())
        counts = np.arange(min(a, b) + 1)
        probability = np.convolve(probability, stats.hypergeom.pmf(counts, int(here.sum()), a, b))
    size = int(first.sum() + second.sum())
    shared = int((first & second).sum())
    counts = np.arange(len(probability))
    jaccard = counts / np.maximum(size - counts, 1) if size else np.ones(1)
    return Overlap(
        shared=shared,
        jaccard=float(jaccard[shared]),
        expected=float(jaccard @ probability),
        p_value=float(min(1.0, probability[shared:].sum())),
    )
