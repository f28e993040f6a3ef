"""The tables of the ablation, of all runs together."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vebi.data.dataset import TEST, open_datasets
from vebi.data.scenes import read_scenes
from vebi.io.tables import stack_runs
from vebi.run.plan import Run
from vebi.studies.ablation import STUDY
from vebi.studies.ablation.effect import compare
from vebi.studies.ablation.hits_file import read_hits
from vebi.studies.ablation.intervals import add_intervals


def tabulate(
    *,
    ablation: Sequence[Path],
    hits: Sequence[Path],
    datasets: Sequence[Path],
    runs: Sequence[Run],
    names: Sequence[str],
) -> dict[str, pd.DataFrame]:
    """The tables ablation and ablation_effect.

    `ablation` and `hits` in the order of `runs`, `datasets` in that of `names`.
    """
    scenes = {
        name: read_scenes(data, data.indices(TEST))
        for name, data in open_datasets(datasets, names).items()
    }
    found = {
        (run["dataset"], run["model"], run["seed"]): read_hits(path)
        for run, path in zip(runs, hits, strict=True)
    }
    table = stack_runs(ablation, runs, STUDY.tables["ablation"])
    return {
        "ablation_effect": compare(table, found, scenes),
        "ablation": add_intervals(table, found, scenes),
    }
