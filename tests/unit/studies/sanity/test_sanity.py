"""From networks to verdicts: what theory says maps must do when layers are randomised."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vebi.catalogue.methods import METHODS
from vebi.config.sanity import RandomisationConfig
from vebi.config.stages import HeatmapConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors import describe, open_descriptors
from vebi.heatmaps import top_features
from vebi.heatmaps.draw import Targets, merged_maps
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.network import list_layers
from vebi.network.passes import to_network_input
from vebi.studies.sanity import measure as measure_module
from vebi.studies.sanity.measure import measure
from vebi.studies.sanity.randomise import redraw
from vebi.studies.sanity.sanity_file import RANDOM_LABELS, Sanity, read_sanity
from vebi.studies.sanity.similarity import rank_correlation
from vebi.studies.sanity.tables import (
    paired_table,
    per_image,
    similarity_table,
    tabulate,
    verdict_table,
    weight_of,
)

SIZE, N = 12, 24


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, stride=2)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.fc = nn.Linear(8 * 9, 3)

    def forward(self, images):
        x = torch.relu(self.conv2(torch.relu(self.conv1(images / 255))))
        return self.fc(x.flatten(1))


def new_net(seed=0):
    net = Net().eval().requires_grad_(False)
    redraw(net, ["conv1", "conv2", "fc"], [100, seed])
    return net


@pytest.fixture
def setting(tmp_path):
    """A network, images, descriptors, and weights that choose features of the first convolution."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, SIZE, SIZE, 3), dtype=np.uint8)
    write_dataset(tmp_path / "d.h5", Images(images, np.arange(N) % 3, np.arange(N) % 2, "abc"))
    dataset, net = open_dataset(tmp_path / "d.h5"), new_net()
    describe(net, dataset, tmp_path / "x.h5")
    descriptors = open_descriptors(tmp_path / "x.h5")
    weights = np.zeros((3, len(descriptors.feature_layer)))
    weights[:, :6] = rng.random((3, 6))
    return InterpretedNetwork(net, dataset, descriptors, weights), tmp_path / "sanity.h5"


METHODS_HERE = ["deconv_gb", "vebi", "gradient_x_input", "guided_backprop"]


def run(setting, batch_size=32, key=(0, 0), random_labels=None, **options):
    network, out = setting
    settings = RandomisationConfig(images=9, layers=None, **options)
    maps = HeatmapConfig(methods=METHODS_HERE, batch_size=batch_size)
    measure(network, out, settings, maps, key=key, random_labels=random_labels)
    return read_sanity(out)


def test_a_map_changes_where_its_feature_depends_on_what_was_randomised(setting):
    items, stages = run(setting)
    assert stages == ["fc", "conv2", "conv1"]
    # A feature of conv1 is drawn from conv1 down: what is above it can't matter.
    words = verdict_table([(items, stages)], 100, [0]).set_index("method")["verdict"]
    for method in ("deconv_gb", "vebi"):
        assert words[method].endswith("the class scores' don't matter")
        assert items[method].correlation[:2] == pytest.approx(1)
        assert items[method].similarity[:2] == pytest.approx(1)
        assert (items[method].correlation[2] < 0.999).all()
    # The class's score depends on every layer.
    assert (items["gradient_x_input"].correlation < 0.999).all()


def test_images_measured_one_batch_at_a_time_give_the_same_bytes(setting, monkeypatch):
    _, out = setting
    other = new_net(5)
    run(setting, batch_size=2, random_labels=other)
    whole = out.read_bytes()
    drawn = []
    monkeypatch.setattr(measure_module, "MAPS_BYTES", 0)
    real = measure_module._targets

    def counted(*args, **options):
        drawn.append(len(args[2]))
        return real(*args, **options)

    monkeypatch.setattr(measure_module, "_targets", counted)
    run(setting, batch_size=2, random_labels=other)
    assert out.read_bytes() == whole
    assert drawn == [2, 2, 2, 2, 1]


def test_rows_far_apart_are_read_without_those_between(setting):
    descriptors = setting[0].descriptors
    whole = descriptors.rows(np.arange(N))
    far = np.array([0, 1, N - 1])
    assert np.array_equal(descriptors.rows(far), whole[far])
    assert np.array_equal(descriptors.rows(far[::-1]), whole[far[::-1]])


