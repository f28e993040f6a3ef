"""Relevant features per class: the mu-Lasso of VEBI 3.1 (Eq. 1), its whole path, its certificates."""

from typing import TYPE_CHECKING

from vebi.io.late import late_names

if TYPE_CHECKING:
    from vebi.selection.certificate import Certificate, certify
    from vebi.selection.homotopy import solve_path
    from vebi.selection.path import ClassPath
    from vebi.selection.path_file import Solution, read_solution, write_solution
    from vebi.selection.select import Problem, solve, solve_paths
    from vebi.selection.statistics import Accumulator, FeatureIndex, Statistics, read_statistics

__all__ = [
    "Accumulator",
    "Certificate",
    "ClassPath",
    "FeatureIndex",
    "Problem",
    "Solution",
    "Statistics",
    "certify",
    "read_solution",
    "read_statistics",
    "solve",
    "solve_path",
    "solve_paths",
    "write_solution",
]

__getattr__ = late_names(
    __name__,
    {
        "certificate": ("Certificate", "certify"),
        "homotopy": ("solve_path",),
        "path": ("ClassPath",),
        "path_file": ("Solution", "read_solution", "write_solution"),
        "select": ("Problem", "solve", "solve_paths"),
        "statistics": ("Accumulator", "FeatureIndex", "Statistics", "read_statistics"),
    },
)
