"""Ranking, maps, and the files that hold them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vebi.catalogue.methods import METHODS
from vebi.config.stages import HeatmapConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors import describe, open_descriptors
from vebi.heatmaps import (
    Targets,
    feature_maps,
    heatmaps,
    merge,
    merged_maps,
    top_features,
    write_heatmaps,
)
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.heatmaps.maps import map_of_signal, scale_to_unit
from vebi.heatmaps.methods.vebi import STRIDE1
from vebi.heatmaps.signals import feature_signals
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import feature_index, list_layers, responses


@pytest.fixture(scope="module")
def net():
    net = build(NetSpec("an8flower_strided", (3, 112, 112), 3, 64.0))
    initialise(net, 0)
    return net


@pytest.fixture(scope="module")
def layers(net):
    return list_layers(net, torch.zeros(3, 112, 112))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.booleans())
def test_ranking_against_a_sorted_list(layers, seed: int, k: int, spatial_only: bool) -> None:
    rng = np.random.default_rng(seed)
    m = sum(layer.n_channels for layer in layers)
    # Few different values: ties are common.
    x, weights = rng.integers(0, 3, (4, m)) / 4, np.zeros((3, m))
    some = rng.choice(m, 9, replace=False)
    weights[:, some] = rng.integers(-2, 3, (3, 9))
    predictions = rng.integers(0, 3, 4)
    features, scores = top_features(x, weights, predictions, layers, k, spatial_only=spatial_only)
    positions, channels = feature_index(layers)
    for n in range(4):
        r = weights[predictions[n]] * x[n]
        allowed = [
            i for i in range(m) if r[i] > 0 and (layers[positions[i]].spatial or not spatial_only)
        ]
        best = sorted(allowed, key=lambda i: (-r[i], i))[:k]
        expected = [(positions[i], channels[i]) for i in best] + [(-1, -1)] * (k - len(best))
        assert [tuple(f) for f in features[n]] == expected
        assert scores[n].tolist() == [r[i] for i in best] + [0] * (k - len(best))


def test_more_features_wanted_than_there_are(layers) -> None:
    features, scores = top_features(
        np.ones((1, 32)), np.ones((1, 32)), np.zeros(1, int), layers[:1], 40
    )
    assert features.shape == (1, 40, 2)
    assert scores[0].tolist() == [1] * 32 + [0] * 8


def test_ranking_of_another_network_s_descriptors(layers) -> None:
    with pytest.raises(VebiError, match="7 columns"):
        top_features(np.ones((1, 7)), np.ones((1, 7)), np.zeros(1, int), layers)


def test_map_of_a_signal_by_hand() -> None:
    signal = torch.tensor([[[3.0, -1.0], [0.0, 1.0]], [[4.0, -2.0], [0.0, 0.0]]])
    assert map_of_signal(signal).tolist() == [[1.0, 0.0], [0.0, pytest.approx(0.2)]]
    assert scale_to_unit(torch.full((2, 3, 3), 5.0)).tolist() == [[[0.0] * 3] * 3] * 2
    assert scale_to_unit(torch.tensor([[2.0, 4.0], [3.0, 2.0]])).tolist() == [[0, 1], [0.5, 0]]


def test_merging_takes_the_maximum() -> None:
    maps = torch.tensor([[[[0.0, 0.5]], [[0.2, 0.1]]]])
    assert merge(maps).tolist() == [[[pytest.approx(0.2), 0.5]]]
    assert merge(torch.zeros(2, 0, 3, 4)).shape == (2, 3, 4)


def test_upsampled_activation_is_the_map_resized(net, layers) -> None:
    images = torch.rand(2, 3, 112, 112) * 255
    features = np.array([[[0, 3], [7, 5]], [[7, 9], [-1, -1]]])
    maps = feature_maps(net, images, layers, features, ["upsampled_activation"])
    maps = maps["upsampled_activation"]
    _, (first, last) = responses(net, images, layers, [layers[0], layers[7]])
    for n, slot, response in ((0, 0, first[0, 3]), (0, 1, last[0, 5]), (1, 0, last[1, 9])):
        resized = torch.nn.functional.interpolate(response[None, None], (112, 112), mode="bilinear")
        torch.testing.assert_close(maps[n, slot], scale_to_unit(resized[0, 0]))
    assert not maps[1, 1].any()
    with pytest.raises(VebiError, match="'fc4' has no maps"):
        heatmaps(net, images, layers, np.full((2, 1, 2), (8, 1)), "upsampled_activation")


def test_unknown_method(net, layers) -> None:
    with pytest.raises(VebiError, match="'gradcam2'; known: upsampled_activation, deconv_gb"):
        heatmaps(net, torch.zeros(1, 3, 112, 112), layers, np.zeros((1, 1, 2), int), "gradcam2")
    with pytest.raises(VebiError, match="'lrp' explains the predicted class, not features"):
        heatmaps(net, torch.zeros(1, 3, 112, 112), layers, np.zeros((1, 1, 2), int), "lrp")


def test_files(net, layers, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (11, 112, 112, 3), dtype=np.uint8)
    data = Images(pixels, rng.integers(0, 3, 11), np.arange(11) % 3 > 0, list("abc"))
    write_dataset(tmp_path / "dataset.h5", data)
    dataset = open_dataset(tmp_path / "dataset.h5")
    describe(net, dataset, tmp_path / "descriptors.h5")
    descriptors = open_descriptors(tmp_path / "descriptors.h5")
    m = len(descriptors.feature_layer)
    weights = rng.normal(size=(3, m)) * (rng.random((3, m)) < 0.02)
    weights[:, 0] = 0.01

    def write(folder: str) -> dict[str, Path]:
        paths = {name: tmp_path / folder / f"{name}.h5" for name in METHODS}
        network = InterpretedNetwork(net, dataset, descriptors, weights)
        write_heatmaps(network, paths, HeatmapConfig(batch_size=3, ig_steps=2))
        return paths

    paths, again = write("a"), write("b")
    rows = dataset.indices(1)
    images = torch.from_numpy(pixels[rows].transpose(0, 3, 1, 2)).float()
    for name, path in paths.items():
        assert path.read_bytes() == again[name].read_bytes()
        with h5py.File(path) as file:
            maps = file["heatmaps"][:]
            assert file["image_index"][:].tolist() == rows.tolist()
            assert maps.dtype == np.float32
            assert maps.min() >= 0
            assert maps.max() == 1
            if METHODS[name].explains == "class":
                assert set(file) == {"heatmaps", "image_index"}
                targets = Targets(descriptors.predictions[rows], {})
                drawn = merged_maps(net, images, layers, targets, [name], ig_steps=2)[name]
                np.testing.assert_allclose(maps, drawn, rtol=1e-3, atol=1e-4)
                continue
            features = file["features"][:]
            if METHODS[name].metric == "relevance":
                expected, scores = top_features(
                    descriptors.rows(rows),
                    weights,
                    descriptors.predictions[rows],
                    layers,
                    spatial_only=METHODS[name].spatial_only,
                )
                assert np.array_equal(features, expected)
                assert np.array_equal(file["feature_scores"][:], scores)
        np.testing.assert_allclose(
            maps, heatmaps(net, images, layers, features, name), rtol=1e-4, atol=1e-5
        )


def test_files_of_a_descriptor_of_some_layers(net, layers, tmp_path: Path) -> None:
    """Layers are counted as in the descriptor file, and found again in the network by name."""
    data = Images(np.full((2, 112, 112, 3), 9, np.uint8), [0, 1], [1, 1], list("abc"))
    data = Images(
        np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8),
        np.array([0, 1]),
        np.array([1, 1]),
        list("abc"),
    )
    write_dataset(tmp_path / "dataset.h5", data)
    dataset = open_dataset(tmp_path / "dataset.h5")
    describe(net, dataset, tmp_path / "descriptors.h5", "mcgill_keras")
    descriptors = open_descriptors(tmp_path / "descriptors.h5")
    weights = np.zeros((3, 224))
    weights[:, 32 + 7] = 1  # channel 7 of relu2
    network = InterpretedNetwork(net, dataset, descriptors, weights)
    write_heatmaps(network, {"vebi": tmp_path / "vebi.h5"}, HeatmapConfig(top=1))
    with h5py.File(tmp_path / "vebi.h5") as file:
        assert file["features"][:].tolist() == [[[1, 7]], [[1, 7]]]
        maps = file["heatmaps"][:]
    images = torch.from_numpy(data.images.transpose(0, 3, 1, 2)).float()
    signal = feature_signals(net, images, layers, np.full((2, 1, 2), (4, 7)), STRIDE1)
    np.testing.assert_allclose(maps, map_of_signal(signal)[:, 0], rtol=1e-5, atol=1e-6)


def test_an_empty_split_and_an_unknown_method_are_named(net, tmp_path: Path) -> None:
    data = Images(np.zeros((2, 112, 112, 3), np.uint8), np.zeros(2), np.zeros(2), list("abc"))
    write_dataset(tmp_path / "dataset.h5", data)
    dataset = open_dataset(tmp_path / "dataset.h5")
    describe(net, dataset, tmp_path / "x.h5")
    descriptors = open_descriptors(tmp_path / "x.h5")
    network = InterpretedNetwork(net, dataset, descriptors, np.zeros((3, 800)))
    with pytest.raises(VebiError, match="no images in split 1"):
        write_heatmaps(network, {"vebi": tmp_path / "v.h5"}, HeatmapConfig(), split=1)
    with pytest.raises(VebiError, match="'lime'"):
        write_heatmaps(network, {"lime": tmp_path / "v.h5"}, HeatmapConfig(), split=0)
