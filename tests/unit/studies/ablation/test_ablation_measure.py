import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from vebi.config.stages import AblationConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.network.layers import list_layers
from vebi.statistics import (
    clustered_proportion_interval,
    over_networks,
    over_networks_and_scenes,
    scene_values,
)
from vebi.studies.ablation.ablate import mean_class_accuracy
from vebi.studies.ablation.controls import CONTROLS
from vebi.studies.ablation.effect import compare
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
        if control == "random_selected_layers":
            assert set(drawn[:, 0]) <= set(selected[:, 0])
        if control == "random_layer_matched":
            counts = np.bincount(selected[:, 0], minlength=3)
            assert np.array_equal(np.bincount(drawn[:, 0], minlength=3), counts)


def test_controls_are_uniform():
    selected = np.array([[0, 1], [2, 0]])
    hits = {control: np.zeros(len(POOL)) for control in CONTROLS}
    for seed in range(4000):
        for control in CONTROLS:
            drawn = draw_control(control, selected, POOL, np.random.default_rng(seed))
            for layer, channel in drawn:
                hits[control][sum(SIZES[:layer]) + channel] += 1
    assert hits["random"] == pytest.approx(np.full(16, 4000 * 2 / 16), rel=0.15)
    # Of the layers of 3 and 8 that have selected features: two of eleven, whichever layer.
    of_layers = np.r_[np.full(3, 1.0), np.zeros(5), np.full(8, 1.0)]
    assert hits["random_selected_layers"] == pytest.approx(of_layers * 8000 / 11, rel=0.15)
    by_layer = np.r_[np.full(3, 1 / 3), np.zeros(5), np.full(8, 1 / 8)]
    assert hits["random_layer_matched"] == pytest.approx(by_layer * 4000, rel=0.15)


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
        accuracies = [1.0, selected, *controls * len(CONTROLS)]
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


def test_effect_of_one_network_is_over_its_images():
    table = compare(*effect_input(0.2, [0.8, 0.9, 1.0]), APART)
    assert len(table) == 3
    row = table.iloc[0]
    assert row["drop_selected"] == pytest.approx(0.8)
    assert row["drop_control"] == pytest.approx(0.1)
    assert row["difference"] == pytest.approx(0.7)
    # Image n is right under a condition if n < 40 times its accuracy: the draws' mean minus the
    # selection's.
    place = np.arange(40)
    per_image = np.mean([place < 32, place < 36, place < 40], axis=0) - (place < 8)
    ends = stats.ttest_1samp(per_image, 0).confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((ends.low, ends.high))
    assert row["control_sd"] == pytest.approx(0.1)
    assert (row["n_draws"], row["n_images"], row["n_scenes"]) == (3, 40, 40)
    assert row["over"] == "scenes"


def two_networks(scene):
    """Two unlike networks, classes of 6 and 2 images, three controls of 2 draws; brute force beside.

    Returns the effects, the table, and by control the differences per network and image by hand.
    """
    rng = np.random.default_rng(3)
    labels = np.array([0, 0, 0, 1, 0, 1, 0, 0])
    rows, hits, expected = [], {}, {}
    for seed in (4, 7):
        right = rng.random((8, 8)) < (0.4 if seed == 4 else 0.8)
        right[0] = True
        names = [("none", 0), ("selected", 0)] + [(c, r) for c in CONTROLS for r in (0, 1)]
        weight = np.where(labels == 0, 8 / 12, 8 / 4)
        for (name, r), row in zip(names, right, strict=True):
            accuracy = (row[labels == 0].mean() + row[labels == 1].mean()) / 2
            mu = 0.0 if name == "none" else 1.0
            rows.append(("d", "m", seed, "all", mu, name, r, 4, accuracy))
        hits["d", "m", seed] = Hits(right, labels)
        for c, control in enumerate(CONTROLS):
            drawn = right[2 + 2 * c : 4 + 2 * c].mean(0)
            expected.setdefault(control, []).append(weight * (drawn - right[1]))
    columns = ["dataset", "model", "seed", "scope", "mu", "condition", "repeat", "n_ablated"]
    table = pd.DataFrame(rows, columns=[*columns, "mean_class_accuracy"])
    return compare(table, hits, {"d": scene}).set_index("control"), table, expected


