"""The engines on published networks with random weights: every unit, by hand and beside captum."""

import copy
import warnings

import numpy as np
import pytest
import torch
from captum.attr import NeuronGuidedBackprop
from torch import Tensor, nn

from vebi.ablation.ablate import ablate_batch, as_ablation
from vebi.descriptors import VARIANTS, describe_batch
from vebi.heatmaps import METHODS, feature_maps
from vebi.heatmaps.methods import FeatureMethod
from vebi.heatmaps.signals import feature_signals
from vebi.models.torchvision_ops import declare_missing_ops
from vebi.network import Layer, list_layers, responses
from vebi.network.passes import fast_layout

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

    _, x = describe_batch(net, images, layers, VARIANTS["vebi_text"])
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
        ours = feature_signals(net, images, layers, features, ["deconv_gb"])["deconv_gb"][:, 0]
        scale = float(theirs.abs().max())
        assert scale > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6 * scale)


def test_every_method_draws_features_of_every_depth(network) -> None:
    net, images, layers = network
    spatial = [layer.index for layer in layers if layer.spatial]
    chosen = [spatial[0], spatial[len(spatial) // 2], spatial[-1]]
    features = np.array([[(index, 0) for index in chosen]] * 2)
    drawing = [name for name, method in METHODS.items() if isinstance(method, FeatureMethod)]
    maps = feature_maps(net, images, layers, features, drawing)
    for name, values in maps.items():
        assert values.shape == (2, 3, SIZE, SIZE)
        assert values.isfinite().all(), name
        assert values.min() >= 0
        assert values.max() <= 1
