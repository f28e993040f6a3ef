"""Rankings by what predicts a class from the descriptors, one class against the rest."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vebi.catalogue.record import resolve
from vebi.studies.identifiability.rankings import of_kind

# Of the penalty that leaves no feature: most features get a weight, so that each layer has an order.
ELASTIC_NET_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class OneAgainstRest:
    """A class to tell from all others.

    Attributes:
        standard: descriptors as (N, m) with mean 0 and standard deviation 1 in each column, 0 in one that
            is constant. A ranking's weights are those of these.
        gram: standard' standard, (m, m).
        belongs: bool (N), which images show the class: some, not all.
        n_features: how many a ranking that counts features takes.
    """

    standard: NDArray[np.float64]
    gram: NDArray[np.float64]
    belongs: NDArray[np.bool_]
    n_features: int

    @cached_property
    def target(self) -> NDArray[np.float64]:
        """1 for the class, 0 for the rest, minus the mean: (N)."""
        return self.belongs - self.belongs.mean()

    @cached_property
    def cross(self) -> NDArray[np.float64]:
        """standard' target, (m)."""
        return self.standard.T @ self.target


def response(one: OneAgainstRest) -> NDArray[np.float64]:
    """The class's mean above that of all images, in standard deviations: (m)."""
    return one.standard[one.belongs].mean(0)


def matching_pursuit(one: OneAgainstRest) -> NDArray[np.float64]:
    """Weights (m) of orthogonal matching pursuit with up to `n_features` features."""
    from sklearn.linear_model import orthogonal_mp_gram

    most = min(one.n_features, *one.standard.shape)
    return np.asarray(orthogonal_mp_gram(one.gram, one.cross, n_nonzero_coefs=most))


def elastic_net(one: OneAgainstRest) -> NDArray[np.float64]:
    """Weights (m) of the elastic net, whose penalty is l1 by half."""
    from sklearn.linear_model import ElasticNet

    most = float(np.abs(one.cross).max()) / len(one.standard)
    net = ElasticNet(alpha=2 * ELASTIC_NET_SHARE * most, l1_ratio=0.5, fit_intercept=False)
    return np.asarray(net.fit(one.standard, one.target).coef_)


def logistic(one: OneAgainstRest) -> NDArray[np.float64]:
    """Weights (m) of l1-penalised logistic regression."""
    from sklearn.linear_model import LogisticRegression

    probe = LogisticRegression(l1_ratio=1.0, solver="liblinear", random_state=0)
    return np.asarray(probe.fit(one.standard, one.belongs).coef_[0])


def rank_by_prediction(
    X: NDArray[np.float64], labels: NDArray[np.int64], n_classes: int, n_features: int
) -> dict[str, NDArray[np.float64]]:
    """Values (classes, m) of every predictive ranking by name.

    Args:
        X: descriptors (N, m).
        labels: classes (N).
        n_classes: how many there are; a class of no image, or of all, gets NaN.
        n_features: how many features a ranking that counts them takes for a class.
    """
    spread = X.std(0)
    standard = (X - X.mean(0)) / np.where(spread > 0, spread, 1.0)
    gram = standard.T @ standard
    rankings = of_kind("predictive")
    found = {ranking.name: np.full((n_classes, X.shape[1]), np.nan) for ranking in rankings}
    for label in range(n_classes):
        belongs = labels == label
        if belongs.all() or not belongs.any():
            continue
        one = OneAgainstRest(standard, gram, belongs, n_features)
        for ranking in rankings:
            found[ranking.name][label] = resolve(ranking.function)(one)
    return found
