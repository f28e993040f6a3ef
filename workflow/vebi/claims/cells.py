"""The numbers behind a claim: one per network, of each experiment, so that one rule fits all.

Where a table has only an interval, numbers that have just this mean and this interval by Student's t
stand for those of the networks. Scenes that a table's interval includes widen the numbers' own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from vebi.statistics import Cell, over_networks

# What the column `over` of a table calls an interval over both.
BOTH = "networks and scenes"
_NORMAL = float(special.ndtri(0.975))


@dataclass(frozen=True, eq=False)
class Numbers:
    """Effects or values of one experiment.

    Args:
        label: the experiment, in words.
        values: one per network, by seed.
        levels: what it is made of, by factor.
        networks: whose networks these are. Numbers of one name are of the same networks, and pairs.
    """

    label: str
    values: pd.Series
    levels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    networks: str = ""


def to_cells(numbers: Sequence[Numbers]) -> list[Cell]:
    """`numbers` for `vebi.statistics.pool`: those of the same networks in the same order of seeds."""
    seeds: dict[str, list[Any]] = {}
    for one in numbers:
        known = seeds.setdefault(one.networks or one.label, [])
        known += [seed for seed in one.values.index if seed not in known]
    return [
        Cell(
            one.values.reindex(sorted(seeds[one.networks or one.label])).to_numpy(float),
            one.label,
            dict(one.levels),
            networks=one.networks or one.label,
            scenes=None,
        )
        for one in numbers
    ]


def count_networks(numbers: Sequence[Numbers]) -> int:
    """How many networks `numbers` are of, each once."""
    return len({(one.networks or one.label, seed) for one in numbers for seed in one.values.index})


def over(row: Mapping[Any, Any]) -> str:
    """What a table's interval ranges over, "" in tables of earlier versions, which do not say."""
    said = row.get("over")
    return said if isinstance(said, str) else ""


def interval_half(row: Mapping[Any, Any], low: str, high: str, units: int) -> float:
    """Half of the width of a table's 95 % interval.

    Tables of earlier versions, which have no column `over`, have percentile bootstraps over few
    `units` (networks or scenes): their spread is that of the mean times sqrt((n - 1) / n), times the
    normal quantile. What Student's t with the same spread would give is returned for them.
    """
    half = (float(row[high]) - float(row[low])) / 2
    if over(row) or units < 2:
        return half
    student = special.stdtrit(units - 1, 0.975)
    return float(half * student / _NORMAL * np.sqrt(units / (units - 1)))


def include_scenes(values: pd.Series, row: Mapping[Any, Any] | None) -> pd.Series:
    """`values` of the networks, spread so that their interval is over scenes, too.

    Args:
        values: one per network.
        row: of the table that has the interval of the same effect. Where it is over networks and
            scenes, it is taken as it is. In tables of earlier versions it is over scenes, with these
            networks: both half-widths are added as squares. None, or NaN: there is no such interval.
    """
    if row is None or len(values) < 2 or not row["ci_low"] <= row["ci_high"]:
        return values
    own = _half_width(values)
    if over(row):
        half = interval_half(row, "ci_low", "ci_high", len(values)) if over(row) == BOTH else own
    else:
        half = np.hypot(own, interval_half(row, "ci_low", "ci_high", int(row["n_scenes"])))
    # Scenes add to what networks do.
    return spread_to(values, max(half, own))


def spread_to(values: pd.Series, half: float) -> pd.Series:
    """`values` moved apart or together around their mean until their 95 % interval is +- `half`."""
    own = _half_width(values)
    if own > 0:
        return values.mean() + (values - values.mean()) * half / own
    pattern = pd.Series(np.arange(len(values), dtype=float), values.index)
    return values.mean() + (spread_to(pattern, half) - pattern.mean())


def of_interval(value: float, half: float, networks: int) -> pd.Series:
    """Numbers of `networks` with this mean, whose 95 % interval is +- `half`; one alone has none."""
    if networks < 2 or np.isnan(half):
        return pd.Series([float(value)] * min(networks, 1))
    return spread_to(pd.Series(np.full(networks, float(value))), half)


def of_spread(value: float, deviation: float, networks: int) -> pd.Series:
    """Numbers of `networks` with this mean and this standard deviation."""
    factor = special.stdtrit(max(networks - 1, 1), 0.975) / np.sqrt(networks)
    return of_interval(value, float(factor * deviation), networks)


def _half_width(values: pd.Series) -> float:
    estimate = over_networks(values.to_numpy(float))
    return 0.0 if estimate.problem else float(estimate.high - estimate.value)
