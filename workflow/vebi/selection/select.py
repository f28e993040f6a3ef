"""From a descriptor file to path.h5, selection.csv and selected_features.csv."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vebi.io.errors import VebiError
from vebi.io.files import write_text
from vebi.selection.certificate import LARGEST_GAP, certify, explain
from vebi.selection.homotopy import solve_paths_of
from vebi.selection.path import ClassPath
from vebi.selection.path_file import Solution, over_all_columns, write_solution
from vebi.selection.projected_gradient import solve_points_of
from vebi.selection.statistics import (
    Labels,
    Scope,
    Statistics,
    merge,
    read_feature_index,
    read_matrix,
    read_shape,
    read_statistics,
    read_targets,
    scope_columns,
)
from vebi.selection.tables import selected_features_table, selection_table
from vebi.selection.wide import is_wide, solve_wide

log = logging.getLogger(__name__)

Solver = Literal["path", "spgl1"]
# Beyond these, squares of weights leave float64.
SMALLEST_MU, LARGEST_MU = 1e-100, 1e100
ALLOWED: dict[str, tuple[str, ...]] = {
    "scope": ("all", "conv"),
    "labels": ("annotations", "predictions"),
    "solver": ("path", "spgl1"),
}


@dataclass(frozen=True)
class Problem:
    """Which form of Eq. 1 is solved, on which rows of a descriptor file, and by what.

    Attributes:
        scope: `all` features, or those of convolutions only (`conv`).
        labels: what is regressed on, `annotations` or `predictions`.
        nonnegative: only weights >= 0.
        solver: `path`, every mu at once; or `spgl1` at each mu.
        split: 0 train, 1 test, None all; a file without `split` gives all samples.

    Raises:
        VebiError: a value that is not allowed.
    """

    scope: Scope = "all"
    labels: Labels = "annotations"
    nonnegative: bool = False
    solver: Solver = "path"
    split: int | None = 0

    def __post_init__(self) -> None:
        for name, allowed in ALLOWED.items():
            value = getattr(self, name)
            if value not in allowed:
                raise VebiError(f"{name} = {value!r}: expected one of {', '.join(allowed)}.")


# The one of the paper.
STANDARD = Problem()


def solve(
    statistics: Statistics,
    *,
    mus: Sequence[float],
    mu_max: float | None = None,
    nonnegative: bool = False,
    solver: Solver = "path",
    processes: int = 1,
) -> tuple[list[ClassPath], NDArray[np.float64], NDArray[np.float64]]:
    """Solve Eq. 1 for every class.

    Args:
        statistics: X'X and its like.
        mus: the values to certify and report.
        mu_max: how far the path goes; None: to the largest of `mus`.
        nonnegative: only weights >= 0.
        solver: `path`, every mu up to `mu_max`; `spgl1`, at `mus` only.
        processes: cores to use; the result does not depend on it.

    Returns:
        A path per class, and objective and relative gap at every mu, each (R, C).

    Raises:
        VebiError: no mu, or one that is not positive or beyond `mu_max`.
    """
    values = check_mus(mus)
    largest = _check_mu_max(mu_max, values)
    if solver == "spgl1":
        with threadpool_limits(limits=1, user_api="blas"):
            paths = solve_points_of(statistics, values, nonnegative)
    else:
        paths = solve_paths_of(statistics, largest, nonnegative, processes)
    objective = np.zeros((len(values), len(paths)))
    gap = np.zeros_like(objective)
    with threadpool_limits(limits=1, user_api="blas"):
        for j, path in enumerate(paths):
            weights = np.array([path.weights_at(mu) for mu in values])
            proof = certify(
                statistics.gram,
                statistics.cross[:, j],
                float(statistics.counts[j]),
                weights,
                values,
                nonnegative=nonnegative,
            )
            objective[:, j], gap[:, j] = proof.objective, proof.relative_gap
            if solver == "spgl1":
                worst = int(gap[:, j].argmax())
                if gap[worst, j] > LARGEST_GAP:
                    log.warning(
                        "class %d: spgl1 stopped before it converged: relative gap %.1e at mu = %g",
                        *(j, gap[worst, j], values[worst]),
                    )
            elif reason := explain(proof, np.diagonal(statistics.gram)):
                log.warning("class %d: %s", j, reason)
    return paths, objective, gap


def solve_paths(
    descriptors: str | Path,
    out: str | Path,
    problem: Problem = STANDARD,
    *,
    mus: Sequence[float],
    mu_max: float | None = None,
    processes: int = 1,
    sums: Sequence[str | Path] = (),
) -> Solution:
    """Read a descriptor file, solve Eq. 1 for every class and write path.h5.

    Args:
        descriptors: the file.
        out: path.h5.
        problem: which form of Eq. 1.
        mus: the values to certify and report.
        mu_max: how far the path goes; None: to the largest of `mus`.
        processes: cores to use; the result does not depend on it.
        sums: files of Statistics that together are this descriptor file's, made by other jobs from
            parts of its rows with the same labels and split and all its columns; without them the file
            is read here.

    Returns:
        What is written.

    Raises:
        VebiError: a file that can't be read, or `mus` as in `solve`.
    """
    values = check_mus(mus)
    index = read_feature_index(descriptors)
    columns = scope_columns(index, problem.scope)
    paths, objective, gap, n_samples = _solve_file(
        *(descriptors, problem, sums),
        columns=columns,
        n_features=len(index),
        mus=values,
        mu_max=_check_mu_max(mu_max, values),
        processes=processes,
    )
    solution = Solution(
        classes=[over_all_columns(path, columns, len(index)) for path in paths],
        columns=columns,
        index=index,
        mus=values,
        objective=objective,
        relative_gap=gap,
        scope=problem.scope,
        labels=problem.labels,
        nonnegative=problem.nonnegative,
        solver=problem.solver,
        n_samples=n_samples,
    )
    write_solution(out, solution)
    return solution


def _solve_file(
    descriptors: str | Path,
    problem: Problem,
    sums: Sequence[str | Path],
    *,
    columns: NDArray[np.int64],
    n_features: int,
    mus: NDArray[np.float64],
    mu_max: float,
    processes: int,
) -> tuple[list[ClassPath], NDArray[np.float64], NDArray[np.float64], int]:
    """What `solve` returns for some columns of a file, from X itself if it is wide, and its samples."""
    wanted = None if problem.scope == "all" else columns
    if not sums and problem.solver == "path" and is_wide(*read_shape(descriptors)):
        X, targets, n_classes = read_matrix(
            descriptors, columns=wanted, labels=problem.labels, split=problem.split
        )
        found = solve_wide(
            X, targets, n_classes, mus=mus, mu_max=mu_max, nonnegative=problem.nonnegative
        )
        return (*found, len(X))
    statistics = _read_or_merge(
        descriptors, problem, sums, columns=wanted, n_features=n_features, threads=processes
    )
    found = solve(
        statistics,
        mus=mus.tolist(),
        mu_max=mu_max,
        nonnegative=problem.nonnegative,
        solver=problem.solver,
        processes=processes,
    )
    return (*found, statistics.n_samples)


def _read_or_merge(
    descriptors: str | Path,
    problem: Problem,
    sums: Sequence[str | Path],
    *,
    columns: NDArray[np.int64] | None,
    n_features: int,
    threads: int,
) -> Statistics:
    """X'X and its like of some columns (None: all): of the file itself, or of its parts."""
    if not sums:
        return read_statistics(
            descriptors,
            columns=columns,
            labels=problem.labels,
            split=problem.split,
            threads=threads,
        )
    statistics = _merge_files(sums, descriptors, problem, n_features)
    return statistics if columns is None else statistics.restricted(columns)


