"""Backward signals against captum, against each other and against hand-written passes."""

import numpy as np
import pytest
import torch
from captum.attr import NeuronGuidedBackprop
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

from vebi.heatmaps.methods import vebi, vebi_conv
from vebi.heatmaps.signals import PLAIN, SignalGraph, feature_signals
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import Layer, list_layers

RULES = {"deconv_gb": PLAIN, "vebi_conv": vebi_conv.STRIDE1, "vebi": vebi.STRIDE1}


def by_every_rule(
    net: nn.Module, images: Tensor, layers: list[Layer], features: np.ndarray
) -> dict[str, Tensor]:
    """Signals by name of the rule, of one forward pass."""
    with SignalGraph(net, images, layers, features) as graph:
        return {name: graph.signals(rule) for name, rule in RULES.items()}


def captum_signal(net: nn.Module, layer: Layer, images: Tensor, channel: int) -> Tensor:
    """Guided backpropagation of half the squared map, whose gradient is the map itself."""
    module = net.get_submodule(layer.name.split("#")[0])

    def half_square(response: Tensor) -> Tensor:
        chosen = response.movedim(layer.channel_axis, 1)[:, channel]
        return 0.5 * chosen.square().flatten(1).sum(1) if chosen.ndim > 1 else 0.5 * chosen**2

    return NeuronGuidedBackprop(net, module).attribute(images, half_square)


def small_net(stride: int = 2) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride, 1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride, 1),
        nn.LocalResponseNorm(3),
        nn.Conv2d(6, 8, 3, stride, groups=2),
        nn.ReLU(),
        nn.AvgPool2d(2, stride),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    ).eval()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.filterwarnings("ignore")
def test_deconv_gb_equals_captum(stride: int) -> None:
    net, images = small_net(stride), torch.randn(3, 3, 32, 32)
    layers = list_layers(net, images)
    for layer in layers[:-1]:
        features = np.full((3, 1, 2), (layer.index, 2))
        ours = feature_signals(net, images, layers, features, PLAIN)[:, 0]
        theirs = captum_signal(net, layer, images.clone().requires_grad_(), 2)
        assert theirs.abs().max() > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6 * float(theirs.abs().max()))


def test_stride_one_everywhere_makes_all_rules_equal_bit_for_bit() -> None:
    net, images = small_net(1), torch.randn(4, 3, 20, 20)
    layers = list_layers(net, images)
    features = np.stack(
        [np.random.default_rng(0).integers(0, len(layers), (4, 3)), np.ones((4, 3), int)], 2
    )
    signals = by_every_rule(net, images, layers, features)
    assert torch.equal(signals["vebi"], signals["deconv_gb"])
    assert torch.equal(signals["vebi_conv"], signals["deconv_gb"])


def test_rules_differ_only_below_strided_operations() -> None:
    net = build(NetSpec("an8flower_inferred", (3, 112, 112), 6, 64.0))
    initialise(net, 0)
    images = torch.rand(2, 3, 112, 112) * 255
    layers = list_layers(net, images)
    features = np.array([[[0, 1], [1, 1]], [[4, 3], [0, 2]]])
    signals = by_every_rule(net, images, layers, features)
    # Its convolutions all have stride 1: the paper's fix acts in the poolings only.
    assert torch.equal(signals["vebi_conv"], signals["deconv_gb"])
    assert torch.equal(signals["vebi"][0, 0], signals["deconv_gb"][0, 0])
    assert not torch.equal(signals["vebi"][0, 1], signals["deconv_gb"][0, 1])
    assert not torch.equal(signals["vebi"][1, 0], signals["deconv_gb"][1, 0])


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_many_features_at_once_equal_one_at_a_time(rule: frozenset[str]) -> None:
    net, images = small_net(), torch.randn(5, 3, 32, 32)
    layers = list_layers(net, images)
    rng = np.random.default_rng(1)
    features = np.stack([rng.integers(0, len(layers), (5, 4)), rng.integers(0, 6, (5, 4))], 2)
    features[0, 1], features[3] = -1, -1
    together = feature_signals(net, images, layers, features, rule)
    for n in range(5):
        for slot in range(4):
            alone = feature_signals(
                net, images[n : n + 1], layers, features[n : n + 1, slot : slot + 1], rule
            )
            torch.testing.assert_close(together[n, slot], alone[0, 0], rtol=1e-5, atol=1e-6)
            assert bool(alone.any()) == (features[n, slot, 0] >= 0)


