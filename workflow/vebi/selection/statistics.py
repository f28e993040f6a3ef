"""What the mu-Lasso needs to know of a descriptor matrix: X'X, X'L and the number of samples per class.

They are summed over blocks of rows, so memory does not grow with the number of samples, and the sums of
several parts of the data can be made by several jobs and added.

No QR factor is kept instead, although X'X squares the condition: on MNIST (60,000 x 1,140, condition of
X'X 3e16) the relative duality gaps at mu = 10, 100, 500, evaluated with X itself and no X'X, are 8e-15,
2e-13 and 6e-12.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Literal, NoReturn, get_args

import h5py
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vebi.io.errors import VebiError
from vebi.io.hdf5 import (
    BROKEN,
    create_hdf5,
    first_line,
    get_array,
    open_hdf5,
    read_array,
    read_text_attribute,
    read_texts,
)

Labels = Literal["annotations", "predictions"]
EXPECTED = "a descriptor file with X (N, m) and labels (N)"
Scope = Literal["all", "conv"]

# Columns of one tile of the Gram matrix: large enough for full BLAS speed, small enough to share the
# work of a thousand columns between threads.
TILE_COLUMNS = 512
# A block of rows in float64 stays near this size, but for very wide matrices, where blocks of few rows
# would leave BLAS waiting for memory.
BLOCK_BYTES = 32 * 2**20
FEWEST_ROWS = 1024
# Squares of descriptors beyond these would overflow or vanish in float64.
LARGEST, SMALLEST = 1e150, 1e-100
# More outputs than any classifier has: a label like that is damage, and must not be counted up to.
MOST_CLASSES = 10_000


@dataclass(frozen=True)
class Statistics:
    """Sufficient statistics of min_w ||X w - l_j||^2 for every class j, in float64.

    gram: (m, m), X'X. cross: (m, C), X'L with L the one-hot labels. counts: (C,), samples per class,
    which is ||l_j||^2. Two objects add up to the statistics of both data sets together.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def n_samples(self) -> int:
        return int(self.counts.sum())

    @property
    def n_features(self) -> int:
        return self.gram.shape[0]

    @property
    def n_classes(self) -> int:
        return self.cross.shape[1]

    def __add__(self, other: Statistics) -> Statistics:
        if self.cross.shape != other.cross.shape:
            raise VebiError(
                f"statistics of shapes {self.cross.shape} and {other.cross.shape} "
                "(features, classes) do not add up: make them from the same features and classes."
            )
        return Statistics(
            self.gram + other.gram, self.cross + other.cross, self.counts + other.counts
        )

    def restricted(self, columns: NDArray[np.int64]) -> Statistics:
        """The statistics of some of the features, in the order given."""
        return Statistics(self.gram[np.ix_(columns, columns)], self.cross[columns], self.counts)

    def save(self, path: str | Path) -> None:
        """Write to an HDF5 file with the datasets gram, cross and counts."""
        with create_hdf5(path) as file:
            file["gram"], file["cross"], file["counts"] = self.gram, self.cross, self.counts

    @classmethod
    def load(cls, path: str | Path) -> Statistics:
        """Read what `save` wrote.

        Raises:
            VebiError: another file.
        """
        try:
            with open_hdf5(path) as file:
                result = cls(file["gram"][:], file["cross"][:], file["counts"][:])
        except (OSError, KeyError) as error:
            raise VebiError(
                f"{path} can't be read as sums of descriptors ({error}). "
                "Delete it and run again to make a new one."
            ) from error
        m, n_classes = result.cross.shape if result.cross.ndim == 2 else (-1, -1)
        if result.gram.shape != (m, m) or result.counts.shape != (n_classes,):
            raise VebiError(
                f"{path}: gram {result.gram.shape}, cross {result.cross.shape} and counts "
                f"{result.counts.shape} do not belong together (expected (m, m), (m, C), (C))."
            )
        return result


