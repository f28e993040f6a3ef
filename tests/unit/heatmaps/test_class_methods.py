"""The other methods against captum, closed forms, and passes written out by hand."""

from collections.abc import Callable

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

from vebi.catalogue.methods import METHODS
from vebi.catalogue.record import resolve
from vebi.heatmaps import Targets, merged_maps
from vebi.heatmaps.class_batch import (
    ClassBatch,
    GuidedMode,
    cam_layer,
    class_gradient,
    reference_image,
)
from vebi.heatmaps.maps import map_of_signal
from vebi.heatmaps.methods.smooth_deep_saliency import SmoothedMode, mean_over_shifts
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import list_layers

SIGNALS = {
    name: resolve(method.function) for name, method in METHODS.items() if method.explains == "class"
}


def of_class(label: int) -> Callable[[Tensor], Tensor]:
    return lambda _: torch.tensor([label])


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(6, 8, 3, groups=2),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(72, 10),
        nn.ReLU(),
        nn.Linear(10, 4),
    ).eval()


def batch_of(net: nn.Module, images: Tensor, classes: list[int], steps: int = 16) -> ClassBatch:
    return ClassBatch(net, images, list_layers(net, images), np.array(classes), steps)


def test_gradient_times_input_of_a_linear_network_is_its_terms() -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(2, 3, 1, bias=False), nn.Flatten(), nn.Linear(3 * 16, 5))
    images, classes = torch.randn(3, 2, 4, 4), [4, 0, 2]
    weights = net[2].weight.detach().reshape(5, 3, 4, 4)
    inputs = torch.einsum("nohw,oc->nchw", weights[classes], net[0].weight.detach()[:, :, 0, 0])
    batch = batch_of(net, images, classes)
    for name in ("gradient_x_input", "integrated_gradients", "smooth_deep_saliency"):
        torch.testing.assert_close(SIGNALS[name](batch), inputs * images)


@pytest.mark.filterwarnings("ignore")
def test_against_captum() -> None:
    net, images, classes = small_net(), torch.randn(4, 3, 32, 32), [0, 3, 1, 1]
    batch, target = batch_of(net, images, classes), torch.tensor(classes)
    attr = captum.attr
    leaf = images.clone().requires_grad_()
    expected = {
        "gradient_x_input": attr.InputXGradient(net).attribute(leaf, target=target),
        "integrated_gradients": attr.IntegratedGradients(net).attribute(
            images, target=target, n_steps=16, method="gausslegendre"
        ),
        "guided_backprop": attr.GuidedBackprop(net).attribute(leaf, target=target),
        "guided_grad_cam": attr.GuidedGradCam(net, net[5]).attribute(
            leaf, target=target, interpolate_mode="bilinear"
        ),
    }
    cam = attr.LayerGradCam(net, net[5]).attribute(leaf, target=target, relu_attributions=True)
    expected["grad_cam"] = functional.interpolate(cam, (32, 32), mode="bilinear")
    for name, theirs in expected.items():
        assert theirs.abs().max() > 0, name
        torch.testing.assert_close(
            SIGNALS[name](batch), theirs.detach().float(), rtol=1e-4, atol=1e-6, msg=name
        )


def test_integrated_gradients_add_up_to_the_change_of_the_score() -> None:
    """Completeness (Sundararajan et al. 2017, Proposition 1), from the mean image on."""
    net = build(NetSpec("an8flower_strided", (3, 112, 112), 6, 64.0))
    initialise(net, 0)
    net.input.mean.copy_(torch.rand(3, 112, 112) * 255)
    for layer in net.modules():
        # Without biases the gradient would be the same all along the path.
        if isinstance(layer, nn.Conv2d):
            layer.bias.data.normal_()
    images = torch.rand(2, 3, 112, 112) * 255
    reference = reference_image(net, images)
    assert torch.equal(reference, net.input.mean)
    with torch.no_grad():
        change = net(images)[[0, 1], [2, 5]] - net(reference[None])[0, [2, 5]]
    errors = []
    for steps in (1, 32):
        signal = SIGNALS["integrated_gradients"](batch_of(net, images, [2, 5], steps))
        errors.append(float((signal.sum((1, 2, 3)) - change).abs().max() / change.abs().max()))
    assert errors[0] > 0.05
    assert errors[1] < 0.03


