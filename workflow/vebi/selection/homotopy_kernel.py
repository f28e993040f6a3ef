"""Compiled core of the homotopy: the events of a piece of the path, among the columns that are watched.

The active features' Gram matrix is kept as its Cholesky factor, X_A'X_A = L L', which gains a row when a
feature enters and is rotated when one leaves.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vebi.compute.compiled import compiled

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

# States of a column.
INACTIVE, ACTIVE, BLOCKED, EXCHANGED, ZERO = 0, 1, 2, 3, 4
# What ends a piece.
MORE, UNCONSTRAINED, MU_MAX = 0, 1, 2

# Reassociation lets sums use vector registers; NaN and infinity keep their meaning.
_jit = partial(compiled, fastmath={"reassoc", "contract", "nsz"})


class Slots(NamedTuple):
    """Places for the columns that have a weight: which column, (S,), and its row of X'X, (S, m).

    A column that leaves keeps its place to the end of the piece, so that the weights of all breakpoints
    of a piece are one matrix over the slots.
    """

    column: NDArray[np.int64]
    row: NDArray[np.float64]


class Active(NamedTuple):
    """The active features, in the order of their entry; the first k entries are in use.

    slot, sign, weight and z = L^-1 sign: (S,). L: (S, S), nothing beyond its diagonal is read.
    """

    slot: NDArray[np.int64]
    sign: NDArray[np.float64]
    weight: NDArray[np.float64]
    z: NDArray[np.float64]
    L: NDArray[np.float64]


class Near(NamedTuple):
    """The columns that may enter in this piece; the first n entries are in use.

    column, state and c = x'(l - X w): (Q,). gram (Q, S): inner products with the columns of all slots.
    """

    column: NDArray[np.int64]
    state: NDArray[np.int8]
    c: NDArray[np.float64]
    gram: NDArray[np.float64]


@_jit
def _dot(a, b, n):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(n):
        total += a[i] * b[i]
    return total


@_jit
def _solve(L, x, k):  # type: ignore[no-untyped-def]
    """x[:k] = L[:k, :k]^-1 x[:k]."""
    for i in range(k):
        x[i] = (x[i] - _dot(L[i], x, i)) / L[i, i]


@_jit
def _solve_transposed(L, x, k):  # type: ignore[no-untyped-def]
    """x[:k] = L[:k, :k]'^-1 x[:k], reading L by rows."""
    for i in range(k - 1, -1, -1):
        row = L[i]
        value = x[i] / row[i]
        x[i] = value
        for j in range(i):
            x[j] -= value * row[j]


@_jit
def copy(source, target, k):  # type: ignore[no-untyped-def]
    """Copy the first k active features from one Active to another."""
    for i in range(k):
        target.slot[i] = source.slot[i]
        target.sign[i] = source.sign[i]
        target.weight[i] = source.weight[i]
        target.z[i] = source.z[i]
        for j in range(i + 1):
            target.L[i, j] = source.L[i, j]


@_jit
def _remove(position, k, active):  # type: ignore[no-untyped-def]
    """Take the active feature at `position` out of all lists; Givens rotations repair the factor."""
    L, z = active.L, active.z
    for i in range(position, k - 1):
        active.slot[i] = active.slot[i + 1]
        active.sign[i] = active.sign[i + 1]
        active.weight[i] = active.weight[i + 1]
        for j in range(i + 2):
            L[i, j] = L[i + 1, j]
    # Each of these rows reaches one place beyond the diagonal now. The rotations of the rows before it
    # pass a value on from column to column; they wait for each other, so four rows are done at once.
    cosine = np.empty(k)
    sine = np.empty(k)
    carried = np.empty(4)
    for first in range(position, k - 1, 4):
        last = min(first + 4, k - 1)
        for i in range(first, last):
            carried[i - first] = L[i, position]
        start = position
        if last - first == 4:
            _rotate_four(L, position, first, cosine, sine, carried)
            start = first
        for i in range(first, last):
            row, c = L[i], carried[i - first]
            for j in range(start, i):
                right = row[j + 1]
                row[j] = cosine[j] * c + sine[j] * right
                c = cosine[j] * right - sine[j] * c
            right = row[i + 1]
            row[i] = np.hypot(c, right)
            cosine[i] = c / row[i]
            sine[i] = right / row[i]
    c = z[position]
    for i in range(position, k - 1):
        right = z[i + 1]
        z[i] = cosine[i] * c + sine[i] * right
        c = cosine[i] * right - sine[i] * c


