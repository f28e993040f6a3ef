"""The engines on published networks with random weights: every unit, by hand and compared with captum."""

import copy
import warnings

import numpy as np
import pytest
import torch
from captum.attr import NeuronGuidedBackprop
from torch import Tensor, nn

from vebi.catalogue.descriptors import DESCRIPTORS
from vebi.catalogue.methods import METHODS
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.descriptors import describe_batch
from vebi.heatmaps import feature_maps
from vebi.heatmaps.signals import feature_signals
from vebi.network import Layer, list_layers, responses
from vebi.network.passes import fast_layout
from vebi.studies.ablation.ablate import ablate_batch, as_ablation

declare_missing_ops()
from torchvision import models  # noqa: E402

NETWORKS = ("squeezenet1_1", "resnet18", "mobilenet_v3_small", "densenet121", "convnext_tiny")
# A weighted or normalising module's class, and a layer of each network whose parameters are zeroed.
SIZE = 64


@pytest.fixture(scope="module", params=NETWORKS)
def network(request) -> tuple[nn.Module, Tensor, list[Layer]]:
    torch.manual_seed(0)
    net = getattr(models, request.param)(weights=None).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    images = torch.randn(2, 3, SIZE, SIZE)
    return net, images, list_layers(net, images)


def modules_of(net: nn.Module, layers: list[Layer]) -> list[tuple[Layer, nn.Module]]:
    """Layers that are modules called once: what hooks can see."""
    modules = dict(net.named_modules())
    names = {layer.name.split("#")[0] for layer in layers if "#" in layer.name}
    return [(x, modules[x.name]) for x in layers if x.name in modules and x.name not in names]


def test_responses_and_descriptors_of_every_unit(network) -> None:
    net, images, layers = network
    seen: dict[str, Tensor] = {}

    def keep(name: str):
        return lambda module, inputs, output: seen.update({name: output.clone()})

    pairs = modules_of(net, layers)
    assert len(pairs) > 0.7 * len(layers)
    handles = [module.register_forward_hook(keep(layer.name)) for layer, module in pairs]
    with torch.no_grad():
        logits = net(images)
    for handle in handles:
        handle.remove()
    assert torch.equal(responses(net, images, layers)[0], logits)
    _, values = responses(net, images, layers, [layer for layer, _ in pairs])
    for (layer, module), value in zip(pairs, values, strict=True):
        expected = seen[layer.name]
        if isinstance(module, nn.LayerNorm) and value.shape != expected.shape:
            expected = expected.permute(0, 2, 3, 1)  # torchvision's LayerNorm2d permutes around it
        assert torch.equal(value, expected), layer.name

    _, x = describe_batch(net, images, layers, DESCRIPTORS["vebi_text"])
    assert x.shape == (2, sum(layer.n_channels for layer in layers))
    start = 0
    everything = responses(net, images, layers)[1]
    for layer, value in zip(layers, everything, strict=True):
        channels = value.movedim(layer.channel_axis, 1).double()
        norms = channels.flatten(1).unflatten(1, (layer.n_channels, -1)).square().sum(2).sqrt()
        part = x[:, start : start + layer.n_channels].double()
        torch.testing.assert_close(part, norms / norms.sum(1, keepdim=True), rtol=1e-4, atol=1e-7)
        start += layer.n_channels


def test_ablation_equals_zeroing_by_hand(network) -> None:
    net, images, layers = network
    rng = np.random.default_rng(0)
    pairs = [
        (layer, module)
        for layer, module in modules_of(net, layers)
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.LayerNorm, nn.Linear))
    ]
    conditions, twins = [], []
    for i in rng.choice(len(pairs), 5, replace=False):
        layer = pairs[i][0]
        channels = rng.choice(layer.n_channels, layer.n_channels // 2, replace=False)
        conditions.append(as_ablation([(layer.index, c) for c in channels], layers))
        twin = copy.deepcopy(net)
        parameters = dict(twin.named_modules())[layer.name].named_parameters()
        with torch.no_grad():
            for _, parameter in parameters:
                parameter[torch.from_numpy(channels)] = 0
        twins.append(twin)
    scores = ablate_batch(net, images, layers, [*conditions, ()])
    with torch.no_grad():
        assert torch.equal(scores[-1], net(fast_layout(images)))
        for ours, twin in zip(scores, twins, strict=False):
            expected = twin(fast_layout(images))
            assert not torch.equal(expected, scores[-1])
            torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)


