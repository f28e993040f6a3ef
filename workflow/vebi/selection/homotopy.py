"""Exact solution path of the mu-Lasso (VEBI 3.1, Eq. 1) by homotopy on the Gram matrix.

min_w ||X w - l||^2 s.t. ||w||_1 <= mu is solved for every mu at once. With c = X'(l - X w), the optimum
satisfies c_i = lambda sign(w_i) where w_i != 0 and |c_j| <= lambda elsewhere. As lambda falls from its
largest value, the weights of the active features A move along d = (X_A'X_A)^-1 sign(w_A) until a feature
enters (|c_j| = lambda) or leaves (w_i = 0): Osborne, Presnell and Turlach (2000), Efron et al. (2004).

The Cholesky factor of X_A'X_A gains a row when a feature enters and is rotated when one leaves. What real
descriptors need beyond the textbook:

- Dependent columns (each layer's part sums to 1; a layer and its ReLU are nearly the same). A
  feature that the active ones reproduce to rounding error cannot get its own row. If it hits the
  bound all the same, it takes the place of an active one: weight moves along the null direction,
  which does not change the fit, until the first active weight is zero.
- Ties. Of all events at the same lambda the one of the lowest column comes first. A feature enters
  only if its slack really shrinks, which keeps a feature that has just left from coming back.
- Drift. Every EVENTS_PER_REFINEMENT events, or sooner where the weights move far while lambda is
  small, the gradient is computed anew and the weights are corrected by iterative refinement.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from vebi.selection.certificate import certify
from vebi.selection.path import ClassPath
from vebi.selection.statistics import Statistics

EVENTS_PER_REFINEMENT = 50
# A column whose part orthogonal to the active ones is below this fraction of its square is dependent.
DEPENDENT = 64 * np.finfo(np.float64).eps
# Rates and distances (relative to lambda) below these are rounding errors of zero.
SMALLEST_RATE = 1e-12
TIE = 1e-12
# Weights below this fraction of the largest one may change sign in a refinement.
NEGLIGIBLE = 1e-9
# Error of the gradient, relative to lambda, that calls for a refinement before its time.
LARGEST_DRIFT = 1e-5
# The gradient is known to about this fraction of its terms; a multiplier below that is zero.
NOISE = 64 * np.finfo(np.float64).eps
# The least share of an active feature in a dependent one for the two to change places.
SMALLEST_EXCHANGE = 1e-6
BREAKPOINTS_PER_CERTIFICATE = 128
# Calls of `_advance` without a breakpoint, beyond one for each column, that count as going round.
IDLE_CALLS = 100

# States of a column.
INACTIVE, ACTIVE, BLOCKED, EXCHANGED, ZERO = 0, 1, 2, 3, 4
# What ends a call of `_advance`.
MORE, UNCONSTRAINED, MU_MAX, FULL, EXCHANGE = 0, 1, 2, 3, 4

# Reassociation lets sums use vector registers; NaN and infinity keep their meaning.
_jit = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})


@_jit
def _dot(a, b, n):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(n):
        total += a[i] * b[i]
    return total


@_jit
def _solve_lower(factor, x, k):  # type: ignore[no-untyped-def]
    """x[:k] = factor[:k, :k]^-1 x[:k]."""
    for i in range(k):
        x[i] = (x[i] - _dot(factor[i], x, i)) / factor[i, i]


@_jit
def _solve_upper(factor, x, k):  # type: ignore[no-untyped-def]
    """x[:k] = factor[:k, :k]'^-1 x[:k], reading the factor by rows."""
    for i in range(k - 1, -1, -1):
        value = x[i] / factor[i, i]
        x[i] = value
        row = factor[i]
        for j in range(i):
            x[j] -= value * row[j]


