"""When two arrays of numbers count as different: one rule for tables, HDF5 and models."""

import numpy as np
from numpy.typing import NDArray

from vebi.diff.tolerances import Tolerance

Floats = NDArray[np.float64]
Numbers = Floats | NDArray[np.complex128]

# atol 0.02 must allow 0.50 and 0.52, whose difference is 0.02 and some rounding.
ROUNDING = 4 * np.finfo(np.float64).eps


def differences(a: Numbers, b: Numbers) -> Floats:
    """|a - b| elementwise; 0 where both are NaN or the same infinity, inf where only one is.

    In complex numbers this holds for the real and the imaginary part, each by itself.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        if np.iscomplexobj(a):
            return np.hypot(differences(a.real, b.real), differences(a.imag, b.imag))
        result = np.abs(a - b)
    result[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    result[np.isnan(result)] = np.inf
    return result


def excesses(a: Numbers, b: Numbers, tolerance: Tolerance) -> Floats:
    """Difference over what is allowed: above 1 is a difference, inf where nothing is allowed.

    Symmetric in a and b: allowed is atol + rtol max(|a|, |b|).
    """
    difference = differences(a, b)
    # The absolute value of a complex number can overflow: nothing is allowed for it, as below.
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.maximum(np.abs(a), np.abs(b))
        allowed = tolerance.atol + tolerance.rtol * largest
        if tolerance.atol or tolerance.rtol:
            allowed = allowed + ROUNDING * largest
    # A number against NaN or infinity is always a difference, however wide the tolerance.
    allowed[~np.isfinite(allowed)] = 0.0
    return ratio(difference, allowed)


def ratio(difference: Floats, allowed: Floats) -> Floats:
    """difference / allowed with 0 / 0 = 0 and x / 0 = inf."""
    result = np.where(difference > 0, np.inf, 0.0)
    allows = (allowed > 0) & np.isfinite(difference)
    # Over a tolerance next to zero the ratio may overflow: infinitely far is right.
    with np.errstate(over="ignore"):
        return np.divide(difference, allowed, out=result, where=allows)


def interval_excesses(
    a: Floats, b: Floats, bounds: tuple[Floats, Floats, Floats, Floats]
) -> Floats:
    """As `excesses`, allowing each number the other's interval.

    Args:
        bounds: low and high end of a's interval, then of b's.

    Returns:
        At most 1 exactly where a lies in b's interval and b in a's; NaN where an end is missing.
    """
    a_low, a_high, b_low, b_high = bounds
    difference = differences(a, b)
    inside = (b_low <= a) & (a <= b_high) & (a_low <= b) & (b <= a_high)
    with np.errstate(invalid="ignore"):
        reach_b = np.where(a > b, b_high - b, b - b_low)
        reach_a = np.where(b > a, a_high - a, a - a_low)
        result = ratio(difference, np.minimum(reach_a, reach_b))
    # An interval need not hold its own number (a median's, say): then membership alone decides.
    result = np.where(inside, np.minimum(result, 1.0), np.maximum(result, np.nextafter(1.0, 2.0)))
    missing = np.isnan(a_low) | np.isnan(a_high) | np.isnan(b_low) | np.isnan(b_high)
    return np.where(missing, np.nan, np.where(difference == 0, 0.0, result))


def relative(a: Floats, b: Floats) -> Floats:
    """|a - b| / max(|a|, |b|), 0 where both are the same: for sorting."""
    with np.errstate(invalid="ignore"):
        largest = np.maximum(np.abs(a), np.abs(b))
    difference = differences(a, b)
    return np.where(np.isfinite(difference), ratio(difference, np.nan_to_num(largest)), difference)