def test_similarities_are_those_of_maps_drawn_by_hand(setting):
    network, _ = setting
    net, descriptors, weights = network.model, network.descriptors, network.weights
    items, _ = run(setting, batch_size=4)
    chosen = items["vebi"].image_index
    images = to_network_input(network.dataset.read("images", chosen))
    layers = list_layers(net, images[:1])
    predictions = descriptors.predictions[chosen]
    features, _ = top_features(descriptors.rows(chosen), weights, predictions, layers)
    targets = Targets(predictions, {METHODS["vebi"].source: features})
    before = merged_maps(net, images, layers, targets, METHODS_HERE)
    randomised = new_net()
    # Stage 2 of 3 (from the bottom) keeps conv1; a layer's key ends in its place in the network.
    redraw(randomised, ["fc"], [0, 0, 2])
    redraw(randomised, ["conv2"], [0, 0, 1])
    after = merged_maps(randomised, images, layers, targets, METHODS_HERE)
    for method in METHODS_HERE:
        expected = rank_correlation(before[method].numpy(), after[method].numpy())
        assert items[method].correlation[1] == pytest.approx(expected, abs=1e-6)


def test_the_gradient_of_a_linear_network_follows_its_weights(tmp_path):
    """Its gradient is the class's row of weights: the same for every image, gone with the weights."""
    rng = np.random.default_rng(0)
    images = rng.integers(100, 101, (6, 8, 8, 1), dtype=np.uint8)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Linear(5, 2)).eval()
    redraw(net, ["1", "2"], [5])
    batch = to_network_input(images)
    layers = list_layers(net, batch[:1])
    predictions = np.zeros(6, np.int64)
    (before,) = merged_maps(
        net, batch, layers, Targets(predictions, {}), ["gradient_x_input"]
    ).values()
    row = (net[2].weight @ net[1].weight)[0].clamp(min=0).reshape(1, 8, 8).detach().numpy()
    assert rank_correlation(np.repeat(row, 6, 0), before.numpy()) == pytest.approx(1)
    redraw(net, ["1", "2"], [6])
    (after,) = merged_maps(
        net, batch, layers, Targets(predictions, {}), ["gradient_x_input"]
    ).values()
    # Two independent random rows of 64 weights: correlation 0 up to 4 / sqrt(64).
    assert abs(rank_correlation(before.numpy(), after.numpy())).max() < 0.5


def test_every_method_can_be_checked(setting):
    network, out = setting
    settings, maps = RandomisationConfig(images=3), HeatmapConfig(methods=list(METHODS))
    measure(network, out, settings, maps, key=[0, 0], random_labels=new_net(1))
    items, stages = read_sanity(out)
    assert set(items) == set(METHODS)
    assert stages[-1] == RANDOM_LABELS
    for item in items.values():
        assert item.correlation.shape == item.similarity.shape == (4, 3)
        assert (np.abs(item.correlation[~np.isnan(item.correlation)]) <= 1).all()


def test_the_same_network_as_random_labels_changes_nothing(setting):
    items, stages = run(setting, random_labels=new_net())
    assert stages[-1] == RANDOM_LABELS
    for item in items.values():
        assert item.correlation[-1] == pytest.approx(1)


def test_numbers_do_not_depend_on_batches_and_follow_the_key(setting):
    one, _ = run(setting, batch_size=2)
    other, _ = run(setting, batch_size=9)
    third, _ = run(setting, key=[0, 1])
    for method in METHODS_HERE:
        assert one[method].correlation == pytest.approx(other[method].correlation, abs=1e-6)
    assert not np.allclose(one["vebi"].correlation[2], third["vebi"].correlation[2])


def test_each_layer_alone(setting):
    items, stages = run(setting, independent=True)
    assert stages[3:] == ["only fc", "only conv2", "only conv1"]
    assert items["vebi"].correlation[3:5] == pytest.approx(1)
    # The first step of the cascade is the scores' layer alone.
    assert items["guided_backprop"].correlation[3] == pytest.approx(
        items["guided_backprop"].correlation[0]
    )


