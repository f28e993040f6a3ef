"""Controls of the ablation that are matched by layer, by norm and by share."""

import numpy as np
import pandas as pd
import pytest
import torch

from vebi.config.controls import ControlsConfig
from vebi.data.dataset import TRAIN, Images, open_dataset, write_dataset
from vebi.descriptors import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.models.nets import NetSpec, build
from vebi.network.layers import list_layers
from vebi.studies.ablation.ablate import ablate, mean_class_accuracy
from vebi.studies.ablation.measure import get_pool
from vebi.studies.controls.draws import (
    CONTROLS,
    NEAREST,
    Features,
    draw_norm_matched,
    draw_share_matched,
)
from vebi.studies.controls.measure import describe_draws, mean_norms, run_study

SIZE, CLASSES = 16, 3


@pytest.fixture(scope="module")
def images():
    """Bands of different brightness and place."""
    rng = np.random.default_rng(0)
    made = rng.integers(0, 60, (60, SIZE, SIZE, 1), np.uint8)
    for i, image in enumerate(made):
        image[i % 4 * 4 : i % 4 * 4 + 4] += np.uint8(3 * i)
    return made


def predict(net, images):
    with torch.no_grad():
        return net(torch.from_numpy(images.transpose(0, 3, 1, 2)).float()).argmax(1).numpy()


@pytest.fixture(scope="module")
def network(images):
    """Random weights, the first that tell the images apart."""
    for seed in range(100):
        net = build(NetSpec("patch_cnn", (1, SIZE, SIZE), CLASSES, 8.0, (60.0,)), seed=seed)
        if np.bincount(predict(net, images), minlength=CLASSES).min() >= 8:
            return net, list_layers(net, torch.zeros(1, 1, SIZE, SIZE))
    raise AssertionError("no seed gives a network that predicts every class")


@pytest.fixture(scope="module")
def data(tmp_path_factory, network, images):
    folder = tmp_path_factory.mktemp("controls")
    # What it predicts is right but for every seventh image.
    labels = predict(network[0], images)
    labels[::7] = (labels[::7] + 1) % CLASSES
    classes = [f"c{i}" for i in range(CLASSES)]
    write_dataset(folder / "d.h5", Images(images, labels, np.arange(60) % 2, classes))
    dataset = open_dataset(folder / "d.h5")
    describe(network[0], dataset, folder / "x.h5", variant="vebi_text", device=torch.device("cpu"))
    return dataset, open_descriptors(folder / "x.h5")


def make_features(layers, per_layer, seed=0):
    """The first channels of each layer selected; norms are random."""
    pool = get_pool(layers, "all")
    selected = np.array([f for f in pool.tolist() if f[1] < per_layer.get(f[0], 0)])
    return Features(selected, pool, np.random.default_rng(seed).gamma(0.3, 1.0, len(pool)))


def pairs(drawn):
    return set(map(tuple, drawn.tolist()))


@pytest.mark.parametrize("control", list(CONTROLS))
@pytest.mark.parametrize("seed", range(5))
def test_a_draw_has_each_feature_once_and_only_the_pools(network, control, seed):
    _, layers = network
    features = make_features(layers, {0: 14, 3: 20})
    drawn = CONTROLS[control](features, layers, np.random.default_rng(seed))
    again = CONTROLS[control](features, layers, np.random.default_rng(seed))
    assert np.array_equal(drawn, again)
    assert len(pairs(drawn)) == len(drawn)
    assert pairs(drawn) <= pairs(features.pool)
    assert drawn.tolist() == sorted(drawn.tolist())
    if control != "random_share_matched":
        assert len(drawn) == len(features.selected)
    if control in ("random_norm_matched", "random_share_matched"):
        assert not pairs(drawn) & pairs(features.selected)


