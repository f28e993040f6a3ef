"""The features that each solver selects, for every mu of the sweep."""

import math
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vebi.selection.certificate import certify
from vebi.selection.homotopy import solve_paths_of
from vebi.selection.projected_gradient import compress, spectral_projected_gradient
from vebi.selection.statistics import (
    FeatureIndex,
    Labels,
    Statistics,
    read_feature_index,
    read_statistics,
    scope_columns,
)
from vebi.studies.mcgill.report_networks import SOLVERS, ReportedExperiment

FEATURES = ("labels", "scope", "solver", "mu", "layer", "channel")
SOLUTIONS = (
    *("labels", "scope", "solver", "mu", "n_features", "n_features_total"),
    *("relative_gap", "iterations", "classes_at_limit", "peak_memory_gb"),
)


@dataclass(frozen=True)
class Solved:
    """Solutions of Eq. 1 at mu (R,) for C classes.

    selected: bool (R, m), by any class. relative_gap, iterations: (R, C); the path needs none.
    """

    selected: NDArray[np.bool_]
    relative_gap: NDArray[np.float64]
    iterations: NDArray[np.int64]


def solve_at(statistics: Statistics, mus: Sequence[float], solver: str) -> Solved:
    """Solve Eq. 1 for every class at `mus` (ascending) by a solver of SOLVERS.

    spgl1 works on the compressed problem (r + 1 rows instead of N), where its iterates are the same
    in exact arithmetic: it only sees X through products whose inner products the compression keeps.
    """
    n_classes, m = statistics.n_classes, statistics.n_features
    values = np.asarray(mus, np.float64)
    weights = np.zeros((len(values), n_classes, m))
    gap = np.zeros((len(values), n_classes))
    iterations = np.zeros((len(values), n_classes), np.int64)
    limit = SOLVERS[solver]
    with threadpool_limits(limits=1, user_api="blas"):
        if limit is None:
            for j, path in enumerate(solve_paths_of(statistics, values[-1], False, 1)):
                weights[:, j] = [path.weights_at(mu) for mu in values]
        else:
            for j in range(n_classes):
                A, b = compress(
                    statistics.gram, statistics.cross[:, j], float(statistics.counts[j])
                )
                for r, mu in enumerate(values):
                    weights[r, j], iterations[r, j] = spectral_projected_gradient(
                        A, b, float(mu), iteration_limit=limit
                    )
        for j in range(n_classes):
            gap[:, j] = certify(
                statistics.gram,
                statistics.cross[:, j],
                float(statistics.counts[j]),
                weights[:, j],
                values,
            ).relative_gap
    return Solved((weights != 0).any(axis=1), gap, iterations)


def select_features(
    descriptors: str | Path, reported: ReportedExperiment, mus: Sequence[float], solver: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every selection that the study needs of one network: tables FEATURES and SOLUTIONS.

    The exact path is followed for both kinds of labels, spgl1 for those of the report.
    """
    index = read_feature_index(descriptors)
    kinds: tuple[Labels, ...] = ("annotations", "predictions")
    if SOLVERS[solver] is not None:
        kinds = (reported.labels,)
    features, solutions = [], []
    for labels in kinds:
        for scope in reported.scopes:
            columns = scope_columns(index, scope)
            statistics = read_statistics(descriptors, columns=columns, labels=labels)
            solved = solve_at(statistics, mus, solver)
            key = {"labels": labels, "scope": scope, "solver": solver}
            features.append(_feature_rows(key, mus, solved.selected, columns, index))
            solutions.append(_solution_rows(key, mus, solved, SOLVERS[solver]))
    return pd.concat(features, ignore_index=True), pd.concat(solutions, ignore_index=True)


def _peak_gigabytes() -> int:
    """Most memory that this process had in use so far, in whole GB (2^30 bytes), rounded up.

    Two runs differ by some MB, and must not differ in a table.
    """
    return math.ceil(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def _feature_rows(
    key: dict[str, str],
    mus: Sequence[float],
    selected: NDArray[np.bool_],
    columns: NDArray[np.int64],
    index: FeatureIndex,
) -> pd.DataFrame:
    rows, chosen = np.nonzero(selected)
    chosen = columns[chosen]
    table = pd.DataFrame(
        {
            **key,
            "mu": np.asarray(mus, float)[rows],
            "layer": index.layer[chosen].astype(object),
            "channel": index.channel[chosen],
        }
    )
    return table[list(FEATURES)]


def _solution_rows(
    key: dict[str, str], mus: Sequence[float], solved: Solved, limit: int | None
) -> pd.DataFrame:
    at_limit = 0 if limit is None else (solved.iterations >= limit).sum(axis=1)
    table = pd.DataFrame(
        {
            **key,
            "mu": np.asarray(mus, float),
            "n_features": solved.selected.sum(axis=1),
            "n_features_total": solved.selected.shape[1],
            "relative_gap": solved.relative_gap.max(axis=1),
            "iterations": solved.iterations.max(axis=1),
            "classes_at_limit": at_limit,
            "peak_memory_gb": _peak_gigabytes(),
        }
    )
    return table[list(SOLUTIONS)]
