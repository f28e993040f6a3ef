"""The table of the numbers of selected features, of all runs together."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vebi.io.tables import stack_runs
from vebi.run.plan import Run
from vebi.studies.feature_counts import STUDY


def tabulate(paths: Sequence[Path], runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """The table feature_counts; `paths` in the order of `runs`."""
    return {"feature_counts": stack_runs(paths, runs, STUDY.tables["feature_counts"])}
