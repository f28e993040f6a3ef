"""The tables of what is selected, of all runs together."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vebi.io.tables import stack_runs
from vebi.run.plan import Run
from vebi.studies.selection import STUDY


def tabulate(
    selection: Sequence[Path], selected_features: Sequence[Path], runs: Sequence[Run]
) -> dict[str, pd.DataFrame]:
    """The tables selection, selection_seeds and selected_features; files of every run and scope."""
    stacked = stack_runs(selection, runs, STUDY.tables["selection"])
    return {
        "selection": stacked,
        "selection_seeds": selection_over_seeds(stacked),
        "selected_features": stack_runs(selected_features, runs, STUDY.tables["selected_features"]),
    }


def selection_over_seeds(selection: pd.DataFrame) -> pd.DataFrame:
    """From the selection table to `selection_seeds`: sizes of the selection over the seeds' networks.

    One row per data set, model, scope and mu: mean, least and most `n_features` and their number.
    """
    groups = selection.groupby(["dataset", "model", "scope", "mu"], sort=True)["n_features"]
    table = groups.agg(["mean", "min", "max", "size"]).reset_index()
    return table.rename(
        columns={
            "mean": "n_features_mean",
            "min": "n_features_min",
            "max": "n_features_max",
            "size": "n_seeds",
        }
    )
