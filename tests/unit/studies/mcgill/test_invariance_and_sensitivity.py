"""Comparisons and counts on descriptors whose relevant features are known."""

import h5py
import numpy as np
import pytest

from vebi.config.mcgill import SensitivityConfig
from vebi.io.errors import VebiError
from vebi.selection.statistics import read_statistics, statistics_of
from vebi.studies.mcgill.invariance import compare_selections
from vebi.studies.mcgill.report_networks import REPORTED
from vebi.studies.mcgill.sensitivity import read_subsamples, vary


def write(path, informative, seed, n=400, m=20):
    """Two classes, each with its feature in layer relu1, the first and the last of `informative`."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    X = rng.gamma(500.0, size=(n, 2 * m))
    X[:, informative[0]] *= 1 + labels
    X[:, informative[-1]] *= 2 - labels
    parts = X.reshape(n, 2, m)
    X = (parts / parts.sum(2, keepdims=True)).reshape(n, 2 * m).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["X"], file["labels"], file["predictions"] = X, labels, labels
        file["split"] = (np.arange(n) % 4 == 0).astype(np.int64)
        file["feature_layer"] = np.repeat([0, 1], m)
        file["feature_channel"] = np.tile(np.arange(m), 2)
        text = h5py.string_dtype()
        file.create_dataset("layer_names", data=["relu1", "relu2"], dtype=text)
        file.create_dataset("layer_types", data=["relu", "relu"], dtype=text)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("d")
    return {
        (0, "trained"): write(folder / "a.h5", (2, 5), 0),
        (1, "trained"): write(folder / "b.h5", (9, 11), 1),
        (0, "untrained"): write(folder / "c.h5", (2, 5), 2),
        (1, "untrained"): write(folder / "d.h5", (3, 4), 3),
    }


def test_networks_that_use_the_same_filters_agree_beyond_chance(files):
    table = compare_selections(files, [2.0], "annotations")
    table = table.set_index(["comparison", "seeds"])
    assert set(table.index) == {("other_seed", "0-1"), ("untrained", "0-0"), ("untrained", "1-1")}
    same, other = table.loc["untrained", "0-0"], table.loc["untrained", "1-1"]
    assert same["n_shared"] == same["n_first"] == 2
    assert same["jaccard"] == 1
    # One way of 780 to draw these two of 40; of 190 with both from the first layer.
    assert same["p_value"] == pytest.approx(1 / 780)
    assert same["p_value_per_layer"] == pytest.approx(1 / 190)
    assert other["n_shared"] == 0
    assert other["p_value"] == 1


def test_networks_of_different_widths_cannot_be_compared(files, tmp_path):
    narrow = write(tmp_path / "n.h5", (1,), 0, m=10)
    with pytest.raises(VebiError, match="different numbers of filters"):
        compare_selections({**files, (1, "trained"): narrow}, [2.0], "annotations")


def test_subsamples_are_the_statistics_of_their_rows(files):
    path = files[0, "trained"]
    with h5py.File(path) as file:
        X, labels = file["X"][:], file["labels"][:]
    subsets = [np.arange(0, 400, 3), np.arange(100, 150), np.arange(400)]
    for rows, found in zip(subsets, read_subsamples(path, subsets, "annotations"), strict=True):
        expected = statistics_of(X[rows], labels[rows], 2)
        assert found.gram == pytest.approx(expected.gram)
        assert found.cross == pytest.approx(expected.cross)
        assert found.counts.tolist() == expected.counts.tolist()


def test_counts_per_layer(files):
    path = files[0, "trained"]
    given = {"mcgill_keras": path, "vebi_text": files[1, "trained"]}
    settings = SensitivityConfig(compared_mu=[2.0], sizes=[100, 1000], size_repeats=2)
    table = vary(given, REPORTED["keras"], settings, mu_max=60.0, key=[0])
    assert (table["n_selected"] <= table["n_features"]).all()
    counts = table.set_index(["factor", "level", "repeat", "layer", "mu"])["n_selected"]
    assert counts["labels", "annotations", 0, "relu1", 2.0] == 2
    assert counts["labels", "annotations", 0, "relu2", 2.0] == 0
    over_mu = table[table["factor"] == "mu"].groupby("mu")["n_selected"].sum()
    assert len(over_mu) == 41
    assert over_mu.iloc[-1] > over_mu.iloc[0]
    shared = table.set_index(["factor", "level", "repeat", "layer"])["n_shared"]
    # All 300 training images are the reference; 1,000 are not there and left out.
    assert shared["n_images", "300", 0, "relu1"] == 2
    assert set(table[table["factor"] == "n_images"]["level"]) == {"100", "300"}
    # The other descriptor file picks other filters of the same layer.
    assert shared["descriptor", "vebi_text", 0, "relu1"] == 0
    assert read_statistics(path).n_samples == 300
