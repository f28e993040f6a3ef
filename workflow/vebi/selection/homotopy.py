"""Exact solution path of the mu-Lasso (VEBI 3.1, Eq. 1) by homotopy on the Gram matrix.

min_w ||X w - l||^2 s.t. ||w||_1 <= mu is solved for every mu at once. With c = X'(l - X w), the optimum
satisfies c_i = lambda sign(w_i) where w_i != 0 and |c_j| <= lambda elsewhere. As lambda falls from its
largest value, the weights of the active features A move along d = (X_A'X_A)^-1 sign(w_A) until a feature
enters (|c_j| = lambda) or leaves (w_i = 0): Osborne, Presnell and Turlach (2000), Efron et al. (2004).

The path is made in pieces. Within a piece only the columns nearest to their bound are watched, so that an
event costs O(k^2) for k active features and not O(k m). At its end one matrix product gives the gradient
of all m columns at all breakpoints of the piece. It is the proof of each of them, and shows whether a
column that was not watched went past its bound: lambda and c are linear between breakpoints, so it would
be past it at one of them. The piece is then done again with that column watched.

What real descriptors need beyond the textbook:

- Dependent columns (each layer's part sums to 1; a layer and its ReLU are nearly the same). A
  feature that the active ones reproduce to rounding error cannot get its own row in the Cholesky factor.
  If it hits the bound all the same, it takes the place of an active one: weight moves along the null
  direction, which does not change the fit, until the first active weight is zero. The path ends where
  that goes so far that it would change the fit.
- Ties. Of all events at the same lambda the one of the lowest column comes first. A feature enters only
  if its slack shrinks by more than rounding, which keeps out one that has just left, and twins of active
  ones.
- Drift. After each piece, which ends sooner where the weights move far while lambda is small, the
  weights are corrected by iterative refinement with the gradient of the matrix product.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from vebi.compute.compiled import announced
from vebi.selection import homotopy_kernel
from vebi.selection.certificate import Certificate, certify_products
from vebi.selection.homotopy_kernel import (
    ACTIVE,
    INACTIVE,
    MORE,
    MU_MAX,
    NOISE,
    TIE,
    UNCONSTRAINED,
    ZERO,
    Active,
    Near,
    Slots,
)
from vebi.selection.path import ClassPath
from vebi.selection.statistics import Statistics

EVENTS_PER_PIECE = 32
# Columns that are watched besides the active ones.
WATCHED = 100
# They are those that reach their bound first at the speed of the last few breakpoints, or at this speed
# if theirs is lower, since directions change with every event (as fractions of lambda's own speed).
SPEED_BREAKPOINTS = 4
SLOWEST = 0.2
# Columns that lie so close to it (relative to lambda) are watched on top: most are twins of an active
# one, and stay there.
AT_BOUND = 1e-3
# Pieces without a breakpoint, beyond one for each column, that count as going round.
IDLE_PIECES = 100


def solve_path(
    gram: NDArray[np.float64],
    cross: NDArray[np.float64],
    count: float,
    mu_max: float,
    nonnegative: bool = False,
    *,
    workspace: Workspace | None = None,
) -> ClassPath:
    """Every solution of Eq. 1 for one class, from mu = 0 to `mu_max` or the unconstrained optimum.

    Args:
        gram: X'X, float64 (m, m).
        cross: X'l, float64 (m,).
        count: ||l||^2.
        mu_max: how far to go.
        nonnegative: only weights >= 0.
        workspace: memory of an earlier path of m features, to be used again.

    Returns:
        The path with all its breakpoints.
    """
    follower = _PathFollower(
        gram,
        cross,
        count,
        mu_max,
        nonnegative=nonnegative,
        workspace=workspace or Workspace(len(cross)),
    )
    while follower.reason == MORE:
        follower.add_piece()
    return follower.path()


class Workspace:
    """Memory for the active features of a path, and for their state at the start of a piece.

    One serves many paths, which saves asking the system for memory. What an earlier path left in it has
    no influence.
    """

    def __init__(self, n_features: int) -> None:
        self.slots = Slots(np.zeros(0, np.int64), np.zeros((0, n_features)))
        self.active = self.start = _no_features(0)

    def reserve(self, size: int) -> None:
        """Have `size` slots at least."""
        old = len(self.slots.column)
        if size > old:
            size = max(size, 2 * old)
            slots = Slots(np.zeros(size, np.int64), np.zeros((size, self.slots.row.shape[1])))
            slots.column[:old], slots.row[:old] = self.slots.column, self.slots.row
            active = _no_features(size)
            homotopy_kernel.copy(self.active, active, old)
            self.slots, self.active, self.start = slots, active, _no_features(size)


def _no_features(size: int) -> Active:
    slot, (sign, weight, z) = np.zeros(size, np.int64), np.zeros((3, size))
    return Active(slot, sign, weight, z, np.zeros((size, size)))


class _PathFollower:
    """The path of one class up to the current lambda.

    c = X'(l - X w) and speed = dc / dlambda tell which columns to watch, state what each is: all (m,).
    """

    def __init__(
        self,
        gram: NDArray[np.float64],
        cross: NDArray[np.float64],
        count: float,
        mu_max: float,
        *,
        nonnegative: bool,
        workspace: Workspace,
    ) -> None:
        m = len(cross)
        self.gram = np.ascontiguousarray(gram, dtype=np.float64)
        self.cross = cross.astype(np.float64)
        self.count, self.mu_max, self.nonnegative = float(count), float(mu_max), nonnegative
        self.largest = float(np.diagonal(self.gram).max(initial=0.0))
        self.state = np.where(np.diagonal(self.gram) > 0, INACTIVE, ZERO).astype(np.int8)
        self.c, self.speed = self.cross, np.zeros(m)
        size = self.c if nonnegative else np.abs(self.c)
        self.lam = self.largest_lam = float(size[self.state == INACTIVE].max(initial=0.0))
        self.reason = MORE if self.lam > 0 else UNCONSTRAINED
        self.idle = 0
        self.k = 0
        self.workspace = workspace
        self.pieces: list[tuple[NDArray[np.generic], ...]] = []
        self._record(np.zeros((1, 0)), np.array([self.lam]), self._prove(np.zeros((1, 0)))[0])

    def add_piece(self) -> None:
        """Add the next piece: EVENTS_PER_PIECE events, fewer at the path's end or if errors grow."""
        # One more, for a column that takes another's place.
        self.workspace.reserve(self.k + EVENTS_PER_PIECE + 1)
        homotopy_kernel.copy(self.workspace.active, self.workspace.start, self.k)
        watched = self._nearest()
        missed = self._try(watched)
        while len(missed):
            homotopy_kernel.copy(self.workspace.start, self.workspace.active, self.k)
            watched = np.concatenate([watched, missed])
            missed = self._try(watched)

    def _nearest(self) -> NDArray[np.int64]:
        """The columns to watch: those that reach their bound first if all goes on as before.

        One that is blocked or was exchanged stands at its bound.
        """
        when = np.maximum(self.lam - self.c, 0) / np.maximum(1 - self.speed, SLOWEST)
        if not self.nonnegative:
            other = np.maximum(self.lam + self.c, 0) / np.maximum(1 + self.speed, SLOWEST)
            when = np.minimum(when, other)
        when[self.state > ACTIVE] = 0.0
        when[(self.state == ACTIVE) | (self.state == ZERO)] = np.inf
        n = WATCHED + int((when <= AT_BOUND * self.lam).sum())
        nearest = np.argpartition(when, n)[:n] if n < len(when) else np.arange(len(when))
        return nearest[when[nearest] < np.inf]

    def _try(self, watched: NDArray[np.int64]) -> NDArray[np.int64]:
        """One piece with some columns watched; keeps it and returns no column if none was missed."""
        k, n = self.k, len(watched)
        slots, active = self.workspace.slots, self.workspace.active
        free = np.ones(len(slots.column), dtype=bool)
        free[active.slot[:k]] = False
        places = np.flatnonzero(free)[: EVENTS_PER_PIECE + 1]
        n_slots = 1 + max(int(places[-1]), int(active.slot[:k].max(initial=0)))
        # With each event an active column may become one that is watched.
        most = n + len(places)
        near = Near(
            np.zeros(most, np.int64), np.zeros(most, np.int8), np.zeros(most), np.empty((most, n_slots))
        )  # fmt: skip
        near.column[:n], near.state[:n] = watched, self.state[watched]
        homotopy_kernel.look(self.gram, self.cross, slots, active, k, near, n)
        weights, lambdas = np.zeros((len(places) + 1, n_slots)), np.empty(len(places) + 1)
        k, n, lam, points, reason = homotopy_kernel.advance(
            self.gram, slots, places, active, k, near, n, self.lam, self.largest,
            self.largest_lam, self.mu_max, self.nonnegative, weights, lambdas,
        )  # fmt: skip
        # The last row is where the piece ends, with what is to be refined.
        end = active.slot[:k]
        weights, lambdas = weights[: points + 1], lambdas[: points + 1]
        weights[points, end], lambdas[points] = active.weight[:k], lam
        proof, gradient = self._prove(weights)
        missed = self._missed(gradient, proof, lambdas, near.column[:n])
        if len(missed):
            return missed

        # Ties are finite, but rounding errors could make them go round: then the path ends here, and
        # the certificates of larger mu say so.
        self.idle = 0 if points else self.idle + 1
        if self.idle > len(self.cross) + IDLE_PIECES:
            reason = UNCONSTRAINED
        self._record(weights[:points], lambdas[:points], proof)
        self.c = -gradient[-1]
        before = max(points - SPEED_BREAKPOINTS, 0)
        if lambdas[before] > lam:
            self.speed = (-gradient[before] - self.c) / (lambdas[before] - lam)
        if reason != MU_MAX:
            error = self.c[slots.column[end]] - lam * active.sign[:k]
            homotopy_kernel.refine(active, k, error)
        if reason == UNCONSTRAINED:
            right = active.weight[:k] * active.sign[:k] > 0
            weights[points] = 0.0
            weights[points, end[right]] = active.weight[:k][right]
            self._record(weights[points:], lambdas[points:], self._prove(weights[points:])[0])
        self.state[near.column[:n]] = near.state[:n]
        self.k, self.lam, self.reason = k, lam, reason
        return missed

    def _prove(self, weights: NDArray[np.float64]) -> tuple[Certificate, NDArray[np.float64]]:
        """Certificate of weights (R, S) at their own l1 norm, and half their gradient, (R, m)."""
        n_slots = weights.shape[1]
        gradient = weights @ self.workspace.slots.row[:n_slots]
        proof = certify_products(
            weights,
            self.workspace.slots.column[:n_slots],
            gradient,
            self.cross,
            self.count,
            mu=np.abs(weights).sum(axis=1),
            largest=self.largest,
            nonnegative=self.nonnegative,
        )
        return proof, gradient

    def _missed(
        self,
        gradient: NDArray[np.float64],
        proof: Certificate,
        lambdas: NDArray[np.float64],
        near: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Columns past their bound at a breakpoint that were neither watched nor active."""
        bound = lambdas * (1 + TIE) + NOISE * (self.largest * proof.l1_norm + self.largest_lam)
        rows = np.flatnonzero(proof.multiplier > bound)
        if not len(rows):
            return rows
        size = -gradient[rows] if self.nonnegative else np.abs(gradient[rows])
        past = np.flatnonzero((size > bound[rows, None]).any(axis=0) & (self.state == INACTIVE))
        return np.setdiff1d(past, near)

    def _record(
        self, weights: NDArray[np.float64], lambdas: NDArray[np.float64], proof: Certificate
    ) -> None:
        """Keep breakpoints: weights (R, S), lambdas (R,) and the first R rows of their proof."""
        there = weights != 0
        indices = np.broadcast_to(self.workspace.slots.column[: weights.shape[1]], weights.shape)[
            there
        ]
        length = there.sum(axis=1)
        proofs = (x[: len(weights)] for x in (proof.l1_norm, proof.objective, proof.relative_gap))
        self.pieces.append((indices, weights[there], length, lambdas, *proofs))

    def path(self) -> ClassPath:
        """All pieces together."""
        indices, data, length, multiplier, l1_norm, objective, relative_gap = (
            np.concatenate(parts) for parts in zip(*self.pieces, strict=True)
        )
        path = ClassPath(
            l1_norm=l1_norm,
            indptr=np.concatenate([[0], np.cumsum(length)]).astype(np.int64),
            indices=indices,
            data=data,
            multiplier=multiplier,
            objective=objective,
            relative_gap=relative_gap,
            n_features=len(self.cross),
            mu_max=self.mu_max,
        )
        # Where weight moved along a null direction the l1 norm may have shrunk by a rounding error.
        keep = np.ones(len(path), dtype=bool)
        keep[1:] = path.l1_norm[1:] > np.maximum.accumulate(path.l1_norm)[:-1]
        return path if keep.all() else path.select(np.flatnonzero(keep))


def solve_paths_of(
    statistics: Statistics, mu_max: float, nonnegative: bool = False, processes: int = 1
) -> list[ClassPath]:
    """`solve_path` for every class, on `processes` threads at once.

    Every class is solved by one thread with one BLAS thread: the numbers do not depend on `processes`.
    """
    workspaces: SimpleQueue[Workspace] = SimpleQueue()
    for _ in range(processes):
        workspaces.put(Workspace(statistics.n_features))

    def solve(j: int) -> ClassPath:
        cross, count = np.ascontiguousarray(statistics.cross[:, j]), float(statistics.counts[j])
        workspace = workspaces.get()
        path = solve_path(statistics.gram, cross, count, mu_max, nonnegative, workspace=workspace)
        workspaces.put(workspace)
        return path

    classes = range(statistics.n_classes)
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(processes) as pool:
        # Memory is released and requested again within a thread: no thread for one process.
        paths = map(solve, classes) if processes == 1 else pool.map(solve, classes)
        with announced():
            return list(tqdm(paths, "path", statistics.n_classes, unit="class", disable=None))
