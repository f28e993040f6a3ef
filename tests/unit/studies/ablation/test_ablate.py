"""Ablation against weights set to zero by hand."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import list_layers
from vebi.network.passes import fast_layout
from vebi.studies.ablation.ablate import (
    ablate,
    ablate_batch,
    as_ablation,
    class_weights,
    mean_class_accuracy,
)


def zeroed(net: nn.Module, channels: dict[str, list[int]]) -> nn.Module:
    """A copy whose named layers have no weights and no bias in these channels."""
    net = copy.deepcopy(net)
    with torch.no_grad():
        for name, chosen in channels.items():
            module = net.get_submodule(name)
            module.weight[chosen] = 0
            if module.bias is not None:
                module.bias[chosen] = 0
    return net


def test_equals_zeroed_filters() -> None:
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 64.0))
    initialise(net, 0)
    images = torch.rand(6, 1, 28, 28) * 255
    layers = list_layers(net, images)
    position = {layer.name: layer.index for layer in layers}
    cases = [
        {"conv1": [0, 3, 19]},
        {"conv2": [1], "fc3": [7, 499]},
        {},
        {"conv1": [0, 3, 19], "conv2": [1]},
        {"fc3": list(range(500))},
    ]
    ablations = [
        as_ablation([(position[name], c) for name in case for c in case[name]], layers)
        for case in cases
    ]
    scores = ablate_batch(net, images, layers, ablations)
    for case, ours in zip(cases, scores, strict=True):
        with torch.no_grad():
            torch.testing.assert_close(ours, zeroed(net, case)(fast_layout(images)), rtol=0, atol=0)


class Tangled(nn.Module):
    """In-place operations of every kind; `by_hand` zeroes channels between the lines."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 5, 3, padding=1)
        self.relu, self.norm = nn.ReLU(inplace=True), nn.BatchNorm2d(5)
        self.c, self.head = nn.Conv2d(10, 4, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.by_hand(x, None)

    def by_hand(self, x: Tensor, channels: dict[int, list[int]] | None) -> Tensor:
        count = iter(range(20))

        def cut(response: Tensor) -> Tensor:
            if channels is not None:
                response[:, channels.get(next(count), [])] = 0
            return response

        first = cut(self.a(x))
        x = cut(self.relu(first))
        y = cut(self.b(x))
        y = cut(self.norm(y)).mul_(2)
        y += first
        cut(y.relu_())
        x += 0.01
        z = cut(functional.max_pool2d(torch.cat([y, x], 1), 2))
        z = cut(functional.relu(cut(self.c(z)), inplace=True))
        return self.head(z.mean((2, 3)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 3), min_size=1), max_size=4),
        min_size=1,
        max_size=6,
    )
)
def test_any_conditions_in_any_order(conditions: list[dict[int, list[int]]]) -> None:
    """Responses taken over from one condition to the next never change a score."""
    net = Tangled().eval()
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    layers = list_layers(net, images)
    assert len(layers) == 8
    ablations = [
        as_ablation([(layer, c) for layer in case for c in case[layer]], layers)
        for case in conditions
    ]
    scores = ablate_batch(net, images, layers, ablations)
    with torch.no_grad():
        for case, ours in zip(conditions, scores, strict=True):
            torch.testing.assert_close(ours, net.by_hand(fast_layout(images), case), rtol=0, atol=0)