@_jit
def _combine_rows(gram, rows, factors, k, out):  # type: ignore[no-untyped-def]
    """out = sum_i factors[i] gram[rows[i]] over i < k."""
    out[:] = 0.0
    first = k % 4
    for i in range(first):
        row = gram[rows[i]]
        factor = factors[i]
        for j in range(len(out)):
            out[j] += factor * row[j]
    # Four rows at a time: half the time goes into reading and writing `out` otherwise.
    for i in range(first, k, 4):
        a, b, c, d = factors[i], factors[i + 1], factors[i + 2], factors[i + 3]
        row_a, row_b = gram[rows[i]], gram[rows[i + 1]]
        row_c, row_d = gram[rows[i + 2]], gram[rows[i + 3]]
        for j in range(len(out)):
            out[j] += a * row_a[j] + b * row_b[j] + c * row_c[j] + d * row_d[j]


@_jit
def _remove(position, k, factor, z, active, sign, weight):  # type: ignore[no-untyped-def]
    """Take the active feature at `position` out of all lists; Givens rotations repair the factor."""
    for i in range(position, k - 1):
        active[i] = active[i + 1]
        sign[i] = sign[i + 1]
        weight[i] = weight[i + 1]
        for j in range(i + 2):
            factor[i, j] = factor[i + 1, j]
    cosine = np.empty(k)
    sine = np.empty(k)
    for i in range(position, k - 1):
        carried = factor[i, position]
        for j in range(position, i):
            right = factor[i, j + 1]
            factor[i, j] = cosine[j] * carried + sine[j] * right
            carried = cosine[j] * right - sine[j] * carried
        right = factor[i, i + 1]
        length = np.hypot(carried, right)
        cosine[i] = carried / length
        sine[i] = right / length
        factor[i, i] = length
    carried = z[position]
    for i in range(position, k - 1):
        right = z[i + 1]
        z[i] = cosine[i] * carried + sine[i] * right
        carried = cosine[i] * right - sine[i] * carried


@_jit
def _append(column, s, row, k, factor, z, active, sign, weight, w, pivot):  # type: ignore[no-untyped-def]
    """Add a feature; row = factor^-1 gram[active, column], pivot = its squared orthogonal part."""
    for i in range(k):
        factor[k, i] = row[i]
    factor[k, k] = np.sqrt(pivot)
    z[k] = (s - _dot(row, z, k)) / factor[k, k]
    active[k] = column
    sign[k] = s
    weight[k] = w


