"""Several tests at once: p-values that hold for the whole family."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values of a family of tests (Holm 1979), to be compared with 0.05 one by one.

    If no effect is there, 5 % of families have any below 0.05.

    Args:
        p_values: any number of them (N); NaN is a test that could not be made and does not count.

    Returns:
        float64 (N), each at least as large as the one given, NaN where that is NaN.
    """
    p = np.asarray(p_values, float)
    adjusted = np.full(p.shape, np.nan)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted
