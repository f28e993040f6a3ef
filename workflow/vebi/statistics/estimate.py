"""An estimated mean, and all that follows from its standard error: intervals, p-values, equivalence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Numbers = float | NDArray[np.float64]
# Scores of this library are of the order of one. What is smaller than this is the rounding of sums.
RESOLUTION = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and degrees of freedom: numbers, or arrays of one shape.

    Interval and p-values come from these three, so they answer one question and cannot disagree.
    Where nothing says how far the mean may be off, they are NaN: with one network, one scene, or
    units that are equal to the last digit, which is no proof that the next one will be.

    Args:
        value: the mean; NaN where there are no data.
        standard_error: NaN with fewer than two units, 0 where all units are equal but for rounding.
        df: degrees of freedom of Student's distribution.
        n_networks: how many networks it is of.
        n_scenes: how many scenes; 0 where scenes play no part.
        reason: why the standard error is NaN, in words ("one network"); else "".
    """

    value: Numbers
    standard_error: Numbers
    df: Numbers
    n_networks: int = 0
    n_scenes: int = 0
    reason: str = ""

    def interval(self, level: float = 0.95) -> tuple[Numbers, Numbers]:
        """Both ends of the interval that holds the true mean with probability `level`."""
        half = special.stdtrit(self.df, 0.5 + level / 2) * self._spread()
        return _plain(self.value - half), _plain(self.value + half)

    @property
    def low(self) -> Numbers:
        """Lower end of the 95 % interval."""
        return self.interval()[0]

    @property
    def high(self) -> Numbers:
        """Upper end of the 95 % interval."""
        return self.interval()[1]

    def p_value(self, against: float = 0.0) -> Numbers:
        """Two-sided p-value that the true mean is `against`: below 0.05 where the interval leaves it out.

        1 where all units are `against` but for rounding; NaN where there is no interval else.
        """
        difference = np.asarray(self.value - against)
        p = 2 * special.stdtr(self.df, -np.abs(difference) / self._spread())
        none = (np.asarray(self.standard_error) == 0) & (np.abs(difference) <= RESOLUTION)
        return _plain(np.where(none, 1.0, p))

    def p_negligible(self, margin: float) -> Numbers:
        """P-value that the true mean is outside (-margin, margin): two one-sided tests (Schuirmann 1987).

        The larger of both one-sided p-values: below 0.05 where the 90 % interval lies inside the
        margin.
        """
        spread = self._spread()
        above = special.stdtr(self.df, (self.value - margin) / spread)
        below = special.stdtr(self.df, (-self.value - margin) / spread)
        return _plain(np.maximum(above, below))

    @property
    def problem(self) -> str:
        """Why a single estimate has no interval, in words; "" where it has one."""
        if np.isnan(self.value):
            return "no data"
        if self.reason:
            return self.reason
        return "" if self.standard_error > 0 else "no variance"

    @property
    def over(self) -> str:
        """What the interval is over: the units that another run would draw again."""
        if not self.n_scenes:
            return "networks"
        return "networks and scenes" if self.n_networks > 1 else "scenes"

    def columns(self, name: str, prefix: str = "") -> dict[str, Numbers]:
        """The mean as column `name` of a table, the ends as `prefix`ci_low and `prefix`ci_high."""
        return {name: self.value, f"{prefix}ci_low": self.low, f"{prefix}ci_high": self.high}

    def _spread(self) -> NDArray[np.float64]:
        error = np.asarray(self.standard_error, float)
        return np.where(error > 0, error, np.nan)


def make_estimate(
    value: NDArray[np.float64],
    variance: NDArray[np.float64],
    df: Numbers,
    *,
    n_networks: int = 0,
    n_scenes: int = 0,
    reason: str = "",
) -> Estimate:
    """An `Estimate` from the `variance` of a mean; what is rounding counts as zero."""
    error = np.sqrt(np.asarray(variance, float))
    noise = RESOLUTION * np.maximum(1.0, np.abs(value))
    error = np.where(error <= noise, 0.0, error)
    freedom = np.broadcast_to(np.asarray(df, float), error.shape)
    return Estimate(_plain(value), _plain(error), _plain(freedom), n_networks, n_scenes, reason)


def _plain(numbers: Numbers) -> Numbers:
    """A float for an array without axes, else the array."""
    array = np.asarray(numbers, float)
    return float(array) if array.ndim == 0 else array
