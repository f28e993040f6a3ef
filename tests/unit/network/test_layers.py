"""The layers of a network, its responses, and the errors for what can't be handled."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build
from vebi.network import evaluating, feature_index, list_layers, responses, to_network_input


class Everything(nn.Module):
    """Branches, a residual, a reused ReLU, and every way to call one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)
        self.relu = nn.ReLU(inplace=True)
        self.left = nn.Conv2d(6, 6, 3, padding=2, dilation=2)
        self.right = nn.Sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(x / 255 - 0.5))
        y = torch.cat([self.relu(self.left(x) + x), self.right(x)], 1)
        y = functional.max_pool2d(y, 2).clamp(min=0)
        y = torch.relu(functional.local_response_norm(y, 3) - 0.1).relu_()
        y = functional.adaptive_avg_pool2d(y, 1).flatten(1)
        return self.head(functional.hardswish(y)).softmax(1)


def test_layers_of_the_paper_s_mnist_network() -> None:
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 64.0))
    layers = list_layers(net, torch.zeros(1, 28, 28))
    described = [(layer.name, layer.type, layer.n_channels, layer.spatial) for layer in layers]
    # facts of VEBI's code: m = 1,140
    assert described == [
        ("conv1", "conv", 20, True),
        ("pool1", "pool", 20, True),
        ("conv2", "conv", 50, True),
        ("pool2", "pool", 50, True),
        ("fc3", "fc", 500, False),
        ("relu3", "relu", 500, False),
    ]
    positions, channels = feature_index(layers)
    assert len(positions) == 1140
    assert (positions[70], channels[70]) == (2, 30)


def test_every_way_to_call_an_operation_is_seen_in_order() -> None:
    layers = list_layers(Everything(), torch.zeros(3, 16, 16))
    assert [(layer.name, layer.type) for layer in layers] == [
        ("conv", "conv"),
        ("relu", "relu"),
        ("left", "conv"),
        ("relu#2", "relu"),
        ("right.0", "conv"),
        ("right.1", "norm"),
        ("right.2", "relu"),
        ("max_pool2d", "pool"),
        ("relu#3", "relu"),
        ("local_response_norm", "lrn"),
        ("relu#4", "relu"),
        ("relu#5", "relu"),
        ("adaptive_avg_pool2d", "pool"),
        ("hardswish", "hardswish"),
    ]


def test_names_are_unique() -> None:
    names = [layer.name for layer in list_layers(Everything(), torch.zeros(3, 16, 16))]
    assert len(set(names)) == len(names)


def test_responses_are_those_of_hand_written_code() -> None:
    net = Everything().eval()
    images = torch.rand(4, 3, 16, 16) * 255
    layers = list_layers(net, images)
    logits, values = responses(net, images, layers)
    torch.testing.assert_close(logits, net(images), rtol=0, atol=0)

    with torch.no_grad():
        expected = {}
        expected["conv"] = net.conv(images / 255 - 0.5)
        x = expected["relu"] = functional.relu(expected["conv"])
        expected["left"] = net.left(x)
        y = expected["relu#2"] = functional.relu(expected["left"] + x)
        expected["right.0"] = net.right[0](x)
        expected["right.1"] = net.right[1](expected["right.0"])
        expected["right.2"] = functional.relu(expected["right.1"])
        z = functional.max_pool2d(torch.cat([y, expected["right.2"]], 1), 2)
        expected["max_pool2d"] = z
        z = expected["relu#3"] = functional.relu(z)
        expected["local_response_norm"] = functional.local_response_norm(z, 3)
        z = functional.relu(expected["local_response_norm"] - 0.1)
        expected["relu#4"] = expected["relu#5"] = z
        expected["adaptive_avg_pool2d"] = z.mean((2, 3), keepdim=True)
        expected["hardswish"] = functional.hardswish(z.mean((2, 3)))
    for layer, value in zip(layers, values, strict=True):
        torch.testing.assert_close(value, expected[layer.name], rtol=1e-6, atol=1e-6)


def test_chosen_responses_only() -> None:
    net, images = Everything(), torch.rand(2, 3, 16, 16)
    layers = list_layers(net, images)
    _, every = responses(net, images, layers)
    _, two = responses(net, images, layers, [layers[3], layers[7]])
    assert torch.equal(two[0], every[3])
    assert torch.equal(two[1], every[7])


