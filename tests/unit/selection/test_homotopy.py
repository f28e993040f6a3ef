"""The path against closed forms, brute force, other solvers and the duality gap."""

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import lars_path_gram

from vebi.selection import homotopy
from vebi.selection.certificate import SMALLEST_OBJECTIVE, TARGET_GAP, certify, explain
from vebi.selection.homotopy import Workspace, solve_path, solve_paths_of
from vebi.selection.projected_gradient import compress, spectral_projected_gradient
from vebi.selection.statistics import statistics_of

Array = NDArray[np.float64]


def problem(X: Array, y: Array) -> tuple[Array, Array, float]:
    return X.T @ X, X.T @ y, float(y @ y)


def brute_force(X: Array, y: Array, mu: float, nonnegative: bool) -> float:
    """Smallest ||X w - y||^2 in the ball, by trying every support and sign pattern.

    For a given sign pattern the optimum with the constraint tight solves a linear system; without it,
    least squares. Every feasible candidate counts, so nothing is assumed of the optimality conditions.
    """
    best = float(y @ y)
    for pattern in product((0, 1) if nonnegative else (-1, 0, 1), repeat=X.shape[1]):
        signs = np.array(pattern, dtype=float)
        support = np.flatnonzero(signs)
        if not len(support):
            continue
        A, s = X[:, support], signs[support]
        free = np.linalg.lstsq(A, y, rcond=None)[0]
        kkt = np.block([[A.T @ A, s[:, None]], [s[None, :], np.zeros((1, 1))]])
        tight = np.linalg.lstsq(kkt, np.append(A.T @ y, mu), rcond=None)[0][:-1]
        for w in (free, tight):
            right_signs = not nonnegative or (w >= -1e-10).all()
            if right_signs and np.abs(w).sum() <= mu * (1 + 1e-10):
                best = min(best, float(((A @ w - y) ** 2).sum()))
    return best


def test_orthogonal_columns_give_soft_thresholding() -> None:
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(30, 8)))[0]
    y = rng.normal(size=30)
    path = solve_path(*problem(Q, y), 100.0)
    c = Q.T @ y
    for lam in np.linspace(0, np.abs(c).max(), 50):
        expected = np.sign(c) * np.maximum(np.abs(c) - lam, 0)
        mu = np.abs(expected).sum()
        np.testing.assert_allclose(path.weights_at(mu), expected, atol=1e-12)
        assert path.objective_at(mu) == pytest.approx(((Q @ expected - y) ** 2).sum(), rel=1e-12)
    assert len(path) == 9
    assert path.l1_norm[-1] == pytest.approx(np.abs(c).sum(), rel=1e-12)


def test_one_column_has_one_segment() -> None:
    x, y = np.array([[1.0], [2.0]]), np.array([3.0, 4.0])
    path = solve_path(*problem(x, y), 2.0)
    np.testing.assert_allclose(path.l1_norm, [0, 2.0])
    np.testing.assert_allclose(path.multiplier, [11, 1])
    assert path.weights_at(0.5) == pytest.approx(0.5)