@_jit
def _advance(  # type: ignore[no-untyped-def]
    gram,
    factor,
    z,
    active,
    sign,
    weight,
    c,
    state,
    k,
    lam,
    lam_0,
    mu_max,
    nonnegative,
    max_events,
    record,
):
    """Follow the path for up to `max_events` events.

    factor, z (= factor^-1 sign), active, sign, weight: the first k entries are in use; c and state: (m,).
    record: (indptr, indices, data, lambda), filled with the breakpoints met.
    Returns k, lambda, number of breakpoints, reason to stop.
    """
    m = gram.shape[0]
    indptr, indices, data, lambdas = record
    d = np.empty(m)
    row = np.empty(m)
    null = np.empty(m)
    rate = np.zeros(m)
    spread = np.zeros(m)
    when = np.empty(m)
    enters_as = np.zeros(m)
    points = 0
    error = 0.0
    indptr[0] = 0
    largest = 0.0
    for j in range(m):
        largest = max(largest, gram[j, j])
    for _ in range(max_events):
        if k == factor.shape[0] and k < m:
            return k, lam, points, FULL
        for i in range(k):
            d[i] = z[i]
        _solve_upper(factor, d, k)

        # rate = gram[:, active] d; of the two ways the one that reads less of the Gram matrix.
        if 2 * k <= m:
            _combine_rows(gram, active, d, k, rate)
        else:
            spread[:] = 0.0
            for i in range(k):
                spread[active[i]] = d[i]
            for j in range(m):
                if state[j] != ACTIVE:
                    rate[j] = _dot(gram[j], spread, m)

        # By how much lambda falls until each column's event.
        when[:] = np.inf
        for j in range(m):
            if state[j] == INACTIVE or state[j] == EXCHANGED:
                # One that has just been exchanged stands at its bound and would come back at once.
                back = c[j] if state[j] == EXCHANGED else 0.0
                if 1.0 - rate[j] > SMALLEST_RATE and back <= 0.0:
                    when[j] = max((lam - c[j]) / (1.0 - rate[j]), 0.0)
                    enters_as[j] = 1.0
                if not nonnegative and 1.0 + rate[j] > SMALLEST_RATE and back >= 0.0:
                    other = max((lam + c[j]) / (1.0 + rate[j]), 0.0)
                    if other < when[j]:
                        when[j] = other
                        enters_as[j] = -1.0
        slope = 0.0
        l1_norm = 0.0
        travel = 0.0
        for i in range(k):
            travel += abs(d[i])
            slope += sign[i] * d[i]
            l1_norm += abs(weight[i])
            if d[i] * sign[i] < 0.0:
                when[active[i]] = max(-weight[i] / d[i], 0.0)
        nearest = when.min()
        reason = MORE
        if lam - nearest <= NOISE * (largest * l1_norm + lam_0):
            nearest = lam
            reason = UNCONSTRAINED
        if slope > 0.0 and max(mu_max - l1_norm, 0.0) <= nearest * slope:
            nearest = max(mu_max - l1_norm, 0.0) / slope
            reason = MU_MAX
        column = 0
        if reason == MORE:
            while when[column] > nearest + TIE * lam:
                column += 1

        # Go there.
        moved = nearest > TIE * lam
        lam -= nearest
        error += NOISE * largest * nearest * travel
        for j in range(m):
            if state[j] != ACTIVE:
                c[j] -= nearest * rate[j]
                if state[j] == EXCHANGED and moved:
                    state[j] = INACTIVE
        leaving = -1
        for i in range(k):
            weight[i] += nearest * d[i]
            if reason == MORE and active[i] == column:
                leaving = i
                weight[i] = 0.0
        if reason == UNCONSTRAINED:
            return k, lam, points, reason
        if moved:
            at = indptr[points]
            for i in range(k):
                # A weight of the wrong sign is a rounding error about to leave.
                if weight[i] * sign[i] > 0.0:
                    indices[at] = active[i]
                    data[at] = weight[i]
                    at += 1
            lambdas[points] = lam
            points += 1
            indptr[points] = at
        if reason != MORE:
            return k, lam, points, reason

        # Change the active set.
        if leaving >= 0:
            c[column] = lam * sign[leaving]
            state[column] = INACTIVE
            _remove(leaving, k, factor, z, active, sign, weight)
            k -= 1
            for j in range(m):
                if state[j] == BLOCKED:
                    state[j] = INACTIVE
            if error > LARGEST_DRIFT * lam:
                return k, lam, points, MORE
            continue
        s = enters_as[column]
        for i in range(k):
            row[i] = gram[column, active[i]]
        _solve_lower(factor, row, k)
        pivot = gram[column, column] - _dot(row, row, k)
        if pivot > DEPENDENT * gram[column, column]:
            _append(column, s, row, k, factor, z, active, sign, weight, 0.0, pivot)
            state[column] = ACTIVE
            k += 1
            if error > LARGEST_DRIFT * lam:
                return k, lam, points, MORE
            continue
        # The column is X_A null up to rounding. Moving weight from the active features to it changes
        # neither fit nor lambda, only the l1 norm, until an active weight or mu_max is reached.
        for i in range(k):
            null[i] = row[i]
        _solve_upper(factor, null, k)
        growth = 1.0
        l1_norm = 0.0
        step = np.inf
        for i in range(k):
            growth -= s * sign[i] * null[i]
            l1_norm += abs(weight[i])
            if s * sign[i] * null[i] > SMALLEST_EXCHANGE and abs(weight[i] / null[i]) < step:
                step = abs(weight[i] / null[i])
                leaving = i
        if growth * step > max(mu_max - l1_norm, 0.0):
            step = max(mu_max - l1_norm, 0.0) / growth
            reason = MU_MAX
        elif leaving < 0:
            state[column] = BLOCKED
            continue
        if step * DEPENDENT * gram[column, column] > lam:
            # So far along a direction known no better, the fit would change after all: nothing that
            # float64 can resolve is left to gain.
            return k, lam, points, UNCONSTRAINED
        at = indptr[points]
        for i in range(k):
            weight[i] -= step * s * null[i]
            if weight[i] * sign[i] > 0.0 and (i != leaving or reason == MU_MAX):
                indices[at] = active[i]
                data[at] = weight[i]
                at += 1
        indices[at] = column
        data[at] = step * s
        lambdas[points] = lam
        points += 1
        indptr[points] = at + 1
        if reason == MU_MAX:
            return k, lam, points, reason
        state[active[leaving]] = EXCHANGED
        c[active[leaving]] = lam * sign[leaving]
        _remove(leaving, k, factor, z, active, sign, weight)
        k -= 1
        for i in range(k):
            row[i] = gram[column, active[i]]
        _solve_lower(factor, row, k)
        pivot = gram[column, column] - _dot(row, row, k)
        if pivot > DEPENDENT * gram[column, column]:
            _append(column, s, row, k, factor, z, active, sign, weight, step * s, pivot)
            state[column] = ACTIVE
            k += 1
        else:
            state[column] = BLOCKED
        return k, lam, points, EXCHANGE
    return k, lam, points, MORE


