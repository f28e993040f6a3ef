"""From the files of all runs to the tables of input resampling."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vebi.io.tables import stack_runs
from vebi.studies.perturbation import STUDY

STACKED = ("transfer", "overlap", "claims")


def tabulate(
    *, runs: Sequence[Mapping[str, Any]], epochs: Mapping[str, int], **parts: Sequence[Path]
) -> dict[str, pd.DataFrame]:
    """The tables by name, from the files of `run_study` and `follow_epochs` in the order of `runs`.

    `parts`: resampling, transfer, overlap, claims, and, where the epochs were followed, patches and
    similarity. `epochs[model]`: how long each network was trained in all, the epoch of all that was
    measured on the network as it is. In resampling.csv the accuracies of patches are in rows of layer
    "all"; those of the last epoch share the row of the same metric's influence. Every row is of one
    network: its intervals are over scenes.
    """
    table = STUDY.tables["resampling"]
    main = stack_runs(parts["resampling"], runs, table)
    main["epoch"] = main["model"].map(epochs)
    if parts.get("patches"):
        main = main.merge(stack_runs(parts["patches"], runs, table), "outer", list(table.keys))
    tables = {"resampling": main.reindex(columns=table.columns)}
    for part in STACKED:
        name = f"resampling_{part}"
        tables[name] = stack_runs(parts[part], runs, STUDY.tables[name])
    if parts.get("similarity"):
        name = "resampling_similarity"
        tables[name] = stack_runs(parts["similarity"], runs, STUDY.tables[name])
    for name, frame in tables.items():
        if "over" in STUDY.tables[name].values:
            frame["over"] = "scenes"
    return tables