def degenerate_problems() -> list[tuple[str, Array]]:
    rng = np.random.default_rng(3)
    base = rng.random((7, 5))
    parts = rng.random((9, 6))
    parts[:, :3] /= parts[:, :3].sum(axis=1, keepdims=True)
    parts[:, 3:] /= parts[:, 3:].sum(axis=1, keepdims=True)
    return [
        ("zero column", np.where(np.arange(5) == 2, 0.0, base)),
        ("duplicate columns", base[:, [0, 1, 0, 2, 1]]),
        ("opposite columns", base[:, [0, 1, 0, 2, 1]] * [1, 1, -1, 1, -1]),
        ("near duplicates", np.hstack([base[:, :3], base[:, :2] * (1 + 1e-9)])),
        ("parts that sum to one", parts),
        ("fewer samples than features", base[:3]),
        ("one sample", base[:1]),
        ("integers", rng.integers(0, 2, (8, 6)).astype(float)),
        ("rank two", rng.random((8, 2)) @ rng.random((2, 6))),
        ("all columns the same", np.repeat(base[:, :1], 5, axis=1)),
        ("all zero", np.zeros((4, 3))),
    ]


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize(("name", "X"), degenerate_problems())
def test_degenerate_problems_reach_the_brute_force_optimum(
    name: str, X: Array, nonnegative: bool
) -> None:
    y = (np.arange(len(X)) % 2 == 0).astype(float)
    path = solve_path(*problem(X, y), 50.0, nonnegative)
    for mu in (0.05, 0.3, 1.0, 2.5, 50.0):
        w = path.weights_at(mu)
        assert np.abs(w).sum() <= mu * (1 + 1e-12)
        assert not nonnegative or (w >= 0).all()
        reached = float(((X @ w - y) ** 2).sum())
        best = brute_force(X, y, mu, nonnegative)
        assert reached <= best + 1e-9 * max(best, float(y @ y))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Array, Array, bool]:
    """Random problems of the hard kinds, in float32 as descriptors are."""
    n, m = draw(st.integers(1, 40)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["random", "integer", "duplicate", "near", "layers", "low rank"]))
    X = rng.random((n, m))
    half = m // 2
    if kind == "integer":
        X = rng.integers(-2, 3, (n, m)).astype(float)
    elif kind == "duplicate":
        X = X[:, rng.integers(0, max(1, m // 3), m)] * rng.choice([-1, 1, 1], m)
    elif kind == "near" and half:
        X[:, half : 2 * half] = X[:, :half] * (
            1 + draw(st.sampled_from([1e-15, 1e-12, 1e-9, 1e-7, 1e-4])) * rng.random((n, half))
        )
    elif kind == "layers" and half:
        X[:, :half] /= X[:, :half].sum(axis=1, keepdims=True)
        X[:, half:] /= X[:, half:].sum(axis=1, keepdims=True)
    elif kind == "low rank":
        X = rng.normal(size=(n, 3)) @ rng.normal(size=(3, m))
    if draw(st.booleans()):
        X[:, rng.integers(0, m)] = 0
    y = (rng.random(n) < 0.4).astype(float)
    return X.astype(np.float32).astype(float), y, draw(st.booleans())


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    problems(),
    st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
    st.sampled_from([0, 1, 4, homotopy.WATCHED]),
    st.sampled_from([1, 3, homotopy.EVENTS_PER_PIECE]),
)
def test_every_mu_is_feasible_and_optimal(
    case: tuple[Array, Array, bool], fractions: list[float], watched: int, events_per_piece: int
) -> None:
    X, y, nonnegative = case
    gram, cross, count = problem(X, y)
    mu_max = 100.0
    # These problems are small: with few columns watched, some are missed and pieces made again.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(homotopy, "WATCHED", watched)
        patch.setattr(homotopy, "EVENTS_PER_PIECE", events_per_piece)
        path = solve_path(gram, cross, count, mu_max, nonnegative)
    mus = np.array([*(mu_max * np.array(fractions) ** 3), mu_max])
    weights = np.array([path.weights_at(mu) for mu in mus])
    proof = certify(gram, cross, count, weights, mus, nonnegative=nonnegative)
    # The least positive numbers have few digits.
    assert (np.abs(weights).sum(axis=1) <= mus * (1 + 1e-12) + np.finfo(float).tiny).all()
    assert not nonnegative or (weights >= 0).all()
    # Columns that are dependent but for float32's rounding are the same ones to X'X: what they could gain
    # is small against ||l||^2 then. Of 120,000 problems one missed 1e-6 of it.
    scale = np.maximum(proof.objective, SMALLEST_OBJECTIVE * count)
    dependent = np.linalg.cond(X[:, X.any(axis=0)]) > 1e5 if X.any() else False
    target = 1e-5 * count if dependent else TARGET_GAP * scale
    reason = explain(proof, np.diagonal(gram))
    assert (proof.relative_gap * scale <= np.maximum(target, 30 * proof.rounding * scale)).all(), (
        reason
    )
    assert (np.diff(path.l1_norm) > 0).all()
    assert (np.diff(path.multiplier) <= 0).all()
    # The objective is known to rounding of its terms.
    products = path.l1_norm * np.diagonal(gram).max() + np.abs(cross).max()
    rounding = np.finfo(float).eps * (2 * path.l1_norm * products + count)
    assert (np.diff(path.objective) <= np.maximum(1e-12 * count, rounding[1:])).all()


def test_a_perfect_fit_of_dependent_columns_is_proven_by_its_objective() -> None:
    # The active columns' condition is 1,243: a residual of 1e-11 gives some column that is not active a
    # correlation of 2e-11, far more than rounding, though nothing below an objective of 1e-22 is left.
    rng = np.random.default_rng(160)
    rng.random((10, 23))
    X = rng.integers(-2, 3, (10, 23)).astype(float)
    y = (rng.random(10) < 0.4).astype(float)
    gram, cross, count = problem(X, y)
    path = solve_path(gram, cross, count, 100.0, True)
    weights = path.weights_at(100.0)[None]
    assert float(((X @ weights[0] - y) ** 2).sum()) < 1e-20
    proof = certify(gram, cross, count, weights, np.array([100.0]), nonnegative=True)
    assert proof.relative_gap[0] <= 2 * proof.rounding[0] < 1e-4
    assert "too close to perfect" in explain(proof, np.diagonal(gram))


@pytest.mark.parametrize("nonnegative", [False, True])
def test_same_breakpoints_as_scikit_learn(nonnegative: bool) -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(200, 30)), rng.normal(size=200)
    path = solve_path(*problem(X, y), 1e9, nonnegative)
    alphas, _, coefs = lars_path_gram(
        X.T @ y, X.T @ X, n_samples=200, method="lasso", positive=nonnegative
    )
    for alpha, w in zip(alphas, coefs.T, strict=True):
        mu = np.abs(w).sum()
        np.testing.assert_allclose(path.weights_at(mu), w, atol=1e-10)
        nearest = int(np.argmin(np.abs(path.l1_norm - mu)))
        # With W >= 0 scikit-learn puts alpha = 0 to the last weights, whatever their gradient.
        assert alpha == 0 or path.multiplier[nearest] == pytest.approx(200 * alpha, abs=1e-7)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_same_solution_as_spgl1(nonnegative: bool, compressed: bool) -> None:
    rng = np.random.default_rng(2)
    X = rng.random((120, 20)) + 0.1
    y = (rng.random(120) < 0.3).astype(float)
    gram, cross, count = problem(X, y)
    path = solve_path(gram, cross, count, 3.0, nonnegative)
    A, b = compress(gram, cross, count) if compressed else (X, y)
    for mu in (0.1, 0.5, 1.5):
        w, iterations = spectral_projected_gradient(A, b, mu, nonnegative)
        assert iterations > 0
        theirs, ours = ((X @ w - y) ** 2).sum(), ((X @ path.weights_at(mu) - y) ** 2).sum()
        assert ours <= theirs * (1 + 1e-9)
        # spgl1 stops at a gap of 1e-4 by its own measure.
        assert theirs == pytest.approx(ours, rel=1e-3)


def test_between_breakpoints_the_interpolation_is_the_solution() -> None:
    rng = np.random.default_rng(4)
    X, y = rng.random((50, 12)), (rng.random(50) < 0.5).astype(float)
    gram, cross, count = problem(X, y)
    path = solve_path(gram, cross, count, 20.0)
    middle = (path.l1_norm[1:] + path.l1_norm[:-1]) / 2
    weights = np.array([path.weights_at(mu) for mu in middle])
    proof = certify(gram, cross, count, weights, middle)
    assert proof.relative_gap.max() < 1e-12
    np.testing.assert_allclose(proof.l1_norm, middle, rtol=1e-12)
    np.testing.assert_allclose([path.objective_at(mu) for mu in middle], proof.objective, rtol=1e-9)
    # A path that goes further is the same where both are defined.
    longer = solve_path(gram, cross, count, 40.0)
    np.testing.assert_allclose(
        [longer.weights_at(mu) for mu in middle], weights, rtol=0, atol=1e-11
    )


def test_gap_bounds_the_distance_to_the_optimum() -> None:
    rng = np.random.default_rng(6)
    X, y = rng.random((30, 6)), (rng.random(30) < 0.5).astype(float)
    gram, cross, count = problem(X, y)
    for nonnegative in (False, True):
        best = solve_path(gram, cross, count, 2.0, nonnegative).objective_at(2.0)
        for _ in range(50):
            w = rng.random(6) * (1 if nonnegative else rng.choice([-1, 1], 6))
            w *= 2.0 * rng.random() / np.abs(w).sum()
            proof = certify(gram, cross, count, w[None], np.array([2.0]), nonnegative=nonnegative)
            assert proof.objective[0] == pytest.approx(((X @ w - y) ** 2).sum())
            assert proof.objective[0] - best <= proof.relative_gap[0] * proof.objective[0] * (
                1 + 1e-9
            )


def test_threads_and_runs_do_not_change_a_bit() -> None:
    rng = np.random.default_rng(7)
    statistics = statistics_of(rng.random((300, 40)), rng.integers(0, 4, 300), 4)
    runs = [solve_paths_of(statistics, 50.0, False, processes) for processes in (1, 2, 3)]
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            assert a.data.tobytes() == b.data.tobytes()
            assert a.l1_norm.tobytes() == b.l1_norm.tobytes()


def test_explain_names_the_reason() -> None:
    X = np.random.default_rng(8).random((3, 6))
    y = np.array([1.0, 0.0, 1.0])
    gram, cross, count = problem(X, y)
    w = solve_path(gram, cross, count, 1e6).weights_at(1e6)
    proof = certify(gram, cross, count, w[None], np.array([1e6]))
    assert "rounding error" in explain(proof, np.diagonal(gram)) or proof.relative_gap[0] <= 1e-8
    bad = certify(gram, cross, count, np.full((1, 6), 0.1), np.array([1.0]))
    assert "relative gap" in explain(bad, np.diagonal(gram))


def layers_of_a_network(n: int, m: int) -> tuple[Array, Array]:
    """Descriptors of two layers of m features, the second a power of the first, and one class."""
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 5, n)
    hidden = rng.random((5, m))[labels] + rng.random((n, m))
    layers = [part / part.sum(axis=1, keepdims=True) for part in (hidden, hidden**1.1)]
    return np.hstack(layers), (labels == 0).astype(float)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize(("watched", "events_per_piece"), [(0, 3), (1, 32), (7, 11), (10_000, 50)])