def solve_path(
    gram: NDArray[np.float64],
    cross: NDArray[np.float64],
    count: float,
    mu_max: float,
    nonnegative: bool = False,
) -> ClassPath:
    """Every solution of Eq. 1 for one class, from mu = 0 to `mu_max` or the unconstrained optimum.

    gram (m, m) and cross (m,) in float64, count = ||l||^2.
    """
    m = len(cross)
    gram = np.ascontiguousarray(gram, dtype=np.float64)
    c = cross.astype(np.float64)
    state = np.where(np.diagonal(gram) > 0, INACTIVE, ZERO).astype(np.int8)
    correlation = c if nonnegative else np.abs(c)
    lam = largest_lam = float(correlation[state == INACTIVE].max(initial=0.0))
    indices, data, lambdas, lengths = [], [], [np.array([lam])], [np.array([0])]
    capacity = min(m, 128)
    factor, z = np.zeros((capacity, capacity)), np.zeros(capacity)
    active, sign, weight = np.zeros(m, np.int64), np.zeros(m), np.zeros(m)
    k, reason = 0, MORE if lam > 0 else UNCONSTRAINED
    idle = 0
    while reason not in (UNCONSTRAINED, MU_MAX):
        # An exchange records a second point and a feature more than are active.
        points = EVENTS_PER_REFINEMENT + 1
        room = points * (min(m, k + EVENTS_PER_REFINEMENT) + 1)
        record = (
            np.zeros(points + 1, np.int64),
            np.empty(room, np.int64),
            np.empty(room),
            np.empty(points),
        )
        k, lam, points, reason = _advance(
            gram, factor, z, active, sign, weight, c, state, k, lam, largest_lam, float(mu_max),
            nonnegative, EVENTS_PER_REFINEMENT, record,
        )  # fmt: skip
        # Ties are finite, but rounding errors could make them go round: then the path ends here, and
        # the certificates of larger mu say so.
        idle = 0 if points else idle + 1
        if idle > m + IDLE_CALLS:
            reason = UNCONSTRAINED
        last = record[0][points]
        indices.append(record[1][:last].copy())
        data.append(record[2][:last].copy())
        lambdas.append(record[3][:points].copy())
        lengths.append(np.diff(record[0][: points + 1]))
        if reason == FULL:
            grown = min(m, 2 * capacity)
            factor = np.pad(factor, (0, grown - capacity))
            z = np.pad(z, (0, grown - capacity))
            capacity = grown
        elif reason != MU_MAX:
            _refine(gram, cross, factor[:k, :k], z[:k], active[:k], sign[:k], weight[:k], c, lam)
        if reason == UNCONSTRAINED:
            kept = np.flatnonzero(weight[:k] * sign[:k] > 0)
            indices.append(active[kept])
            data.append(weight[kept])
            lambdas.append(np.array([lam]))
            lengths.append(np.array([len(kept)]))
    return _assemble(
        gram, cross, count, indices, data, lambdas, lengths, float(mu_max), nonnegative
    )


