import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vebi.config.stages import AblationConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.network.layers import list_layers
from vebi.studies.ablation.ablate import mean_class_accuracy
from vebi.studies.ablation.effect import CONTROLS, compare
from vebi.studies.ablation.hits_file import Hits, read_hits, write_hits
from vebi.studies.ablation.intervals import accuracy_intervals, add_intervals
from vebi.studies.ablation.measure import draw_control, get_selected, run_study

SIZES = (3, 5, 8)
POOL = np.array([(layer, channel) for layer, size in enumerate(SIZES) for channel in range(size)])


@given(st.data())
def test_controls_have_the_size_and_stay_in_the_pool(data):
    rows = data.draw(st.lists(st.integers(0, len(POOL) - 1), unique=True))
    selected, seed = POOL[sorted(rows)], data.draw(st.integers(0, 99))
    for control in CONTROLS:
        drawn = draw_control(control, selected, POOL, np.random.default_rng(seed))
        again = draw_control(control, selected, POOL, np.random.default_rng(seed))
        assert np.array_equal(drawn, again)
        pairs = set(map(tuple, drawn.tolist()))
        assert len(pairs) == len(drawn) == len(selected)
        assert pairs <= set(map(tuple, POOL.tolist()))
    counts = np.bincount(selected[:, 0], minlength=3)
    assert np.array_equal(np.bincount(drawn[:, 0], minlength=3), counts)


def test_controls_are_uniform():
    selected = np.array([[2, 0], [2, 1]])
    hits = np.zeros((2, len(POOL)))
    for seed in range(4000):
        for row, control in enumerate(CONTROLS):
            drawn = draw_control(control, selected, POOL, np.random.default_rng(seed))
            for layer, channel in drawn:
                hits[row, sum(SIZES[:layer]) + channel] += 1
    assert hits[0] == pytest.approx(np.full(16, 4000 * 2 / 16), rel=0.15)
    assert hits[1, :8].sum() == 0
    assert hits[1, 8:] == pytest.approx(np.full(8, 1000.0), rel=0.15)


@pytest.fixture
def network_and_data(tmp_path):
    """Class = which half of the image is bright. Channel 0 of `conv` sees it; the others see nothing."""
    net = nn.Sequential()
    net.add_module("conv", nn.Conv2d(1, 4, 4, bias=False))
    net.add_module("relu", nn.ReLU())
    net.add_module("fc", nn.Conv2d(4, 2, 1))
    net.add_module("flatten", nn.Flatten())
    with torch.no_grad():
        net.conv.weight.zero_()
        net.conv.weight[0, 0, :2] = 1
        net.fc.weight.zero_()
        net.fc.bias.copy_(torch.tensor([0.0, 100.0]))
        net.fc.weight[0, 0] = 1
    images = np.zeros((20, 4, 4, 1), np.uint8)
    labels = np.arange(20) % 2
    images[labels == 0, :2] = 200
    images[labels == 1, 2:] = 200
    write_dataset(tmp_path / "d.h5", Images(images, labels, np.ones(20), ["top", "bottom"]))
    return net, open_dataset(tmp_path / "d.h5")


def selection(channels):
    return pd.DataFrame(
        {"mu": 1.0, "class": 0, "layer": "conv", "channel": channels, "weight": 1.0}
    )


def test_study_finds_the_one_channel_that_matters(network_and_data):
    net, dataset = network_and_data
    table, hits = run_study(
        net, dataset, {"all": selection([0])}, AblationConfig(repeats=30), mus=[1.0], key=[0]
    )
    accuracy = table.groupby("condition")["mean_class_accuracy"]
    assert accuracy.mean()["none"] == 1
    assert accuracy.mean()["selected"] == 0.5
    # Any of the 4 channels, or its ReLU: the right channel is in 2 of 8 features.
    assert set(accuracy.get_group("random")) == {0.5, 1.0}
    assert len(accuracy.get_group("random_layer_matched")) == 30
    assert (table[table["condition"] != "none"]["n_ablated"] == 1).all()
    # Without its channel the network says "bottom" to everything.
    assert hits[table.index[table["condition"] == "selected"][0]].tolist() == [False, True] * 10
    predictions = np.where(hits, dataset.labels, 1 - dataset.labels)
    assert table["mean_class_accuracy"].tolist() == list(
        mean_class_accuracy(predictions, dataset.labels)
    )


def test_harmless_selection_leaves_everything(network_and_data):
    net, dataset = network_and_data
    table, _ = run_study(
        net, dataset, {"all": selection([1, 2])}, AblationConfig(repeats=1), mus=[1.0], key=[0]
    )
    assert table[table["condition"] == "selected"]["mean_class_accuracy"].item() == 1


def test_union_over_classes_counts_a_feature_once(network_and_data):
    net, _ = network_and_data
    layers = list_layers(net, torch.zeros(1, 1, 4, 4))
    table = pd.concat([selection([0, 1]), selection([1]).assign(**{"class": 1})])
    assert get_selected(table, 1.0, layers).tolist() == [[0, 0], [0, 1]]
    assert get_selected(table, 2.0, layers).shape == (0, 2)
    with pytest.raises(VebiError, match="no layer 'pool'"):
        get_selected(table.assign(layer="pool"), 1.0, layers)


