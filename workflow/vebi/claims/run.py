"""A run's tables and facts, and the intervals that claims take from them."""

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vebi.io.tables import read_table
from vebi.statistics import bootstrap_interval
from vebi.studies.registry import STUDY_TABLES

Interval = tuple[float, float]


class Run:
    """`files`: the tables by name, `facts`: see `vebi.claims.facts`. A missing table is empty."""

    def __init__(self, files: Mapping[str, Path], facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self._files = dict(files)
        self.table = cache(self._read)

    def _read(self, name: str) -> pd.DataFrame:
        if name not in self._files:
            return pd.DataFrame(columns=STUDY_TABLES[name].columns)
        return read_table(self._files[name], STUDY_TABLES[name])

    def rows(self, name: str, **equal: Any) -> pd.DataFrame:
        """The rows of table `name` whose columns have these values."""
        frame = self.table(name)
        for column, value in equal.items():
            frame = frame[frame[column] == value]
        return frame

    def places(self, roles: Collection[str]) -> list[dict[str, str]]:
        """Data set and model of every experiment on data sets of these roles, as configured."""
        return [
            {"dataset": dataset, "model": model}
            for dataset, model in self.facts["experiments"]
            if self.facts["roles"][dataset] in roles
        ]

    def setting(self, place: Mapping[str, str]) -> dict[str, Any]:
        """Descriptor, sign of W and mu of an experiment's heatmaps."""
        experiments = [tuple(pair) for pair in self.facts["experiments"]]
        position = experiments.index((place["dataset"], place["model"]))
        return dict(self.facts["settings"][position])

    def count(self, name: str, places: Iterable[Mapping[str, str]]) -> int:
        """Networks (data set, model, seed) of `places` that table `name` has rows of."""
        return sum(self.rows(name, **place)["seed"].nunique() for place in places)

    def networks(self, kind: str) -> list[dict[str, Any]]:
        """The McGill networks of a kind: those of the report's size first, else as configured."""
        some = [network for network in self.facts["mcgill"] if network["kind"] == kind]
        return sorted(some, key=lambda network: not network["full"])

    def over_networks(self, values: Iterable[float]) -> Interval:
        """95 % bootstrap interval of a mean over networks, by resampling them; NaNs for one alone."""
        numbers = np.array(list(values), float)
        if len(numbers) < 2:
            return float("nan"), float("nan")
        return bootstrap_interval(numbers, self.facts["bootstrap"], [self.facts["seed"], 0])


def hull(*intervals: Interval) -> Interval:
    """From the lowest to the highest end of those intervals that are there (not NaN)."""
    there = [pair for pair in intervals if pair[0] <= pair[1]]
    nothing = float("nan")
    return (
        min((low for low, _ in there), default=nothing),
        max((high for _, high in there), default=nothing),
    )


def difference_interval(a: float, of_a: Interval, b: float, of_b: Interval) -> Interval:
    """95 % interval of a - b from those of a and b: the squares of the distances to the ends add up.

    Newcombe (1998), method 10, for independent a and b; too wide where they are of the same images.
    """
    return (
        a - b - hypot(a - of_a[0], of_b[1] - b),
        a - b + hypot(of_a[1] - a, b - of_b[0]),
    )
