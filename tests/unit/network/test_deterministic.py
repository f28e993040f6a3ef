"""Adaptive average pooling whose gradient has a fixed order, against torch's own."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from vebi.catalogue.methods import METHODS
from vebi.heatmaps import Targets, merged_maps
from vebi.models.train import InFixedOrder
from vebi.network import list_layers
from vebi.network.deterministic import adaptive_mean


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((14, 14), 7), ((7, 7), (7, 7)), ((9, 13), (7, 6)), ((3, 2), (7, 7)), ((10, 9), (None, 4))],
)
def test_equals_torch_forward_and_backward(size: tuple[int, int], wanted) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    ours, theirs = adaptive_mean(x, wanted), functional.adaptive_avg_pool2d(x, wanted)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    signal = torch.randn_like(ours)
    found = [torch.autograd.grad(y, x, signal, retain_graph=True)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-7)


class Unordered(TorchDispatchMode):
    """Raises where torch's notes say that CUDA has no deterministic gradient."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ == "_adaptive_avg_pool2d_backward":
            raise RuntimeError("no deterministic implementation")
        return func(*args, **(kwargs or {}))


def network() -> nn.Sequential:
    """The end of AlexNet and VGG: an adaptive pooling whose windows overlap."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 3)
    ).eval()


NAMES = [name for name in METHODS if not name.startswith("resampling")]


@pytest.mark.parametrize("name", NAMES)
def test_methods_under_deterministic_algorithms(name: str) -> None:
    net = network()
    layers = list_layers(net, torch.zeros(3, 12, 12))
    spatial = METHODS[name].explains == "features"
    index = layers[-1].index
    features = torch.tensor([[[index, 1]], [[index, 0]]]).numpy() if spatial else None
    sources = {METHODS[name].source: features for name in ("deconv_gb", "upsampled_activation")}
    targets = Targets(torch.tensor([0, 2]).numpy(), sources)
    net, images = net.to("meta"), torch.empty(2, 3, 12, 12, device="meta")

    def draw() -> Tensor:
        with Unordered():
            return merged_maps(net, images, layers, targets, [name], ig_steps=2)[name]

    if name != "upsampled_activation":
        with pytest.raises(RuntimeError, match="no deterministic"):
            draw()
    torch.use_deterministic_algorithms(True)
    assert draw().shape == (2, 12, 12)


def test_training_under_deterministic_algorithms() -> None:
    net = network().to("meta")
    images = torch.empty(2, 3, 12, 12, device="meta")

    def step() -> None:
        with InFixedOrder():
            scores = net(images)
        with Unordered():
            scores.sum().backward()

    with pytest.raises(RuntimeError, match="no deterministic"):
        step()
    torch.use_deterministic_algorithms(True)
    step()
    # On a CPU nothing changes: torch's own operation gives the bits that it always gave.
    own, x = network(), torch.randn(2, 3, 12, 12)
    with InFixedOrder():
        assert torch.equal(own(x), own(x))
    with torch.no_grad():
        expected = functional.adaptive_avg_pool2d(own[:2](x), 4)
        with InFixedOrder():
            assert torch.equal(own[2](own[:2](x)), expected)