@pytest.mark.parametrize("scene", [np.arange(8), np.array([0, 0, 0, 1, 1, 2, 2, 2])])
def test_effect_of_two_networks_is_over_networks_and_over_shared_scenes(scene):
    effect, table, expected = two_networks(scene)
    shared = len(set(scene)) < 8
    for control, values in expected.items():
        row = effect.loc[control]
        per_image = np.array(values)
        found = (
            over_networks_and_scenes(scene_values(per_image, scene))
            if shared
            else over_networks(per_image.mean(1))
        )
        assert row["over"] == ("networks and scenes" if shared else "networks")
        assert row["difference"] == pytest.approx(per_image.mean())
        assert row["difference"] == pytest.approx(row["drop_selected"] - row["drop_control"])
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((found.low, found.high))
        assert row["p_value"] == pytest.approx(found.p_value())
        drawn = table[table["condition"] == control]
        variances = drawn.groupby("seed")["mean_class_accuracy"].var(ddof=1)
        assert row["control_sd"] == pytest.approx(np.sqrt(variances.mean()))


def test_a_selection_that_loses_two_of_eight_scenes_in_every_network():
    """0.25, and no surer than the scenes allow: three equal networks are no certainty."""
    scene = np.repeat(np.arange(8), 5)
    table, hits = effect_input(1.0, [1.0], 3)
    lost = scene < 2
    for item in hits.values():
        item.hits[1, lost] = False
    table.loc[table["condition"] == "selected", "mean_class_accuracy"] = 0.75
    row = compare(table, hits, {"d": scene}).iloc[0]
    assert row["difference"] == pytest.approx(0.25)
    ends = stats.ttest_1samp([1, 1, 0, 0, 0, 0, 0, 0], 0).confidence_interval()
    assert row["ci_low"] <= ends.low + 1e-9
    assert row["ci_high"] >= ends.high - 1e-9
    assert row["p_value"] > 0.05


def test_equal_effects_are_zero_and_not_significant():
    row = compare(*effect_input(0.5, [0.5], 3), APART).iloc[0]
    assert (row["difference"], row["p_value"]) == (0, 1)
    assert np.isnan([row["ci_low"], row["ci_high"]]).all()


def test_intervals_hold_the_accuracy_and_widen_with_scenes():
    labels = np.arange(120) % 3
    hits = Hits(
        np.random.default_rng(0).random((4, 120)) < np.array([[0.3], [0.8], [1], [0]]), labels
    )
    low, high = accuracy_intervals(hits, np.arange(120))
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
    low, high = accuracy_intervals(together, scene)
    by_scene = clustered_proportion_interval(15.0 * together.hits[0, ::15], np.full(8, 15.0))
    assert (low[0], high[0]) == pytest.approx(by_scene)
    narrow = accuracy_intervals(together, np.arange(120))
    assert narrow[1][0] - narrow[0][0] < (high[0] - low[0]) / 2


def test_interval_over_scenes_weighs_classes_alike():
    """Six images of one class, two of the other, in two scenes: hits count 8/12 and 8/4."""
    labels = np.array([0, 0, 0, 1, 0, 0, 0, 1])
    scene = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    right = np.array([[1, 1, 1, 0, 1, 0, 0, 1], [1] * 8], bool)
    low, high = accuracy_intervals(Hits(right, labels), scene)
    expected = clustered_proportion_interval(
        np.array([[3 * 8 / 12, 8 / 12 + 8 / 4], [4, 4]]), np.array([4.0, 4.0])
    )
    assert low == pytest.approx(expected[0])
    assert high == pytest.approx(expected[1])


def test_table_keeps_its_rows_and_gets_its_intervals():
    table, hits = effect_input(0.2, [0.9, 0.8], 2)
    ours = add_intervals(table, hits, APART)
    assert ours[table.columns].equals(table)
    assert (ours["n_images"] == 40).all()
    assert (ours["over"] == "scenes").all()
    assert (
        ours["mean_class_accuracy"].between(ours["accuracy_ci_low"], ours["accuracy_ci_high"]).all()
    )


def test_effect_refuses_hits_of_another_table():
    table, hits = effect_input(0.2, [0.9])
    short = {key: Hits(item.hits[:2], item.labels) for key, item in hits.items()}
    with pytest.raises(VebiError, match="2 rows"):
        compare(table, short, APART)


@given(st.integers(1, 20), st.integers(0, 5))
def test_hits_survive_their_file(tmp_path_factory, n_images, n_rows):
    path = tmp_path_factory.mktemp("hits") / "hits.h5"
    hits = np.random.default_rng(n_images).random((n_rows, n_images)) < 0.5
    write_hits(path, Hits(hits, np.arange(n_images)))
    again = read_hits(path)
    assert np.array_equal(again.hits, hits)
    assert np.array_equal(again.labels, np.arange(n_images))
    path.write_text("nothing")
    with pytest.raises(VebiError, match=r"hits\.h5 can't be read as HDF5"):
        read_hits(path)