class Tangled(nn.Module):
    """Functional and in-place ReLUs, a residual, a branch; `guided` writes the rules out by hand."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 5, 3, padding=1)
        self.c, self.head = nn.Conv2d(10, 4, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.a(x))
        y = self.b(x).relu_()
        y += x
        z = torch.cat([y.clamp(min=0), torch.relu(-x + 0.2)], 1)
        z = functional.relu(self.c(z), inplace=True)
        return self.head(z.mean((2, 3)))

    def signal(self, image: Tensor, channel: int) -> Tensor:
        """Of a channel of the last ReLU, by the chain rule with guided ReLUs."""
        with torch.no_grad():
            a = self.a(image)
            x = a.relu()
            b = self.b(x)
            y = b.relu() + x
            other = -x + 0.2
            c = self.c(torch.cat([y.relu(), other.relu()], 1))
            seed = torch.zeros_like(c)
            seed[:, channel] = c.relu()[:, channel]
            back = conv2d_input
            gate = lambda g, pre: g.relu() * (pre > 0)  # noqa: E731
            g = back((1, 10, *c.shape[2:]), self.c.weight, gate(seed, c))
            gy, gother = gate(g[:, :5], y), gate(g[:, 5:], other)
            gx = gy - gother + back(x.shape, self.b.weight, gate(gy, b), padding=1)
            return back(image.shape, self.a.weight, gate(gx, a), padding=1)


def test_functional_inplace_and_branching_relus() -> None:
    net, image = Tangled().eval(), torch.randn(1, 3, 9, 9)
    layers = list_layers(net, image)
    last = layers[-1]
    assert last.name == "relu#5"
    ours = by_every_rule(net, image, layers, np.array([[[last.index, 2]]]))
    expected = net.signal(image, 2)
    assert expected.abs().max() > 0
    for rule in RULES:
        torch.testing.assert_close(ours[rule][0], expected, rtol=1e-5, atol=1e-6)


def test_padding_modes_are_the_network_s_own() -> None:
    """Padding by reflection is an operation of its own, with its own gradient."""
    torch.manual_seed(0)
    reflected = nn.Conv2d(3, 4, 3, 2, padding=1, padding_mode="reflect")
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    image = torch.randn(1, 3, 10, 10)
    net = nn.Sequential(reflected, head)
    features = np.array([[[0, 1]]])
    signal = feature_signals(net, image, list_layers(net, image), features, vebi.STRIDE1)

    plain = nn.Conv2d(3, 4, 3, 2)
    plain.load_state_dict(reflected.state_dict())
    padded = functional.pad(image, (1, 1, 1, 1), mode="reflect")
    twin = nn.Sequential(plain, head)
    inner = feature_signals(twin, padded, list_layers(twin, padded), features, vebi.STRIDE1)
    leaf = image.clone().requires_grad_()
    expected = torch.autograd.grad(
        functional.pad(leaf, (1, 1, 1, 1), mode="reflect"), leaf, inner[0]
    )[0]
    torch.testing.assert_close(signal[0], expected)


def test_features_that_do_not_exist() -> None:
    net, images = small_net(), torch.randn(1, 3, 32, 32)
    layers = list_layers(net, images)
    with pytest.raises(VebiError, match="no feature \\(layer 0, channel 6\\)"):
        by_every_rule(net, images, layers, np.array([[[0, 6]]]))
    with pytest.raises(VebiError, match="no feature \\(layer 99, channel 0\\)"):
        by_every_rule(net, images, layers, np.array([[[99, 0]]]))
    with pytest.raises(VebiError, match="expected \\(1, k, 2\\)"):
        by_every_rule(net, images, layers, np.zeros((2, 1, 2), int))


def test_no_features_give_zero() -> None:
    net, images = small_net(), torch.randn(2, 3, 32, 32)
    signals = by_every_rule(net, images, list_layers(net, images), np.full((2, 3, 2), -1))
    assert all(s.shape == (2, 3, 3, 32, 32) and not s.any() for s in signals.values())


class Detached(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


def test_a_detached_input_is_named() -> None:
    net = Detached(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.LazyLinear(2))
    image = torch.randn(1, 3, 8, 8)
    net(image)
    with pytest.raises(VebiError, match="'0' has no gradient path"):
        by_every_rule(net, image, list_layers(net, image), np.zeros((1, 1, 2), int))


def test_parameters_keep_no_gradients() -> None:
    net, images = small_net(), torch.randn(2, 3, 32, 32)
    layers = list_layers(net, images)
    by_every_rule(net, images, layers, np.full((2, 1, 2), (5, 1)))
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_relu6_closes_at_both_ends() -> None:
    torch.manual_seed(0)
    head = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    net = nn.Sequential(nn.ReLU6(), head)
    image = torch.randn(1, 3, 9, 9) * 10
    layers = list_layers(net, image)
    signal = feature_signals(net, image, layers, np.array([[[1, 2]]]), vebi.STRIDE1)[0, 0]
    convolution = head[0]
    with torch.no_grad():
        seed = torch.zeros(1, 4, 7, 7)
        seed[:, 2] = convolution(image.clamp(0, 6))[:, 2]
        back = conv2d_input((1, 3, 9, 9), convolution.weight, seed)
        expected = back.relu() * ((image > 0) & (image < 6))
    torch.testing.assert_close(signal, expected[0])


class Viewing(nn.Module):
    """Code that takes the usual memory layout for granted."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv(x))
        return self.head(self.fc(x.view(x.shape[0], -1)).relu())


def test_views_of_any_memory_layout() -> None:
    net, images = Viewing(), torch.randn(2, 3, 8, 8)
    layers = list_layers(net, images)
    features = np.array([[[2, 1]], [[2, 4]]])
    ours = feature_signals(net, images, layers, features, vebi.STRIDE1)[:, 0]
    with torch.no_grad():
        conv = net.conv(images)
        responses = net.fc(conv.relu().flatten(1))
        seed = torch.zeros(2, 6)
        seed[[0, 1], [1, 4]] = responses[[0, 1], [1, 4]]
        back = (seed @ net.fc.weight).view_as(conv).relu() * (conv > 0)
        expected = conv2d_input(images.shape, net.conv.weight, back)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
