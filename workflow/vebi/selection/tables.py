"""selection.csv and selected_features.csv as rows; the caller knows the data set, model and seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vebi.selection.path_file import Solution

SELECTION = (
    "scope",
    "mu",
    "n_features",
    "n_features_total",
    "features_per_class",
    "objective",
    "relative_gap",
)
SELECTED_FEATURES = ("scope", "mu", "class", "layer", "channel", "layer_type", "weight")


def selection_table(solution: Solution, mus: Sequence[float] | None = None) -> pd.DataFrame:
    """One row per mu: size of the union of the selected features over the classes and its certificate.

    features_per_class is the mean over the classes, objective the sum of ||X w_j - l_j||^2 over them,
    relative_gap the largest of them.
    """
    rows = []
    for mu in sorted(solution.mus.tolist() if mus is None else mus):
        selected = solution.weights_at(mu) != 0
        objective, gap = solution.certificate_at(mu)
        rows.append(
            (
                solution.scope,
                float(mu),
                int(selected.any(axis=0).sum()),
                len(solution.columns),
                float(selected.sum(axis=1).mean()),
                float(objective.sum()),
                float(gap.max()),
            )
        )
    return pd.DataFrame(rows, columns=list(SELECTION))


def selected_features_table(solution: Solution, mus: Sequence[float] | None = None) -> pd.DataFrame:
    """One row per mu, class and feature with a weight, sorted by layer name and channel."""
    index = solution.index
    parts = []
    for mu in sorted(solution.mus.tolist() if mus is None else mus):
        weights = solution.weights_at(mu)
        classes, features = np.nonzero(weights)
        parts.append(
            pd.DataFrame(
                {
                    "scope": solution.scope,
                    "mu": float(mu),
                    "class": classes,
                    "layer": index.layer[features].astype(object),
                    "channel": index.channel[features],
                    "layer_type": index.layer_type[features].astype(object),
                    "weight": weights[classes, features],
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)[list(SELECTED_FEATURES)]
    return table.sort_values(["mu", "class", "layer", "channel"], ignore_index=True)
