"""The path on a part of the columns is the path on all of them."""

import h5py
import numpy as np
import pytest

from vebi.selection import select as selecting
from vebi.selection import wide
from vebi.selection.select import Problem, select, solve
from vebi.selection.statistics import statistics_of
from vebi.selection.wide import is_wide, solve_wide

MUS = np.array([2.0, 20.0, 100.0])


def problem(n=60, m=400, classes=3, seed=0):
    """Descriptors of two layers whose parts sum to one, some columns of which are twins or zero."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(1.0, 1.0, (n, m))
    labels = np.arange(n) % classes
    for label in range(classes):
        X[labels == label, 10 * label : 10 * label + 5] += 2
    X[:, 200:230] = X[:, :30]
    X[:, 300:310] = 0
    for part in (slice(0, m // 2), slice(m // 2, m)):
        X[:, part] /= X[:, part].sum(1, keepdims=True)
    return X, labels


@pytest.fixture
def few(monkeypatch):
    """So few columns at once that most have to join."""
    monkeypatch.setattr(wide, "FIRST", 5)
    monkeypatch.setattr(wide, "JOINING", 3)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_it_is_the_path_on_all_columns(few, nonnegative):
    X, labels = problem()
    arguments = {"mus": MUS, "mu_max": 150.0, "nonnegative": nonnegative}
    paths, objective, gap = solve_wide(X, labels, 3, **arguments)
    whole, expected, _ = solve(statistics_of(X, labels, 3), **{**arguments, "mus": MUS.tolist()})
    np.testing.assert_allclose(objective, expected, rtol=1e-9)
    assert gap.max() < 1e-8
    for path, other in zip(paths, whole, strict=True):
        assert path.n_features == X.shape[1]
        for mu in (0.3, 10.0, 50.0, 150.0):
            # Twins may share the weight in any way: what is predicted is unique, weights are not.
            np.testing.assert_allclose(X @ path.weights_at(mu), X @ other.weights_at(mu), atol=1e-8)
            assert path.objective_at(mu) == pytest.approx(other.objective_at(mu), rel=1e-9)
            norms = [np.abs(one.weights_at(mu)).sum() for one in (path, other)]
            assert norms[0] == pytest.approx(norms[1], rel=1e-9)


def test_without_the_check_the_path_would_be_another(few, monkeypatch):
    """The columns that it starts with do not do: the test above tests the joining."""
    X, labels = problem()
    exact = solve_wide(X, labels, 3, mus=MUS, mu_max=150.0)[1]
    monkeypatch.setattr(wide, "ROUNDING", np.inf)
    _, objective, gap = solve_wide(X, labels, 3, mus=MUS, mu_max=150.0)
    assert (objective[-1] > 1.1 * exact[-1]).all()
    # The certificate looks at all columns, so it says so.
    assert gap[-1].min() > 1e-2


def test_a_class_that_nothing_is_of_has_no_weights(few):
    X, labels = problem(classes=2)
    paths, objective, _ = solve_wide(X, labels, 3, mus=MUS, mu_max=100.0)
    assert not paths[2].weights_at(100.0).any()
    assert objective[:, 2].tolist() == [0.0] * 3


def test_only_files_with_more_features_than_samples_are_wide():
    assert is_wide(1000, 50_944)
    assert not is_wide(1000, 6336)
    assert not is_wide(60_000, 19_456)


@pytest.mark.parametrize("scope", ["all", "conv"])
def test_files_and_tables_are_those_of_the_other_way(tmp_path, few, monkeypatch, scope):
    X, labels = problem()
    # Without twins, so that the weights are unique as well.
    X[:, 200:230] = np.random.default_rng(1).gamma(1.0, 0.01, (len(X), 30))
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["X"], file["labels"] = X, labels
        file["split"] = (np.arange(len(X)) >= 50).astype(int)
        file["feature_layer"] = np.repeat([0, 1], X.shape[1] // 2)
        file["feature_channel"] = np.tile(np.arange(X.shape[1] // 2), 2)
        for key, values in (("layer_names", ["a", "b"]), ("layer_types", ["conv", "relu"])):
            file[key] = np.array(values, h5py.string_dtype())
    mus = MUS.tolist()
    plain = select(tmp_path / "d.h5", mus, tmp_path / "plain", Problem(scope=scope))
    monkeypatch.setattr(selecting, "is_wide", lambda n, m: True)
    found = select(tmp_path / "d.h5", mus, tmp_path / "wide", Problem(scope=scope))
    assert found.n_samples == plain.n_samples == 50
    for mu in mus:
        np.testing.assert_allclose(found.weights_at(mu), plain.weights_at(mu), atol=1e-8)
        assert np.array_equal(found.weights_at(mu) != 0, plain.weights_at(mu) != 0)