class Branching(nn.Module):
    """Functional and in-place ReLUs and a residual; `guided` writes guided backpropagation out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b, self.head = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 5, 1), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.a(x))
        y = self.b(x).relu_()
        y = y + x
        return self.head(y.clamp(min=0).mean((2, 3)))

    def guided(self, image: Tensor, label: int) -> Tensor:
        with torch.no_grad():
            a, back = self.a(image), conv2d_input
            x = a.relu()
            b = self.b(x)
            y = b.relu() + x
            gate = lambda g, pre: g.relu() * (pre > 0)  # noqa: E731
            signal = (self.head.weight[label] / y[0, 0].numel()).reshape(1, 5, 1, 1).expand_as(y)
            signal = gate(signal, y)
            into_x = signal + back(x.shape, self.b.weight, gate(signal, b))
            return back(image.shape, self.a.weight, gate(into_x, a))


def test_guided_backpropagation_of_functional_relus() -> None:
    """captum's is a plain gradient here: it sees modules only."""
    net, image = Branching().eval(), torch.randn(1, 3, 9, 9)
    differ = []
    for label in range(3):
        guided = class_gradient(net, image, of_class(label), GuidedMode())
        expected = net.guided(image, label)
        plain = class_gradient(net, image, of_class(label))
        differ.append(not torch.allclose(expected, plain))
        torch.testing.assert_close(guided, expected)
    assert any(differ)


def test_grad_cam_by_hand() -> None:
    """Eqs. 1 and 2 of the paper, with finite differences for the gradient."""
    net, image = small_net().double(), torch.randn(1, 3, 32, 32).double()
    with torch.no_grad():
        maps, label = net[:6](image), 3
        weights = torch.zeros(8)
        for channel in range(8):
            # The head is piecewise linear: a small step of all positions gives the gradients' sum.
            step = torch.zeros_like(maps)
            step[:, channel] = 1e-6
            change = net[6:](maps + step) - net[6:](maps - step)
            weights[channel] = change[0, label] / 2e-6 / maps[0, 0].numel()
        coarse = (weights.reshape(1, 8, 1, 1) * maps).sum(1, keepdim=True).relu()
    expected = functional.interpolate(coarse, (32, 32), mode="bilinear")
    assert expected.max() > 0
    ours = SIGNALS["grad_cam"](batch_of(net, image, [label]))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-7)


def test_grad_cam_looks_at_the_last_maps_of_the_last_convolution_s_size() -> None:
    def layer_of(architecture: str, shape: tuple[int, int, int]) -> str:
        net = build(NetSpec(architecture, shape, 6, 64.0))
        layer = cam_layer(list_layers(net, torch.zeros(shape)))
        return layer.name if layer else ""

    assert layer_of("an8flower_strided", (3, 112, 112)) == "relu3"
    assert layer_of("an8flower_inferred", (3, 112, 112)) == "conv3"
    assert layer_of("matconvnet", (1, 28, 28)) == "conv2"
    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(VebiError, match="Grad-CAM needs a convolution"):
        SIGNALS["grad_cam"](batch_of(flat, torch.randn(1, 3, 2, 2), [0]))


def test_shifts_by_hand() -> None:
    impulse = torch.zeros(1, 1, 4, 4)
    impulse[0, 0, 1, 3] = 8.0
    smooth = mean_over_shifts(impulse, (2, 2))[0, 0]
    # Down and right, round the border, a quarter each.
    assert smooth.nonzero().tolist() == [[1, 0], [1, 3], [2, 0], [2, 3]]
    assert smooth.sum() == 8
    assert mean_over_shifts(impulse, (3, 1))[0, 0, :, 3].tolist() == [
        0.0,
        *[pytest.approx(8 / 3)] * 3,
    ]


