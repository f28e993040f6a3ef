"""Several forms of the mu-Lasso with one pass over the descriptors, against one by one."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from vebi.config.robustness import FeatureCountsConfig
from vebi.selection.select import Problem, solve_paths
from vebi.selection.variants import solve_forms
from vebi.studies.feature_counts.measure import count_features


@pytest.fixture
def descriptors(tmp_path: Path) -> Path:
    """Three classes, 20 features of two layers; every class raises one feature of each layer."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    values = rng.random((90, 20))
    values[np.arange(90), labels] += 2
    values[np.arange(90), 12 + labels] += 1
    feature_layer = np.repeat([0, 1], [12, 8])
    for layer in (0, 1):
        part = values[:, feature_layer == layer]
        values[:, feature_layer == layer] = part / part.sum(1, keepdims=True)
    path = tmp_path / "descriptors.h5"
    with h5py.File(path, "w") as file:
        file["X"], file["labels"], file["predictions"] = values.astype(np.float32), labels, labels
        file["split"] = np.zeros(90, np.int64)
        file["feature_layer"] = feature_layer
        file["feature_channel"] = np.concatenate([np.arange(12), np.arange(8)])
        text = h5py.string_dtype()
        file.create_dataset("layer_names", data=["conv1", "relu1"], dtype=text)
        file.create_dataset("layer_types", data=["conv", "relu"], dtype=text)
        file["layer_spatial"] = np.array([True, True])
        file.attrs["descriptor"] = "vebi_text"
    return path


def test_forms_are_those_that_are_solved_one_by_one(descriptors, tmp_path):
    forms = solve_forms(descriptors, ["all", "conv"], [False, True], [0.5, 2])
    assert len(forms) == 4
    for (scope, nonnegative), ours in forms.items():
        alone = solve_paths(
            descriptors,
            tmp_path / "path.h5",
            Problem(scope=scope, nonnegative=nonnegative),
            mus=[0.5, 2],
        )
        assert (ours.scope, ours.nonnegative) == (scope, nonnegative)
        for mu in (0.5, 2):
            np.testing.assert_allclose(ours.weights_at(mu), alone.weights_at(mu), atol=1e-9)
        assert ours.relative_gap.max() < 1e-8
        if nonnegative:
            assert (ours.weights_at(2) >= 0).all()
        if scope == "conv":
            assert not ours.weights_at(2)[:, 12:].any()


def test_counts_are_the_union_over_classes(descriptors):
    table = count_features(descriptors, FeatureCountsConfig(mu=[0.5, 2]), ["all", "conv"])
    assert len(table) == 2 * 2 * 2 * 2
    assert set(table[table["scope"] == "conv"]["n_features_total"]) == {12}
    forms = solve_forms(descriptors, ["all"], [True], [2])
    expected = (forms["all", True].weights_at(2) != 0).any(0).sum()
    row = table[
        (table["descriptor"] == "vebi_text")
        & table["nonnegative"]
        & (table["scope"] == "all")
        & (table["mu"] == 2)
    ]
    assert row["n_features"].item() == expected > 0
