"""Removal as the McGill code does it, on weights, against removal of whole responses."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.network.layers import list_layers
from vebi.studies.mcgill.removal import predict_without, weighted_layers, without_first_input


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(5 * 16, 7),
        nn.ReLU(),
        nn.Linear(7, 10),
    ).eval()


@pytest.fixture(scope="module")
def layers(net):
    return list_layers(net, torch.zeros(1, 8, 8))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 255, (23, 8, 8, 1), np.uint8)
    path = tmp_path_factory.mktemp("d") / "d.h5"
    labels = np.arange(23) % 10
    write_dataset(path, Images(images, labels, np.ones(23), [str(i) for i in range(10)]))
    return open_dataset(path)


def test_the_last_weighted_layer_makes_the_channels_of_what_follows(layers):
    assert [layer.type for layer in layers] == [
        "conv",
        "relu",
        "conv",
        "relu",
        "pool",
        "fc",
        "relu",
    ]
    assert weighted_layers(layers) == {0: "0", 1: "0", 2: "2", 3: "2", 4: "2", 5: "6", 6: "6"}


def test_only_the_first_input_and_the_bias_become_zero(net, layers):
    before = copy.deepcopy(net.state_dict())
    changed = without_first_input(net, ((3, (1, 4)),), layers)
    assert set(changed) == {"2.weight", "2.bias"}
    weight = before["2.weight"].clone()
    for channel in (1, 4):
        weight[channel, 0] = 0
    assert torch.equal(changed["2.weight"], weight)
    assert changed["2.bias"].tolist() == [
        0 if i in (1, 4) else before["2.bias"][i] for i in range(5)
    ]
    assert (changed["2.weight"][1, 1:] != 0).all()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_it_equals_keras_indexing(net, layers):
    """kernel[:, :, 0, filter] = 0 on the kernel in Keras' order (height, width, inputs, filters)."""
    kernel = net[2].weight.detach().permute(2, 3, 1, 0).clone()
    kernel[:, :, 0, 3] = 0
    changed = without_first_input(net, ((3, (3,)),), layers)["2.weight"]
    assert torch.equal(changed, kernel.permute(3, 2, 0, 1))


def test_partial_removal_is_complete_where_there_is_one_input(net, dataset, layers):
    conditions = [np.array([[1, c] for c in channels]) for channels in ([0], [1, 3], range(6))]
    everything = np.arange(len(dataset))
    complete = predict_without(
        net, dataset, everything, conditions, removal="complete", layers=layers, batch_size=5
    )
    partial = predict_without(
        net, dataset, everything, conditions, removal="partial", layers=layers, batch_size=7
    )
    assert np.array_equal(complete, partial)
    assert len(np.unique(complete)) > 1


def test_both_removals_against_a_changed_copy_of_the_network(net, dataset, layers):
    """Brute force: weights of a copy, one condition at a time, all images at once."""
    conditions = [
        np.array([[3, 0], [3, 2]]),
        np.array([[1, 5], [3, 1], [3, 3], [3, 4]]),
        np.zeros((0, 2), np.int64),
    ]
    images = torch.from_numpy(dataset.read("images")).permute(0, 3, 1, 2).float()
    rows = np.arange(len(dataset))
    differ = 0
    for removal in ("complete", "partial"):
        got = predict_without(
            net, dataset, rows, conditions, removal=removal, layers=layers, batch_size=4
        )
        for condition, predictions in zip(conditions, got, strict=True):
            twin = copy.deepcopy(net)
            for layer, channel in condition.tolist():
                module = twin[layer - 1]
                with torch.no_grad():
                    module.bias[channel] = 0
                    if removal == "complete":
                        module.weight[channel] = 0
                    else:
                        module.weight[channel, 0] = 0
            expected = twin(images).argmax(1).numpy()
            assert np.array_equal(predictions, expected)
            differ += (expected != net(images).argmax(1).numpy()).sum()
    assert differ > 0


def test_filters_live_on_after_partial_removal(net, layers):
    """In layer 2 five of six inputs still reach the filter."""
    image = torch.rand(1, 1, 8, 8) * 255
    changed = without_first_input(net, ((3, (2,)),), layers)
    response = functional.conv2d(
        net[1](net[0](image)), changed["2.weight"], changed["2.bias"], padding=1
    )
    assert response[0, 2].abs().max() > 0
