"""The mu-Lasso by spectral projected gradient (spgl1), as both seeds solved it.

It stops at its own tolerance or its iteration limit, whatever the duality gap is then; the gap is
reported next to the result.
"""

from __future__ import annotations

import contextlib
import io

import numpy as np
import spgl1
from numpy.typing import NDArray

from vebi.selection.certificate import certify
from vebi.selection.path import ClassPath
from vebi.selection.statistics import Statistics

# spgl1 0.0.3 grows its history arrays wrongly: any limit of 10,000 or more ends in an IndexError there.
ITERATION_LIMIT = 9_999


def compress(
    gram: NDArray[np.float64], cross: NDArray[np.float64], count: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A small least-squares problem with the same objective.

    A'A = gram, A'b = cross, b'b = count, so that residuals, and with them spgl1's stopping rules, are
    those of the raw matrix X and its labels.

    Args:
        gram: X'X (m, m), of rank r.
        cross: X'l (m).
        count: ||l||^2.

    Returns:
        A (r + 1, m) and b (r + 1).
    """
    values, vectors = np.linalg.eigh(gram)
    kept = values > values.max(initial=0.0) * len(values) * np.finfo(float).eps
    root = np.sqrt(values[kept])
    factor = root[:, None] * vectors[:, kept].T
    target = (vectors[:, kept].T @ cross) / root
    rest = np.sqrt(max(count - target @ target, 0.0))
    return np.vstack([factor, np.zeros(len(cross))]), np.append(target, rest)


def spectral_projected_gradient(
    A: NDArray[np.floating],
    b: NDArray[np.float64],
    mu: float,
    nonnegative: bool = False,
    iteration_limit: int = ITERATION_LIMIT,
) -> tuple[NDArray[np.float64], int]:
    """What spg_lasso returns for min ||A w - b|| s.t. ||w||_1 <= mu.

    All other settings are its defaults; its default limit is ten iterations per row of the raw
    descriptors, which A may be or may stand for (`compress`).

    Args:
        A: (n, m), row-major.
        b: (n).
        mu: bound of the L1 norm.
        nonnegative: whether weights below 0 are ruled out.
        iteration_limit: at most ITERATION_LIMIT.

    Returns:
        Weights (m), and the number of iterations.
    """
    projections = (
        {
            "project": spgl1.norm_l1nn_project,
            "primal_norm": spgl1.norm_l1nn_primal,
            "dual_norm": spgl1.norm_l1nn_dual,
        }
        if nonnegative
        else {}
    )
    # It prints when it goes back to its best iterate.
    with contextlib.redirect_stdout(io.StringIO()):
        weights, _, _, info = spgl1.spg_lasso(
            A,
            b.astype(np.float64),
            mu,
            iter_lim=min(iteration_limit, ITERATION_LIMIT),
            **projections,
        )
    return np.asarray(weights, dtype=np.float64), int(info["niters"])


def solve_points_of(
    statistics: Statistics,
    mus: NDArray[np.float64],
    nonnegative: bool = False,
    iteration_limit: int = ITERATION_LIMIT,
) -> list[ClassPath]:
    """spgl1's solutions for every class, on the compressed problem.

    Args:
        statistics: of descriptors and labels.
        mus: ascending.
        nonnegative: whether weights below 0 are ruled out.
        iteration_limit: of each solution.

    Returns:
        A path per class that has these points and none between.
    """
    # Its default limit counts the rows of X, of which the compressed problem has fewer.
    iteration_limit = min(iteration_limit, 10 * statistics.n_samples)
    points = []
    for j in range(statistics.n_classes):
        cross, count = statistics.cross[:, j], float(statistics.counts[j])
        A, b = compress(statistics.gram, cross, count)
        weights = np.array(
            [spectral_projected_gradient(A, b, mu, nonnegative, iteration_limit)[0] for mu in mus]
        )
        proof = certify(statistics.gram, cross, count, weights, mus, nonnegative=nonnegative)
        rows, columns = np.nonzero(weights)
        points.append(
            ClassPath(
                l1_norm=proof.l1_norm,
                indptr=np.searchsorted(rows, np.arange(len(mus) + 1)),
                indices=columns,
                data=weights[rows, columns],
                multiplier=proof.multiplier,
                objective=proof.objective,
                relative_gap=proof.relative_gap,
                n_features=statistics.n_features,
                mu_max=float(mus[-1]),
                points=mus,
            )
        )
    return points
