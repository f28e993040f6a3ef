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
from vebi.data.subset import spread_over_classes
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.tables import write_table
from vebi.selection import MuLasso
from vebi.selection.select import STANDARD, Problem, solve_paths
from vebi.studies.identifiability import STUDY
from vebi.studies.identifiability.figures import draw_identifiability
from vebi.studies.identifiability.measure import run_study
from vebi.studies.identifiability.rankings import RANKINGS
from vebi.studies.identifiability.resampled import (
    Regression,
    draw_scenes,
    mean_jaccard,
    resample,
    stability_index,
    support_row,
)
from vebi.studies.identifiability.rivals_file import write_rivals
from vebi.studies.identifiability.tables import tabulate

TESTED = np.arange(42, 60)


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


class Linear(nn.Module):
    """A small network with one hidden layer."""

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
    masks = np.zeros((60, 8, 8), bool)
    masks[:, 2:5, 3:7] = True
    write_dataset(folder / "d.h5", Images(images, labels, split, ["a", "b", "c"], {"masks": masks}))
    dataset = open_dataset(folder / "d.h5")
    describe(net, dataset, folder / "x.h5", variant="vebi_text", device=torch.device("cpu"))
    solution = solve_paths(folder / "x.h5", folder / "p.h5", mus=[2.0])
    descriptors = open_descriptors(folder / "x.h5")
    return InterpretedNetwork(net, dataset, descriptors, solution.weights_at(2.0))


def test_the_study_of_one_network(network, tmp_path):
    settings = IdentifiabilityConfig(
        resamples=6, images=12, repeats=3, batch_size=7, conductance_steps=3, map_images=9
    )
    columns = np.arange(network.weights.shape[1])
    options = {"columns": columns, "mu": 2.0, "problem": STANDARD, "key": (0, 1)}
    found = run_study(network, settings, **options)
    chosen = int((network.weights != 0).sum())
    assert len(found.stability) == chosen
    assert found.stability["selected_share"].between(0, 1).all()
    assert found.supports["n_selected"].sum() == chosen
    again = run_study(network, settings, **options)
    pd.testing.assert_frame_equal(found.stability, again.stability)
    pd.testing.assert_frame_equal(found.supports, again.supports)
    found.stability.to_csv(tmp_path / "stability.csv", index=False)
    found.supports.to_csv(tmp_path / "supports.csv", index=False)
    for name, one in (("a", found), ("b", again)):
        write_rivals(tmp_path / f"{name}.h5", one.rivals)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    tables = tabulate(
        [tmp_path / "stability.csv"] * 2,
        [tmp_path / "supports.csv"] * 2,
        [tmp_path / "a.h5", tmp_path / "b.h5"],
        runs=runs,
    )
    assert set(tables) == set(STUDY.tables)
    for name, table in tables.items():
        write_table(tmp_path / f"{name}.csv", table, STUDY.tables[name])
    first = tables["selection_rivals"].query("seed == 0").set_index("ranking")
    assert list(first["kind"]) == [RANKINGS[name].kind for name in first.index]
    assert set(first.index) == set(RANKINGS)
    union = int((network.weights != 0).any(0).sum())
    assert (first["n_features"] == union).all()
    assert (first.loc["selected", "overlap"], first.loc["selected", "difference"]) == (1, 0)
    assert first["difference"].to_numpy() == pytest.approx(
        first["drop"] - first.loc["selected", "drop"], abs=1e-12
    )
    maps = tables["selection_rival_maps"]
    assert set(maps["ranking"]) == set(RANKINGS)
    assert (maps["n_images"] == 9).all()
    assert maps["auc"].between(0, 1).all()
    labels = network.descriptors.predictions[spread_over_classes(network.dataset.labels, TESTED, 9)]
    supporting = (network.weights > 0).sum(1)
    assert maps["n_features"].to_numpy() == pytest.approx(supporting[labels].mean())
    figure = draw_identifiability(
        *(tables[name] for name in STUDY.figures["identifiability"].reads)
    )
    for axes in figure.axes[1:3]:
        labels = [text.get_text() for text in axes.get_xticklabels()]
        assert labels == [ranking.label for ranking in RANKINGS.values()]


def test_without_masks_there_are_no_maps(network, tmp_path):
    settings = IdentifiabilityConfig(resamples=2, images=6, repeats=1, conductance_steps=1)
    columns = np.arange(network.weights.shape[1])
    bare = replace(network, dataset=replace(network.dataset, has_masks=False))
    found = run_study(bare, settings, columns=columns, mu=2.0, problem=STANDARD, key=(0, 1))
    write_rivals(tmp_path / "r.h5", found.rivals)
    found.stability.to_csv(tmp_path / "stability.csv", index=False)
    found.supports.to_csv(tmp_path / "supports.csv", index=False)
    stability, supports, rivals = (
        [tmp_path / name] for name in ("stability.csv", "supports.csv", "r.h5")
    )
    run = {"dataset": "d", "model": "m", "seed": 0}
    tables = tabulate(stability, supports, rivals, runs=[run])
    assert set(tables) == set(STUDY.tables) - {"selection_rival_maps"}
    assert set(tables["selection_rival_effects"]["measure"]) == {"drop"}
    figure = draw_identifiability(tables["selection_stability"], tables["selection_rivals"])
    assert len(figure.axes) == 2


def test_what_was_regressed_on_is_resampled(network, tmp_path):
    """Of a selection on predictions no other support fits these better, though it may fit the labels."""
    problem = Problem(labels="predictions")
    path = Path(network.descriptors.path)
    solution = solve_paths(path, tmp_path / "p.h5", problem, mus=[2.0])
    chosen = replace(network, weights=solution.weights_at(2.0))
    settings = IdentifiabilityConfig(resamples=6, images=12, repeats=1)
    columns = np.arange(network.weights.shape[1])
    options = {"columns": columns, "mu": 2.0, "key": (0, 1)}
    found = run_study(chosen, settings, problem=problem, **options).supports
    assert (found["median_excess"] >= -1e-9).all()
    other = run_study(chosen, settings, problem=STANDARD, **options).supports
    assert (other["median_excess"] < -1e-9).any()
