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
from vebi.studies.ablation.measure import draw_control, get_pool
from vebi.studies.controls import STUDY
from vebi.studies.controls.draws import (
    CONTROLS,
    NEAREST,
    Features,
    draw_norm_matched,
    draw_share_matched,
)
from vebi.studies.controls.measure import describe_draws, mean_norms, run_study
from vebi.studies.controls.tables import tabulate

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
    assert drawn.dtype == np.int64
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


def test_a_share_below_one_channel_takes_one(network):
    """One of 64 channels is a quarter of one of 16, or half of one of 32."""
    _, layers = network
    width = {layer.index: layer.n_channels for layer in layers}
    widest = max(width, key=lambda index: width[index])
    features = make_features(layers, {widest: 1})
    sizes = set()
    for seed in range(30):
        drawn = draw_share_matched(features, layers, np.random.default_rng(seed))
        sizes.add((width[int(drawn[0, 0])], len(drawn)))
    assert {n for _, n in sizes} == {1}
    assert min(size for size, _ in sizes) < width[widest]


def test_a_control_that_there_is_not_is_refused(network):
    _, layers = network
    features = make_features(layers, {0: 2})
    for name in ("Random", "", "none"):
        with pytest.raises(ValueError, match=f"no control '{name}'"):
            draw_control(name, features.selected, features.pool, np.random.default_rng(0))


def test_every_draw_has_a_key_of_its_own_and_batches_change_nothing(network, data, tmp_path):
    """Two scopes whose selections are the same: their draws differ by the scope's place in the key."""
    net, layers = network
    dataset, descriptors = data
    conv = next(layer for layer in layers if layer.type == "conv")
    table = pd.DataFrame({"mu": 5.0, "layer": conv.name, "channel": [0, 3, 5], "class": 0})
    selections = {"conv": table, "all": table}
    settings = ControlsConfig(repeats=3, batch_size=7)

    def study(key: list[int], **changed: int) -> pd.DataFrame:
        options = settings.model_copy(update=changed)
        return run_study(net, dataset, descriptors, selections, options, mu=5.0, key=key)

    found = study([0, 1])
    assert found[["scope", "control"]].to_numpy().tolist() == [
        [scope, control] for scope in ("all", "conv") for control in CONTROLS
    ]
    pd.testing.assert_frame_equal(found, study([0, 1], batch_size=30))
    drawn = ["norm_control", "overlap"]
    others = {name: study(key)[drawn].to_numpy() for name, key in (("a", [0, 2]), ("b", [7, 1]))}
    assert all((other != found[drawn].to_numpy()).any() for other in others.values())
    by_scope = {scope: rows.set_index("control") for scope, rows in found.groupby("scope")}
    matched = [by_scope[scope].loc["random_layer_matched", "norm_control"] for scope in by_scope]
    assert matched[0] != matched[1]
    # With one draw a control is that draw; three draws that were one would have its mean.
    single = study([0, 1], repeats=1)
    assert (single["norm_control"] != found["norm_control"]).any()

    # The table of two networks, and of each row what does not depend on draws.
    paths = [tmp_path / f"{seed}.csv" for seed in (4, 5)]
    for path in paths:
        path.write_text(found.to_csv(index=False))
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (4, 5)]
    (name, stacked), *more = tabulate(paths, runs).items()
    assert (name, more) == ("ablation_controls", [])
    assert stacked.columns.tolist() == STUDY.tables[name].columns
    assert stacked["seed"].tolist() == [4] * len(found) + [5] * len(found)
    assert set(stacked["mu"]) == {5.0}
    assert set(stacked["repeats"]) == {3}
    assert set(stacked["n_selected"]) == {3}
    assert set(stacked["n_images"]) == {len(dataset.indices(1))}
    same_size = stacked[stacked["control"] != "random_share_matched"]
    assert set(same_size["n_control"]) == {3.0}


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


def test_a_control_that_is_half_the_selection_leaves_nothing(network):
    _, layers = network
    features = make_features(layers, {0: 4})
    half, less = np.array([[0, 0], [0, 9]]), np.array([[0, 0], [0, 9], [0, 10]])
    assert describe_draws(features, [half], layers)["leaves_something"] == "no"
    assert describe_draws(features, [less], layers)["leaves_something"] == "yes"


def test_a_control_of_nothing_or_of_one_feature(network):
    _, layers = network
    features = make_features(layers, {0: 4})
    nothing = np.zeros((0, 2), np.int64)
    found = describe_draws(features, [nothing], layers)
    assert [found[key] for key in ("n_control", "overlap", "largest_layer_share")] == [0, 0, 0]
    assert describe_draws(features, [np.array([[0, 1]])], layers)["overlap"] == 1.0


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
