"""How many features every form of the method selects."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vebi.config.robustness import FeatureCountsConfig
from vebi.selection.statistics import Labels, Scope
from vebi.selection.tables import selection_table
from vebi.selection.variants import as_variant, solve_forms


def count_features(
    descriptors: str | Path,
    variants: FeatureCountsConfig,
    scopes: Sequence[Scope],
    labels: Labels = "annotations",
) -> pd.DataFrame:
    """Select in every setting of `variants` and scope, and count.

    Args:
        descriptors: a descriptor file that the settings' descriptors follow from (see `convert`).
        variants: descriptors, signs of W and mu.
        scopes: which features may be selected.
        labels: what the mu-Lasso regresses on.

    Returns:
        Columns descriptor, nonnegative, scope, mu, n_features (the union over the classes, as in the
        selection table), n_features_total, relative_gap.
    """
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for variant in variants.descriptors:
            path = as_variant(descriptors, variant, folder)
            solutions = solve_forms(path, scopes, variants.nonnegative, variants.mu, labels)
            for (_, nonnegative), solution in solutions.items():
                part = selection_table(solution).assign(descriptor=variant, nonnegative=nonnegative)
                parts.append(part)
            if path != Path(descriptors):
                path.unlink()
    columns = ["descriptor", "nonnegative", "scope", "mu"]
    columns += ["n_features", "n_features_total", "relative_gap"]
    return pd.concat(parts, ignore_index=True)[columns]
