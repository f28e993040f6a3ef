"""Maps of the features of rankings, and the tables over networks, by brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.heatmaps.draw import heatmaps
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.network.layers import list_layers
from vebi.studies.identifiability.maps import join, overlaps
from vebi.studies.identifiability.rivals_file import (
    METHODS,
    Removal,
    Rivals,
    read_rivals,
    write_rivals,
)
from vebi.studies.identifiability.tables import effects
from vebi.studies.iou.curve import area_under_curve, iou_curves

FEATURE = st.tuples(st.integers(0, 3), st.integers(0, 5))
SETS = st.lists(FEATURE, max_size=4, unique=True)


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(SETS, min_size=n, max_size=n), min_size=1, max_size=3)
    )
)
def test_joined_features_are_those_of_every_ranking_each_once(drawn):
    chosen = [
        [np.array(one, np.int64).reshape(-1, 2) for one in of_ranking] for of_ranking in drawn
    ]
    features, slots = join(chosen)
    n, most = features.shape[:2]
    assert n == len(chosen[0])
    for row in range(n):
        there = [tuple(f) for f in features[row].tolist() if f[0] >= 0]
        assert len(there) == len(set(there))
        assert set(there) == {tuple(f) for of in chosen for f in of[row].tolist()}
        for of, own in zip(chosen, slots, strict=True):
            used = [slot for slot in own[row] if slot < most]
            assert [tuple(features[row, slot]) for slot in used] == [tuple(f) for f in of[row]]


class Bright(nn.Module):
    """Channel 0 is the image, 1 its negative; behind them two mixed ones, and single values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mix = nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 3, 3, 2, 1)
        self.hidden, self.fc = nn.Linear(3 * 16, 4), nn.Linear(4, 2)
        torch.manual_seed(0)
        self.conv.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)

    def forward(self, x):
        return self.fc(torch.relu(self.hidden(torch.relu(self.mix(self.conv(x))).flatten(1))))


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> InterpretedNetwork:
    folder = tmp_path_factory.mktemp("rivals")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 20, (8, 8, 8, 1), np.uint8)
    masks = np.zeros((8, 8, 8), bool)
    for row in range(8):
        masks[row, row % 4 : row % 4 + 3, 2:6] = True
    images[masks] = 200
    data = Images(images, np.arange(8) % 2, np.repeat([0, 1], 4), ["a", "b"], {"masks": masks})
    write_dataset(folder / "d.h5", data)
    net, dataset = Bright().eval().requires_grad_(False), open_dataset(folder / "d.h5")
    describe(net, dataset, folder / "x.h5", variant="vebi_text", device=torch.device("cpu"))
    descriptors = open_descriptors(folder / "x.h5")
    return InterpretedNetwork(net, dataset, descriptors, np.zeros((2, 0)))


def test_overlap_is_that_of_each_ranking_drawn_alone(network):
    rows = np.array([4, 5, 6, 7, 1])
    layers = list_layers(network.model, torch.zeros(1, 1, 8, 8))
    single = next(layer.index for layer in layers if not layer.spatial)
    mixed = next(layer.index for layer in layers if layer.name == "mix")
    one, two = np.array([[0, 0]]), np.array([[0, 1], [mixed, 2]])
    three = np.array([[0, 0], [mixed, 2], [single, 1]])
    none = one[:0]
    chosen = {"a": [one, two, three, none, one], "b": [two, two, one, three, none]}
    found = overlaps(network, rows, chosen, layers, batch_size=2, n_thresholds=11)
    assert set(found) == set(METHODS)
    for method, by_ranking in found.items():
        for name, sets in chosen.items():
            for place, features in enumerate(sets):
                if method == "upsampled_activation":
                    features = features[features[:, 0] != single]
                image = network.dataset.images_at(rows[place : place + 1]).transpose(0, 3, 1, 2)
                maps = heatmaps(
                    *(network.model, torch.from_numpy(image).float(), layers, features[None]),
                    method,
                )
                mask = network.dataset.read("masks", rows[place : place + 1])
                alone = area_under_curve(iou_curves(maps, mask, 11))[0]
                assert by_ranking[name][place] == pytest.approx(alone, abs=1e-6)


def test_features_on_the_mask_overlap_with_it_and_others_do_not(network):
    rows = network.dataset.indices(1)
    layers = list_layers(network.model, torch.zeros(1, 1, 8, 8))
    chosen = {"on": [np.array([[0, 0]])] * 4, "off": [np.array([[0, 1]])] * 4}
    found = overlaps(network, rows, chosen, layers, batch_size=4, n_thresholds=101)
    upsampled = found["upsampled_activation"]
    assert (upsampled["on"] > 0.8).all()
    assert (upsampled["off"] < 0.2).all()


def rivals(seed: int, scene: np.ndarray) -> Rivals:
    rng = np.random.default_rng(seed)
    names = ("selected", "omp", "taylor", "lrp", "random_layer_matched")
    removals = {name: Removal(rng.random(len(scene)), 3.0, 0.5) for name in names}
    areas = {"vebi": {name: rng.random(4) for name in names}}
    return Rivals(scene, removals, np.arange(4), 2.0, areas)


def test_effects_are_over_networks_where_every_image_is_a_scene(tmp_path):
    networks = [rivals(seed, np.arange(6)) for seed in range(4)]
    for number, item in enumerate(networks):
        write_rivals(tmp_path / f"{number}.h5", item)
    rows = effects([read_rivals(tmp_path / f"{number}.h5") for number in range(4)])
    keys = [(row["measure"], row["ranking"], row["reference"]) for row in rows]
    # Five rankings and the means of two kinds against two of them, and one mean against the other.
    assert len(set(keys)) == len(keys) == 2 * (2 * (5 + 2 - 1) + 1)
    for row in rows:
        values = [
            {name: removal.lost for name, removal in item.removals.items()}
            if row["measure"] == "drop"
            else item.areas[row["measure"]]
            for item in networks
        ]
        for of_network in values:
            of_network["mean_predictive"] = of_network["omp"]
            of_network["mean_relevance"] = (of_network["taylor"] + of_network["lrp"]) / 2
        of, against = ([v[row[k]].mean() for v in values] for k in ("ranking", "reference"))
        difference = np.subtract(of, against)
        low, high = stats.t.interval(0.95, 3, difference.mean(), stats.sem(difference))
        assert row["mean"] == pytest.approx(np.mean(of))
        assert row["mean_reference"] == pytest.approx(np.mean(against))
        assert row["difference"] == pytest.approx(difference.mean())
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
        assert row["p_value"] == pytest.approx(stats.ttest_1samp(difference, 0).pvalue)
        assert (row["n_seeds"], row["over"]) == (4, "networks")


def test_networks_of_one_experiment_are_paired_on_the_same_images():
    with pytest.raises(VebiError, match="same images"):
        effects([rivals(0, np.arange(6)), rivals(1, np.arange(6)[::-1])])
