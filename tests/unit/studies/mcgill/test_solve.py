"""spgl1 on the compressed problem against spgl1 on the raw matrix, and the tables of a selection."""

import h5py
import numpy as np
import pytest

from vebi.selection.projected_gradient import compress, spectral_projected_gradient
from vebi.selection.statistics import statistics_of
from vebi.studies.mcgill.report_networks import REPORTED, SOLVERS
from vebi.studies.mcgill.solve import FEATURES, SOLUTIONS, select_features, solve_at


@pytest.fixture(scope="module")
def problem():
    """300 images of three classes, two layers of 12 features, each layer's part sums to 1."""
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1, 2], 100)
    parts = [rng.gamma(2.0, size=(300, 12)) for _ in range(2)]
    for part in parts:
        part[np.arange(300), labels] *= 1.5
    X = np.hstack([part / part.sum(1, keepdims=True) for part in parts]).astype(np.float32)
    return X, labels


@pytest.mark.parametrize("mu", [10.0, 40.0])
def test_iterates_on_the_compressed_problem_are_those_on_the_raw_matrix(problem, mu):
    """Iterate by iterate at first; then rounding errors, which its steps double, tell them apart.

    Where they stop they agree to spgl1's own tolerance.
    """
    X, labels = problem
    statistics = statistics_of(X, labels, 3)
    A, b = compress(statistics.gram, statistics.cross[:, 1], 100.0)
    assert len(A) < len(X) / 10
    moved = []
    for limit in (1, 2, 5, 10, 20):
        small, n_small = spectral_projected_gradient(A, b, mu, iteration_limit=limit)
        raw, n_raw = spectral_projected_gradient(
            X.astype(float), (labels == 1).astype(float), mu, iteration_limit=limit
        )
        assert n_small == n_raw
        assert small == pytest.approx(raw, abs=1e-6 * mu)
        moved.append(small)
    assert np.abs(moved[0] - moved[-1]).max() > 0.01
    ends = [
        spectral_projected_gradient(A, b, mu)[0],
        spectral_projected_gradient(X.astype(float), (labels == 1).astype(float), mu)[0],
    ]
    objective = [np.linalg.norm(X @ w - (labels == 1)) ** 2 for w in ends]
    assert objective[0] == pytest.approx(objective[1], abs=2e-4 * max(1.0, objective[0]))


def test_more_iterations_come_nearer_to_the_exact_path(problem):
    X, labels = problem
    statistics = statistics_of(X, labels, 3)
    exact = solve_at(statistics, [2.0, 20.0], "path")
    full = solve_at(statistics, [2.0, 20.0], "spgl1")
    assert exact.relative_gap.max() < 1e-8
    # spgl1's own tolerance is 1e-4 of max(1, objective / 2).
    assert full.relative_gap.max() < 1e-3
    assert (exact.selected == full.selected).mean() > 0.9
    assert (exact.iterations == 0).all()
    assert full.iterations.max() < SOLVERS["spgl1"]


def write_descriptors(path, X, labels):
    with h5py.File(path, "w") as file:
        file["X"], file["labels"] = X, labels
        # The network takes some images of class 2 for class 1.
        file["predictions"] = np.where(
            np.arange(len(labels)) % 7 == 0, np.minimum(labels, 1), labels
        )
        file["split"] = np.zeros(len(labels), np.int64)
        file["feature_layer"] = np.repeat([0, 1], 12)
        file["feature_channel"] = np.tile(np.arange(12), 2)
        text = h5py.string_dtype()
        file.create_dataset("layer_names", data=["conv1", "relu2"], dtype=text)
        file.create_dataset("layer_types", data=["conv", "relu"], dtype=text)
    return path


def test_the_path_answers_every_label_and_scope_and_spgl1_the_reports(problem, tmp_path):
    path = write_descriptors(tmp_path / "d.h5", *problem)
    features, solutions = select_features(path, REPORTED["matconvnet"], [1.0, 5.0], "path")
    assert list(features.columns) == list(FEATURES)
    assert list(solutions.columns) == list(SOLUTIONS)
    assert len(solutions) == 2 * 2 * 2
    counts = features.groupby(["labels", "scope", "mu"]).size()
    for row in solutions.itertuples():
        assert counts[row.labels, row.scope, row.mu] == row.n_features
        assert row.n_features_total == (24 if row.scope == "all" else 12)
    assert set(features[features["scope"] == "conv"]["layer"]) == {"conv1"}
    _, of_spgl1 = select_features(path, REPORTED["matconvnet"], [1.0], "spgl1_1000")
    assert set(of_spgl1["labels"]) == {"predictions"}
    _, of_keras = select_features(path, REPORTED["keras"], [1.0], "path")
    assert set(of_keras["scope"]) == {"all"}