def test_what_is_watched_does_not_change_the_path(
    monkeypatch: pytest.MonkeyPatch, watched: int, events_per_piece: int, nonnegative: bool
) -> None:
    X, y = layers_of_a_network(200, 60)
    gram, cross, count = problem(X, y)
    expected = solve_path(gram, cross, count, 1e4, nonnegative)
    monkeypatch.setattr(homotopy, "WATCHED", watched)
    monkeypatch.setattr(homotopy, "EVENTS_PER_PIECE", events_per_piece)
    path = solve_path(gram, cross, count, 1e4, nonnegative)
    assert len(path) == len(expected) > 5
    np.testing.assert_allclose(path.l1_norm, expected.l1_norm, rtol=1e-8)
    np.testing.assert_allclose(path.objective, expected.objective, rtol=1e-8)
    assert path.relative_gap.max() <= 1e-8
    for mu in (1.0, 30.0, 100.0):
        ours, theirs = path.weights_at(mu), expected.weights_at(mu)
        assert np.array_equal(ours != 0, theirs != 0)
        np.testing.assert_allclose(ours, theirs, atol=1e-8 * np.abs(theirs).max())


def test_gaps_of_the_path_are_those_of_its_weights() -> None:
    X, y = layers_of_a_network(200, 60)
    gram, cross, count = problem(X, y)
    path = solve_path(gram, cross, count, 50.0)
    weights = path.weights()
    residual = X @ weights.T - y[:, None]
    np.testing.assert_allclose(path.objective, (residual**2).sum(axis=0), rtol=1e-9)
    gradient = 2 * X.T @ residual
    gap = (weights.T * gradient).sum(axis=0) + path.l1_norm * np.abs(gradient).max(axis=0)
    assert (gap <= 1e-9 * path.objective).all()
    np.testing.assert_allclose(np.abs(gradient).max(axis=0) / 2, path.multiplier, rtol=1e-7)


