"""The solutions of Eq. 1 for every mu, as the breakpoints of a piecewise linear function."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vebi.io.errors import VebiError


@dataclass(frozen=True)
class ClassPath:
    """The path of one class: K breakpoints in ascending order of their l1 norm, the first at 0.

    l1_norm, multiplier (lambda of the penalised form ||X w - l||^2 / 2 + lambda ||w||_1), objective
    (||X w - l||^2) and relative_gap: (K,). The weights are a CSR matrix K x m in indptr, indices, data.
    points: the mu of each row when the rows are single solutions and nothing lies between them.
    """

    l1_norm: NDArray[np.float64]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    data: NDArray[np.float64]
    multiplier: NDArray[np.float64]
    objective: NDArray[np.float64]
    relative_gap: NDArray[np.float64]
    n_features: int
    mu_max: float
    points: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.l1_norm)

    def weights(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Dense weights of the breakpoints start..stop: (stop - start, m)."""
        stop = len(self) if stop is None else stop
        span = slice(self.indptr[start], self.indptr[stop])
        indptr = self.indptr[start : stop + 1] - self.indptr[start]
        rows = csr_array(
            (self.data[span], self.indices[span], indptr), shape=(stop - start, self.n_features)
        )
        return rows.toarray()

    def select(self, rows: NDArray[np.int64]) -> ClassPath:
        """The path of some of the breakpoints, ascending."""
        length = np.diff(self.indptr)[rows]
        kept = np.concatenate(
            [np.zeros(0, np.int64)]
            + [np.arange(self.indptr[row], self.indptr[row + 1]) for row in rows]
        )
        return replace(
            self,
            l1_norm=self.l1_norm[rows],
            indptr=np.concatenate([[0], np.cumsum(length)]).astype(np.int64),
            indices=self.indices[kept],
            data=self.data[kept],
            multiplier=self.multiplier[rows],
            objective=self.objective[rows],
            relative_gap=self.relative_gap[rows],
            points=None if self.points is None else self.points[rows],
        )

    def weights_at(self, mu: float) -> NDArray[np.float64]:
        """Solution of Eq. 1 at `mu`: (m,). Zero entries are exactly zero.

        Beyond the last breakpoint the constraint no longer binds and the solution stays.
        """
        left, right, t = self._locate(mu)
        ends = self.weights(left, right + 1)
        return ends[0] if left == right else (1 - t) * ends[0] + t * ends[1]

    def objective_at(self, mu: float) -> float:
        """||X w - l||^2 at `mu`, exact between breakpoints because its slope is -2 multiplier(mu)."""
        left, right, t = self._locate(mu)
        if left == right:
            return float(self.objective[left])
        first, last = self.multiplier[left], self.multiplier[right]
        drop = (mu - self.l1_norm[left]) * ((2 - t) * first + t * last)
        return float(self.objective[left] - drop)

    def _locate(self, mu: float) -> tuple[int, int, float]:
        """The breakpoints around `mu` and the fraction of the way from the left to the right one."""
        if self.points is not None:
            found = np.flatnonzero(self.points == mu)
            if not len(found):
                raise VebiError(
                    f"mu = {mu} was not solved for; single solutions exist at {self.points.tolist()}."
                )
            return int(found[0]), int(found[0]), 0.0
        if not 0 <= mu <= self.mu_max:
            raise VebiError(f"mu = {mu} is outside this path, which goes from 0 to {self.mu_max}.")
        right = int(np.searchsorted(self.l1_norm, mu))
        if right == len(self):
            return right - 1, right - 1, 0.0
        if self.l1_norm[right] == mu:
            return right, right, 0.0
        step = self.l1_norm[right] - self.l1_norm[right - 1]
        return right - 1, right, float((mu - self.l1_norm[right - 1]) / step)