class CountedConvolutions(TorchDispatchMode):
    """How many convolutions torch really runs."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket is torch.ops.aten.convolution
        return func(*args, **(kwargs or {}))


def test_unchanged_beginnings_are_not_computed_again() -> None:
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 64.0))
    images = torch.rand(2, 1, 28, 28)
    layers = list_layers(net, images)

    def convolutions(conditions: list[list[tuple[int, int]]]) -> int:
        with CountedConvolutions() as counted:
            ablate_batch(net, images, layers, [as_ablation(c, layers) for c in conditions])
        return counted.count

    # conv1, conv2, fc3 and fc4
    assert convolutions([[]]) == 4
    assert convolutions([[], [], []]) == 4
    # Zeroing what comes out of the last ReLU leaves fc4 to run.
    assert convolutions([[(5, i)] for i in range(4)]) == 4 + 3
    # Three conditions share conv1's zeroed response, whatever order they are given in.
    shared = [[(0, 1), (2, 5)], [(5, 3)], [(0, 1), (4, 9)], [(0, 1), (2, 5), (5, 0)]]
    assert convolutions(shared) == 4 + 3 + 2 + 1


@pytest.fixture
def dataset(tmp_path: Path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)
    path = tmp_path / "dataset.h5"
    labels = np.arange(30) % 3
    write_dataset(path, Images(images, labels, np.arange(30) % 2, ["a", "b", "c"]))
    return open_dataset(path)


def test_streaming_does_not_depend_on_batches(dataset) -> None:
    net = build(NetSpec("matconvnet", (1, 28, 28), 3, 64.0))
    initialise(net, 0)
    conditions = [np.zeros((0, 2), int), [(0, i) for i in range(15)], [(5, i) for i in range(300)]]
    indices = dataset.indices(1)
    predictions = ablate(net, dataset, indices, conditions, batch_size=4)
    assert predictions.shape == (3, 15)
    assert np.array_equal(predictions, ablate(net, dataset, indices, conditions, batch_size=15))
    with torch.no_grad():
        images = torch.from_numpy(dataset.read("images", indices).transpose(0, 3, 1, 2)).float()
        assert np.array_equal(predictions[0], net(images).argmax(1))


def test_mean_class_accuracy_weighs_classes_alike() -> None:
    labels = np.array([0, 0, 0, 0, 2, 2])
    assert mean_class_accuracy(np.array([0, 0, 0, 1, 2, 0]), labels) == pytest.approx(0.625)
    both = mean_class_accuracy(np.array([[0] * 6, [2] * 6]), labels)
    assert both.tolist() == [0.5, 0.5]


def test_class_weights_turn_hits_into_mean_class_accuracy() -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 5, 40), rng.integers(0, 5, (3, 40))
    weighted = (class_weights(labels) * (predictions == labels)).mean(1)
    assert weighted == pytest.approx(mean_class_accuracy(predictions, labels))
    assert class_weights(np.array([1, 1, 7])).tolist() == [0.75, 0.75, 1.5]


def test_features_that_do_not_exist(dataset) -> None:
    net = build(NetSpec("matconvnet", (1, 28, 28), 3, 64.0))
    for bad in ([(0, 20)], [(6, 0)], [(-1, 0)]):
        with pytest.raises(VebiError, match="no feature"):
            ablate(net, dataset, dataset.indices(1), [bad])
    with pytest.raises(VebiError, match="no images"):
        ablate(net, dataset, np.array([], int), [])


class Unpooling(nn.Module):
    """A pooling that returns indices, which a later operation needs."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        pooled, indices = self.pool(self.conv(x))
        return self.head(torch.tanh(self.unpool(pooled, indices)).mean((2, 3)))


def test_pooling_with_indices() -> None:
    net, images = Unpooling(), torch.randn(2, 3, 6, 6)
    layers = list_layers(net, images)
    assert [layer.type for layer in layers] == ["conv", "pool", "tanh"]
    conditions = [as_ablation([(2, c)], layers) for c in range(3)]
    scores = ablate_batch(net, images, layers, conditions)
    with torch.no_grad():
        pooled, indices = net.pool(net.conv(fast_layout(images)))
        response = torch.tanh(net.unpool(pooled, indices))
        for c in range(3):
            zeroed_response = response.clone()
            zeroed_response[:, c] = 0
            assert torch.equal(scores[c], net.head(zeroed_response.mean((2, 3))))
