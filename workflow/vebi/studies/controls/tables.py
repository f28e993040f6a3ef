"""The table of the further controls, of all runs together."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vebi.io.tables import stack_runs
from vebi.run.plan import Run
from vebi.studies.controls import STUDY


def tabulate(paths: Sequence[Path], runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """The table ablation_controls; `paths` in the order of `runs`."""
    return {"ablation_controls": stack_runs(paths, runs, STUDY.tables["ablation_controls"])}