def _refine(
    gram: NDArray[np.float64],
    cross: NDArray[np.float64],
    factor: NDArray[np.float64],
    z: NDArray[np.float64],
    active: NDArray[np.int64],
    sign: NDArray[np.float64],
    weight: NDArray[np.float64],
    c: NDArray[np.float64],
    lam: float,
) -> None:
    """Correct weight, c and z in place: c_A = lam sign again, to rounding error."""
    fit = np.empty(len(cross))
    _multiply(gram, active, weight, fit)
    residual = (cross - fit)[active] - lam * sign
    half = solve_triangular(factor, residual, lower=True, check_finite=False)
    change = solve_triangular(factor, half, lower=True, trans=1, check_finite=False)
    # Along a nearly null direction the correction is noise: it must not carry a weight across zero.
    crosses = (weight * sign > NEGLIGIBLE * np.abs(weight).max(initial=0.0)) & (
        (weight + change) * sign < 0
    )
    weight += change * min(1.0, np.abs(weight[crosses] / change[crosses]).min(initial=1.0))
    _multiply(gram, active, weight, fit)
    c[:] = cross - fit
    z[:] = solve_triangular(factor, sign, lower=True, check_finite=False)


def _multiply(
    gram: NDArray[np.float64],
    active: NDArray[np.int64],
    weight: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """out = gram[:, active] weight, by whichever way reads less of the Gram matrix."""
    if 2 * len(active) <= len(gram):
        _combine_rows(gram, active, weight, len(active), out)
    else:
        w = np.zeros(len(gram))
        w[active] = weight
        np.dot(gram, w, out=out)


def _assemble(
    gram: NDArray[np.float64],
    cross: NDArray[np.float64],
    count: float,
    indices: list[NDArray[np.int64]],
    data: list[NDArray[np.float64]],
    lambdas: list[NDArray[np.float64]],
    lengths: list[NDArray[np.int64]],
    mu_max: float,
    nonnegative: bool,
) -> ClassPath:
    """Put the pieces together and certify every breakpoint."""
    length = np.concatenate(lengths)
    path = ClassPath(
        l1_norm=np.zeros(len(length)),
        indptr=np.concatenate([[0], np.cumsum(length)]).astype(np.int64),
        indices=np.concatenate([np.zeros(0, np.int64), *indices]),
        data=np.concatenate([np.zeros(0), *data]),
        multiplier=np.concatenate(lambdas),
        objective=np.zeros(len(length)),
        relative_gap=np.zeros(len(length)),
        n_features=len(cross),
        mu_max=mu_max,
    )
    for start in range(0, len(path), BREAKPOINTS_PER_CERTIFICATE):
        span = slice(start, start + BREAKPOINTS_PER_CERTIFICATE)
        dense = path.weights(start, min(span.stop, len(path)))
        proof = certify(gram, cross, count, dense, np.abs(dense).sum(axis=1), nonnegative)
        path.l1_norm[span] = proof.l1_norm
        path.objective[span] = proof.objective
        path.relative_gap[span] = proof.relative_gap
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

    def solve(j: int) -> ClassPath:
        cross = np.ascontiguousarray(statistics.cross[:, j])
        return solve_path(statistics.gram, cross, float(statistics.counts[j]), mu_max, nonnegative)

    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(processes) as pool:
        paths = pool.map(solve, range(statistics.n_classes))
        return list(tqdm(paths, "path", statistics.n_classes, unit="class", disable=None))
