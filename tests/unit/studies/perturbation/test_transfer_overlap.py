"""Firing on other images and overlap with chance, by hand and by brute force."""

from itertools import combinations

import numpy as np
import pytest
import torch

from vebi.models.nets import NetSpec, build
from vebi.network import list_layers, responses
from vebi.studies.perturbation.overlap import measure_overlap, vebi_channels
from vebi.studies.perturbation.transfer import Activations, mean_activations, measure_firing


def test_firing_by_hand() -> None:
    # Two images, one layer of three channels, four reference images of which the first is image 0.
    own = {7: np.array([[2.0, 1.0, -1.0], [0.0, 4.0, 1.0]])}
    reference = {7: np.array([[2.0, 1.0, 9.0], [1.0, 0.4, 9.0], [0.9, 2.0, 9.0], [3.0, 1.9, 0.0]])}
    sets = {7: [np.array([0, 1, 2]), np.array([0, 1])]}
    same_image = np.zeros((2, 4), bool)
    same_image[0, 0] = True
    labels, reference_labels = np.array([0, 1]), np.array([0, 0, 1, 1])
    firing = measure_firing(sets, Activations(own, reference, labels, reference_labels, same_image))
    # Image 0: channel 2 does not respond to it. Of its class is image 1: channel 0 fires (1 >= 1),
    # channel 1 does not. Of the other: channel 0 fires on image 3, channel 1 on both.
    assert firing.same[0] == pytest.approx(1 / 2)
    assert firing.other[0] == pytest.approx(3 / 4)
    # Image 1: only channel 1 responds. It fires on image 2 (2 >= 2), not on 3 and not on class 0.
    assert firing.same[1] == pytest.approx(1 / 2)
    assert firing.other[1] == 0


def test_nothing_to_count() -> None:
    nothing = {0: np.zeros((1, 2))}
    sets = {0: [np.array([0, 1])]}
    label, same_image = np.array([0]), np.zeros((1, 1), bool)
    firing = measure_firing(sets, Activations(nothing, nothing, label, label, same_image))
    assert np.isnan(firing.same[0])
    assert np.isnan(firing.other[0])


def test_mean_activations() -> None:
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 64.0))
    images = torch.rand(5, 1, 28, 28) * 255
    layers = list_layers(net, images)
    found = mean_activations(net, images, layers, layers, batch_size=2)
    _, values = responses(net, images, layers)
    for layer, value in zip(layers, values, strict=True):
        expected = value.double().reshape(5, layer.n_channels, -1).mean(2)
        np.testing.assert_allclose(found[layer.index], expected, rtol=1e-4, atol=1e-5)


def test_tail_is_counting_subsets() -> None:
    """Of all sets of two among six channels, those that share as many with {0, 1, 2}."""
    first = np.array([0, 1, 2])
    for second in (np.array([0, 1]), np.array([2, 5]), np.array([3, 4]), np.array([], int)):
        found = measure_overlap([first], [second], 6)
        common = len(set(first.tolist()) & set(second.tolist()))
        shares = [len(set(c) & {0, 1, 2}) for c in combinations(range(6), len(second))]
        assert found.common[0] == common
        assert found.expected[0] == pytest.approx(np.mean(shares))
        assert found.tail[0] == pytest.approx(np.mean([s >= common for s in shares]))


def test_vebis_channels_of_a_convolution() -> None:
    """The convolution, its ReLU and its pooling show the same channels; the next convolution does not."""
    net = build(NetSpec("an8flower_strided", (3, 112, 112), 6, 64.0))
    layers = list_layers(net, torch.zeros(3, 112, 112))
    wanted = next(layer for layer in layers if layer.name == "relu2")
    names = np.array(["relu1", "conv2", "relu2", "pool2", "conv3", "pool2"])
    channels = np.array([1, 5, 6, 5, 7, 9])
    weights = np.array([[1, 0.5, 0, -0.5, 1, 0], [0, 0, 0, 0, 0, 2.0]])
    found = vebi_channels(layers, wanted, weights, names, channels)
    assert [one.tolist() for one in found] == [[5], [9]]