def made_up(values, n=40):
    """Correlations around `values` (stages), the same spread for every image."""
    spread = np.linspace(-0.05, 0.05, n)
    correlation = np.array(values)[:, None] + spread
    return Sanity(correlation, correlation, np.arange(n), np.arange(n))


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ((-0.2, 0.29), "matter"),
        ((0.1, 0.3), "matter in part"),
        ((0.49, 0.9), "matter in part"),
        ((0.5, 0.9), "hardly matter"),
        ((0.999, 1.0), "hardly matter"),
        ((1.0, 1.0), "don't matter"),
    ],
)
def test_verdicts_at_the_cut_points(interval, says):
    assert weight_of(*interval) == says


def test_verdict_table_says_where_a_map_is_lost():
    stages = ["fc", "conv1", RANDOM_LABELS]
    run_ = {"stubborn": made_up([0.9, 0.8, 0.7]), "good": made_up([0.4, 0.1, 0.0])}
    table = verdict_table([(run_, stages)], 200, [0]).set_index("method")
    assert table["lost_at"].to_dict() == {"stubborn": "nowhere", "good": "fc"}
    hardly = "all weights hardly matter; the class scores' hardly matter"
    assert table.loc["stubborn", "verdict"] == hardly
    assert table.loc["good", "verdict"] == "all weights matter; the class scores' matter in part"
    assert table.loc["good", "correlation_all"] == pytest.approx(0.1)
    assert table.loc["stubborn", "correlation_random_labels"] == pytest.approx(0.7)


def test_a_constant_difference_has_an_interval_of_no_width():
    run_ = {"vebi": made_up([0.9, 0.2]), "deconv_gb": made_up([0.8, 0.4])}
    table = paired_table([(run_, ["fc", "conv1"])] * 2, 300, [0]).set_index("randomised_up_to")
    assert table["difference"].to_dict() == pytest.approx({"fc": 0.1, "conv1": -0.2})
    assert table["ci_low"].to_numpy() == pytest.approx(table["ci_high"].to_numpy())
    assert table["p_value"].to_numpy() == pytest.approx(1 / 301)
    assert (table["n_seeds"] == 2).all()


def test_random_labels_of_one_seed_are_a_mean_over_that_seed():
    with_labels = ({"vebi": made_up([0.9, 0.3])}, ["fc", RANDOM_LABELS])
    without = ({"vebi": made_up([0.7])}, ["fc"])
    runs = [without, with_labels]
    assert per_image(runs, "vebi", "fc").mean() == pytest.approx(0.8)
    assert per_image(runs, "vebi", RANDOM_LABELS).mean() == pytest.approx(0.3)


def test_images_without_a_map_are_not_counted():
    item = made_up([0.5])
    item.correlation[0, :10] = np.nan
    row = similarity_table({"vebi": item}, ["fc"], 100, [0]).iloc[0]
    assert row["n_images"] == 30
    assert row["rank_correlation"] == pytest.approx(item.correlation[0, 10:].mean())
    empty = made_up([np.nan])
    table = verdict_table([({"vebi": empty}, ["fc"])], 100, [0])
    assert table["verdict"].item() == "no map to judge"


def test_other_images_are_refused():
    other = replace(made_up([0.5]), image_index=np.arange(1, 41))
    runs = [({"vebi": made_up([0.5])}, ["fc"]), ({"vebi": other}, ["fc"])]
    with pytest.raises(VebiError, match="same images"):
        per_image(runs, "vebi", "fc")


def test_tables_of_files(setting):
    items, stages = run(setting)
    path = setting[-1]
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    tables = tabulate([path, path], runs, 50, 0, {("d", "m"): 0.9})
    sanity = tables["sanity"]
    assert len(sanity) == 2 * len(items) * len(stages)
    assert set(sanity["randomised_up_to"]) == set(stages)
    assert (sanity["ci_low"] <= sanity["rank_correlation"]).all()
    assert (tables["sanity_verdict"]["random_label_accuracy"] == 0.9).all()
    assert len(tables["sanity_verdict"]) == len(items)
