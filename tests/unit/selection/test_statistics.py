"""Streamed sums of a descriptor file."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from vebi.io.errors import VebiError
from vebi.selection import statistics as module
from vebi.selection.statistics import Statistics, merge, read_statistics, statistics_of


def descriptor_file(path: Path, n: int = 500, m: int = 37) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X, labels = rng.random((n, m), dtype=np.float32), np.arange(n) % 4
    with h5py.File(path, "w") as file:
        file["X"], file["labels"] = X, labels
        file["split"] = (rng.random(n) < 0.2).astype(np.uint8)
    return X.astype(float), labels


def test_streamed_sums_are_those_of_the_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, labels = descriptor_file(tmp_path / "d.h5")
    monkeypatch.setattr(module, "BLOCK_BYTES", 8 * 37 * 13)
    monkeypatch.setattr(module, "FEWEST_ROWS", 1)
    monkeypatch.setattr(module, "TILE_COLUMNS", 10)
    with h5py.File(tmp_path / "d.h5") as file:
        train = file["split"][:] == 0
    for split, rows in ((0, train), (1, ~train), (None, np.ones(500, bool))):
        sums = read_statistics(tmp_path / "d.h5", split=split)
        one_hot = np.eye(4)[labels[rows]]
        np.testing.assert_allclose(sums.gram, X[rows].T @ X[rows], rtol=1e-13)
        np.testing.assert_allclose(sums.cross, X[rows].T @ one_hot, rtol=1e-13)
        np.testing.assert_array_equal(sums.counts, one_hot.sum(axis=0))
        np.testing.assert_array_equal(sums.gram, sums.gram.T)


def test_some_columns(tmp_path: Path) -> None:
    X, _ = descriptor_file(tmp_path / "d.h5")
    columns = np.array([1, 5, 30])
    sums = read_statistics(tmp_path / "d.h5", columns=columns, split=None)
    np.testing.assert_allclose(sums.gram, X[:, columns].T @ X[:, columns], rtol=1e-13)


def test_parts_add_up_and_survive_a_file(tmp_path: Path) -> None:
    descriptor_file(tmp_path / "d.h5")
    whole = read_statistics(tmp_path / "d.h5")
    parts = []
    for i in range(3):
        read_statistics(tmp_path / "d.h5", part=(i, 3)).save(tmp_path / f"{i}.h5")
        parts.append(Statistics.load(tmp_path / f"{i}.h5"))
    total = merge(parts)
    np.testing.assert_allclose(total.gram, whole.gram, rtol=1e-12)
    np.testing.assert_allclose(total.cross, whole.cross, rtol=1e-12)
    np.testing.assert_array_equal(total.counts, whole.counts)
    assert total.n_samples == whole.n_samples


def test_threads_do_not_change_a_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor_file(tmp_path / "d.h5")
    monkeypatch.setattr(module, "TILE_COLUMNS", 10)
    one, two = (read_statistics(tmp_path / "d.h5", threads=n) for n in (1, 2))
    assert one.gram.tobytes() == two.gram.tobytes()


def test_a_torch_device_gives_the_same_sums(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    descriptor_file(tmp_path / "d.h5")
    expected = read_statistics(tmp_path / "d.h5")
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        sums = read_statistics(tmp_path / "d.h5", device=device)
        np.testing.assert_allclose(sums.gram, expected.gram, rtol=1e-10)
        np.testing.assert_allclose(sums.cross, expected.cross, rtol=1e-10)
        np.testing.assert_array_equal(sums.counts, expected.counts)


def test_other_features_do_not_add_up() -> None:
    X, labels = np.ones((4, 3)), np.array([0, 1, 0, 1])
    with pytest.raises(VebiError, match="do not add up"):
        merge([statistics_of(X, labels, 2), statistics_of(X[:, :2], labels, 2)])


def test_a_value_that_is_not_finite_is_named(tmp_path: Path) -> None:
    descriptor_file(tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        row = int(np.flatnonzero(file["split"][:] == 0)[7])
        file["X"][row, 5] = np.inf
    with pytest.raises(VebiError, match=rf"column 5 .*row {row}"):
        read_statistics(tmp_path / "d.h5")