APART = {"d": np.arange(40)}


def effect_input(selected, controls, n_seeds=1) -> tuple[pd.DataFrame, dict]:
    """A table and the hits behind it, in which a condition gets that share of each class right."""
    rows, hits = [], {}
    labels = np.arange(40) % 4
    for seed in range(n_seeds):
        accuracies = [1.0, selected, *controls, *controls]
        names = [("none", 0), ("selected", 0)]
        names += [(control, r) for control in CONTROLS for r in range(len(controls))]
        rows += [
            ("d", "m", seed, "all", 0.0 if name == "none" else 1.0, name, r, 4, accuracy)
            for (name, r), accuracy in zip(names, accuracies, strict=True)
        ]
        right = np.arange(40)[None] < 40 * np.array(accuracies)[:, None]
        hits["d", "m", seed] = Hits(right, labels)
    columns = ["dataset", "model", "seed", "scope", "mu", "condition", "repeat", "n_ablated"]
    return pd.DataFrame(rows, columns=[*columns, "mean_class_accuracy"]), hits


def test_effect_is_the_difference_of_the_drops_with_an_interval_around_it():
    table = compare(*effect_input(0.2, [0.8, 0.9, 1.0]), APART, 2000, 0)
    assert len(table) == 2
    row = table.iloc[0]
    assert row["drop_selected"] == pytest.approx(0.8)
    assert row["drop_control"] == pytest.approx(0.1)
    assert row["difference"] == pytest.approx(0.7)
    assert 0.6 - 1e-9 <= row["ci_low"] < 0.7 < row["ci_high"] <= 0.8 + 1e-9


def test_effect_is_tested_over_images():
    """28 of 40 images tell the conditions apart, all one way; the rest are ties."""
    table = compare(*effect_input(0.2, [0.9]), APART, 4000, 0)
    assert table["p_value"].tolist() == [1 / 4001] * 2
    assert (table["n_images"] == 40).all()
    # Two images of 40, whatever their sign: half of the sign patterns are as far from zero.
    table = compare(*effect_input(0.9, [0.95]), APART, 4000, 0)
    assert table["p_value"].to_numpy() == pytest.approx(0.5, abs=0.03)
    assert (compare(*effect_input(0.5, [0.5], 2), APART, 100, 0)["p_value"] == 1).all()


def test_images_of_one_scene_are_tested_together():
    """Four scenes, all one way: two sign patterns of 16 are as extreme."""
    table = compare(*effect_input(0.2, [0.9]), {"d": np.arange(40) % 4}, 4000, 0)
    assert table["p_value"].tolist() == [2 / 16] * 2
    assert (table["n_scenes"] == 4).all()


def test_intervals_hold_the_accuracy_and_widen_with_scenes():
    labels = np.arange(120) % 3
    hits = Hits(
        np.random.default_rng(0).random((4, 120)) < np.array([[0.3], [0.8], [1], [0]]), labels
    )
    low, high = accuracy_intervals(hits, np.arange(120), 500, [0])
    accuracy = [mean_class_accuracy(np.where(row, labels, -1), labels) for row in hits.hits]
    assert (low <= accuracy).all()
    assert (accuracy <= high).all()
    assert (high > low).all()
    assert (low[3], high[2]) == (0, 1)
    # Scenes that are all right or all wrong say as much as one image each.
    scene = np.arange(120) // 15
    together = Hits(
        np.repeat([[True, False, True, True, False, True, True, True]], 15, axis=1), labels
    )
    low, high = accuracy_intervals(together, scene, 4000, [0])
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * np.sqrt(0.75 * 0.25 / 8), rel=0.15)
    narrow = accuracy_intervals(together, np.arange(120), 4000, [0])
    assert narrow[1][0] - narrow[0][0] < (high[0] - low[0]) / 2


def test_table_keeps_its_rows_and_gets_its_intervals():
    table, hits = effect_input(0.2, [0.9, 0.8], 2)
    ours = add_intervals(table, hits, APART, 100, 0)
    assert ours[table.columns].equals(table)
    assert (ours["n_images"] == 40).all()
    assert (
        ours["mean_class_accuracy"].between(ours["accuracy_ci_low"], ours["accuracy_ci_high"]).all()
    )


def test_effect_refuses_hits_of_another_table():
    table, hits = effect_input(0.2, [0.9])
    short = {key: Hits(item.hits[:2], item.labels) for key, item in hits.items()}
    with pytest.raises(VebiError, match="2 rows"):
        compare(table, short, APART, 100, 0)


@given(st.integers(1, 20), st.integers(0, 5))
def test_hits_survive_their_file(tmp_path_factory, n_images, n_rows):
    path = tmp_path_factory.mktemp("hits") / "hits.h5"
    hits = np.random.default_rng(n_images).random((n_rows, n_images)) < 0.5
    write_hits(path, Hits(hits, np.arange(n_images)))
    again = read_hits(path)
    assert np.array_equal(again.hits, hits)
    assert np.array_equal(again.labels, np.arange(n_images))
    path.write_text("nothing")
    with pytest.raises(VebiError, match="hits of an ablation"):
        read_hits(path)
