"""The mu-Lasso as an estimator of scikit-learn, for any linear model with a bound on its weights."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from vebi.selection.certificate import Certificate, certify
from vebi.selection.path import ClassPath
from vebi.selection.select import solve
from vebi.selection.statistics import Statistics


class MuLasso(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Least squares with the weights' l1 norm bounded by mu, solved exactly (VEBI 3.1, Eq. 1).

    Minimises ||X w - y||^2 subject to ||w||_1 <= mu, for each column of y by itself, and follows the
    solution from mu = 0 to `mu`. With one-hot labels as y it is VEBI's selection of features.

    Args:
        mu: the bound, positive. Beyond the l1 norm of the least-squares solution it does not bind.
        nonnegative: only weights >= 0.
        fit_intercept: whether to centre X and y first. VEBI does not.

    Attributes:
        coef_: weights at mu, (m,) for y (N,) and (targets, m) for y (N, targets). What is not selected is
            exactly zero.
        intercept_: float, or (targets,); 0 without `fit_intercept`.
        path_: the whole path of each target, as a list of `ClassPath`; `path_[0].weights_at(mu)` gives
            the weights at any smaller mu without another fit.
        certificate_: the `Certificate` of coef_ with an entry per target; its `relative_gap` bounds how
            far the objective is from the optimum.
        n_features_in_: m.

    Raises:
        ValueError: X or y that scikit-learn does not take, in its words.
        VebiError: mu that is not a positive number.

    Examples:
        >>> import numpy as np, vebi
        >>> X = np.eye(4)
        >>> y = np.array([3.0, 2.0, 0.0, 0.0])
        >>> lasso = vebi.MuLasso(mu=3).fit(X, y)  # each weight is 1 below its response
        >>> [round(float(weight), 6) for weight in lasso.coef_]
        [2.0, 1.0, 0.0, 0.0]
        >>> bool(lasso.certificate_.relative_gap.max() < 1e-9)
        True
    """

    def __init__(
        self, mu: float = 10.0, *, nonnegative: bool = False, fit_intercept: bool = False
    ) -> None:
        self.mu = mu
        self.nonnegative = nonnegative
        self.fit_intercept = fit_intercept

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Solve for X (N, m) and y (N,) or (N, targets)."""
        rows, values = validate_data(
            self, X, y, dtype=np.float64, order="C", multi_output=True, y_numeric=True
        )
        is_flat = np.ndim(values) == 1
        targets = np.asarray(values, np.float64).reshape(len(rows), -1)
        origin, mean = np.zeros(rows.shape[1]), np.zeros(targets.shape[1])
        if self.fit_intercept:
            origin, mean = rows.mean(axis=0), targets.mean(axis=0)
        rows, targets = rows - origin, targets - mean
        sums = Statistics(rows.T @ rows, rows.T @ targets, np.einsum("nt,nt->t", targets, targets))
        self.path_: list[ClassPath]
        self.path_, _, _ = solve(sums, mus=[self.mu], nonnegative=self.nonnegative)
        weights = np.array([path.weights_at(float(self.mu)) for path in self.path_])
        self.certificate_ = self._certify(sums, weights)
        offset = mean - weights @ origin
        self.coef_: NDArray[np.float64] = weights[0] if is_flat else weights
        self.intercept_ = float(offset[0]) if is_flat else offset
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """X w of X (N, m), plus the intercept: (N,) or (N, targets), as y was."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(rows @ self.coef_.T + self.intercept_)

    def _certify(self, sums: Statistics, weights: NDArray[np.float64]) -> Certificate:
        """One certificate with an entry per target."""
        mu = np.array([float(self.mu)])
        found = [
            certify(
                sums.gram,
                sums.cross[:, t],
                float(sums.counts[t]),
                weights[t : t + 1],
                mu,
                nonnegative=self.nonnegative,
            )
            for t in range(len(weights))
        ]
        return Certificate(
            objective=np.concatenate([one.objective for one in found]),
            relative_gap=np.concatenate([one.relative_gap for one in found]),
            l1_norm=np.concatenate([one.l1_norm for one in found]),
            multiplier=np.concatenate([one.multiplier for one in found]),
            rounding=np.concatenate([one.rounding for one in found]),
        )