def test_deconv_gb_equals_captum(network) -> None:
    """Where captum is right: these networks have ReLU modules only.

    In double precision: through 121 layers single precision differs by more than 1e-6 on its own.
    """
    net, images, layers = network
    net, images = copy.deepcopy(net).double(), images.double()
    pairs = [pair for pair in modules_of(net, layers) if len(pair[0].shape) == 3]
    for layer, module in pairs[1 :: max(1, len(pairs) // 5)]:
        axis = 1 if isinstance(module, nn.LayerNorm) else layer.channel_axis
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = NeuronGuidedBackprop(net, module).attribute(
                images.clone().requires_grad_(),
                lambda out, axis=axis: 0.5 * out.movedim(axis, 1)[:, 1].square().sum((1, 2)),
            )
        features = np.full((2, 1, 2), (layer.index, 1))
        ours = feature_signals(net, images, layers, features)[:, 0]
        scale = float(theirs.abs().max())
        assert scale > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6 * scale)


def test_every_method_draws_features_of_every_depth(network) -> None:
    net, images, layers = network
    spatial = [layer.index for layer in layers if layer.spatial]
    chosen = [spatial[0], spatial[len(spatial) // 2], spatial[-1]]
    features = np.array([[(index, 0) for index in chosen]] * 2)
    drawing = [name for name, method in METHODS.items() if method.explains == "features"]
    maps = feature_maps(net, images, layers, features, drawing)
    for name, values in maps.items():
        assert values.shape == (2, 3, SIZE, SIZE)
        assert values.isfinite().all(), name
        assert values.min() >= 0
        assert values.max() <= 1


class Own(nn.Module):
    """A user's network: 1 channel, branches, reused and functional ReLUs, all kinds of convolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.stem = nn.Conv2d(1, 8, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.dilated = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.fc, self.head = nn.Linear(64, 10), nn.Linear(10, 4)

    def forward(self, x: Tensor, kill: tuple[str, list[int]] = ("", [])) -> Tensor:
        """`kill` sets channels of one response to zero, by hand."""

        def cut(name: str, value: Tensor) -> Tensor:
            self.seen[name] = value.clone()
            if kill[0] == name:
                value = value.clone()
                value[:, kill[1]] = 0
            return value

        self.seen: dict[str, Tensor] = {}
        x = cut("relu", self.relu(cut("norm", self.norm(cut("stem", self.stem(x / 255 - 0.5))))))
        y = cut("relu#2", self.relu(cut("grouped", self.grouped(x))))
        z = cut("relu#3", torch.relu(cut("dilated", self.dilated(x))))
        z = cut("avg_pool2d", nn.functional.avg_pool2d(z + x, 2, 1, 1))[:, :, 1:, 1:]
        pooled = cut("adaptive_max_pool2d", nn.functional.adaptive_max_pool2d(y + z, (2, 4)))
        hidden = cut("fc", self.fc(pooled.flatten(1)))
        return self.head(cut("relu#4", nn.functional.relu(hidden)))


def test_a_users_network_of_one_channel_by_hand() -> None:
    net = Own().eval()
    images = torch.rand(3, 1, 20, 20) * 255
    layers = list_layers(net, images)
    logits, values = responses(net, images, layers)
    assert torch.equal(logits, net(images))
    names = dict(zip(net.seen, (layer.name for layer in layers), strict=True))
    assert [layer.type for layer in layers] == [
        *("conv", "norm", "relu", "conv", "relu", "conv", "relu", "pool", "pool", "fc", "relu")
    ]
    for layer, value, expected in zip(layers, values, net.seen.values(), strict=True):
        torch.testing.assert_close(value, expected, rtol=0, atol=0, msg=layer.name)
    for position, (by_hand, name) in enumerate(names.items()):
        condition = as_ablation([(position, 1), (position, 3)], layers)
        with torch.no_grad():
            expected = net(images, (by_hand, [1, 3]))
        ours = ablate_batch(net, images, layers, [condition])[0]
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6, msg=name)
        assert not torch.equal(expected, logits)
    features = np.array([[(layers[7].index, 1), (layers[9].index, 4)]] * 3)
    for name, maps in feature_maps(net, images, layers, features, ["vebi", "deconv_gb"]).items():
        assert maps.shape == (3, 2, 20, 20), name
        assert maps.flatten(2).amax(2).eq(1).all(), name


def test_fully_connected_networks_have_no_maps_but_are_explained() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    )
    images = torch.rand(2, 1, 6, 6)
    layers = list_layers(net, images)
    assert [(layer.type, layer.spatial) for layer in layers] == [("fc", False), ("relu", False)] * 2
    # Guided backpropagation through a chain: only positive signals pass each ReLU.
    features = np.array([[(3, 2)], [(3, 2)]])
    signal = feature_signals(net, images, layers, features)[:, 0]
    with torch.no_grad():
        first = net[1](images.flatten(1))
        second = net[3](first.relu())
        seed = second.relu() * (torch.arange(6) == 2)
        back = (seed * (second > 0)) @ net[3].weight
        expected = (back.clamp(min=0) * (first > 0)) @ net[1].weight
    torch.testing.assert_close(signal.flatten(1), expected, rtol=1e-5, atol=1e-7)
