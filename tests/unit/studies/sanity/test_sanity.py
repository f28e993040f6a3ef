"""From networks to verdicts: what theory says maps must do when layers are randomised."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
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
from vebi.selection.select import Problem, solve_paths
from vebi.studies.sanity.measure import measure
from vebi.studies.sanity.randomise import redraw, weights_key
from vebi.studies.sanity.reselect import Reselection
from vebi.studies.sanity.sanity_file import RANDOM_LABELS, Sanity, read_sanity
from vebi.studies.sanity.similarity import rank_correlation
from vebi.studies.sanity.tables import (
    paired_table,
    per_network,
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


def run(setting, batch_size=32, key=(0, 0), random_labels=None, reselection=None, **options):
    network, out = setting
    settings = RandomisationConfig(images=9, layers=None, **options)
    maps = HeatmapConfig(methods=METHODS_HERE, batch_size=batch_size)
    measure(
        network,
        out,
        settings,
        maps,
        key=key,
        seed=0,
        random_labels=random_labels,
        reselection=reselection,
    )
    return read_sanity(out)


def test_a_map_changes_where_its_feature_depends_on_what_was_randomised(setting):
    items, stages = run(setting)
    assert stages == ["fc", "conv2", "conv1"]
    # A feature of conv1 is drawn from conv1 down: what is above it can't matter.
    words = verdict_table([(items, stages)]).set_index("method")["verdict"]
    for method in ("deconv_gb", "vebi"):
        assert words[method].endswith("the class scores' don't matter")
        assert items[method].correlation[:2] == pytest.approx(1)
        assert items[method].similarity[:2] == pytest.approx(1)
        assert (items[method].correlation[2] < 0.999).all()
    # The class's score depends on every layer.
    assert (items["gradient_x_input"].correlation < 0.999).all()


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
    # Stage 2 of 3 (from the bottom) keeps conv1; a layer's key has its place in the network.
    redraw(randomised, ["fc"], weights_key([0, 0], 2))
    redraw(randomised, ["conv2"], weights_key([0, 0], 1))
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
    measure(network, out, settings, maps, key=[0, 0], seed=0, random_labels=new_net(1))
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


def vebi_by_files(setting, net, folder, images, chosen, problem=Problem()):  # noqa: B008
    """Maps of VEBI as a whole on `net`, by the stages of the main line and their files."""
    network, _ = setting
    describe(net, network.dataset, folder / "x.h5")
    solution = solve_paths(folder / "x.h5", folder / "path.h5", problem, mus=[MU])
    file = open_descriptors(folder / "x.h5")
    layers = list_layers(net, images[:1])
    predictions = file.predictions[chosen]
    features, _ = top_features(file.rows(chosen), solution.weights_at(MU), predictions, layers)
    targets = Targets(predictions, {METHODS["vebi"].source: features})
    return merged_maps(net, images, layers, targets, ["vebi", "gradient_x_input"])


MU = 4.0


@pytest.mark.parametrize(
    "problem", [Problem(), Problem(scope="conv", labels="predictions", nonnegative=True)]
)
def test_vebi_as_a_whole_selects_again_in_every_network(setting, tmp_path, problem):
    network, _ = setting
    again = Reselection(MU, problem, "vebi_text")
    items, stages = run(setting, reselection=again, random_labels=new_net(), independent=True)
    chosen = items["vebi"].image_index
    images = to_network_input(network.dataset.read("images", chosen))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = vebi_by_files(setting, new_net(), tmp_path / "a", images, chosen, problem)
    randomised = new_net()
    redraw(randomised, ["fc"], weights_key([0, 0], 2))
    after = vebi_by_files(setting, randomised, tmp_path / "b", images, chosen, problem)
    for method in ("vebi", "gradient_x_input"):
        expected = rank_correlation(before[method].numpy(), after[method].numpy())
        for stage in ("fc", "only fc"):
            found = items[method].again[stages.index(stage)]
            assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)
    # The trained network itself, under another name, explains as it did.
    same = items["vebi"].again[stages.index(RANDOM_LABELS)]
    assert same[~np.isnan(same)] == pytest.approx(1)
    # With class and features held fixed a random layer of scores changes nothing at all.
    assert items["vebi"].correlation[0] == pytest.approx(1)
    assert np.nanmean(items["vebi"].again[0]) < 0.999


def test_reselection_sees_some_training_images_only(setting):
    network, _ = setting
    layers = list_layers(network.model, to_network_input(network.dataset.read("images", [0])))
    chosen = np.array([1, 3])
    every, few = (
        Reselection(MU, Problem(), "vebi_text", images).of(
            network.model, network.dataset, layers, chosen
        )
        for images in (None, 4)
    )
    assert np.array_equal(every[0], network.descriptors.predictions[chosen])
    assert np.array_equal(every[1].descriptors, network.descriptors.rows(chosen))
    assert np.array_equal(every[1].descriptors, few[1].descriptors)
    assert not np.array_equal(every[1].weights, few[1].weights)


def test_tables_say_what_choosing_again_changes():
    item = replace(made_up([1.0, 0.9]), again=made_up([0.2, 0.1]).correlation)
    stages = ["fc", "conv1"]
    row = similarity_table({"vebi": item}, stages).iloc[0]
    assert row["again_correlation"] == pytest.approx(0.2)
    ends = stats.ttest_1samp(item.again[0], 0).confidence_interval()
    assert (row["again_ci_low"], row["again_ci_high"]) == pytest.approx((ends.low, ends.high))
    verdicts = verdict_table([({"vebi": item}, stages)]).iloc[0]
    assert verdicts["verdict"] == "all weights hardly matter; the class scores' hardly matter"
    assert verdicts["verdict_again"] == "all weights matter; the class scores' matter"
    assert (verdicts["again_top"], verdicts["again_all"]) == pytest.approx((0.2, 0.1))
    without = verdict_table([({"vebi": made_up([1.0, 0.9])}, stages)]).iloc[0]
    assert without["verdict_again"] == "no map to judge"


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
        ((float("nan"), float("nan")), "can't be told"),
    ],
)
def test_verdicts_at_the_cut_points(interval, says):
    assert weight_of(*interval) == says


def test_verdict_table_says_where_a_map_is_lost():
    stages = ["fc", "conv1", RANDOM_LABELS]
    run_ = {"stubborn": made_up([0.9, 0.8, 0.7]), "good": made_up([0.4, 0.1, 0.0])}
    table = verdict_table([(run_, stages)]).set_index("method")
    assert table["lost_at"].to_dict() == {"stubborn": "nowhere", "good": "fc"}
    hardly = "all weights hardly matter; the class scores' hardly matter"
    assert table.loc["stubborn", "verdict"] == hardly
    assert table.loc["good", "verdict"] == "all weights matter; the class scores' matter in part"
    assert table.loc["good", "correlation_all"] == pytest.approx(0.1)
    assert table.loc["stubborn", "correlation_random_labels"] == pytest.approx(0.7)


def test_differences_are_over_networks_or_over_the_scenes_of_one():
    some = [
        ({"vebi": made_up([0.9, 0.2]), "deconv_gb": made_up([0.8, 0.4])}, ["fc", "conv1"]),
        ({"vebi": made_up([0.9, 0.3]), "deconv_gb": made_up([0.6, 0.4])}, ["fc", "conv1"]),
    ]
    table = paired_table(some).set_index("randomised_up_to")
    assert table["difference"].to_dict() == pytest.approx({"fc": 0.2, "conv1": -0.15})
    for stage, pair in (("fc", [0.1, 0.3]), ("conv1", [-0.2, -0.1])):
        expected = stats.ttest_1samp(pair, 0)
        ends = expected.confidence_interval()
        row = table.loc[stage]
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((ends.low, ends.high))
        assert row["p_value"] == pytest.approx(expected.pvalue)
    assert (table["n_seeds"] == 2).all()
    assert (table["over"] == "networks").all()
    wide = replace(some[0][0]["vebi"], correlation=some[0][0]["vebi"].correlation * 2)
    alone = paired_table([({**some[0][0], "vebi": wide}, ["fc", "conv1"])])
    spread = wide.correlation[0] - some[0][0]["deconv_gb"].correlation[0]
    ends = stats.ttest_1samp(spread, 0).confidence_interval()
    assert (alone["ci_low"][0], alone["ci_high"][0]) == pytest.approx((ends.low, ends.high))
    assert (alone["over"] == "scenes").all()


def test_random_labels_of_one_seed_are_a_mean_over_that_seed():
    with_labels = ({"vebi": made_up([0.9, 0.3])}, ["fc", RANDOM_LABELS])
    without = ({"vebi": made_up([0.7])}, ["fc"])
    runs = [without, with_labels]
    assert per_network(runs, "vebi", "fc").mean(1) == pytest.approx([0.7, 0.9])
    assert per_network(runs, "vebi", RANDOM_LABELS).mean(1) == pytest.approx([0.3])


def test_images_without_a_map_are_not_counted():
    item = made_up([0.5])
    item.correlation[0, :10] = np.nan
    row = similarity_table({"vebi": item}, ["fc"]).iloc[0]
    assert row["n_images"] == 30
    assert row["rank_correlation"] == pytest.approx(item.correlation[0, 10:].mean())
    empty = made_up([np.nan])
    table = verdict_table([({"vebi": empty}, ["fc"])])
    assert table["verdict"].item() == "no map to judge"


def test_other_images_are_refused():
    other = replace(made_up([0.5]), image_index=np.arange(1, 41))
    runs = [({"vebi": made_up([0.5])}, ["fc"]), ({"vebi": other}, ["fc"])]
    with pytest.raises(VebiError, match="same images"):
        per_network(runs, "vebi", "fc")


def test_tables_of_files(setting):
    items, stages = run(setting)
    path = setting[-1]
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    tables = tabulate([path, path], runs, {("d", "m"): 0.9})
    sanity = tables["sanity"]
    assert len(sanity) == 2 * len(items) * len(stages)
    assert set(sanity["randomised_up_to"]) == set(stages)
    # A map that can't change has no spread, and so no interval.
    spread = sanity[sanity["ci_low"].notna()]
    assert len(spread) >= len(sanity) / 2
    assert (spread["ci_low"] < spread["rank_correlation"]).all()
    assert sanity["again_correlation"].isna().all()
    assert (tables["sanity_verdict"]["random_label_accuracy"] == 0.9).all()
    assert len(tables["sanity_verdict"]) == len(items)