def test_smoothing_below_strided_convolutions_only() -> None:
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 4, stride=2, padding=1)
    head = nn.Sequential(nn.Flatten(), nn.Linear(5 * 16, 2))
    net, image = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), head), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        a, back = first(image), conv2d_input
        b = second(a.relu())
        signal = head[1].weight[1].reshape(1, 5, 4, 4) * (b > 0)
        signal = back(a.shape, second.weight, signal, 2, 1)
        rolled = [signal.roll((i, j), (2, 3)) for i in (0, 1) for j in (0, 1)]
        expected = back(image.shape, first.weight, sum(rolled) / 4 * (a > 0), 1, 1)
    ours = class_gradient(net, image, lambda _: torch.tensor([1]), SmoothedMode())
    torch.testing.assert_close(ours, expected)


class TwoBranches(nn.Module):
    """One input for a strided convolution and for a plain one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.strided, self.plain = nn.Conv2d(3, 2, 2, stride=2), nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.strided(x).mean((2, 3)) + self.plain(x).sin().mean((2, 3))


def test_another_branch_of_the_same_input_is_not_smoothed() -> None:
    net, image, label = TwoBranches(), torch.randn(1, 3, 6, 6), torch.tensor([1])
    both, smooth = (
        class_gradient(net, image, lambda _: label),
        class_gradient(net, image, lambda _: label, SmoothedMode()),
    )
    leaf = image.clone().requires_grad_()
    strided = torch.autograd.grad(net.strided(leaf).mean((2, 3))[0, 1], leaf)[0]
    torch.testing.assert_close(smooth, both - strided + mean_over_shifts(strided, (2, 2)))


@pytest.mark.parametrize("name", SIGNALS)
def test_an_image_s_map_does_not_depend_on_its_batch(name: str) -> None:
    net, images = small_net(), torch.randn(5, 3, 32, 32)
    layers, classes = list_layers(net, images), np.array([0, 1, 2, 3, 1])
    together = merged_maps(net, images, layers, Targets(classes, {}), [name], ig_steps=4)[name]
    assert together.shape == (5, 32, 32)
    assert together.dtype == torch.float32
    assert together.amax((1, 2)).tolist() == [1.0] * 5
    for n in range(5):
        targets = Targets(classes[n : n + 1], {})
        alone = merged_maps(net, images[n : n + 1], layers, targets, [name], ig_steps=4)[name]
        torch.testing.assert_close(together[n], alone[0], rtol=1e-4, atol=1e-5)


def test_one_convention_makes_maps_of_all_signals() -> None:
    net, images = small_net(), torch.randn(2, 3, 32, 32)
    layers = list_layers(net, images)
    names = [name for name in METHODS if name in SIGNALS]
    assert len(names) == len(SIGNALS) == 7
    maps = merged_maps(net, images, layers, Targets(np.array([2, 2]), {}), names, ig_steps=16)
    batch = batch_of(net, images, [2, 2])
    for name in names:
        torch.testing.assert_close(maps[name], map_of_signal(SIGNALS[name](batch)))
        assert not maps[name].requires_grad
    assert all(p.grad is None for p in net.parameters())


def test_reference_of_a_network_without_a_mean_is_zero() -> None:
    images = torch.rand(2, 3, 5, 5)
    assert not reference_image(small_net(), images).any()
    # Another size: the module belongs to something else than the input.
    net = build(NetSpec("an8flower_strided", (3, 112, 112), 6, 64.0))
    net.input.mean.fill_(9.0)
    assert not reference_image(net, images).any()
    assert (reference_image(net, torch.rand(1, 3, 112, 112)) == 9).all()


def test_a_network_that_detaches_its_input_is_named() -> None:
    class Detached(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.detach())

    net = Detached(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 2)).requires_grad_(False)
    for name in SIGNALS:
        with pytest.raises(VebiError, match="detaches it"):
            SIGNALS[name](batch_of(net, torch.randn(1, 3, 8, 8), [0]))
