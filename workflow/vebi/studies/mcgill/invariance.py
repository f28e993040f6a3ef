"""Do the selected filters depend on what the network has learnt (after Adebayo et al., 2018)?

The same selection on an untrained network, on one trained on shuffled labels, and on networks from
other seeds. The first two have the trained network's own first weights, so that their filters
correspond. Between seeds nothing makes filter 3 of one network the counterpart of filter 3 of another:
there the overlap must be chance's once layers are taken into account.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vebi.io.errors import VebiError
from vebi.selection.statistics import Labels, read_feature_index, read_statistics
from vebi.studies.mcgill.overlap import overlap, overlap_in_strata
from vebi.studies.mcgill.solve import solve_at

TRAINED, UNTRAINED, SHUFFLED = "trained", "untrained", "shuffled_labels"
INVARIANCE = (
    *("model", "mu", "comparison", "seeds", "n_first", "n_second", "n_filters", "n_shared"),
    *("jaccard", "jaccard_expected", "p_value"),
    *("jaccard_expected_per_layer", "p_value_per_layer"),
)


def compare_selections(
    descriptors: Mapping[tuple[int, str], str | Path], mus: Sequence[float], labels: Labels
) -> pd.DataFrame:
    """Table INVARIANCE without `model`, from the descriptor files of (seed, training).

    `labels`: what all of them regress on. The mu-Lasso is exact, the sets are unions over classes.
    """
    seeds = sorted({seed for seed, _ in descriptors})
    selected, layer = {}, np.zeros(0, str)
    for key, path in descriptors.items():
        layer = read_feature_index(path).layer
        selected[key] = solve_at(read_statistics(path, labels=labels), mus, "path").selected
    if len({sets.shape for sets in selected.values()}) > 1:
        raise VebiError("Networks with different numbers of filters cannot be compared by filter.")
    _, strata = np.unique(layer, return_inverse=True)
    pairs = [("other_seed", (a, TRAINED), (b, TRAINED)) for a in seeds for b in seeds if a < b]
    pairs += [
        (training, (seed, TRAINED), (seed, training))
        for training in (UNTRAINED, SHUFFLED)
        for seed in seeds
        if (seed, training) in selected
    ]
    rows = []
    for comparison, one, other in pairs:
        for r, mu in enumerate(mus):
            first, second = selected[one][r], selected[other][r]
            free = overlap(first, second)
            layered = overlap_in_strata(first, second, strata)
            rows.append(
                {
                    "mu": float(mu),
                    "comparison": comparison,
                    "seeds": f"{one[0]}-{other[0]}",
                    "n_first": int(first.sum()),
                    "n_second": int(second.sum()),
                    "n_filters": len(first),
                    "n_shared": free.shared,
                    "jaccard": free.jaccard,
                    "jaccard_expected": free.expected,
                    "p_value": free.p_value,
                    "jaccard_expected_per_layer": layered.expected,
                    "p_value_per_layer": layered.p_value,
                }
            )
    return pd.DataFrame(rows, columns=[c for c in INVARIANCE if c != "model"])
