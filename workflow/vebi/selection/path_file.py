"""path.h5: the mu-Lasso's solutions of every class of one descriptor file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.io.errors import VebiError
from vebi.io.hdf5 import BROKEN, create_hdf5, first_line, open_hdf5, read_array, read_texts
from vebi.selection.path import ClassPath
from vebi.selection.statistics import FeatureIndex, Labels, Scope

ATTRIBUTES = (
    *("m", "mu_max", "nonnegative", "scope", "labels", "solver", "n_classes", "n_samples"),
)
ARRAYS = ("l1_norm", "indptr", "indices", "data", "multiplier", "objective", "relative_gap")


@dataclass(frozen=True)
class Solution:
    """What path.h5 holds.

    classes: one path per class, with weights over all m columns of X, whatever the scope.
    columns: the columns of X that the scope allows. index: where the columns come from.
    mus (R,) with objective and relative_gap (R, C): the certificates of the mu that were asked for.
    """

    classes: list[ClassPath]
    columns: NDArray[np.int64]
    index: FeatureIndex
    mus: NDArray[np.float64]
    objective: NDArray[np.float64]
    relative_gap: NDArray[np.float64]
    scope: Scope
    labels: Labels
    nonnegative: bool
    solver: str
    n_samples: int

    @property
    def mu_max(self) -> float:
        return self.classes[0].mu_max

    def weights_at(self, mu: float) -> NDArray[np.float64]:
        """Solution at `mu` for every class: (C, m)."""
        return np.array([path.weights_at(mu) for path in self.classes])

    def certificate_at(self, mu: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Objective and relative gap at one of `mus`, each (C,).

        Raises:
            VebiError: another mu.
        """
        found = np.flatnonzero(self.mus == mu)
        if not len(found):
            raise VebiError(
                f"mu = {mu} has no certificate; path.h5 certifies {self.mus.tolist()}: "
                "add the value to the configured mu and solve again."
            )
        return self.objective[found[0]], self.relative_gap[found[0]]


def write_solution(path: str | Path, solution: Solution) -> None:
    """Write path.h5: a group per class with l1_norm and the CSR weights of its breakpoints."""
    with create_hdf5(path) as file:
        put_solution(file, solution)


def put_solution(file: h5py.File, solution: Solution) -> None:
    """Write the contents of path.h5 into a file that is open for writing."""
    file.attrs["m"] = len(solution.index)
    file.attrs["mu_max"] = solution.mu_max
    file.attrs["nonnegative"] = solution.nonnegative
    file.attrs["scope"] = solution.scope
    file.attrs["labels"] = solution.labels
    file.attrs["solver"] = solution.solver
    file.attrs["n_classes"] = len(solution.classes)
    file.attrs["n_samples"] = solution.n_samples
    file["columns"] = solution.columns
    file["feature_channel"] = solution.index.channel
    text = h5py.string_dtype()
    file.create_dataset("feature_layer", data=solution.index.layer.astype(object), dtype=text)
    file.create_dataset(
        "feature_layer_type", data=solution.index.layer_type.astype(object), dtype=text
    )
    certificates = file.create_group("certificates")
    for name in ("mus", "objective", "relative_gap"):
        certificates[name] = getattr(solution, name)
    for j, one in enumerate(solution.classes):
        group = file.create_group(f"class_{j}")
        for name in ARRAYS:
            group[name] = getattr(one, name)
        if one.points is not None:
            group["points"] = one.points


def read_solution(path: str | Path) -> Solution:
    """Read what `write_solution` wrote.

    Raises:
        VebiError: every other file. What does not fit together would be read from, or written to, memory
            that belongs to something else.
    """
    with open_hdf5(path, "a path.h5 of `vebi select`") as file:
        try:
            attributes = {name: file.attrs[name] for name in ATTRIBUTES}
            m, n_classes = int(attributes["m"]), int(attributes["n_classes"])
            mu_max, n_samples = float(attributes["mu_max"]), int(attributes["n_samples"])
        except (*BROKEN, OverflowError) as error:
            raise VebiError(
                f"{path} is not a path.h5 of `vebi select` ({first_line(error)}). Make it again."
            ) from error
        # Every class has a group of its own: a number that is too large ends here.
        classes = [_read_class(file, f"class_{j}", m, mu_max) for j in range(n_classes)]
        mus = read_array(file, "certificates/mus", ("R",), "f")
        columns = read_array(file, "columns", ("k",), "iu").astype(np.int64)
        _require(path, bool(classes), "it has no classes")
        _require(path, _is_within(columns, m), f"columns do not lie in 0 to {m - 1}")
        layers, types = (
            np.array(read_texts(file, name), dtype=np.str_)
            for name in ("feature_layer", "feature_layer_type")
        )
        _require(path, len(layers) == len(types) == m, f"it has not m = {m} features")
        shape = (len(mus), len(classes))
        return Solution(
            classes=classes,
            columns=columns,
            index=FeatureIndex(
                layer=layers,
                channel=read_array(file, "feature_channel", (m,), "iu").astype(np.int64),
                layer_type=types,
            ),
            mus=mus,
            objective=read_array(file, "certificates/objective", shape, "f"),
            relative_gap=read_array(file, "certificates/relative_gap", shape, "f"),
            scope=str(attributes["scope"]),  # type: ignore[arg-type]
            labels=str(attributes["labels"]),  # type: ignore[arg-type]
            nonnegative=bool(attributes["nonnegative"]),
            solver=str(attributes["solver"]),
            n_samples=n_samples,
        )


def _read_class(file: h5py.File, group: str, m: int, mu_max: float) -> ClassPath:
    """One class, whose sparse weights are what they say they are."""
    norms = read_array(file, f"{group}/l1_norm", ("K",), "f")
    k = len(norms)
    indptr = read_array(file, f"{group}/indptr", (k + 1,), "iu").astype(np.int64)
    data = read_array(file, f"{group}/data", ("n",), "f")
    indices = read_array(file, f"{group}/indices", (len(data),), "iu").astype(np.int64)
    steps = np.diff(indptr)
    for holds, what in (
        (k > 0, "has no breakpoint"),
        (indptr[0] == 0 and indptr[-1] == len(data) and (steps >= 0).all(), "indptr is wrong"),
        (_is_within(indices, m), f"indices do not lie in 0 to {m - 1}"),
        (np.isfinite(data).all() and np.isfinite(norms).all(), "weights are not finite"),
    ):
        _require(file.filename, bool(holds), f"{group}: {what}")
    numbers = {
        name: read_array(file, f"{group}/{name}", (k,), "f")
        for name in ("multiplier", "objective", "relative_gap")
    }
    has_points = f"{group}/points" in file
    points = read_array(file, f"{group}/points", (k,), "f") if has_points else None
    _require(
        file.filename,
        has_points or bool((np.diff(norms) >= 0).all()),
        f"{group}: l1_norm does not ascend",
    )
    return ClassPath(
        *(norms, indptr, indices, data),
        **numbers,
        n_features=m,
        mu_max=mu_max,
        points=points,
    )


def _is_within(values: NDArray[np.int64], end: int) -> bool:
    return not len(values) or 0 <= int(values.min()) <= int(values.max()) < end


def _require(path: str | Path, holds: bool, what: str) -> None:
    if not holds:
        raise VebiError(f"{path} is damaged: {what}. Delete it and run again, or select again.")


def over_all_columns(path: ClassPath, columns: NDArray[np.int64], n_features: int) -> ClassPath:
    """A path over some columns of X as one over all of them."""
    return replace(path, indices=columns[path.indices], n_features=n_features)
