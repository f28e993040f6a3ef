"""A run's tables and facts."""

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from vebi.claims.table import EXPLANATION_TIMES_TABLE
from vebi.io.errors import VebiError
from vebi.io.tables import Table, read_rows
from vebi.studies.registry import STUDY_TABLES

# Every table that a claim may read.
SOURCE_TABLES: dict[str, Table] = {**STUDY_TABLES, "explain": EXPLANATION_TIMES_TABLE}


class Run:
    """`files`: the tables by name, `facts`: see `vebi.claims.facts`. A missing table is empty."""

    def __init__(self, files: Mapping[str, Path], facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self._files = dict(files)
        self.table = cache(self._read)

    def _read(self, name: str) -> pd.DataFrame:
        """A table with all columns of its record, empty where a run of an earlier version has none."""
        table = SOURCE_TABLES[name]
        if name not in self._files:
            return pd.DataFrame(columns=table.columns)
        path = self._files[name]
        try:
            frame = read_rows(path, table)
        except (OSError, ValueError) as error:
            raise VebiError(f"{path} can't be read as the table {name} ({error}).") from error
        missing = [key for key in table.keys if key not in frame.columns]
        if missing:
            raise VebiError(
                f"{path} is not the table {name}: it lacks the columns {', '.join(missing)}."
            )
        return frame.reindex(columns=list(dict.fromkeys([*frame.columns, *table.columns])))

    def rows(self, name: str, **equal: Any) -> pd.DataFrame:
        """The rows of table `name` whose columns have these values."""
        frame = self.table(name)
        for column, value in equal.items():
            frame = frame[frame[column] == value]
        return frame

    def row(self, name: str, **equal: Any) -> dict[Any, Any] | None:
        """The first of these rows; None where there is none."""
        return next(iter(self.rows(name, **equal).to_dict("records")), None)

    def places(self, roles: Collection[str]) -> list[dict[str, str]]:
        """Data set and model of every experiment on data sets of these roles, as configured."""
        return [
            {"dataset": dataset, "model": model}
            for dataset, model in self.facts["experiments"]
            if self.facts["roles"][dataset] in roles
        ]

    def architecture(self, place: Mapping[str, str]) -> str:
        """The architecture of an experiment's network, as configured."""
        return str(self.facts["architectures"][place["model"]])

    def setting(self, place: Mapping[str, str]) -> dict[str, Any]:
        """Descriptor, sign of W and mu of an experiment's heatmaps."""
        experiments = [tuple(pair) for pair in self.facts["experiments"]]
        position = experiments.index((place["dataset"], place["model"]))
        return dict(self.facts["settings"][position])

    def networks(self, kind: str) -> list[dict[str, Any]]:
        """The McGill networks of a kind: those of the report's size first, else as configured."""
        some = [network for network in self.facts["mcgill"] if network["kind"] == kind]
        return sorted(some, key=lambda network: not network["full"])
