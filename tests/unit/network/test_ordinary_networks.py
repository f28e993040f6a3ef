"""Networks as people write them, each compared with a twin that is written the plain way.

What is written otherwise but computes the same must have the same layers, responses, ablations and
maps by every method.
"""

import copy
import re
import warnings
from collections.abc import Callable

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize, prune

from vebi.catalogue.descriptors import get_descriptor
from vebi.catalogue.methods import METHODS
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.descriptors import describe_batch
from vebi.heatmaps import Targets, merged_maps
from vebi.heatmaps.class_batch import ClassBatch
from vebi.io.errors import VebiError
from vebi.network import list_layers, responses
from vebi.studies.ablation.ablate import ablate_batch, as_ablation

declare_missing_ops()
from torchvision import models  # noqa: E402

SIZE = 16
DRAWING = [
    name
    for name, method in METHODS.items()
    if not name.startswith("resampling") and method.explains == "features"
]
OF_CLASS = [name for name, method in METHODS.items() if method.explains == "class"]


def images_of(n: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def all_of(net: nn.Module, images: Tensor, methods: list[str] | None = None) -> dict[str, Tensor]:
    """Scores, descriptors, ablations, and maps by every method, of three features of each image."""
    layers = list_layers(net, images)
    logits, x = describe_batch(net, images, layers, get_descriptor("vebi_text"))
    found = {"scores": logits, "descriptors": x}
    spatial = [layer.index for layer in layers if layer.spatial]
    chosen = [(spatial[0], 1), (spatial[-1], 0), (spatial[len(spatial) // 2], 2)]
    features = np.tile(np.array(chosen), (len(images), 1, 1))
    found["ablation"] = ablate_batch(net, images, layers, [as_ablation(chosen, layers), ()])
    sources = {METHODS[name].source: features for name in ("deconv_gb", "upsampled_activation")}
    targets = Targets(logits.argmax(1).numpy(), sources)
    return found | merged_maps(
        net, images, layers, targets, methods or [*DRAWING, *OF_CLASS], ig_steps=4
    )


def assert_like_twin(net: nn.Module, twin: nn.Module, methods: list[str] | None = None) -> None:
    images = images_of()
    expected = all_of(twin, images, methods)
    for name, value in all_of(net, images, methods).items():
        assert value.float().abs().sum() > 0, name
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5, msg=name)


def described(net: nn.Module) -> list[tuple[str, str, int]]:
    return [(x.name, x.type, x.n_channels) for x in list_layers(net, images_of(1))]


class Plain(nn.Module):
    """The twin: two convolutions, the second with stride 2, a pooling, a hidden layer.

    `rectify` and `head` are what other networks write otherwise.
    """

    def __init__(self, rectify: Callable[[Tensor], Tensor] = functional.relu) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.rectify = rectify
        self.a = nn.Conv2d(3, 6, 3, padding=1)
        self.b = nn.Conv2d(6, 5, 3, stride=2, padding=1)
        self.hidden, self.head = nn.Linear(80, 9), nn.Linear(9, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        x = self.rectify(self.b(self.rectify(self.a(x))))
        return self.rectify(self.hidden(functional.avg_pool2d(x, 2).flatten(1)))

    def scores(self, x: Tensor) -> Tensor:
        return self.head(x)


class Padded(Plain):
    def __init__(self, padding: tuple[object, object], kernel: int = 3) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.a = nn.Conv2d(3, 6, kernel, padding=padding[0])
        self.b = nn.Conv2d(6, 5, kernel, padding=padding[1])
        self.hidden = nn.LazyLinear(9)
        self(images_of(1))


@pytest.mark.parametrize(
    ("words", "numbers", "kernel"),
    [
        (("same", "valid"), (1, 0), 3),
        (("valid", "same"), (0, 2), 5),
    ],
)
def test_padding_in_words(words, numbers, kernel: int) -> None:
    assert_like_twin(Padded(words, kernel), Padded(numbers, kernel))


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_padding_in_words_that_is_uneven() -> None:
    """An even kernel has one more pixel at the end than at the beginning."""

    class Uneven(Padded):
        def forward(self, x: Tensor) -> Tensor:
            x = functional.relu(self.a(functional.pad(x, (1, 2, 1, 2))))
            x = functional.relu(self.b(functional.pad(x, (1, 2, 1, 2))))
            return self.head(self.hidden(functional.avg_pool2d(x, 2).flatten(1)).relu())

    # LRP's flat rule shares relevance with what lies under the padding of the twin.
    methods = [name for name in (*DRAWING, *OF_CLASS) if name != "lrp"]
    assert_like_twin(Padded(("same", "same"), 4), Uneven((0, 0), 4), methods)


def into_input(x: Tensor) -> Tensor:
    return x.sub_(0.1).div_(0.5)


class InPlace(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(into_input(x) if self.inplace else (x - 0.1) / 0.5)

    inplace = True


def test_an_input_that_is_changed_in_place() -> None:
    net, twin, images = InPlace(), InPlace(), images_of()
    twin.inplace = False
    assert_like_twin(net, twin)
    before = images.clone()
    layers = list_layers(net, images)
    first = ablate_batch(net, images, layers, [as_ablation([(0, 1)], layers), ()])
    again = ablate_batch(net, images, layers, [as_ablation([(0, 1)], layers), ()])
    assert torch.equal(first, again)
    responses(net, images, layers)
    all_of(net, images)
    assert torch.equal(images, before)


def weight_norm_old(net: Plain) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in (net.a, net.b, net.hidden):
            nn.utils.weight_norm(module)
            module.weight_g.data.mul_(1.5)


def weight_norm_new(net: Plain) -> None:
    for module in (net.a, net.b, net.hidden):
        parametrizations.weight_norm(module)
        module.parametrizations.weight.original0.data.mul_(1.5)


def spectral_norm_old(net: Plain) -> None:
    for module in (net.a, net.b, net.hidden, net.head):
        nn.utils.spectral_norm(module)


def spectral_norm_new(net: Plain) -> None:
    for module in (net.a, net.b, net.hidden, net.head):
        parametrizations.spectral_norm(module)


def pruned(net: Plain) -> None:
    for module in (net.a, net.b, net.hidden):
        prune.l1_unstructured(module, "weight", 0.3)


class Computed(nn.Module):
    """A parametrisation by any function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, weight: Tensor) -> Tensor:
        return self.function(weight)


def standardised(weight: Tensor) -> Tensor:
    """Weight standardisation as timm writes it."""
    shape = weight.reshape(1, len(weight), -1)
    return functional.batch_norm(shape, None, None, training=True, momentum=0.0).reshape_as(weight)


def standardised_by_hand(weight: Tensor) -> Tensor:
    mean = weight.mean((1, 2, 3), keepdim=True)
    return (weight - mean) / weight.std((1, 2, 3), keepdim=True, unbiased=False).add(1e-5)


def by(function: Callable[[Tensor], Tensor]) -> Callable[[Plain], None]:
    def change(net: Plain) -> None:
        for module in (net.a, net.b):
            parametrize.register_parametrization(module, "weight", Computed(function))

    return change


def _swap(n: int) -> Tensor:
    return torch.eye(n).flip(0)


CHANGES = {
    "weight_norm, old": weight_norm_old,
    "weight_norm, new": weight_norm_new,
    "spectral_norm, old": spectral_norm_old,
    "spectral_norm, new": spectral_norm_new,
    "prune": pruned,
    "standardised": by(standardised),
    "standardised by hand": by(standardised_by_hand),
    "softplus": by(lambda weight: functional.softplus(weight) - 0.7),
    "relu": by(lambda weight: torch.relu(weight + 0.02) - 0.05),
    "sign": by(lambda weight: weight * (weight > 0) - 0.05),
    "matmul": by(lambda weight: (weight.flatten(1) @ _swap(weight[0].numel())).view_as(weight)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_are_computed(change: str) -> None:
    net, twin = Plain(), Plain()
    CHANGES[change](net)
    net.train()
    with torch.no_grad():
        net(images_of())  # spectral_norm iterates in training mode
    net.eval()
    with torch.no_grad():
        net(images_of())
        for name in ("a", "b", "hidden", "head"):
            getattr(twin, name).weight.copy_(getattr(net, name).weight)
    assert [x[0].partition(".param")[0] for x in described(net)] == [x[0] for x in described(twin)]
    assert not torch.equal(twin.a.weight, Plain().a.weight)
    assert_like_twin(net, twin)


class OwnRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, signal: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return signal * (x > 0)


class OwnSign(OwnRelu):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * (x > 0).float()


def assigned(x: Tensor) -> Tensor:
    x[x < 0] = 0
    return x


# Bound once, as in PyTorch's tutorial.
own_relu = OwnRelu.apply
RECTIFIERS = {
    "autograd.Function": own_relu,
    "autograd.Function with a sign": OwnSign.apply,
    "maximum, number": lambda x: torch.maximum(x, torch.tensor(0.0)),
    "maximum, map": lambda x: torch.maximum(torch.zeros_like(x), x),
    "max": lambda x: x.max(x.new_zeros(1)),
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "where, turned": lambda x: torch.where(x <= 0, torch.zeros_like(x), x),
    "where, method": lambda x: x.where(x > 0, torch.zeros(())),
    "product": lambda x: x * (x > 0),
    "product, turned": lambda x: (x >= 0).float() * x,
    "product, negated": lambda x: x * (~(x < 0)).to(x.dtype),
    "product, in place": lambda x: x.mul_(x > 0),
    "clamp": lambda x: torch.clamp(x, min=torch.tensor(0.0)),
    "clamp, map": lambda x: x.clamp(torch.zeros_like(x)),
    "clamp to infinity": lambda x: x.clamp(0, float("inf")),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0),
    "masked_fill_": lambda x: x.masked_fill_(x < 0, 0.0),
    "assignment": assigned,
}


@pytest.mark.parametrize("name", RECTIFIERS)
def test_relu_by_other_means(name: str) -> None:
    net = Plain(RECTIFIERS[name])
    types = [x[1] for x in described(net)]
    assert (
        types == [x[1] for x in described(Plain())] == ["conv", "relu"] * 2 + ["pool", "fc", "relu"]
    )
    assert_like_twin(net, Plain())


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.maximum(x, torch.tensor(0.1)),
        lambda x: torch.where(x > 0, x, 0.1 * x),
        lambda x: x * (x > 0.5),
        lambda x: x * (x.abs() > 0),
        lambda x: x * (x < 0),
        lambda x: (x + 1) * (x > 0),
        lambda x: torch.clamp(x, max=torch.tensor(0.0)),
        lambda x: torch.maximum(x, x.mean(1, keepdim=True)),
    ],
)
def test_what_only_looks_like_a_relu(function) -> None:
    assert [x[1] for x in described(Plain(function))] == ["conv", "conv", "pool", "fc"]


def test_a_mask_of_what_was_overwritten_is_no_relu() -> None:
    def later(x: Tensor) -> Tensor:
        positive = x > 0
        x.sub_(0.5)
        return x * positive

    assert [x[1] for x in described(Plain(later))] == ["conv", "conv", "pool", "fc"]


class TwoHeads(Plain):
    """A second head that runs after the class head, and does not lead to the scores."""

    def __init__(self, is_last: bool = True) -> None:
        super().__init__()
        self.second, self.is_last = nn.Linear(9, 2), is_last

    def scores(self, x: Tensor) -> Tensor:
        if self.is_last:
            scores = self.head(x)
            self.box = self.second(x).relu()
            return scores
        self.box = self.second(x).relu()
        return self.head(x)


class ByMatrix(Plain):
    """The head as a product with a matrix, in several spellings."""

    def __init__(self, product: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.product = product

    def scores(self, x: Tensor) -> Tensor:
        return self.product(x, self.head.weight.t()) + self.head.bias


class Ensemble(nn.Module):
    """The mean of two networks' scores."""

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList([Plain(), Plain()])
        with torch.no_grad():
            self.members[1].a.weight.neg_()

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x) for member in self.members]).mean(0)


NAMES = ["a", "relu", "b", "relu#2", "avg_pool2d", "hidden", "relu#3"]
PRODUCTS = {
    "@": lambda x, w: x @ w,
    "matmul": torch.matmul,
    "mm": lambda x, w: x.mm(w),
    "addmm": lambda x, w: torch.addmm(torch.zeros(4), x, w),
    "einsum": lambda x, w: torch.einsum("nc,ck->nk", x, w),
}


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_head_that_is_a_matrix_product(product: str) -> None:
    net = ByMatrix(PRODUCTS[product])
    assert [x[0] for x in described(net)] == NAMES
    methods = [*DRAWING, *OF_CLASS]
    if product == "einsum":
        methods.remove("lrp")  # it has no rule for any einsum
    assert_like_twin(net, Plain(), methods)


def test_a_matrix_product_inside_the_network_is_a_fully_connected_layer() -> None:
    class Inside(Plain):
        def features(self, x: Tensor) -> Tensor:
            x = functional.relu(self.b(functional.relu(self.a(x))))
            x = functional.avg_pool2d(x, 2).flatten(1)
            return functional.relu(x @ self.hidden.weight.t() + 0)

    net, twin = Inside(), Plain()
    with torch.no_grad():
        net.hidden.bias.zero_()
        twin.hidden.bias.zero_()
    assert [(x[1], x[2]) for x in described(net)] == [(x[1], x[2]) for x in described(twin)]
    assert_like_twin(net, twin)


@pytest.mark.parametrize("is_last", [True, False])
def test_a_second_head(is_last: bool) -> None:
    """The class head is left out, whichever runs last; the other one is a layer like any other."""
    layers = list_layers(TwoHeads(is_last), images_of(1))
    assert [layer.name for layer in layers] == [*NAMES, "second", "relu#4"]
    net, images = TwoHeads(is_last), images_of()
    logits, values = responses(net, images, layers)
    assert torch.equal(values[-1], net.box)
    assert torch.equal(logits, Plain()(images))
    ablation = as_ablation([(2, 1), (8, 0)], layers)
    twin = ablate_batch(
        Plain(), images, list_layers(Plain(), images), [as_ablation([(2, 1)], layers)]
    )
    assert torch.equal(ablate_batch(net, images, layers, [ablation]), twin)


def test_an_ensemble_has_the_layers_of_all_members() -> None:
    net, images = Ensemble(), images_of()
    layers = list_layers(net, images)
    expected = [f"members.{m}.{name.partition('#')[0]}" for m in (0, 1) for name in NAMES]
    assert [layer.name.partition("#")[0] for layer in layers] == expected
    scores = ablate_batch(net, images, layers, [as_ablation([(9, 1)], layers)])[0]
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin.members[1].b.weight[1] = 0
        twin.members[1].b.bias[1] = 0
        torch.testing.assert_close(scores, twin(images))
    all_of(net, images)


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_head() -> None:
    """The last ReLU is a feature, the quantised layer is the head; features are drawn as ever."""
    net = torch.ao.quantization.quantize_dynamic(Plain(), {"head"}, torch.qint8)
    assert "quantized" in type(net.head).__module__
    assert [x[0] for x in described(net)] == NAMES
    images = images_of()
    ours, twin = all_of(net, images, DRAWING), all_of(Plain(), images, DRAWING)
    for name in ("descriptors", *DRAWING):
        torch.testing.assert_close(ours[name], twin[name], msg=name)
    for name in OF_CLASS:
        with pytest.raises(VebiError, match=r"quantized::linear_dynamic|no rule|no gradient"):
            all_of(net, images, [name])


class Excited(Plain):
    """Squeeze and excitation (Hu et al. 2018), the gate made from a table in several ways."""

    def __init__(self, gate: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.squeeze, self.excite, self.gate = nn.Linear(6, 3), nn.Linear(3, 6), gate

    def features(self, x: Tensor) -> Tensor:
        x = functional.relu(self.a(x))
        gate = self.excite(functional.relu(self.squeeze(x.mean((2, 3)))))
        return super_features(self, x * self.gate(gate))


def super_features(net: Plain, x: Tensor) -> Tensor:
    x = functional.relu(net.b(functional.relu(x)))
    return functional.relu(net.hidden(functional.avg_pool2d(x, 2).flatten(1)))


GATES = {
    "reshape": lambda x: torch.sigmoid(x.reshape(len(x), 6, 1, 1)),
    "view": lambda x: x.view(-1, 6, 1, 1).sigmoid(),
    "index": lambda x: functional.hardsigmoid(x[:, :, None, None]) * 2,
    "unsqueeze": lambda x: x.unsqueeze(2).unsqueeze(3).sigmoid(),
    "unflatten": lambda x: x.unflatten(1, (6, 1, 1)).sigmoid(),
}


@pytest.mark.parametrize("gate", GATES)
def test_gates_of_any_shape(gate: str) -> None:
    layers = list_layers(Excited(GATES[gate]), images_of(1))
    (found,) = [x for x in layers if "sigmoid" in x.type]
    assert (found.n_channels, found.channel_axis, found.spatial) == (6, 1, False)
    twin = Excited(lambda x: functional.hardsigmoid(x)[..., None, None] * 2)
    if gate != "index":
        twin = Excited(lambda x: torch.sigmoid(x)[..., None, None])
    assert_like_twin(Excited(GATES[gate]), twin, [*DRAWING, "guided_backprop", "gradient_x_input"])


class Shuffled(Plain):
    """A channel shuffle (Zhang et al. 2018), by hand."""

    def __init__(self, by_hand: bool) -> None:
        super().__init__()
        self.by_hand = by_hand

    def features(self, x: Tensor) -> Tensor:
        x = functional.relu(self.a(x))
        if self.by_hand:
            n, c, h, w = x.shape
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)
        else:
            x = x[:, [0, 3, 1, 4, 2, 5]]
        return super_features(self, x)


def test_a_channel_shuffle_by_hand() -> None:
    methods = [*DRAWING, *OF_CLASS]
    assert_like_twin(Shuffled(True), Shuffled(False), methods)
    assert described(Shuffled(True)) == described(Plain())[:1] + described(Shuffled(False))[1:]


@pytest.mark.parametrize(
    "mixing",
    [
        lambda x: x.reshape(len(x), 3, 32, 16),
        lambda x: x.transpose(0, 1),
        lambda x: x.permute(0, 2, 1, 3).reshape(len(x), 6, 16, 16),
    ],
)
def test_layers_that_mix_channels_with_places_are_left_out(mixing, caplog) -> None:
    class Mixing(Plain):
        def features(self, x: Tensor) -> Tensor:
            mixed = mixing(self.a(x)).relu()
            return super_features(self, mixed.reshape(len(x), 6, 16, 16))

    layers = list_layers(Mixing(), images_of(1))
    left_out = re.findall(
        r"'(relu(?:#2)?)' is left out.*(?:unclear|keep images apart)", caplog.text
    )
    assert left_out
    names = {layer.name for layer in layers}
    assert {"a", "b", "hidden"} <= names
    assert not names & set(left_out)


JOINED = {
    "squeezenet1_1": ("features", 64),
    "inception_v3": ("Mixed_7c", 160),
    "googlenet": ("inception5b", 96),
    "densenet121": ("features.norm5", 96),
    "convnext_tiny": ("features.7", 96),
}


@pytest.mark.parametrize("name", JOINED)
@pytest.mark.filterwarnings("ignore")
def test_grad_cam_of_joined_branches_equals_captum_at_the_module(name: str) -> None:
    module, size = JOINED[name]
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
    net = getattr(models, name)(weights=None, num_classes=5, **options).eval().double()
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    if name == "densenet121":
        # The network's ReLU after the last module, in a module of its own, for captum.
        twin = nn.Sequential(net.features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        twin.append(net.classifier)
        watched, place = twin, twin[1]
    else:
        watched, place = net, net.get_submodule(module)
    layers, classes = list_layers(net, images), np.array([1, 3])
    ours = ClassBatch(net, images, layers, classes).cam
    theirs = captum.attr.LayerGradCam(watched, place).attribute(
        images, torch.from_numpy(classes), relu_attributions=True
    )
    theirs = functional.interpolate(theirs, (size, size), mode="bilinear")
    assert theirs.abs().max() > 0
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-6, atol=1e-12)
