"""The mu-Lasso of networks with more features than X'X can be kept for: exact, on a part of the columns.

A solution on some columns is the solution on all of them if no other column k breaks the condition of
optimality, |x_k'(l - X w)| <= lambda (without the bars for W >= 0). Each class starts with the columns
that fit its labels best; those that break the condition somewhere on the path join, until none does.
It is enough to look at the breakpoints: between two of them both sides are linear in mu, and a convex
function that lies below a line at both ends lies below it in between. (Tibshirani et al. 2012,
"Strong rules for discarding predictors in lasso-type problems", section 7, screen and check likewise.)
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from vebi.io.errors import VebiError
from vebi.selection.certificate import certify_products, explain
from vebi.selection.homotopy import solve_path
from vebi.selection.path import ClassPath
from vebi.selection.path_file import over_all_columns

log = logging.getLogger(__name__)

# X'X of this many features takes 0.75 GiB, and the time to make it grows with the square.
WIDEST = 10_000
# Columns that a class starts with, and that may join at once.
FIRST, JOINING = 400, 200
# Breakpoints that are checked at once: a row of m products each.
ROWS = 64
# How far above lambda, over the largest of all correlations, rounding may lift a column.
ROUNDING = 1e-11


def is_wide(n_samples: int, n_features: int) -> bool:
    """Whether X itself is kept instead of X'X, which would be larger."""
    return n_features > WIDEST and n_samples < n_features


def solve_wide(
    X: NDArray[np.float64],
    targets: NDArray[np.int64],
    n_classes: int,
    *,
    mus: NDArray[np.float64],
    mu_max: float,
    nonnegative: bool = False,
) -> tuple[list[ClassPath], NDArray[np.float64], NDArray[np.float64]]:
    """Exact paths of all classes on X (N, m) with classes (N,).

    Returns what `vebi.selection.select.solve` does: a path over all m columns for each class, and the
    objective and the relative gap (which looks at all columns) at each of `mus`, both (R, C).
    """
    paths = []
    objective = np.zeros((len(mus), n_classes))
    gap = np.zeros_like(objective)
    squares = np.einsum("nk,nk->k", X, X)
    largest = float(squares.max(initial=0.0))
    with threadpool_limits(limits=1, user_api="blas"):
        for j in tqdm(range(n_classes), "path", unit="class", disable=None):
            label = (targets == j).astype(np.float64)
            path = _solve_class(X, label, mu_max, nonnegative)
            weights = np.array([path.weights_at(mu) for mu in mus])
            used = np.flatnonzero(weights.any(axis=0))
            proof = certify_products(
                weights[:, used],
                used,
                (weights[:, used] @ X[:, used].T) @ X,
                X.T @ label,
                float(label.sum()),
                mu=mus,
                largest=largest,
                nonnegative=nonnegative,
            )
            objective[:, j], gap[:, j] = proof.objective, proof.relative_gap
            if reason := explain(proof, squares):
                log.warning("class %d: %s", j, reason)
            paths.append(path)
    return paths, objective, gap


def _solve_class(
    X: NDArray[np.float64], label: NDArray[np.float64], mu_max: float, nonnegative: bool
) -> ClassPath:
    """The path of one class over all columns of X, solved on those that it needs."""
    cross = X.T @ label
    rank = cross if nonnegative else np.abs(cross)
    columns = np.sort(np.argsort(-rank, kind="stable")[:FIRST])
    for _ in range(-(-X.shape[1] // JOINING)):
        part = X[:, columns]
        path = solve_path(part.T @ part, cross[columns], float(label.sum()), mu_max, nonnegative)
        excess = _excess(X, part, label, path, nonnegative)
        # Twins of a column that is in the path are as high as lambda, but for rounding.
        excess[columns] = 0.0
        worst = np.argsort(-excess, kind="stable")[:JOINING]
        joining = worst[excess[worst] > ROUNDING * rank.max(initial=0.0)]
        if not len(joining):
            log.info("path of %d breakpoints on %d columns", len(path), len(columns))
            return over_all_columns(path, columns, X.shape[1])
        columns = np.union1d(columns, joining)
    raise VebiError(f"The path did not settle on a part of {X.shape[1]:,} columns.")


def _excess(
    X: NDArray[np.float64],
    part: NDArray[np.float64],
    label: NDArray[np.float64],
    path: ClassPath,
    nonnegative: bool,
) -> NDArray[np.float64]:
    """How far each column (m,) rises above lambda at most, over the breakpoints of the path."""
    excess = np.full(X.shape[1], -np.inf)
    for start in range(0, len(path), ROWS):
        stop = min(start + ROWS, len(path))
        residual = label - path.weights(start, stop) @ part.T
        products = residual @ X
        if not nonnegative:
            np.abs(products, out=products)
        products -= path.multiplier[start:stop, None]
        np.maximum(excess, products.max(axis=0), out=excess)
    return excess