def merge(parts: Iterable[Statistics]) -> Statistics:
    """Add the statistics of several parts of one data set, in the order given.

    The sums differ from those of the undivided data by rounding errors (1e-15 of their size).
    """
    return reduce(lambda total, part: total + part, parts)


class TorchAccumulator:
    """Adds blocks of rows to the statistics on a torch device, in float64.

    The sums differ from Accumulator's by rounding errors (1e-15 of their size).
    """

    def __init__(self, n_features: int, n_classes: int, device: str) -> None:
        # Only this class needs torch, and importing it takes longer than most selections.
        import torch

        self.torch = torch
        self.device = torch.device(device)
        self.gram = torch.zeros(n_features, n_features, dtype=torch.float64, device=device)
        self.cross = torch.zeros(n_features, n_classes, dtype=torch.float64, device=device)
        self.counts = np.zeros(n_classes, dtype=np.int64)

    def add(self, X: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        """Add a block: X (n, m), labels (n,) in [0, C)."""
        torch = self.torch
        block = torch.from_numpy(np.ascontiguousarray(X)).to(self.device).double()
        one_hot = torch.zeros((len(X), len(self.counts)), dtype=torch.float64, device=self.device)
        rows = torch.arange(len(X), device=self.device)
        one_hot[rows, torch.from_numpy(np.asarray(labels, np.int64)).to(self.device)] = 1.0
        self.gram.addmm_(block.T, block)
        self.cross.addmm_(block.T, one_hot)
        self.counts += np.bincount(labels, minlength=len(self.counts))

    def result(self) -> Statistics:
        """The statistics of all blocks so far."""
        return Statistics(self.gram.cpu().numpy(), self.cross.cpu().numpy(), self.counts.copy())


class Accumulator:
    """Adds blocks of rows to the statistics, one tile of the Gram matrix per task.

    A tile sees the blocks in order and with one BLAS thread, so the sums do not depend on `threads`.
    """

    def __init__(self, n_features: int, n_classes: int, threads: int = 1) -> None:
        self.gram = np.zeros((n_features, n_features))
        self.cross = np.zeros((n_features, n_classes))
        self.counts = np.zeros(n_classes, dtype=np.int64)
        self.threads = threads
        n_tiles = max(1, -(-n_features // TILE_COLUMNS))
        edges = np.linspace(0, n_features, n_tiles + 1).astype(int)
        spans = [slice(a, b) for a, b in pairwise(edges)]
        self.tiles = [(rows, cols) for i, rows in enumerate(spans) for cols in spans[i:]]

    def add(self, X: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        """Add a block: X (n, m), labels (n,) in [0, C)."""
        block = X.astype(np.float64, order="C")
        one_hot = np.zeros((len(block), len(self.counts)))
        one_hot[np.arange(len(block)), labels] = 1.0

        def add_tile(tile: tuple[slice, slice]) -> None:
            rows, cols = tile
            # Infinities are reported once, at the end, with their place.
            with np.errstate(invalid="ignore", over="ignore"):
                self.gram[rows, cols] += block[:, rows].T @ block[:, cols]

        with threadpool_limits(limits=1, user_api="blas"):
            if self.threads > 1:
                with ThreadPoolExecutor(self.threads) as pool:
                    list(pool.map(add_tile, self.tiles))
            else:
                for tile in self.tiles:
                    add_tile(tile)
            with np.errstate(invalid="ignore", over="ignore"):
                self.cross += block.T @ one_hot
        self.counts += np.bincount(labels, minlength=len(self.counts))

    def result(self) -> Statistics:
        """The statistics of all blocks; to be called once, at the end."""
        # In place: for the widest networks the Gram matrix is what fills the memory.
        for rows, cols in self.tiles:
            if rows == cols:
                tile = np.triu(self.gram[rows, cols])
                self.gram[rows, cols] = tile + np.triu(tile, 1).T
            else:
                self.gram[cols, rows] = self.gram[rows, cols].T
        return Statistics(self.gram, self.cross, self.counts)


def rows_per_block(n_features: int) -> int:
    """Rows that make a block of BLOCK_BYTES in float64, at least FEWEST_ROWS."""
    return max(FEWEST_ROWS, BLOCK_BYTES // (8 * max(1, n_features)))


@dataclass(frozen=True)
class FeatureIndex:
    """Where each column of X comes from: name and type of its layer and its channel there, all (m,)."""

    layer: NDArray[np.str_]
    channel: NDArray[np.int64]
    layer_type: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.channel)


def read_feature_index(descriptors: str | Path) -> FeatureIndex:
    """Read the feature index of a descriptor file.

    A file that has only X and labels gets layer '', type '' and the column's number as channel.
    """
    with open_hdf5(descriptors, EXPECTED) as file:
        m = _matrix(file).shape[1]
        if "feature_layer" not in file:
            return FeatureIndex(np.full(m, ""), np.arange(m), np.full(m, ""))
        layer, channel = (
            read_array(file, name, (m,), "iu").astype(np.int64)
            for name in ("feature_layer", "feature_channel")
        )
        names = np.array(read_texts(file, "layer_names"), dtype=np.str_)
        types = (
            np.array(read_texts(file, "layer_types"), dtype=np.str_)
            if "layer_types" in file
            else np.full(len(names), "")
        )
    if len(layer) and not 0 <= layer.min() <= layer.max() < len(names) == len(types):
        raise VebiError(
            f"{descriptors}: feature_layer must index layer_names and layer_types "
            f"({len(names)} and {len(types)} entries), but goes from {layer.min()} to {layer.max()}."
        )
    return FeatureIndex(names[layer], channel, types[layer])


def check_scope(scope: str) -> None:
    """Raise VebiError for what is not a scope."""
    if scope not in get_args(Scope):
        raise VebiError(f"Unknown scope '{scope}'; known: {', '.join(get_args(Scope))}.")


def scope_columns(index: FeatureIndex, scope: Scope) -> NDArray[np.int64]:
    """Columns of X in a scope: `all`, or `conv`, the features of convolution layers only.

    Raises VebiError for another scope, and where `conv` has no features.
    """
    check_scope(scope)
    if scope == "all":
        return np.arange(len(index))
    columns = np.flatnonzero(index.layer_type == "conv")
    if not len(columns):
        raise VebiError(
            "scope 'conv' needs features of convolution layers, but the descriptor file has none "
            f"(layer types: {sorted(set(index.layer_type.tolist()))}); use scope 'all', or store "
            "feature_layer and layer_types."
        )
    return columns


def read_targets(
    descriptors: str | Path, labels: Labels = "annotations", split: int | None = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Rows to use, their class, and the number of classes.

    `split`: 0 train, 1 test, None for every row; a file without `split` gives every row. The number of
    classes counts every label of the file, so that it is the same for annotations and predictions.
    """
    name = {"annotations": "labels", "predictions": "predictions"}[labels]
    with open_hdf5(descriptors, EXPECTED) as file:
        n = _matrix(file).shape[0]
        targets = _labels(file, name, n)
        n_classes = 1 + max(
            int(_labels(file, key, n).max(initial=-1))
            for key in ("labels", "predictions")
            if key in file
        )
        if labels == "predictions":
            # Any image to be explained may be taken for any of them.
            n_classes = max(n_classes, len(read_text_attribute(file, "classes")))
        rows = np.arange(n)
        if split is not None and "split" in file:
            rows = np.flatnonzero(read_array(file, "split", (n,), "iuf") == split)
    if not len(rows):
        raise VebiError(
            f"{descriptors}: no sample to learn from (split {split}, {n} samples in all)."
        )
    chosen = targets[rows]
    counts = np.bincount(chosen, minlength=n_classes)
    # A class that a weak network never predicts is a fact about it, its weights are zero;
    # a class without annotated samples is a mistake in the file.
    if labels == "annotations" and (counts == 0).any():
        raise VebiError(
            f"{descriptors}: class {int(np.argmin(counts))} of {n_classes} has no sample among the "
            f"{len(rows)} used; labels must count from 0 without gaps."
        )
    return rows, chosen, n_classes


def read_statistics(
    descriptors: str | Path,
    *,
    columns: NDArray[np.int64] | None = None,
    labels: Labels = "annotations",
    split: int | None = 0,
    part: tuple[int, int] = (0, 1),
    threads: int = 1,
    device: str | None = None,
) -> Statistics:
    """Read a descriptor file once, block by block, and sum it up.

    Args:
        descriptors: the file.
        columns: the features to use, in ascending order; None: all.
        labels: what is regressed on, `annotations` or `predictions`.
        split: 0 train, 1 test, None all.
        part: (i, n) reads the i-th of n equal parts of the rows; the parts' statistics add up to those
            of the file.
        threads: cores that multiply, where no device is given.
        device: a torch device to multiply on (`cuda`); None: numpy.

    Returns:
        X'X, X'l and the samples of each class.
    """
    rows, targets, n_classes = read_targets(descriptors, labels, split)
    edges = np.linspace(0, len(rows), part[1] + 1).astype(int)
    mine = slice(edges[part[0]], edges[part[0] + 1])
    rows, targets = rows[mine], targets[mine]
    with open_hdf5(descriptors, EXPECTED) as file:
        X = _matrix(file)
        m = X.shape[1]
        n_columns = m if columns is None else len(columns)
        _require_memory(descriptors, n_columns, n_classes)
        total: Accumulator | TorchAccumulator = (
            Accumulator(n_columns, n_classes, threads)
            if device is None
            else TorchAccumulator(n_columns, n_classes, device)
        )
        largest = 0.0
        for place, block in _blocks(X, rows, columns):
            largest = max(largest, float(np.fmax(block.max(), -block.min())))
            total.add(block, targets[place])
    _check_range(descriptors, largest)
    result = total.result()
    # One NaN or infinity anywhere in a column reaches the diagonal: no need to look at every value.
    infinite = np.flatnonzero(~np.isfinite(np.diagonal(result.gram)))
    if len(infinite):
        first = infinite[0] if columns is None else columns[infinite[0]]
        _refuse_column(descriptors, int(first), rows)
    return result


def read_shape(descriptors: str | Path) -> tuple[int, int]:
    """How many samples and features a descriptor file has."""
    with open_hdf5(descriptors, EXPECTED) as file:
        n, m = _matrix(file).shape
    return int(n), int(m)


def read_matrix(
    descriptors: str | Path,
    *,
    columns: NDArray[np.int64] | None = None,
    labels: Labels = "annotations",
    split: int | None = 0,
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """The rows of a descriptor file themselves: X (n, k), their classes (n,), the number of classes.

    For files with fewer samples than features, where X is smaller than X'X. Arguments and errors as
    `read_statistics`.
    """
    rows, targets, n_classes = read_targets(descriptors, labels, split)
    with open_hdf5(descriptors, EXPECTED) as file:
        X = _matrix(file)
        matrix = np.empty((len(rows), X.shape[1] if columns is None else len(columns)))
        for place, block in _blocks(X, rows, columns):
            matrix[place] = block
    infinite = np.flatnonzero(~np.isfinite(matrix).all(axis=0))
    if len(infinite):
        first = infinite[0] if columns is None else columns[infinite[0]]
        _refuse_column(descriptors, int(first), rows)
    _check_range(descriptors, float(np.abs(matrix).max(initial=0.0)))
    return matrix, targets, n_classes


def _blocks(
    X: h5py.Dataset, rows: NDArray[np.int64], columns: NDArray[np.int64] | None
) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    """The rows (ascending) of a matrix in a file, a block at a time, each with its place among them."""
    # Whole blocks are read and then thinned: HDF5 is slow at picking single rows.
    step = rows_per_block(X.shape[1])
    for start in range(0, X.shape[0], step):
        first, last = np.searchsorted(rows, (start, start + step))
        if first == last:
            continue
        try:
            block = X[start : start + step]
        except (*BROKEN, MemoryError) as error:
            raise VebiError(
                f"{X.file.filename}: rows {start} to {start + step} of X can't be read "
                f"({first_line(error)}). The file is damaged: make it again."
            ) from error
        if last - first < len(block):
            block = block[rows[first:last] - start]
        yield slice(first, last), block if columns is None else block[:, columns]


def _check_range(descriptors: str | Path, largest: float) -> None:
    """Raise VebiError for values whose squares a computer does not have; NaN is reported elsewhere."""
    if not (largest == 0 or SMALLEST <= largest <= LARGEST) and np.isfinite(largest):
        raise VebiError(
            f"{descriptors}: the largest value of X is {largest:.3g}, whose square is beyond the numbers "
            f"that a computer has; divide X by {largest:.0e}."
        )


def _refuse_column(descriptors: str | Path, column: int, rows: NDArray[np.int64]) -> NoReturn:
    with open_hdf5(descriptors, EXPECTED) as file:
        values = file["X"][:, column][rows]
    raise VebiError(
        f"{descriptors}: X has {int((~np.isfinite(values)).sum())} values in column {column} that "
        f"are not finite, the first in row {int(rows[np.argmin(np.isfinite(values))])}; "
        "the mu-Lasso needs finite descriptors."
    )


def statistics_of(
    X: NDArray[np.floating], labels: Sequence[int] | NDArray[np.integer], n_classes: int
) -> Statistics:
    """Statistics of a matrix in memory: X (N, m), labels (N,) in [0, n_classes)."""
    total = Accumulator(X.shape[1], n_classes)
    total.add(np.asarray(X), np.asarray(labels))
    return total.result()


def _matrix(file: h5py.File) -> h5py.Dataset:
    for name in ("X", "labels"):
        if name not in file:
            raise VebiError(
                f"{file.filename}: no array '{name}'; a descriptor file needs X (N, m) and labels (N), "
                f"this one has {sorted(file)}."
            )
    data = get_array(file, "X")
    if data.ndim != 2 or data.dtype.kind != "f" or not all(data.shape):
        raise VebiError(
            f"{file.filename}: X must be a matrix of floats (samples, features), not {data.dtype} of "
            f"shape {data.shape}."
        )
    return data


def _labels(file: h5py.File, name: str, n: int) -> NDArray[np.int64]:
    shape = get_array(file, name).shape
    if shape != (n,):
        raise VebiError(
            f"{file.filename}: {name} has shape {shape}, X has {n} rows: one label per row is expected."
        )
    values = read_array(file, name, (n,), "iu")
    if n and values.min() < 0:
        raise VebiError(f"{file.filename}: {name} has {values.min()}; classes count from 0.")
    if n and values.max() >= MOST_CLASSES:
        raise VebiError(
            f"{file.filename}: {name} reaches {values.max()}; classes count from 0 without gaps, and "
            f"there are fewer than {MOST_CLASSES:,}."
        )
    return values.astype(np.int64)


def _require_memory(descriptors: str | Path, n_features: int, n_classes: int) -> None:
    """Raise VebiError if X'X and X'L can't fit into this machine, before they are allocated."""
    needed = 8 * n_features * (n_features + n_classes)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise VebiError(
            f"{descriptors}: X has {n_features:,} features, and X'X takes {needed / 2**30:,.0f} GiB; "
            f"this machine has {there / 2**30:.0f}. Leave features out, or use scope 'conv'."
        )
