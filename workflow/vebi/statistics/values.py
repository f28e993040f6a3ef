"""Printed numbers: the interval in which one more network's value lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vebi.statistics.effects import over_networks


@dataclass(frozen=True)
class Prediction:
    """Where the value of one more network lies, given those of ours: mean and interval of 95 %.

    The ends are NaN for fewer than two networks and for equal ones. `problem` says so.
    """

    value: float
    low: float
    high: float
    n_networks: int
    problem: str = ""

    def relative_width(self, scale: float) -> float:
        """Width of the interval as a share of `scale`, such as the printed number."""
        return (self.high - self.low) / abs(scale) if scale else float("inf")


def predict(
    values: NDArray[np.float64],
    n_new: int = 1,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
) -> Prediction:
    """The interval that holds the mean of `n_new` more networks with probability `level`.

    mean +- t(n - 1) s sqrt(1 / n_new + 1 / n), of normal values. A printed number is one network's
    or the mean of a few, so this is what it must be compared with: an interval of our mean shrinks
    with every network that we train, and would rule out a perfect replication in the end.

    Args:
        values: one per network (I); NaN where it does not apply.
        n_new: of how many networks the printed number is the mean.
        level: probability.
        bounds: smallest and largest possible value, such as (0, 1) for an accuracy; the ends are
            cut there.
    """
    numbers = np.asarray(values, float)
    numbers = numbers[~np.isnan(numbers)]
    mean = over_networks(numbers)
    half = float("nan")
    if not mean.problem:
        n = len(numbers)
        quantile = special.stdtrit(n - 1, 0.5 + level / 2)
        half = float(quantile * numbers.std(ddof=1) * np.sqrt(1 / n_new + 1 / n))
    ends = np.array([mean.value - half, mean.value + half])
    if bounds is not None:
        ends = np.clip(ends, *bounds)
    low, high = (float(end) for end in ends)
    return Prediction(float(mean.value), low, high, len(numbers), mean.problem)