def test_modes_and_gradients_of_the_network_are_left_alone() -> None:
    net = Everything().train()
    net.right.eval()
    before = [module.training for module in net.modules()]
    responses(net, torch.rand(2, 3, 16, 16), list_layers(net, torch.zeros(3, 16, 16)))
    assert [module.training for module in net.modules()] == before
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    with pytest.raises(RuntimeError, match="stop"), evaluating(net):
        raise RuntimeError("stop")
    assert [module.training for module in net.modules()] == before


class ChannelsLast(nn.Module):
    """A ConvNeXt block's axes: linear layers and normalisation on (N, H, W, C)."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order = order
        self.stem, self.norm = nn.Conv2d(3, 4, 2, 2), nn.LayerNorm(4)
        self.wide, self.narrow, self.head = nn.Linear(4, 7), nn.Linear(7, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = x.permute(0, 2, 3, 1) if self.order == "permute" else x.movedim(1, -1)
        y = functional.gelu(self.wide(self.norm(y)) * 1.0)
        y = self.narrow(y).permute(0, 3, 1, 2)
        return self.head(functional.silu(x + y).mean((2, 3)))


@pytest.mark.parametrize("order", ["permute", "movedim"])
def test_channels_in_the_last_axis(order: str) -> None:
    layers = list_layers(ChannelsLast(order), torch.zeros(3, 8, 8))
    described = [(layer.name, layer.type, layer.channel_axis, layer.n_channels) for layer in layers]
    assert described == [
        ("stem", "conv", 1, 4),
        ("norm", "norm", 3, 4),
        ("wide", "conv", 3, 7),
        ("gelu", "gelu", 3, 7),
        ("narrow", "conv", 3, 4),
        ("silu", "silu", 1, 4),
    ]


class Custom(nn.Module):
    """A network around any function of its first layer's response."""

    def __init__(self, function) -> None:
        super().__init__()
        self.conv, self.function, self.head = nn.Conv2d(3, 4, 3), function, nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.function(self.conv(x)).flatten(1)[:, :4])


class _Scripted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x)


@torch.jit.script
def _scripted_function(x: Tensor) -> Tensor:
    return torch.relu(x)


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(4, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cells(x.flatten(2).transpose(1, 2))[0]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Custom(torch.jit.script(_Scripted())), "'function' is a TorchScript module"),
        (Custom(_scripted_function), "runs relu inside compiled code"),
        (Custom(_Recurrent()), "'function.cells' calls lstm"),
        (Custom(nn.BatchNorm2d(4, track_running_stats=False)), "'function'.*statistics of"),
        (nn.Sequential(nn.ReLU(), nn.Flatten()), "no convolution"),
        (
            nn.Sequential(nn.Conv2d(3, 2, 1)),
            "must return class scores .* it returns a tensor of shape",
        ),
    ],
)
def test_what_can_t_be_handled_is_named(network: nn.Module, message: str) -> None:
    with pytest.raises(VebiError, match=message):
        list_layers(network, torch.rand(3, 8, 8))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x.reshape(2, 3, 12, 4).relu(), "'relu' is left out.* channels is unclear"),
        (
            lambda x: x.mean((2, 3)).flatten().expand(3, 8).relu()[0].reshape(2, 4),
            "'relu' is left out.* does not keep images apart",
        ),
    ],
)
def test_a_layer_whose_axes_are_unclear_is_left_out_and_named(function, message, caplog) -> None:
    net, images = Custom(function), torch.rand(2, 3, 8, 8)
    if "apart" in message:
        net.function = lambda x: function(x) if len(x) == 2 else x.relu()
    layers = list_layers(net, images)
    assert [layer.name for layer in layers] == ["conv"]
    assert re.search(message, caplog.text)
    # The rest of the network is as it is.
    assert torch.equal(responses(net, images, layers)[0], net(images))


