"""The mu-Lasso with scikit-learn's interface: its own checks, and the same weights as the pipeline's."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso, LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from vebi.io.errors import VebiError
from vebi.selection import MuLasso, solve
from vebi.selection.statistics import Statistics


@parametrize_with_checks([MuLasso(), MuLasso(5, nonnegative=True), MuLasso(fit_intercept=True)])
def test_scikit_learn_accepts_it(estimator, check) -> None:
    check(estimator)


def problem(n: int = 60, m: int = 8, targets: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, m)) + 0.5
    return X, X @ rng.normal(size=(m, targets)) + 0.3 * rng.normal(size=(n, targets)) + 2.0


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_weights_are_the_lassos_whose_norm_is_mu(fit_intercept: bool) -> None:
    X, y = problem()
    for t in range(3):
        reference = Lasso(0.2, fit_intercept=fit_intercept, tol=1e-13, max_iter=100_000)
        reference.fit(X, y[:, t])
        mu = float(np.abs(reference.coef_).sum())
        found = MuLasso(mu, fit_intercept=fit_intercept).fit(X, y[:, t])
        np.testing.assert_allclose(found.coef_, reference.coef_, atol=1e-8)
        np.testing.assert_allclose(found.intercept_, reference.intercept_, atol=1e-8)
        np.testing.assert_allclose(found.predict(X), reference.predict(X), atol=1e-7)
        assert ((found.coef_ == 0) == (reference.coef_ == 0)).all()
        # The multiplier of the penalised form, whose loss scikit-learn divides by 2 N.
        np.testing.assert_allclose(found.certificate_.multiplier, [0.2 * len(X)], rtol=1e-8)


def test_a_bound_that_does_not_bind_gives_least_squares() -> None:
    X, y = problem()
    found = MuLasso(1e3, fit_intercept=True).fit(X, y)
    reference = LinearRegression().fit(X, y)
    np.testing.assert_allclose(found.coef_, reference.coef_, atol=1e-9)
    assert found.score(X, y) == pytest.approx(reference.score(X, y))
    assert found.certificate_.relative_gap.shape == (3,)
    assert found.certificate_.relative_gap.max() < 1e-9


def test_one_hot_labels_give_vebis_selection() -> None:
    X = np.abs(problem()[0])
    labels = np.arange(len(X)) % 4
    sums = Statistics(X.T @ X, X.T @ np.eye(4)[labels], np.bincount(labels))
    paths, objective, _ = solve(sums, mus=[0.05, 0.5], nonnegative=True)
    found = MuLasso(0.5, nonnegative=True).fit(X, np.eye(4)[labels])
    for j, path in enumerate(paths):
        assert (found.coef_[j] == path.weights_at(0.5)).all()
        assert (found.path_[j].weights_at(0.05) == path.weights_at(0.05)).all()
    residuals = ((X @ found.coef_.T - np.eye(4)[labels]) ** 2).sum(0)
    np.testing.assert_allclose(found.certificate_.objective, residuals, rtol=1e-9)
    np.testing.assert_allclose(objective[1], residuals, rtol=1e-9)


def test_it_works_in_scikit_learns_tools() -> None:
    X, y = problem(targets=1)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MuLasso(fit_intercept=True)),
        {"mulasso__mu": [0.01, 1, 100]},
    )
    assert search.fit(X, y[:, 0]).best_params_["mulasso__mu"] > 0.01


@pytest.mark.parametrize("mu", [0, -1.0, float("nan"), float("inf")])
def test_a_bound_that_is_none_is_refused(mu: float) -> None:
    with pytest.raises(VebiError, match="expected a positive number"):
        MuLasso(mu).fit(*problem())
