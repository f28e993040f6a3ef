"""The table of trainings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from vebi.data.dataset import TEST, open_datasets
from vebi.io.tables import stack_runs
from vebi.run.plan import Run
from vebi.statistics import wilson_interval
from vebi.studies.networks import STUDY


def add_test_interval(training: pd.DataFrame, n_test: Mapping[str, int]) -> pd.DataFrame:
    """The training table with Wilson's interval of the test accuracy and the test images behind it.

    `n_test` by data set. The interval is about images: how far the accuracy of this network may be
    from what it would be on endlessly many. The spread over trainings shows in the seeds' rows.
    """
    counts = training["dataset"].map(n_test).astype(int)
    ends = [
        wilson_interval(round(accuracy * total), total)
        for accuracy, total in zip(training["test_accuracy"], counts, strict=True)
    ]
    return training.assign(
        test_accuracy_ci_low=[low for low, _ in ends],
        test_accuracy_ci_high=[high for _, high in ends],
        n_test=counts,
    )


def tabulate(
    histories: Sequence[Path], datasets: Sequence[Path], runs: Sequence[Run], names: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """The table training: `histories` in the order of `runs`, `datasets` in that of `names`."""
    opened = open_datasets(datasets, names)
    n_test = {name: len(data.indices(TEST)) for name, data in opened.items()}
    training = stack_runs(histories, runs, STUDY.tables["training"], last_row_only=True)
    return {"training": add_test_interval(training, n_test)}