def _merge_files(
    sums: Sequence[str | Path],
    descriptors: str | Path,
    problem: Problem,
    n_features: int,
) -> Statistics:
    """The sums of all parts; a part that is missing or of another file shows in the counts."""
    statistics = merge(Statistics.load(path) for path in sums)
    _, targets, n_classes = read_targets(descriptors, problem.labels, problem.split)
    counts = np.bincount(targets, minlength=n_classes)
    if statistics.n_features != n_features or not np.array_equal(statistics.counts, counts):
        raise VebiError(
            f"the {len(sums)} files of sums hold {statistics.n_features} features and "
            f"{statistics.n_samples} samples, but {descriptors} has {n_features} and {len(targets)}: "
            "they are not its parts, or some are missing."
        )
    return statistics


def select(
    descriptors: str | Path,
    mus: Sequence[float],
    out: str | Path,
    problem: Problem = STANDARD,
    *,
    processes: int = 1,
    sums: Sequence[str | Path] = (),
) -> Solution:
    """The mu-Lasso on any descriptor file: path.h5, selection.csv and selected_features.csv in `out`.

    Only X (N, m) and labels (N) are needed; without a layer index every column counts as a channel of
    the layer ''. Arguments as in `solve_paths`.
    """
    for mu in mus:
        if math.isfinite(mu) and float(f"{mu:.10g}") != mu:
            raise VebiError(f"mu = {mu!r}: the tables keep ten digits, for example {mu:.4g}.")
    folder = Path(out)
    solution = solve_paths(
        descriptors,
        folder / "path.h5",
        problem,
        mus=mus,
        processes=processes,
        sums=sums,
    )
    write_text(folder / "selection.csv", to_csv(selection_table(solution)))
    write_text(folder / "selected_features.csv", to_csv(selected_features_table(solution)))
    return solution


def to_csv(table: pd.DataFrame) -> str:
    """CSV text with LF line ends and floats of ten significant digits."""
    return table.to_csv(index=False, float_format="%.10g", lineterminator="\n")


def _check_mu_max(mu_max: float | None, values: NDArray[np.float64]) -> float:
    """How far the path goes: to the largest of the values where that is not given."""
    largest = float(values[-1]) if mu_max is None else float(mu_max)
    if largest < values[-1]:
        raise VebiError(f"mu_max = {largest} is below mu = {values[-1]}; raise it or drop that mu.")
    return largest


def check_mus(mus: Sequence[float]) -> NDArray[np.float64]:
    """The distinct mu in ascending order; each must be positive and finite."""
    if not len(mus):
        raise VebiError("no mu given; expected one or more positive numbers.")
    for mu in mus:
        if not (math.isfinite(mu) and SMALLEST_MU <= mu <= LARGEST_MU):
            raise VebiError(
                f"mu = {mu}: expected a positive number (the bound of ||w||_1 in Eq. 1), "
                f"{SMALLEST_MU:g} to {LARGEST_MU:g}."
            )
    return np.unique(np.asarray(mus, dtype=np.float64))
