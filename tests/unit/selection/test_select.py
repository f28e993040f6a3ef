"""From a descriptor file to path.h5 and the tables."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from vebi.io.errors import VebiError
from vebi.selection.path_file import read_solution
from vebi.selection.select import Problem, Solver, select, solve, solve_paths
from vebi.selection.statistics import Scope, Statistics, read_statistics
from vebi.studies.selection.figures import trace_path

TEXT = h5py.string_dtype()


def write_descriptors(path: Path, **changed: object) -> Path:
    """A small file as the pipeline makes it: 2 conv channels, 3 fc units, every third row a test row."""
    rng = np.random.default_rng(5)
    labels = np.arange(90) % 3
    X = rng.random((90, 5)) + 0.5 * np.eye(5)[labels]
    content: dict[str, object] = {
        "X": X.astype(np.float32),
        "labels": labels,
        "predictions": np.roll(labels, 1),
        "split": (np.arange(90) % 4 == 0).astype(np.uint8),
        "feature_layer": np.array([0, 0, 1, 1, 1]),
        "feature_channel": np.array([0, 1, 0, 1, 2]),
        "layer_names": np.array(["conv1", "fc2"], dtype=TEXT),
        "layer_types": np.array(["conv", "fc"], dtype=TEXT),
    }
    content.update(changed)
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            if value is not None:
                file[name] = value
    return path


@pytest.mark.parametrize("solver", ["path", "spgl1"])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_tables_hold_the_solution_of_every_mu(
    tmp_path: Path, solver: Solver, nonnegative: bool
) -> None:
    file = write_descriptors(tmp_path / "d.h5")
    problem = Problem(solver=solver, nonnegative=nonnegative)
    select(file, [0.5, 2.0, 0.05], tmp_path, problem)
    with h5py.File(file) as h5:
        train = h5["split"][:] == 0
        X, labels = h5["X"][:][train].astype(float), h5["labels"][:][train]
    table = pd.read_csv(tmp_path / "selection.csv")
    features = pd.read_csv(tmp_path / "selected_features.csv")
    solution = read_solution(tmp_path / "path.h5")
    assert table.mu.tolist() == [0.05, 0.5, 2.0]
    assert (table.n_features_total == 5).all()
    for row in table.itertuples():
        weights = np.zeros((3, 5))
        mine = features[features.mu == row.mu]
        column = mine.channel + 2 * (mine.layer == "fc2")
        weights[mine["class"], column] = mine.weight
        np.testing.assert_allclose(weights, solution.weights_at(row.mu), rtol=1e-9)
        assert np.abs(weights).sum(axis=1).max() <= row.mu * (1 + 1e-9)
        assert (weights >= 0).all() or not nonnegative
        residual = X @ weights.T - np.eye(3)[labels]
        assert row.objective == pytest.approx((residual**2).sum(), rel=1e-9)
        assert row.n_features == (weights != 0).any(axis=0).sum()
        assert row.features_per_class == pytest.approx((weights != 0).sum(axis=1).mean())
        assert row.relative_gap <= (1e-8 if solver == "path" else 1e-3)


def test_trace_of_the_path_passes_through_the_table(tmp_path: Path) -> None:
    solution = select(write_descriptors(tmp_path / "d.h5"), [0.5, 4.0], tmp_path)
    mu, features, error = trace_path(solution, 50)
    table = pd.read_csv(tmp_path / "selection.csv")
    assert mu[-1] == 4.0
    assert features[-1] == table.n_features.iloc[-1]
    assert error[-1] * solution.n_samples == pytest.approx(table.objective.iloc[-1], rel=1e-9)
    assert (np.diff(mu) > 0).all()
    assert (np.diff(error) <= 1e-12).all()


def test_scope_conv_weighs_convolutions_only(tmp_path: Path) -> None:
    file = write_descriptors(tmp_path / "d.h5")
    solution = solve_paths(file, tmp_path / "path.h5", Problem(scope="conv"), mus=[1.0])
    alone = write_descriptors(
        tmp_path / "conv.h5",
        X=h5py.File(file)["X"][:, :2],
        feature_layer=None,
    )
    expected = solve_paths(alone, tmp_path / "other.h5", mus=[1.0])
    assert not solution.weights_at(1.0)[:, 2:].any()
    np.testing.assert_array_equal(solution.weights_at(1.0)[:, :2], expected.weights_at(1.0))


def test_x_and_labels_are_enough(tmp_path: Path) -> None:
    file = write_descriptors(
        tmp_path / "d.h5", predictions=None, split=None, feature_layer=None, layer_names=None
    )
    select(file, [10], tmp_path)
    features = pd.read_csv(tmp_path / "selected_features.csv")
    assert features.layer.isna().all()
    assert set(features.channel) <= set(range(5))


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"X": np.full((90, 5), np.nan, np.float32)}, {}, "not finite|are not finite"),
        ({"X": np.ones((90, 5), np.int32)}, {}, "matrix of floats"),
        ({"X": np.ones(90, np.float32)}, {}, "matrix of floats"),
        ({"labels": np.zeros(90)}, {}, "integers"),
        ({"labels": np.zeros(89, int)}, {}, "one label per row"),
        ({"labels": np.full(90, -1)}, {}, "from 0"),
        ({"labels": 2 * (np.arange(90) % 2)}, {}, "class 1 of 3 has no sample"),
        ({"labels": None}, {}, "no array 'labels'"),
        ({"predictions": None}, {"problem": {"labels": "predictions"}}, "no array 'predictions'"),
        ({"layer_types": None}, {"problem": {"scope": "conv"}}, "layer types"),
        ({"feature_layer": np.arange(5)}, {}, "must index layer_names"),
        ({}, {"problem": {"scope": "dense"}}, "expected one of all, conv"),
        ({}, {"problem": {"labels": "names"}}, "expected one of annotations, predictions"),
        ({}, {"problem": {"solver": "glmnet"}}, "expected one of path, spgl1"),
        ({}, {"mus": [0.0]}, "positive"),
        ({}, {"mus": [float("nan")]}, "positive"),
        ({}, {"mus": []}, "no mu"),
        ({}, {"mu_max": 0.5}, "below mu"),
    ],
)
def test_errors_say_what_is_wrong(
    tmp_path: Path, changed: dict, options: dict, message: str
) -> None:
    file, options = write_descriptors(tmp_path / "d.h5", **changed), dict(options)

    def solve() -> None:
        problem = Problem(**options.pop("problem", {}))
        solve_paths(file, tmp_path / "path.h5", problem, **{"mus": [1.0], **options})

    with pytest.raises(VebiError, match=message):
        solve()
    assert not (tmp_path / "path.h5").exists()


def test_a_class_that_is_never_predicted_gets_no_features(tmp_path: Path) -> None:
    file = write_descriptors(tmp_path / "d.h5", predictions=np.arange(90) % 2)
    solution = solve_paths(file, tmp_path / "path.h5", Problem(labels="predictions"), mus=[1.0])
    assert not solution.weights_at(1.0)[2].any()
    assert solution.relative_gap.max() < 1e-8


def test_equal_input_gives_equal_bytes_on_any_number_of_cores(tmp_path: Path) -> None:
    file = write_descriptors(tmp_path / "d.h5")
    for cores in (1, 2):
        solve_paths(file, tmp_path / f"{cores}.h5", mus=[1.0, 3.0], processes=cores)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()


@pytest.mark.parametrize("scope", ["all", "conv"])
def test_sums_of_parts_give_the_same_solution(tmp_path: Path, scope: Scope) -> None:
    """Map-reduce: parts summed by other jobs, one pass for both scopes."""
    file = write_descriptors(tmp_path / "d.h5")
    sums = [tmp_path / f"{i}.h5" for i in range(4)]
    for i, path in enumerate(sums):
        read_statistics(file, part=(i, 4)).save(path)
    problem = Problem(scope=scope)
    whole = select(file, [0.5, 2.0], tmp_path / "whole", problem)
    parts = select(file, [0.5, 2.0], tmp_path / "parts", problem, sums=sums)
    np.testing.assert_allclose(parts.weights_at(2.0), whole.weights_at(2.0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(parts.objective, whole.objective, rtol=1e-10)
    assert parts.n_samples == whole.n_samples


def test_a_missing_part_is_noticed(tmp_path: Path) -> None:
    file = write_descriptors(tmp_path / "d.h5")
    for i in range(3):
        read_statistics(file, part=(i, 3)).save(tmp_path / f"{i}.h5")
    with pytest.raises(VebiError, match="some are missing"):
        select(file, [1.0], tmp_path, sums=[tmp_path / "0.h5", tmp_path / "2.h5"])
    (tmp_path / "1.h5").write_bytes(b"cut off")
    with pytest.raises(VebiError, match=r"1\.h5 can't be read"):
        select(file, [1.0], tmp_path, sums=[tmp_path / f"{i}.h5" for i in range(3)])


def warnings_of(caplog: pytest.LogCaptureFixture, X: np.ndarray, **options: object) -> list[str]:
    labels = np.arange(len(X)) % 2
    targets = np.eye(2)[labels]
    statistics = Statistics(X.T @ X, X.T @ targets, np.bincount(labels))
    caplog.clear()
    with caplog.at_level("WARNING"):
        solve(statistics, **options)
    # spgl1 has a log of its own.
    return [record.getMessage() for record in caplog.records if record.name.startswith("vebi")]


def test_warnings_name_the_right_cause(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    X = rng.random((200, 30))
    assert warnings_of(caplog, X, mus=[1.0, 50.0]) == []
    # One column is 10^12 times the others: they are all far from dependent.
    large = X.copy()
    large[:, 3] *= 1e12
    said = warnings_of(caplog, large, mus=[1.0, 50.0])
    assert said
    assert all("times the shortest" in line and "dependent" not in line for line in said)
    # spgl1 stops at its own tolerance: that says nothing about the columns, which are the same.
    mixed = X @ rng.random((30, 30)) ** 8
    assert warnings_of(caplog, mixed, mus=[200.0]) == []
    said = warnings_of(caplog, mixed, mus=[200.0], solver="spgl1")
    assert said
    assert all("before it converged" in line and "mu = 200" in line for line in said)
    assert not any("dependent" in line for line in said)
