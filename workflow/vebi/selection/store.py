"""path.h5: the mu-Lasso's solutions of every class of one descriptor file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.errors import VebiError
from vebi.files import atomic_path
from vebi.selection.path import ClassPath
from vebi.selection.statistics import FeatureIndex, Labels, Scope

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
        """Objective and relative gap at one of `mus`, each (C,)."""
        found = np.flatnonzero(self.mus == mu)
        if not len(found):
            raise VebiError(
                f"mu = {mu} has no certificate; path.h5 certifies {self.mus.tolist()}: "
                "add the value to the configured mu and solve again"
            )
        return self.objective[found[0]], self.relative_gap[found[0]]


def write_solution(path: str | Path, solution: Solution) -> None:
    """Write path.h5 (contract): a group per class with l1_norm and the CSR weights of its breakpoints."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
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
        for name in ("mus", "objective", "relative_gap"):
            file[f"certificates/{name}"] = getattr(solution, name)
        for j, one in enumerate(solution.classes):
            group = file.create_group(f"class_{j}")
            for name in ARRAYS:
                group[name] = getattr(one, name)
            if one.points is not None:
                group["points"] = one.points


def read_solution(path: str | Path) -> Solution:
    """Read what `write_solution` wrote."""
    with h5py.File(path, "r") as file:
        m, mu_max = int(file.attrs["m"]), float(file.attrs["mu_max"])
        classes = [
            ClassPath(
                **{name: file[f"class_{j}/{name}"][:] for name in ARRAYS},
                n_features=m,
                mu_max=mu_max,
                points=file[f"class_{j}/points"][:] if f"class_{j}/points" in file else None,
            )
            for j in range(int(file.attrs["n_classes"]))
        ]
        return Solution(
            classes=classes,
            columns=file["columns"][:],
            index=FeatureIndex(
                layer=np.array(file["feature_layer"].asstr()[:], dtype=np.str_),
                channel=file["feature_channel"][:],
                layer_type=np.array(file["feature_layer_type"].asstr()[:], dtype=np.str_),
            ),
            mus=file["certificates/mus"][:],
            objective=file["certificates/objective"][:],
            relative_gap=file["certificates/relative_gap"][:],
            scope=str(file.attrs["scope"]),  # type: ignore[arg-type]
            labels=str(file.attrs["labels"]),  # type: ignore[arg-type]
            nonnegative=bool(file.attrs["nonnegative"]),
            solver=str(file.attrs["solver"]),
            n_samples=int(file.attrs["n_samples"]),
        )


def over_all_columns(path: ClassPath, columns: NDArray[np.int64], n_features: int) -> ClassPath:
    """A path over some columns of X as one over all of them."""
    return replace(path, indices=columns[path.indices], n_features=n_features)
