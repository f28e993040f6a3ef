"""The table of the benchmark over networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vebi.benchmark.ranks import rank_table
from vebi.benchmark.score import SCORES, summarise
from vebi.catalogue.measures import MEASURES
from vebi.io.tables import read_table

_RANKS = {"ci_low": "rank_ci_low", "ci_high": "rank_ci_high"}


def tabulate(paths: Sequence[Path], runs: Sequence[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """The table benchmark: `paths` of `score.SCORES` in the order of `runs`."""
    found: dict[str, list[pd.DataFrame]] = {}
    for path, run in zip(paths, runs, strict=True):
        found.setdefault(run["dataset"], []).append(read_table(path, SCORES))
    tables = [long_table(pd.concat(one)).assign(dataset=name) for name, one in found.items()]
    return {"benchmark": pd.concat(tables, ignore_index=True)}


def long_table(scores: pd.DataFrame) -> pd.DataFrame:
    """A row per network's name, method and measure: mean, interval and rank; none without a value.

    Args:
        scores: as `score.SCORES`, on the same scenes.
    """
    wide = summarise(scores)
    about = ["model", "method", "kind", "n_networks", "n_scenes", "n_images"]
    parts = []
    for name in MEASURES:
        columns = {name: "value", f"{name}_ci_low": "ci_low", f"{name}_ci_high": "ci_high"}
        parts.append(wide[[*about, *columns]].rename(columns=columns).assign(measure=name))
    values = pd.concat(parts).dropna(subset="value")
    ranks = rank_table(scores).rename(columns=_RANKS).astype({"differs": float})
    return values.merge(ranks, how="left", on=["model", "measure", "method"])


def wide_table(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of one data set as `score.summarise` has them, without times and best thresholds."""
    about = ["model", "method", "kind", "n_networks", "n_scenes", "n_images"]
    wide = table[about].drop_duplicates(["model", "method"])
    for name in MEASURES:
        columns = {"value": name, "ci_low": f"{name}_ci_low", "ci_high": f"{name}_ci_high"}
        rows = table.loc[table["measure"] == name, ["model", "method", *columns]]
        wide = wide.merge(rows.rename(columns=columns), how="left", on=["model", "method"])
    by = ["model", "rank_correlation"]
    ordered = wide.sort_values(by, ascending=[True, False], kind="stable", ignore_index=True)
    return ordered.assign(seconds_per_image=float("nan"))


def ranks_of(table: pd.DataFrame) -> pd.DataFrame:
    """The ranks of one data set as `rank_table` has them."""
    back = {new: old for old, new in _RANKS.items()}
    columns = ["model", "measure", "method", "rank", *_RANKS.values(), "best", "differs"]
    ranked = table.dropna(subset="rank")[columns].rename(columns=back)
    whole = dict.fromkeys(("rank", "ci_low", "ci_high"), int)
    return ranked.astype({**whole, "differs": bool})
