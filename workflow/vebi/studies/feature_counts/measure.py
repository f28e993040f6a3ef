"""How many features every form of the method selects."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vebi.selection.statistics import Labels, Scope
from vebi.selection.tables import selection_table
from vebi.selection.variants import as_variant, solve_forms


def count_features(
    descriptors: str | Path,
    variants: Sequence[str],
    signs: Sequence[bool],
    scopes: Sequence[Scope],
    mus: Sequence[float],
    labels: Labels = "annotations",
) -> pd.DataFrame:
    """Columns descriptor, nonnegative, scope, mu, n_features, n_features_total, relative_gap.

    `n_features` is the union over the classes, as in the selection table; `variants` must follow from
    what the descriptor file holds (see `convert`).
    """
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for variant in variants:
            path = as_variant(descriptors, variant, folder)
            for (_, nonnegative), solution in solve_forms(path, scopes, signs, mus, labels).items():
                part = selection_table(solution).assign(descriptor=variant, nonnegative=nonnegative)
                parts.append(part)
            if path != Path(descriptors):
                path.unlink()
    columns = ["descriptor", "nonnegative", "scope", "mu"]
    columns += ["n_features", "n_features_total", "relative_gap"]
    return pd.concat(parts, ignore_index=True)[columns]