@_jit
def _rotate_four(L, start, first, cosine, sine, carried):  # type: ignore[no-untyped-def]
    """Rotations start..first of the four rows from `first` on; carried (4,): what each passes on."""
    a, b, c, d = L[first], L[first + 1], L[first + 2], L[first + 3]
    x, y, z, w = carried[0], carried[1], carried[2], carried[3]
    for j in range(start, first):
        p, q = cosine[j], sine[j]
        right_a, right_b, right_c, right_d = a[j + 1], b[j + 1], c[j + 1], d[j + 1]
        a[j], x = p * x + q * right_a, p * right_a - q * x
        b[j], y = p * y + q * right_b, p * right_b - q * y
        c[j], z = p * z + q * right_c, p * right_c - q * z
        d[j], w = p * w + q * right_d, p * right_d - q * w
    carried[0], carried[1], carried[2], carried[3] = x, y, z, w


@_jit
def _append(slot, s, part, k, active, w, pivot):  # type: ignore[no-untyped-def]
    """Add a feature; part = L^-1 gram[active, column], pivot = its squared orthogonal part."""
    L, z = active.L, active.z
    for i in range(k):
        L[k, i] = part[i]
    L[k, k] = np.sqrt(pivot)
    z[k] = (s - _dot(part, z, k)) / L[k, k]
    active.slot[k] = slot
    active.sign[k] = s
    active.weight[k] = w


@_jit
def _take_slot(gram, slots, s, near, n, entering):  # type: ignore[no-untyped-def]
    """Give the near column at `entering` the slot s."""
    column = near.column[entering]
    row = gram[column]
    slots.column[s] = column
    slots.row[s] = row
    near.state[entering] = ACTIVE
    for q in range(n):
        near.gram[q, s] = row[near.column[q]]


@_jit
def _inner_products(gram, slots, column, out):  # type: ignore[no-untyped-def]
    """out: of `column` with the columns of the first len(out) slots, whatever has been in them."""
    row = gram[column]
    for s in range(len(out)):
        out[s] = row[slots.column[s]]


@_jit
def _leave(gram, slots, active, k, near, n, position, lam, state):  # type: ignore[no-untyped-def]
    """Make the active feature at `position` a near column at its bound; returns k and n."""
    column = slots.column[active.slot[position]]
    q = 0
    while q < n and near.column[q] != column:
        q += 1
    if q == n:
        near.column[n] = column
        _inner_products(gram, slots, column, near.gram[n])
        n += 1
    near.c[q] = lam * active.sign[position]
    near.state[q] = state
    _remove(position, k, active)
    return k - 1, n


@_jit
def look(gram, cross, slots, active, k, near, n):  # type: ignore[no-untyped-def]
    """Fill near.gram, and near.c from the weights, for the first n near columns."""
    weight = np.zeros(near.gram.shape[1])
    for i in range(k):
        weight[active.slot[i]] = active.weight[i]
    for q in range(n):
        column = near.column[q]
        _inner_products(gram, slots, column, near.gram[q])
        near.c[q] = cross[column] - _dot(near.gram[q], weight, len(weight))


@_jit
def _until(slack, speed, slowest, noise):  # type: ignore[no-untyped-def]
    """By how much lambda falls until a slack that shrinks at some speed is gone; infinity if never.

    A column that is past its bound and does not come back enters at once.
    """
    if speed > slowest:
        return max(slack / speed, 0.0)
    return 0.0 if slack < -noise and speed >= -slowest else np.inf