def test_norms_of_a_matched_draw_are_those_of_the_selection(network):
    """Each is one of the nearest: with as many twins of each norm as are looked at, it is a twin."""
    _, layers = network
    features = make_features(layers, {0: 6})
    norm = np.full(len(features.pool), 1e-9)
    values = 10.0 ** np.arange(6)
    norm[features.is_selected] = values
    others = np.flatnonzero(~features.is_selected)
    for i, value in enumerate(values):
        norm[others[NEAREST * i : NEAREST * (i + 1)]] = value
    features = features._replace(norm=norm)
    for seed in range(5):
        drawn = draw_norm_matched(features, layers, np.random.default_rng(seed))
        place = {tuple(f): n for f, n in zip(features.pool.tolist(), norm, strict=True)}
        assert sorted(place[f] for f in pairs(drawn)) == values.tolist()


def test_shares_of_a_matched_draw_are_those_of_the_selection(network):
    _, layers = network
    width = {layer.index: layer.n_channels for layer in layers}
    # Half of one layer and a quarter of another, of layers whose widths are multiples of four.
    features = make_features(layers, {0: width[0] // 2, 3: width[3] // 4})
    for seed in range(10):
        drawn = draw_share_matched(features, layers, np.random.default_rng(seed))
        found, counts = np.unique(drawn[:, 0], return_counts=True)
        shares = sorted(n / width[layer] for layer, n in zip(found.tolist(), counts, strict=True))
        assert shares == [0.25, 0.5]


def test_a_layer_that_is_selected_whole_leaves_nothing_to_compare(network, data):
    net, layers = network
    dataset, descriptors = data
    first = layers[0]
    table = pd.DataFrame(
        {"mu": 5.0, "layer": first.name, "channel": np.arange(first.n_channels), "class": 0}
    )
    settings = ControlsConfig(repeats=4, batch_size=7)
    result = run_study(
        net, dataset, descriptors, {"all": table}, settings, mu=5.0, key=[0, 1]
    ).set_index("control")
    assert list(result.index) == list(CONTROLS)
    matched = result.loc["random_layer_matched"]
    assert (matched["overlap"], matched["leaves_something"]) == (1.0, "no")
    assert (matched["difference"], matched["largest_layer_share"]) == (0.0, 1.0)
    for control in ("random_norm_matched", "random_share_matched"):
        assert (result["overlap"][control], result["leaves_something"][control]) == (0.0, "yes")
    # A whole layer's shares of its own response add up to one.
    assert result["norm_selected"].to_numpy() == pytest.approx(1.0)
    # The drop is that of removing the layer by hand.
    rows = dataset.indices(1)
    selected = np.array([(first.index, channel) for channel in range(first.n_channels)])
    predictions = ablate(net, dataset, rows, [np.zeros((0, 2), int), selected])
    whole, without = mean_class_accuracy(predictions, dataset.labels[rows])
    assert whole > 0.7
    assert without < 0.5
    assert result["drop_selected"].to_numpy() == pytest.approx(whole - without)
    assert np.allclose(result["difference"], result["drop_selected"] - result["drop_control"])
    measured = result[result["drop_control"] < result["drop_selected"]]
    assert (measured["ci_low"] < measured["difference"]).all()
    assert (measured["difference"] < measured["ci_high"]).all()


def test_overlap_and_share_by_hand(network):
    _, layers = network
    features = make_features(layers, {0: 4})
    width = layers[0].n_channels
    drawn = [np.array([[0, 0], [0, 1], [0, 4], [0, 5]]), np.array([[0, 0], [3, 1], [3, 2], [3, 3]])]
    found = describe_draws(features, drawn, layers)
    assert found["overlap"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert found["largest_layer_share"] == pytest.approx((4 / width + 3 / layers[3].n_channels) / 2)
    norm = {tuple(f): n for f, n in zip(features.pool.tolist(), features.norm, strict=True)}
    sums = [sum(norm[f] for f in pairs(draw)) for draw in drawn]
    assert found["norm_control"] == pytest.approx(np.mean(sums))


def test_mean_norms_are_the_columns_means(network, data):
    _, layers = network
    _, descriptors = data
    X = descriptors.rows(np.flatnonzero(descriptors.split == TRAIN)).astype(float)
    found = mean_norms(layers, descriptors)
    index = [layer.index for layer in layers if layer.name in descriptors.layer_names]
    for column in range(0, X.shape[1], 7):
        layer = index[descriptors.feature_layer[column]]
        key = (layer, int(descriptors.feature_channel[column]))
        assert found[key] == pytest.approx(X[:, column].mean())
