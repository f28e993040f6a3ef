"""Facts of a configuration, and tables with only the columns that a test cares about."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from vebi.claims.facts import facts_of
from vebi.config import parse_config
from vebi.io.tables import write_table
from vebi.report.places import TABLES

Write = Callable[..., dict[str, Path]]


def overlay(below: dict, above: dict) -> dict:
    both = {
        key: overlay(below[key], value)
        if isinstance(value, dict) and isinstance(below.get(key), dict)
        else value
        for key, value in above.items()
    }
    return {**below, **both}


@pytest.fixture(scope="session")
def configure(root) -> Callable[[str], dict]:
    """A configuration as Snakemake merges it, by its name."""

    def read(name: str) -> dict:
        default, other = (
            yaml.safe_load((root / f"config/{one}.yaml").read_text()) for one in ("config", name)
        )
        return overlay(default, other)

    return read


@pytest.fixture(scope="session")
def facts(configure) -> Callable[[str], dict[str, Any]]:
    """What the claims know of a configuration, by its name."""

    def read(name: str) -> dict[str, Any]:
        return facts_of(parse_config(configure(name)))

    return read


@pytest.fixture
def write(tmp_path) -> Write:
    """Write tables from frames with some of their columns, the others empty; paths by name."""

    def made(**tables: pd.DataFrame) -> dict[str, Path]:
        paths = {}
        for name, frame in tables.items():
            paths[name] = tmp_path / f"{name}.csv"
            whole = frame.reindex(columns=TABLES[name].columns)
            write_table(paths[name], whole, TABLES[name])
        return paths

    return made
