"""The mu-Lasso again and again, on resampled images: which features keep being selected."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vebi.selection.select import solve
from vebi.selection.statistics import Statistics, statistics_of
from vebi.selection.wide import is_wide, solve_wide

# A feature that is selected in this share of the resamples counts as one that always is.
ALWAYS = 0.9


@dataclass(frozen=True, eq=False)
class Regression:
    """Eq. 1 at one mu on a matrix in memory.

    Attributes:
        X: descriptors, float64 (N, m).
        labels: classes, int64 (N).
        n_classes: how many there are.
        mu: bound of a class's weights.
        nonnegative: only weights >= 0.
    """

    X: NDArray[np.float64]
    labels: NDArray[np.int64]
    n_classes: int
    mu: float
    nonnegative: bool = False

    def solve(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Weights (classes, m) on some rows, which may repeat; None: on all."""
        X = self.X if rows is None else self.X[rows]
        labels = self.labels if rows is None else self.labels[rows]
        if is_wide(*X.shape):
            paths, _, _ = solve_wide(
                *(X, labels, self.n_classes),
                mus=np.array([self.mu]),
                mu_max=self.mu,
                nonnegative=self.nonnegative,
            )
        else:
            statistics = statistics_of(X, labels, self.n_classes)
            paths, _, _ = solve(statistics, mus=[self.mu], nonnegative=self.nonnegative)
        return np.array([path.weights_at(self.mu) for path in paths])

    def losses(self, label: int, supports: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """The least loss ||l - Xw||^2 of a class (S) with features of each support alone."""
        target = (self.labels == label).astype(np.float64)
        found = np.empty(len(supports))
        for place, support in enumerate(supports):
            part = self.X[:, support]
            statistics = statistics_of(part, target.astype(np.int64), 2)
            weights = self._one_class(statistics) if len(support) else np.zeros(0)
            found[place] = float(((target - part @ weights) ** 2).sum())
        return found

    def _one_class(self, statistics: Statistics) -> NDArray[np.float64]:
        paths, _, _ = solve(statistics, mus=[self.mu], nonnegative=self.nonnegative)
        return paths[1].weights_at(self.mu)


def draw_scenes(scenes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows (n) of as many scenes as there are, drawn with replacement, each with all its images."""
    _, position = np.unique(scenes, return_inverse=True)
    order = np.argsort(position, kind="stable")
    first = np.searchsorted(position[order], np.arange(position.max() + 2))
    drawn = rng.integers(0, position.max() + 1, position.max() + 1)
    return np.concatenate([order[first[one] : first[one + 1]] for one in drawn])


def resample(
    regression: Regression, scenes: NDArray[np.int64], keys: Sequence[Sequence[int]]
) -> NDArray[np.bool_]:
    """Which features resamples select: bool (R, classes, m), one per key of random numbers."""
    found = [
        regression.solve(draw_scenes(scenes, np.random.default_rng(key))) != 0
        for key in tqdm(keys, "identifiability", unit="resample", disable=None)
    ]
    return np.stack(found)


def stability_index(selected: NDArray[np.bool_]) -> float:
    """Nogueira, Sechidis & Brown (2018, JMLR 18, Eq. 4) of selections (R, m); NaN of none and of all.

    1 minus the mean variance of a feature's being selected, relative to what it is where as many
    features are selected by chance: 1 where all selections are equal, 0 on average by chance.
    """
    resamples, m = selected.shape
    share = selected.mean(0)
    chance = selected.sum(1).mean() / m
    expected = chance * (1 - chance)
    if expected == 0:
        return float("nan")
    variance = resamples / (resamples - 1) * share * (1 - share)
    return float(1 - variance.mean() / expected)


def mean_jaccard(reference: NDArray[np.bool_], selected: NDArray[np.bool_]) -> float:
    """Mean Jaccard index of one set (m) with others (R, m); two empty sets are alike."""
    common = (selected & reference).sum(1)
    either = (selected | reference).sum(1)
    return float(np.where(either == 0, 1.0, common / np.maximum(either, 1)).mean())


def support_row(
    regression: Regression,
    label: int,
    reference: NDArray[np.bool_],
    selected: NDArray[np.bool_],
    tolerance: float,
) -> dict[str, float]:
    """A row of selection_supports: of class `label`, whose features (m) resamples (R, m) vary."""
    share = selected.mean(0)
    supports = [np.flatnonzero(one) for one in np.unique(selected, axis=0)]
    least, *losses = regression.losses(label, [np.flatnonzero(reference), *supports])
    excess = np.array(losses) / least - 1 if least > 0 else np.zeros(len(losses))
    return {
        "n_selected": int(reference.sum()),
        "n_always": int((share >= ALWAYS).sum()),
        "n_ever": int((share > 0).sum()),
        "mean_size": float(selected.sum(1).mean()),
        "jaccard": mean_jaccard(reference, selected),
        "stability": stability_index(selected),
        "n_supports": len(supports),
        "equally_good": float((excess <= tolerance).mean()),
        "median_excess": float(np.median(excess)),
        "n_resamples": len(selected),
    }
