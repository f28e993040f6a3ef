"""LRP against zennit, conservation, and what it refuses."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.heatmaps.relevance import class_relevance, layer_relevance
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise
from vebi.network.layers import list_layers

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


@pytest.mark.parametrize("norm", [False, True])
def test_relevance_of_layers_equal_to_zennit(norm: bool) -> None:
    net, images, classes = modules(norm=norm), torch.randn(3, 3, 32, 32), torch.tensor([0, 3, 2])
    layers = list_layers(net, images)
    responses: dict[str, Tensor] = {}

    def keep(name: str, response: Tensor) -> None:
        response.retain_grad()
        responses[name] = response

    handles = [
        module.register_forward_hook(lambda _, __, out, name=name: keep(name, out))
        for name, module in net.named_children()
    ]
    zennit_relevance(net, images, classes)
    for handle in handles:
        handle.remove()
    ours = layer_relevance(net, images, classes, layers)
    assert [layer.index for layer in layers] == list(ours)
    for layer in layers:
        # Folded into its convolution, which so has the relevance of what follows it.
        name = layer.name
        theirs = responses[name].grad
        assert theirs is not None, name
        assert theirs.abs().max() > 0, name
        scale = float(theirs.abs().max())
        torch.testing.assert_close(
            ours[layer.index], theirs, rtol=1e-4, atol=1e-5 * scale, msg=name
        )


def test_relevance_of_a_layer_is_all_there_is_and_goes_on_to_the_image() -> None:
    net = modules(bias=False)[5:]
    images, classes = torch.randn(2, 8, 6, 6), torch.tensor([1, 3])
    layers = list_layers(net, images)
    found = layer_relevance(net, images, classes, layers[:1])
    assert layers[0].type == "pool"
    total = found[0].sum((1, 2, 3))
    assert total == pytest.approx(
        class_relevance(net, images, lambda _: classes).sum((1, 2, 3)).numpy(), rel=1e-4
    )
    assert total == pytest.approx([1, 1], abs=1e-4)


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


class Bilinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).flatten(2)
        return self.head((x @ x.transpose(1, 2)).flatten(1))


class Product(Bilinear):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).flatten(2).mean(2)
        return self.head((x[:, None] * x[:, :, None]).flatten(1))


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (Bilinear(), "no rule for 'matmul' after layer 'conv'"),
        (Product(), "no rule for 'mul' after layer 'conv'"),
        (nn.Sequential(nn.Conv3d(1, 4, 3), nn.Flatten(), nn.Linear(100, 2)), "'conv3d'"),
        (nn.Sequential(nn.Conv2d(3, 2, 7), nn.Flatten(), nn.Softmax(1)), "'softmax' after"),
    ],
)
def test_operations_without_a_rule_are_named(net: nn.Module, says: str) -> None:
    images = torch.randn(1, 1, 3, 7, 7) if "3d" in says else torch.randn(1, 3, 7, 7)
    with pytest.raises(VebiError, match=says):
        class_relevance(net.eval(), images, lambda _: torch.tensor([0]))


class Block(nn.Module):
    """A transformer as others write them; `held` is the twin that stands alongside LRP's definition.

    There the weights of attention, the deviations of normalisations, and how much of its input GELU lets
    through are constants: with the epsilon rule everywhere LRP is gradient x input of this network
    (Ali et al. 2022, Eq. 4).
    """

    def __init__(self, held: bool, heads: str = "fused") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.held, self.heads = held, heads
        self.embed = nn.Conv2d(3, 8, 4, 4)
        self.norm, self.norm2, self.last = nn.LayerNorm(8), nn.LayerNorm(8), nn.GroupNorm(2, 8)
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.fc1, self.fc2, self.head = nn.Linear(8, 12), nn.Linear(12, 8), nn.Linear(8, 2)
        self.squeeze = nn.Linear(8, 8)
        for parameter in self.parameters():
            parameter.data.add_(torch.randn_like(parameter), alpha=0.2)

    def constant(self, x: Tensor) -> Tensor:
        return x.detach() if self.held else x

    def normalise(self, norm: nn.LayerNorm, x: Tensor) -> Tensor:
        if not self.held:
            return norm(x)
        centred = x - x.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
        return centred / deviation.detach() * norm.weight + norm.bias

    def normalise_groups(self, x: Tensor) -> Tensor:
        if not self.held:
            return self.last(x.transpose(1, 2)).transpose(1, 2)
        parts = x.unflatten(2, (2, 4))
        centred = parts - parts.mean((1, 3), keepdim=True)
        deviation = (centred.square().mean((1, 3), keepdim=True) + self.last.eps).sqrt()
        return (centred / deviation.detach()).flatten(2) * self.last.weight + self.last.bias

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.heads == "fused" and not self.held:
            return functional.scaled_dot_product_attention(q, k, v)
        weights = self.constant((q @ k.transpose(2, 3) / 2).softmax(-1))
        if self.heads == "einsum" and not self.held:
            return torch.einsum("nhqk, nhkd -> nhqd", weights, v)
        return weights @ v

    def tokens(self, x: Tensor) -> Tensor:
        """From the patch embedding on, where relevances of the two are compared."""
        n, t, c = x.shape
        qkv = self.qkv(self.normalise(self.norm, x)).reshape(n, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
        x = x + self.proj(self.attend(*qkv.unbind(0)).transpose(1, 2).reshape(n, t, c))
        y = self.fc1(self.normalise(self.norm2, x))
        # GELU is x Phi(x).
        y = y * self.constant(torch.special.ndtr(y)) if self.held else functional.gelu(y)
        x = self.normalise_groups(x + self.fc2(y))
        # A squeeze-and-excitation gate.
        x = x * self.constant(self.squeeze(x.mean(1, keepdim=True)).sigmoid())
        return self.head(x.mean(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(self.embed(x).flatten(2).transpose(1, 2))


@pytest.mark.parametrize("heads", ["fused", "matmul", "einsum"])
def test_transformers_by_a_twin_with_constants(heads: str) -> None:
    net, twin = Block(False, heads).double().eval(), Block(True).double().eval()
    images, classes = torch.randn(3, 3, 8, 12).double(), torch.tensor([0, 1, 1])
    with torch.no_grad():
        torch.testing.assert_close(net(images), twin(images))
        tokens = net.embed(images).flatten(2).transpose(1, 2)
    leaf = tokens.clone().requires_grad_()
    scores = twin.tokens(leaf).gather(1, classes[:, None])
    (gradient,) = torch.autograd.grad((scores / scores.detach()).sum(), leaf)
    by_place = (gradient * leaf).sum(2).detach().reshape(3, 1, 2, 3)
    # The first layer's flat rule shares a patch's relevance evenly; it starts from 1 at the score.
    expected = by_place.repeat_interleave(4, 2).repeat_interleave(4, 3).expand(-1, 3, -1, -1) / 48
    found = class_relevance(net, images, lambda _: classes)
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_relevance_of_a_transformer_is_conserved_without_biases() -> None:
    """But for what normalisations take as they subtract the mean: nothing where tokens have mean 0."""
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(
        8, 2, 12, activation="gelu", batch_first=True, norm_first=True
    )

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.encoder = nn.Conv2d(3, 8, 4, 4, bias=False), encoder
            self.head = nn.Linear(8, 2, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.encoder(self.embed(x).flatten(2).transpose(1, 2)).mean(1))

    net = Net().double().eval()
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    relevance = class_relevance(net, torch.randn(3, 3, 8, 8).double(), lambda s: s.argmax(1))
    torch.testing.assert_close(relevance.sum((1, 2, 3)), torch.ones(3).double(), rtol=0, atol=1e-3)


def test_a_normalisation_by_itself_shares_by_what_each_value_adds() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten())
    net.append(nn.Linear(36, 2))
    net[2].running_mean.normal_()
    net.double().eval()
    images, classes = torch.randn(2, 3, 3, 3).double(), torch.tensor([0, 1])
    with torch.no_grad():
        maps = net[:2](images)
        y = net[2](maps)
        weight = net[4].weight[classes].reshape(2, 4, 3, 3)
        own = weight * y
        relevance = own / (own.sum((1, 2, 3), keepdim=True) + net[4].bias[classes].view(2, 1, 1, 1))
        scale = net[2].weight / (net[2].running_var + net[2].eps).sqrt()
        # The mean counts as a bias: what it takes away is not shared.
        relevance = relevance * maps * scale.view(4, 1, 1) / y
        flat = relevance.sum(1, keepdim=True).expand(-1, 3, -1, -1) / 3
    found = class_relevance(net, images, lambda _: classes)
    torch.testing.assert_close(found, flat, rtol=1e-3, atol=1e-5)