@_jit
def advance(  # type: ignore[no-untyped-def]
    gram, slots, free, active, k, near, n,
    lam, largest, largest_lam, mu_max, nonnegative, weights, lambdas,
):  # fmt: skip
    """Follow the path for up to len(free) - 1 events; who enters gets the next slot of `free`.

    largest: the largest entry of gram. largest_lam: lambda at mu = 0. weights (P, S), zeros, and lambdas
    (P,) are filled with the breakpoints met, at most len(free).
    Returns k, n, lambda, the number of breakpoints, and the reason.
    """
    slot, sign, weight = active.slot, active.sign, active.weight
    d = np.empty(len(slot))
    part = np.empty(len(slot))
    null = np.empty(len(slot))
    leaves = np.empty(len(slot))
    direction = np.empty(near.gram.shape[1])
    rate = np.zeros(len(near.c))
    enters = np.empty(len(near.c))
    enters_as = np.zeros(len(near.c))
    taken = 0
    points = 0
    error = 0.0
    for _ in range(len(free) - 1):
        for i in range(k):
            d[i] = active.z[i]
        _solve_transposed(active.L, d, k)
        direction[:] = 0.0
        for i in range(k):
            direction[slot[i]] = d[i]

        slope = 0.0
        l1_norm = 0.0
        travel = 0.0
        for i in range(k):
            travel += abs(d[i])
            slope += sign[i] * d[i]
            l1_norm += abs(weight[i])
        noise = NOISE * (largest * l1_norm + largest_lam)
        # A twin of an active column keeps to its bound but for rounding: it has nothing to enter for.
        slowest = max(SMALLEST_RATE, NOISE * largest * travel)

        # By how much lambda falls until each column's event.
        nearest = np.inf
        for q in range(n):
            enters[q] = np.inf
            if near.state[q] == ACTIVE:
                continue
            rate[q] = _dot(near.gram[q], direction, len(direction))
            if near.state[q] != BLOCKED:
                c = near.c[q]
                # One that has just been exchanged stands at its bound and would come back at once.
                back = c if near.state[q] == EXCHANGED else 0.0
                if back <= 0.0:
                    enters[q] = _until(lam - c, 1.0 - rate[q], slowest, noise)
                    enters_as[q] = 1.0
                if back >= 0.0 and not nonnegative:
                    other = _until(lam + c, 1.0 + rate[q], slowest, noise)
                    if other < enters[q]:
                        enters[q] = other
                        enters_as[q] = -1.0
                nearest = min(nearest, enters[q])
        for i in range(k):
            leaves[i] = max(-weight[i] / d[i], 0.0) if d[i] * sign[i] < 0.0 else np.inf
            nearest = min(nearest, leaves[i])
        reason = MORE
        if lam - nearest <= noise:
            nearest = lam
            reason = UNCONSTRAINED
        if slope > 0.0 and max(mu_max - l1_norm, 0.0) <= nearest * slope:
            nearest = max(mu_max - l1_norm, 0.0) / slope
            reason = MU_MAX
        column = len(gram)
        entering = -1
        leaving = -1
        if reason == MORE:
            now = nearest + TIE * lam
            for q in range(n):
                if enters[q] <= now and near.column[q] < column:
                    column = near.column[q]
                    entering = q
            for i in range(k):
                if leaves[i] <= now and slots.column[slot[i]] < column:
                    column = slots.column[slot[i]]
                    leaving = i

        # Go there.
        moved = nearest > TIE * lam
        lam -= nearest
        error += NOISE * largest * nearest * travel
        for q in range(n):
            if near.state[q] != ACTIVE:
                near.c[q] -= nearest * rate[q]
                if near.state[q] == EXCHANGED and moved:
                    near.state[q] = INACTIVE
        for i in range(k):
            weight[i] += nearest * d[i]
        if leaving >= 0:
            weight[leaving] = 0.0
        if reason == UNCONSTRAINED:
            return k, n, lam, points, reason
        if moved:
            for i in range(k):
                # A weight of the wrong sign is a rounding error about to leave.
                if weight[i] * sign[i] > 0.0:
                    weights[points, slot[i]] = weight[i]
            lambdas[points] = lam
            points += 1
        if reason != MORE:
            return k, n, lam, points, reason

        # Change the active set.
        if leaving >= 0:
            k, n = _leave(gram, slots, active, k, near, n, leaving, lam, INACTIVE)
            for q in range(n):
                if near.state[q] == BLOCKED:
                    near.state[q] = INACTIVE
            if error > LARGEST_DRIFT * lam:
                break
            continue
        s = enters_as[entering]
        square = gram[column, column]
        for i in range(k):
            part[i] = near.gram[entering, slot[i]]
        _solve(active.L, part, k)
        pivot = square - _dot(part, part, k)
        if pivot > DEPENDENT * square:
            _append(free[taken], s, part, k, active, 0.0, pivot)
            _take_slot(gram, slots, free[taken], near, n, entering)
            taken += 1
            k += 1
            # One that was past its bound is brought back to it by the refinement.
            if error > LARGEST_DRIFT * lam or s * near.c[entering] - lam > noise:
                break
            continue
        # The column is X_A null up to rounding. Moving weight from the active features to it changes
        # neither fit nor lambda, only the l1 norm, until an active weight or mu_max is reached.
        for i in range(k):
            null[i] = part[i]
        _solve_transposed(active.L, null, k)
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
            near.state[entering] = BLOCKED
            continue
        # But for what is left of the column besides the active ones: other columns may share it.
        direction[:] = 0.0
        for i in range(k):
            direction[slot[i]] = null[i]
        change = DEPENDENT * square
        for q in range(n):
            rate[q] = gram[column, near.column[q]] - _dot(near.gram[q], direction, len(direction))
            change = max(change, abs(rate[q]))
        # And weights that are too small a part of it to change places with it must not cross zero.
        crossed = 0.0
        for i in range(k):
            if i != leaving:
                crossed = max(crossed, (step * s * null[i] - weight[i]) * sign[i])
        if step * change > lam or crossed * largest > lam:
            # So far along a direction known no better, the fit would change after all: nothing that
            # float64 can resolve is left to gain.
            return k, n, lam, points, UNCONSTRAINED
        for q in range(n):
            near.c[q] -= step * s * rate[q]
        _take_slot(gram, slots, free[taken], near, n, entering)
        for i in range(k):
            weight[i] -= step * s * null[i]
            if weight[i] * sign[i] > 0.0 and (i != leaving or reason == MU_MAX):
                weights[points, slot[i]] = weight[i]
        weights[points, free[taken]] = step * s
        lambdas[points] = lam
        points += 1
        if reason == MU_MAX:
            return k, n, lam, points, reason
        k, n = _leave(gram, slots, active, k, near, n, leaving, lam, EXCHANGED)
        for i in range(k):
            part[i] = near.gram[entering, slot[i]]
        _solve(active.L, part, k)
        pivot = square - _dot(part, part, k)
        if pivot > DEPENDENT * square:
            _append(free[taken], s, part, k, active, step * s, pivot)
            k += 1
        else:
            near.state[entering] = BLOCKED
        break
    return k, n, lam, points, MORE


@_jit
def refine(active, k, error):  # type: ignore[no-untyped-def]
    """Correct weights and z in place until error (k,) = c_A - lambda sign is zero, to rounding."""
    _solve(active.L, error, k)
    _solve_transposed(active.L, error, k)
    largest = 0.0
    for i in range(k):
        largest = max(largest, abs(active.weight[i]))
    # Along a nearly null direction the correction is noise: it must not carry a weight across zero.
    share = 1.0
    for i in range(k):
        w, s = active.weight[i], active.sign[i]
        if w * s > NEGLIGIBLE * largest and (w + error[i]) * s < 0.0:
            share = min(share, abs(w / error[i]))
    for i in range(k):
        active.weight[i] += share * error[i]
        active.z[i] = active.sign[i]
    _solve(active.L, active.z, k)