@pytest.mark.parametrize(
    ("function", "shape", "axis"),
    [
        (lambda x: x.flatten(2).relu(), (4, 36), 1),
        (lambda x: x.transpose(0, 1).relu().transpose(0, 1), (4, 6, 6), 1),
        (lambda x: x.flatten(2).permute(2, 0, 1).relu().permute(1, 2, 0), (36, 4), 2),
        (lambda x: x.permute(2, 0, 3, 1).flatten(0, 1).relu(), (6, 6, 4), 3),
    ],
)
def test_images_are_found_along_any_axis(function, shape: tuple[int, ...], axis: int) -> None:
    class Net(Custom):
        def forward(self, x: Tensor) -> Tensor:
            y = self.function(self.conv(x))
            y = y.reshape(6, 2, 6, 4).permute(1, 3, 0, 2) if axis == 3 else y
            return self.head(y.flatten(2).mean(2))

    net, images = Net(function), torch.rand(2, 3, 8, 8)
    layers = list_layers(net, images)
    layer = layers[1]
    assert (layer.name, layer.shape, layer.channel_axis) == ("relu", shape, axis)
    assert layer.layout.map_size == (6, 6)
    _, (response,) = responses(net, images, layers, [layer])
    with torch.no_grad():
        expected = net.conv(images).relu()
    maps = layer.layout.maps(response.movedim(axis, 1).flatten(0, 1))
    torch.testing.assert_close(maps.unflatten(0, (2, 4)), expected)


def test_a_path_that_depends_on_the_input_is_noticed() -> None:
    net = Custom(lambda x: torch.relu(x) if x.mean() > 0 else torch.tanh(x))
    with torch.no_grad():
        net.conv.weight.fill_(1)
        net.conv.bias.zero_()
    layers = list_layers(net, torch.ones(3, 8, 8))
    with pytest.raises(VebiError, match=r"'relu' .*tanh instead of relu"):
        responses(net, -torch.ones(2, 3, 8, 8), layers)


def test_another_image_size_is_noticed() -> None:
    net = Custom(lambda x: x.mean((2, 3)))
    layers = list_layers(net, torch.ones(3, 8, 8)) + list_layers(net, torch.ones(3, 8, 8))
    with pytest.raises(VebiError, match="another size"):
        responses(net, torch.ones(2, 3, 9, 9), layers)


@pytest.mark.parametrize(
    ("call", "type_"),
    [
        (lambda x: functional.threshold(x, 0, 0), "relu"),
        (lambda x: torch.clamp_min(x, 0), "relu"),
        (lambda x: x.clamp_(0), "relu"),
        (lambda x: torch.clip(x, min=0.0), "relu"),
        (lambda x: functional.relu6(x), "relu"),
        (lambda x: functional.hardtanh(x, 0, 6), "relu"),
        (lambda x: functional.hardtanh(x), "hardtanh"),
        (lambda x: torch.clamp(x, -1, 1), None),
        (lambda x: torch.clamp_max(x, 1), None),
        (lambda x: x.mul(2), None),
        (lambda x: torch.sigmoid(x), "sigmoid"),
        (lambda x: functional.lp_pool2d(x, 2, 2), "pool"),
        (lambda x: functional.max_pool2d(x, 2, return_indices=True)[0], "pool"),
        (lambda x: functional.adaptive_max_pool2d(x, 2), "pool"),
        (lambda x: functional.group_norm(x, 2), "norm"),
    ],
)
def test_functional_forms(call, type_: str | None) -> None:
    layers = list_layers(Custom(call), torch.rand(3, 8, 8))
    assert [layer.type for layer in layers[1:]] == ([type_] if type_ else [])


def test_windows() -> None:
    convolution = nn.Conv2d(3, 4, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2))
    same = nn.Conv2d(4, 4, 4, padding="same")
    pool = nn.AvgPool2d(3, 2, 1)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2))
    net = nn.Sequential(convolution, same, pool, head)
    windows = [layer.window for layer in list_layers(net, torch.zeros(3, 15, 16))]
    assert windows[0].dense_size((15, 16)) == (15, 12)
    assert (windows[0].stride, windows[0].dilation) == ((2, 1), (1, 2))
    assert windows[1].padding == ((1, 2), (1, 2))
    assert (windows[2].kernel, windows[2].stride, windows[2].padding) == (
        (3, 3),
        (2, 2),
        ((1, 1), (1, 1)),
    )
    assert windows[3].kernel == windows[3].stride == (2, 3)


def test_network_input_keeps_pixel_values() -> None:
    images = np.arange(2 * 4 * 3 * 3, dtype=np.uint8).reshape(2, 4, 3, 3)
    tensor = to_network_input(images)
    assert tensor.shape == (2, 3, 4, 3)
    assert tensor.dtype == torch.float32
    assert np.array_equal(tensor.numpy().transpose(0, 2, 3, 1), images)
