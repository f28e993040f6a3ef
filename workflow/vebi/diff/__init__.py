"""Compare two runs: tables by their keys, HDF5 by arrays, figures by pixels."""

from vebi.diff.folders import compare, run_diff
from vebi.diff.report import Change, FileResult, Finding, Outcome, Report, Verdict

__all__ = [
    "Change",
    "FileResult",
    "Finding",
    "Outcome",
    "Report",
    "Verdict",
    "compare",
    "run_diff",
]
