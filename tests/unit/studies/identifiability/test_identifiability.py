"""How determined a selection is, on cases that can be computed by hand, and other rankings."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vebi.config.identifiability import IdentifiabilityConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.tables import write_table
from vebi.network.layers import list_layers
from vebi.selection import MuLasso
from vebi.selection.select import STANDARD, Problem, solve_paths
from vebi.studies.identifiability import STUDY
from vebi.studies.identifiability.figures import RANKING_NAMES, draw_identifiability
from vebi.studies.identifiability.measure import KINDS, run_study
from vebi.studies.identifiability.rankings import matched, rank_by_gradient, rank_by_prediction
from vebi.studies.identifiability.resampled import (
    Regression,
    draw_scenes,
    mean_jaccard,
    resample,
    stability_index,
    support_row,
)
from vebi.studies.identifiability.tables import tabulate


def kuncheva(selected: np.ndarray) -> float:
    """Kuncheva's index, the mean over pairs of sets of one size k: (r m - k^2) / (k (m - k))."""
    m, k = selected.shape[1], int(selected[0].sum())
    values = [
        ((a & b).sum() * m - k**2) / (k * (m - k))
        for a, b in combinations(selected.astype(bool), 2)
    ]
    return float(np.mean(values))


@given(st.integers(2, 9), st.integers(2, 8), st.data())
def test_stability_of_sets_of_one_size_is_kunchevas_index(m, resamples, data):
    k = data.draw(st.integers(1, m - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    selected = np.zeros((resamples, m), bool)
    for row in selected:
        row[rng.permutation(m)[:k]] = True
    assert stability_index(selected) == pytest.approx(kuncheva(selected), abs=1e-12)


def test_stability_by_hand():
    same = np.tile([True, True, False, False], (5, 1))
    assert stability_index(same) == 1
    # Of two selections with nothing in common: variance 1/2 of each, expected 1/4.
    assert stability_index(np.array([[1, 0], [0, 1]], bool)) == -1
    assert np.isnan(stability_index(np.zeros((3, 4), bool)))
    assert np.isnan(stability_index(np.ones((3, 4), bool)))


def test_jaccard_by_hand():
    reference = np.array([1, 1, 0, 0], bool)
    others = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
    assert mean_jaccard(reference, others) == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert mean_jaccard(np.zeros(2, bool), np.zeros((4, 2), bool)) == 1


def test_scenes_are_drawn_whole_and_with_replacement():
    scenes = np.array([7, 7, 3, 9, 9, 9])
    rng = np.random.default_rng(0)
    counts = np.zeros(6)
    for _ in range(3000):
        rows = draw_scenes(scenes, rng)
        drawn = np.bincount(rows, minlength=6)
        assert len(set(drawn[:2])) == 1
        assert len(set(drawn[3:])) == 1
        assert drawn[0] + drawn[2] + drawn[3] == 3
        counts += drawn
    assert counts / 3000 == pytest.approx(np.ones(6), abs=0.06)


@pytest.fixture(scope="module")
def problem():
    """Two classes; column 1 is column 0 with a little noise, so that either may be selected."""
    rng = np.random.default_rng(1)
    labels = np.arange(120) % 2
    X = rng.random((120, 6))
    X[:, 0] = 0.2 * rng.random(120) + 0.7 * labels
    X[:, 1] = X[:, 0] + 0.05 * rng.standard_normal(120)
    return Regression(X, labels, 2, 1.0)


def test_the_regression_is_the_mu_lasso_and_losses_are_its_own(problem):
    weights = problem.solve()
    for label in range(2):
        target = (problem.labels == label).astype(float)
        lasso = MuLasso(mu=1.0).fit(problem.X, target)
        assert weights[label] == pytest.approx(lasso.coef_, abs=1e-9)
        support = np.flatnonzero(weights[label])
        everything = np.arange(problem.X.shape[1])
        least = ((target - problem.X @ weights[label]) ** 2).sum()
        found = problem.losses(label, [support, everything, np.zeros(0, int), np.array([4])])
        assert found[:2] == pytest.approx([least, least], rel=1e-9)
        assert found[2] == target.sum()
        alone = MuLasso(mu=1.0).fit(problem.X[:, [4]], target)
        assert found[3] == pytest.approx(((target - alone.predict(problem.X[:, [4]])) ** 2).sum())


def test_twins_take_turns_and_fit_equally_well(problem):
    scenes = np.arange(120)
    selected = resample(problem, scenes, [(0, i) for i in range(30)])
    assert selected.shape == (30, 2, 6)
    again = resample(problem, scenes, [(0, i) for i in range(30)])
    assert np.array_equal(selected, again)
    reference = problem.solve()[1] != 0
    row = support_row(problem, 1, reference, selected[:, 1], tolerance=0.05)
    assert row["n_ever"] > row["n_always"]
    assert row["n_supports"] > 1
    assert row["equally_good"] > 0.5
    tight = support_row(problem, 1, reference, selected[:, 1], tolerance=1e-9)
    assert tight["equally_good"] < row["equally_good"]
    assert row["median_excess"] >= -1e-12


def test_a_wide_problem_is_solved_on_its_rows():
    rng = np.random.default_rng(2)
    labels = np.arange(24) % 2
    X = rng.random((24, 5000))
    X[:, 17] = labels
    weights = Regression(X, labels, 2, 0.5).solve()
    assert weights[1, 17] == pytest.approx(0.5, abs=1e-6)


def test_what_predicts_a_class_comes_first():
    rng = np.random.default_rng(3)
    labels = np.arange(300) % 3
    X = rng.random((300, 12))
    for label, column in enumerate((2, 5, 11)):
        X[:, column] += 2.0 * (labels == label)
    X[:, 0] = 0.5
    found = rank_by_prediction(X, labels, 3, 3)
    for name, values in found.items():
        assert values.shape == (12,)
        assert set(np.argsort(-values, kind="stable")[:3]) == {2, 5, 11}, name


def test_one_class_alone_ranks_nothing():
    found = rank_by_prediction(np.random.default_rng(0).random((9, 4)), np.ones(9, int), 3, 2)
    assert all(len(set(values)) == 1 for values in found.values())


class Linear(nn.Module):
    """Linear behind its convolution: removing a channel changes the score by the Taylor value."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.flat = nn.Conv2d(1, 4, 3), nn.Flatten()
        self.relu, self.fc = nn.ReLU(), nn.Linear(4 * 36, 3)

    def forward(self, x):
        return self.fc(self.flat(self.relu(self.conv(x))))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("identifiability")
    torch.manual_seed(0)
    net = Linear().eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (60, 8, 8, 1), np.uint8)
    labels = np.arange(60) % 3
    split = np.repeat([0, 1], [42, 18])
    write_dataset(folder / "d.h5", Images(images, labels, split, ["a", "b", "c"]))
    dataset = open_dataset(folder / "d.h5")
    describe(net, dataset, folder / "x.h5", variant="vebi_text", device=torch.device("cpu"))
    solution = solve_paths(folder / "x.h5", folder / "p.h5", mus=[2.0])
    descriptors = open_descriptors(folder / "x.h5")
    return InterpretedNetwork(net, dataset, descriptors, solution.weights_at(2.0))


def test_the_taylor_value_of_a_channel_is_what_removing_it_costs(network):
    net, dataset = network.model, network.dataset
    rows = np.arange(42)
    images = torch.from_numpy(dataset.read("images", rows).transpose(0, 3, 1, 2)).float()
    layers = list_layers(net, images[:1])
    found = rank_by_gradient(net, dataset, rows, layers, batch_size=5)
    relu = next(layer for layer in layers if layer.name.startswith("relu"))
    maps = net.relu(net.conv(images))
    whole = net(images).gather(1, torch.from_numpy(dataset.labels[rows])[:, None])[:, 0]
    for channel in range(4):
        without = maps.clone()
        without[:, channel] = 0
        scores = net.fc(net.flat(without))
        left = scores.gather(1, torch.from_numpy(dataset.labels[rows])[:, None])[:, 0]
        cost = (whole - left).numpy()
        by_class = [cost[dataset.labels[rows] == label].mean() for label in range(3)]
        assert found[relu.index][channel] == pytest.approx(max(by_class), rel=1e-4)


def test_matched_features_are_the_best_of_each_layer():
    features = np.array([[0, 0], [0, 1], [0, 2], [4, 0], [4, 1]])
    values = np.array([0.1, 0.9, 0.5, 0.2, 0.2])
    selected = np.array([[0, 0], [0, 2], [4, 1]])
    assert matched(values, features, selected).tolist() == [[0, 1], [0, 2], [4, 0]]
    assert matched(values, features, selected[:0]).shape == (0, 2)


def test_the_study_of_one_network(network, tmp_path):
    settings = IdentifiabilityConfig(resamples=6, images=12, repeats=3, batch_size=7)
    columns = np.arange(network.weights.shape[1])
    found = run_study(network, settings, columns=columns, mu=2.0, problem=STANDARD, key=(0, 1))
    chosen = int((network.weights != 0).sum())
    assert len(found["stability"]) == chosen
    assert found["stability"]["selected_share"].between(0, 1).all()
    assert found["supports"]["n_selected"].sum() == chosen
    rivals = found["rivals"].set_index("ranking")
    assert list(rivals["kind"]) == [KINDS[name] for name in rivals.index]
    assert set(rivals.index) == set(RANKING_NAMES) == set(KINDS)
    union = int((network.weights != 0).any(0).sum())
    assert (rivals["n_features"] == union).all()
    assert (rivals.loc["selected", "overlap"], rivals.loc["selected", "difference"]) == (1, 0)
    assert rivals["difference"].to_numpy() == pytest.approx(
        rivals["drop"] - rivals.loc["selected", "drop"], abs=1e-12
    )
    again = run_study(network, settings, columns=columns, mu=2.0, problem=STANDARD, key=(0, 1))
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, again[name])
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    paths = {}
    for name, table in found.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        paths[name] = [tmp_path / f"{name}.csv"] * 2
    tables = tabulate(**paths, runs=runs)
    assert set(tables) == set(STUDY.tables)
    for name, table in tables.items():
        write_table(tmp_path / f"{name}.csv", table, STUDY.tables[name])
    figure = draw_identifiability(tables["selection_stability"], tables["selection_rivals"])
    labels = [text.get_text() for text in figure.axes[1].get_xticklabels()]
    assert labels == [RANKING_NAMES[name] for name in RANKING_NAMES]


def test_what_was_regressed_on_is_resampled(network, tmp_path):
    """Of a selection on predictions no other support fits these better, though it may fit the labels."""
    problem = Problem(labels="predictions")
    path = Path(network.descriptors.path)
    solution = solve_paths(path, tmp_path / "p.h5", problem, mus=[2.0])
    chosen = replace(network, weights=solution.weights_at(2.0))
    settings = IdentifiabilityConfig(resamples=6, images=12, repeats=1)
    columns = np.arange(network.weights.shape[1])
    options = {"columns": columns, "mu": 2.0, "key": (0, 1)}
    found = run_study(chosen, settings, problem=problem, **options)["supports"]
    assert (found["median_excess"] >= -1e-9).all()
    other = run_study(chosen, settings, problem=STANDARD, **options)["supports"]
    assert (other["median_excess"] < -1e-9).any()
