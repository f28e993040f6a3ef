"""Proof of optimality: the duality gap of Eq. 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A fit this close to perfect has an objective that float64 cannot resolve from X'X; its gap is then
# measured against this fraction of ||l||^2.
SMALLEST_OBJECTIVE = 1e-6
# Gap that a path should reach, and that it must.
TARGET_GAP = 1e-8
LARGEST_GAP = 1e-6
# In X'X sizes are squared: of sixteen digits four are left for what is this much smaller.
LARGEST_RATIO = 1e6


@dataclass(frozen=True)
class Certificate:
    """Of R weight vectors: objective, relative_gap, l1_norm, multiplier and rounding, each (R,).

    objective: ||X w - l||^2. relative_gap: an upper bound of (objective - optimum) / objective (see
    `certify`). multiplier: ||X'(X w - l)||_inf, of the positive part of X'(l - X w) if W >= 0.
    rounding: the relative gap that float64 alone can make up when it works on X'X.
    """

    objective: NDArray[np.float64]
    relative_gap: NDArray[np.float64]
    l1_norm: NDArray[np.float64]
    multiplier: NDArray[np.float64]
    rounding: NDArray[np.float64]


def certify(
    gram: NDArray[np.float64],
    cross: NDArray[np.float64],
    count: float,
    weights: NDArray[np.float64],
    mu: NDArray[np.float64],
    *,
    nonnegative: bool = False,
) -> Certificate:
    """Certificate of weights as solutions of Eq. 1 for one class.

    With g the gradient, convexity gives for every v in the ball: f(w) - f(v) <= g'(w - v) <= w'g + mu
    ||g||_inf, the gap of Frank and Wolfe. With W >= 0 only the negative part of g counts. It is divided
    by the objective. Where the fit is nearly perfect, the objective bounds what is left as well, since no
    other is below zero; it does so however dependent the columns are.

    Args:
        gram: X'X, (m, m).
        cross: X'l, (m,).
        count: ||l||^2.
        weights: (R, m).
        mu: the bound that each row of weights belongs to, (R,).
        nonnegative: whether only weights >= 0 are allowed.

    Returns:
        Its arrays have an entry per row of weights, (R,).
    """
    used = np.flatnonzero(weights.any(axis=0))
    weights = weights[:, used]
    # No entry of a Gram matrix is larger than its largest diagonal entry.
    largest = float(np.diagonal(gram).max(initial=0.0))
    products = weights @ gram[used]
    return certify_products(
        weights, used, products, cross, count, mu=mu, largest=largest, nonnegative=nonnegative
    )


def certify_products(
    weights: NDArray[np.float64],
    columns: NDArray[np.int64],
    products: NDArray[np.float64],
    cross: NDArray[np.float64],
    count: float,
    *,
    mu: NDArray[np.float64],
    largest: float,
    nonnegative: bool = False,
) -> Certificate:
    """`certify` for weights (R, k) of some columns (k,) whose products with gram[columns] are there.

    products (R, m) becomes half the gradient, X'(X w - l). largest: the largest entry of gram.
    """
    # ||X w - l||^2 = count + w'(G w - 2 b), and g = 2 (G w - b).
    own, own_cross = products[:, columns], cross[columns]
    objective = count - 2 * (weights @ own_cross) + np.einsum("rk,rk->r", weights, own)
    objective = np.maximum(objective, 0.0)
    own -= own_cross
    products -= cross
    size = -products.min(axis=1)
    if not nonnegative:
        size = np.maximum(size, products.max(axis=1))
    size = np.maximum(size, 0.0)
    gap = 2 * (np.einsum("rk,rk->r", weights, own) + mu * size)
    smallest = SMALLEST_OBJECTIVE * max(count, np.finfo(float).tiny)
    scale = np.maximum(objective, smallest)
    l1_norm = np.abs(weights).sum(axis=1)
    terms = l1_norm * largest + np.abs(cross).max(initial=0.0)
    error = np.finfo(float).eps * ((l1_norm + mu) * terms + count)
    gap = np.where(objective < smallest, np.minimum(gap, objective + error), gap)
    return Certificate(objective, np.maximum(gap, 0.0) / scale, l1_norm, size, error / scale)


def explain(certificate: Certificate, squares: NDArray[np.float64]) -> str:
    """Why the worst gap of an exact path misses TARGET_GAP, in words; empty if it does not.

    `squares` (m,): the diagonal of X'X, each column's squared length.
    """
    worst = int(np.argmax(certificate.relative_gap))
    gap = certificate.relative_gap[worst]
    if gap <= TARGET_GAP:
        return ""
    where = f"relative gap {gap:.1e} at an l1 norm of {certificate.l1_norm[worst]:.6g}"
    squares = squares[squares > 0]
    ratio = float(np.sqrt(squares.max() / squares.min())) if len(squares) else 1.0
    if ratio > LARGEST_RATIO:
        return (
            f"{where}: the longest column is {ratio:.1e} times the shortest, and X'X in float64 holds "
            f"columns that differ by up to {LARGEST_RATIO:g}; bring them to one scale"
        )
    if gap <= 10 * certificate.rounding[worst]:
        return (
            f"{where}: within the rounding error of X'X in float64 there "
            f"({certificate.rounding[worst]:.1e}), the fit is too close to perfect to resolve"
        )
    return f"{where}: columns so nearly dependent that X'X in float64 does not tell them apart"
