"""LRP against zennit, conservation, and what it refuses."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.heatmaps.relevance import class_relevance
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise

declare_missing_ops()  # zennit imports torchvision

from torchvision import models  # noqa: E402
from zennit.attribution import Gradient  # noqa: E402
from zennit.canonizers import Canonizer, SequentialMergeBatchNorm  # noqa: E402
from zennit.composites import EpsilonPlusFlat  # noqa: E402
from zennit.torchvision import ResNetCanonizer  # noqa: E402


def modules(bias: bool = True, norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    middle = [nn.BatchNorm2d(8)] if norm else []
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1, bias=bias),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(6, 8, 3, groups=2, bias=bias),
        *middle,
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(72, 10, bias=bias),
        nn.ReLU(),
        nn.Linear(10, 4, bias=bias),
    ).eval()
    for module in net:
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.normal_()
            module.bias.data.normal_(0, 0.1)
    return net


def zennit_relevance(
    net: nn.Module, images: Tensor, classes: Tensor, canonizer: Canonizer | None = None
) -> Tensor:
    composite = EpsilonPlusFlat(canonizers=[canonizer or SequentialMergeBatchNorm()])
    with Gradient(net, composite) as attributor:
        return attributor(images.clone().requires_grad_(), torch.eye(4)[classes])[1].detach()


@pytest.mark.parametrize("norm", [False, True])
def test_equal_to_zennit(norm: bool) -> None:
    net, images, classes = modules(norm=norm), torch.randn(3, 3, 32, 32), torch.tensor([0, 3, 2])
    theirs = zennit_relevance(net, images, classes)
    assert theirs.abs().max() > 0
    ours = class_relevance(net, images, lambda _: classes)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def test_residual_network_equal_to_zennit() -> None:
    """Its sums, reused ReLUs and batch normalisations need a canoniser there."""
    torch.manual_seed(0)
    net = models.resnet18(num_classes=4).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    images, classes = torch.randn(2, 3, 64, 64), torch.tensor([1, 3])
    theirs = zennit_relevance(net, images, classes, ResNetCanonizer())
    ours = class_relevance(net, images, lambda _: classes)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))


class Functional(nn.Module):
    """The network of `modules` with functions and methods instead of modules, and in-place ReLUs."""

    def __init__(self, twin: nn.Sequential) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = twin[0], twin[3], twin[7], twin[9]

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.a(x), inplace=True), 3, 2, 1)
        x = functional.avg_pool2d(self.b(x).clamp(min=0), 2)
        return self.d(self.c(x.view(len(x), -1)).relu_())


def test_functions_are_seen_as_modules_are() -> None:
    net, images, classes = modules(), torch.randn(2, 3, 32, 32), torch.tensor([1, 3])
    expected = class_relevance(net, images, lambda _: classes)
    assert torch.equal(class_relevance(Functional(net), images, lambda _: classes), expected)


def test_relevance_is_conserved_without_biases() -> None:
    net, images = modules(bias=False).double(), torch.randn(3, 3, 32, 32).double()
    relevance = class_relevance(net, images, lambda _: torch.tensor([0, 1, 2]))
    torch.testing.assert_close(relevance.sum((1, 2, 3)), torch.ones(3).double(), rtol=0, atol=2e-3)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 4, 3, bias=False), nn.Conv2d(4, 4, 1, bias=False)
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x / 2).relu()
        y = self.b(x)
        y += x
        return self.head(y.relu().mean((2, 3)))


def test_a_residual_shares_by_what_each_branch_adds() -> None:
    net, images = Residual().double(), torch.randn(2, 3, 7, 7).double()
    classes = torch.tensor([0, 1])
    relevance = class_relevance(net, images, lambda _: classes)
    with torch.no_grad():
        a = net.a(images / 2)
        x = a.relu()
        b = net.b(x)
        y = b + x
        maps = y.relu()
        means = maps.mean((2, 3))
        head = net.head.weight[classes]
        r = head * means / (head * means).sum(1, keepdim=True)
        r = r[:, :, None, None] * maps / maps.sum((2, 3), keepdim=True)
        r[y <= 0] = 0
        # Both inputs of the sum, then z+ through the 1 x 1 convolution, whose input is not negative.
        positive = net.b.weight.clamp(min=0)
        z = torch.conv2d(x, positive)
        back = torch.einsum(
            "nohw,oc->nchw", (r * b / (y + 1e-9)) / (z + 1e-6), positive[:, :, 0, 0]
        )
        r = r * x / (y + 1e-9) + x * back
        total = r.sum(1, keepdim=True) / 27
        flat = conv2d_input(images.shape, torch.ones(1, 3, 3, 3).double(), total)
    torch.testing.assert_close(relevance, flat, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        ("an8flower_strided", (3, 112, 112)),
        ("an8flower_inferred", (3, 112, 112)),
        ("matconvnet", (1, 28, 28)),
    ],
)
def test_the_pipeline_s_networks(architecture: str, shape: tuple[int, int, int]) -> None:
    net = build(NetSpec(architecture, shape, 6, 64.0))
    initialise(net, 0)
    relevance = class_relevance(net, torch.rand(2, *shape) * 255, lambda _: torch.tensor([0, 5]))
    assert relevance.shape == (2, *shape)
    # Their biases are zero here, so that nothing is lost.
    assert relevance.sum((1, 2, 3)).tolist() == pytest.approx([1, 1], abs=0.02)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.head((x * x.mean((2, 3), keepdim=True).sigmoid()).mean((2, 3)))


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (Attention(), "no rule for 'mul' after operation 1 \\(sigmoid\\)"),
        (nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(147, 2)), "after operation 0"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)), "'group_norm' after operation 1"),
    ],
)
def test_operations_without_a_rule_are_named(net: nn.Module, says: str) -> None:
    with pytest.raises(VebiError, match=says):
        class_relevance(net.eval(), torch.randn(1, 3, 7, 7), lambda _: torch.tensor([0]))
