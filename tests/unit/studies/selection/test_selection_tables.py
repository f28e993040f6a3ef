"""Sizes of a selection over several networks."""

import pandas as pd

from vebi.studies.selection.tables import selection_over_seeds


def test_sizes_over_seeds():
    rows = [("d", "m", seed, "all", mu, n) for seed, mu, n in ((0, 1, 3), (1, 1, 8), (0, 5, 7))]
    columns = ["dataset", "model", "seed", "scope", "mu", "n_features"]
    table = selection_over_seeds(pd.DataFrame(rows, columns=columns))
    assert table.to_dict("list") == {
        "dataset": ["d", "d"],
        "model": ["m", "m"],
        "scope": ["all", "all"],
        "mu": [1, 5],
        "n_features_mean": [5.5, 7.0],
        "n_features_min": [3, 7],
        "n_features_max": [8, 7],
        "n_seeds": [2, 1],
    }
