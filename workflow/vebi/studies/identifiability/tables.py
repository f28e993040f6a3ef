"""Tables of the study, of all runs together."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vebi.io.tables import stack_runs
from vebi.run.plan import Run
from vebi.studies.identifiability import STUDY


def tabulate(
    stability: Sequence[Path],
    supports: Sequence[Path],
    rivals: Sequence[Path],
    runs: Sequence[Run],
) -> dict[str, pd.DataFrame]:
    """All tables; the files in the order of `runs`."""
    parts = {
        "selection_stability": stability,
        "selection_supports": supports,
        "selection_rivals": rivals,
    }
    return {name: stack_runs(paths, runs, STUDY.tables[name]) for name, paths in parts.items()}
