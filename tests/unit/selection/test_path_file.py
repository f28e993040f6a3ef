"""path.h5."""

from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest

from vebi.io.errors import VebiError
from vebi.selection.homotopy import solve_path
from vebi.selection.path import ClassPath
from vebi.selection.path_file import Solution, over_all_columns, read_solution, write_solution
from vebi.selection.statistics import FeatureIndex


def small_path(seed: int) -> ClassPath:
    rng = np.random.default_rng(seed)
    X, y = rng.random((20, 4)), (rng.random(20) < 0.5).astype(float)
    return solve_path(X.T @ X, X.T @ y, float(y @ y), 5.0)


def small_solution() -> Solution:
    columns = np.array([0, 2, 3, 5])
    return Solution(
        classes=[over_all_columns(small_path(seed), columns, 6) for seed in (0, 1)],
        columns=columns,
        index=FeatureIndex(np.array(["a", "b"] * 3), np.arange(6), np.array(["conv", "fc"] * 3)),
        mus=np.array([1.0, 5.0]),
        objective=np.ones((2, 2)),
        relative_gap=np.full((2, 2), 1e-12),
        scope="all",
        labels="annotations",
        nonnegative=False,
        solver="path",
        n_samples=20,
    )


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    solution = small_solution()
    write_solution(tmp_path / "path.h5", solution)
    other = read_solution(tmp_path / "path.h5")
    for field in fields(Solution):
        if field.name not in ("classes", "index"):
            np.testing.assert_array_equal(getattr(solution, field.name), getattr(other, field.name))
    for mu in (0.0, 0.3, 2.0, 5.0):
        np.testing.assert_array_equal(solution.weights_at(mu), other.weights_at(mu))
    np.testing.assert_array_equal(solution.index.layer, other.index.layer)


def test_the_file_is_the_contract(tmp_path: Path) -> None:
    write_solution(tmp_path / "path.h5", small_solution())
    with h5py.File(tmp_path / "path.h5") as file:
        assert {"m", "mu_max", "nonnegative", "scope"} <= set(file.attrs)
        group = file["class_1"]
        l1_norm, indptr = group["l1_norm"][:], group["indptr"][:]
        indices, data = group["indices"][:], group["data"][:]
    assert l1_norm[0] == 0
    assert (np.diff(l1_norm) > 0).all()
    for k, norm in enumerate(l1_norm):
        span = slice(indptr[k], indptr[k + 1])
        assert np.abs(data[span]).sum() == pytest.approx(norm, abs=1e-15)
        assert set(indices[span]) <= {0, 2, 3, 5}
        assert (data[span] != 0).all()


def test_equal_solutions_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_solution(tmp_path / name, small_solution())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_outside_the_path_is_an_error() -> None:
    path = small_path(0)
    for mu in (-1.0, 5.1, float("nan")):
        with pytest.raises(VebiError, match="outside this path"):
            path.weights_at(mu)
    with pytest.raises(VebiError, match="has no certificate"):
        small_solution().certificate_at(2.0)


def test_choosing_breakpoints_keeps_their_weights() -> None:
    path = small_path(0)
    rows = np.array([0, 2, 3])
    np.testing.assert_array_equal(path.select(rows).weights(), path.weights()[rows])