@pytest.mark.parametrize("scale", [1.0, 1 + 1e-12, 1 - 1e-9])
def test_twins_of_all_columns_do_not_lengthen_the_path(scale: float) -> None:
    X, y = layers_of_a_network(300, 50)
    single = solve_path(*problem(X, y), 1e4)
    twins = solve_path(*problem(np.hstack([X, X * scale]), y), 1e4)
    assert len(twins) <= 1.2 * len(single)
    assert twins.relative_gap.max() <= 1e-8
    for mu in np.geomspace(1, single.l1_norm[-1], 20):
        assert twins.objective_at(mu) == pytest.approx(single.objective_at(mu), rel=1e-6)


def test_room_of_another_path_has_no_influence() -> None:
    X, y = layers_of_a_network(200, 60)
    gram, cross, count = problem(X, y)
    used = Workspace(X.shape[1])
    solve_path(gram, X.T @ (1 - y), float(len(y) - count), 1e3, workspace=used)
    path, expected = (
        solve_path(gram, cross, count, 40.0, workspace=workspace) for workspace in (used, None)
    )
    assert path.data.tobytes() == expected.data.tobytes()
    assert path.relative_gap.tobytes() == expected.relative_gap.tobytes()


@pytest.mark.parametrize("seed", [3, 315, 520, 549, 898, 920, 2071])
def test_nearly_dependent_columns_keep_their_proof_where_weights_are_huge(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, half = int(rng.integers(150, 350)), int(rng.integers(80, 180))
    X = rng.random((n, half))
    X = np.hstack([X, X * (1 + 2e-7 * rng.random((n, half)))]).astype(np.float32).astype(float)
    gram, cross, count = problem(X, (rng.random(n) < 0.3).astype(float))
    path = solve_path(gram, cross, count, 1e4)
    mus = np.geomspace(0.01, 0.999, 9) * path.l1_norm[-1]
    weights = np.array([path.weights_at(mu) for mu in mus])
    proof = certify(gram, cross, count, weights, mus)
    assert (np.abs(weights).sum(axis=1) <= mus * (1 + 1e-12)).all()
    assert (proof.relative_gap <= np.maximum(1e-8, 30 * proof.rounding)).all(), explain(
        proof, np.diagonal(gram)
    )
