"""Vision transformers: tokens, windows and heads as layers, each against code written out by hand."""

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from captum.attr import NeuronGuidedBackprop
from torch import Tensor, nn
from torch.nn import functional

from vebi.catalogue.descriptors import DESCRIPTORS
from vebi.catalogue.methods import METHODS
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.descriptors import describe_batch
from vebi.heatmaps import feature_maps
from vebi.heatmaps.class_batch import ClassBatch, cam_layer
from vebi.heatmaps.relevance import class_relevance
from vebi.heatmaps.signals import feature_signals
from vebi.io.errors import VebiError
from vebi.network import Layer, list_layers, responses, run
from vebi.network.passes import fast_layout
from vebi.network.receptive_field import receptive_fields
from vebi.network.running import scores_in
from vebi.studies.ablation.ablate import ablate_batch, as_ablation

declare_missing_ops()
from torchvision import models  # noqa: E402
from torchvision.models.maxvit import MaxVit  # noqa: E402
from torchvision.models.swin_transformer import (  # noqa: E402
    PatchMergingV2,
    SwinTransformer,
    SwinTransformerBlockV2,
)
from torchvision.models.vision_transformer import VisionTransformer  # noqa: E402

SIZE = 32


def vit() -> nn.Module:
    return VisionTransformer(SIZE, 8, 2, 2, 16, 24, num_classes=5)


def swin() -> nn.Module:
    return SwinTransformer([2, 2], 8, [2, 2], [2, 4], [4, 4], num_classes=5)


def swin_v2() -> nn.Module:
    options = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
    return SwinTransformer([2, 2], 8, [2], [2], [4, 4], num_classes=5, **options)


def maxvit() -> nn.Module:
    return MaxVit((SIZE, SIZE), 8, 4, [8, 16], [1, 1], 4, 0.1, num_classes=5)


class Hub(nn.Module):
    """A transformer as timm and Hugging Face write theirs, with an output object."""

    class Output(dict):
        """A mapping whose values are attributes, too."""

        def __getattr__(self, name: str) -> Tensor:
            return self[name]

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 12, 8, 8)
        self.token, self.place = (nn.Parameter(torch.randn(1, n, 12)) for n in (1, 17))
        self.norm1, self.norm2, self.norm = nn.LayerNorm(12), nn.LayerNorm(12), nn.LayerNorm(12)
        self.qkv, self.proj = nn.Linear(12, 36), nn.Linear(12, 12)
        self.fc1, self.act, self.fc2 = nn.Linear(12, 20), nn.GELU(), nn.Linear(20, 12)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> "Hub.Output":
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.place
        n, t, c = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, t, 3, 3, c // 3).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        found = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.proj(found.transpose(1, 2).reshape(n, t, c))
        x = x + self.fc2(self.act(self.fc1(self.norm2(x))))
        return self.Output(logits=self.head(self.norm(x)[:, 0]), hidden=x)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "vit": vit,
    "swin": swin,
    "swin_v2": swin_v2,
    "maxvit": maxvit,
    "hub": Hub,
}


def scores_of(net: nn.Module, images: Tensor) -> Tensor:
    found = net(images)
    return found if isinstance(found, Tensor) else found.logits


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    net = NETWORKS[name]().double().eval()
    for parameter in net.parameters():
        # torchvision starts some from zero; here everything has an effect.
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return net


@pytest.fixture(scope="module", params=NETWORKS)
def network(request) -> tuple[nn.Module, Tensor, list[Layer]]:
    net = made(request.param)
    images = torch.randn(3, 3, SIZE, SIZE, dtype=torch.float64)
    return net, images, list_layers(net, images)


def modules_of(net: nn.Module, layers: list[Layer]) -> list[tuple[Layer, nn.Module]]:
    """Layers that are modules called once, in their own layout."""
    modules = dict(net.named_modules())
    return [
        (layer, modules[layer.name])
        for layer in layers
        if isinstance(
            modules.get(layer.name), (nn.Conv2d, nn.Linear, nn.LayerNorm, nn.GELU, nn.BatchNorm2d)
        )
    ]


def test_responses_and_descriptors_of_every_unit(network) -> None:
    net, images, layers = network
    seen: dict[nn.Module, Tensor] = {}
    pairs = modules_of(net, layers)
    assert len(pairs) > 0.5 * len(layers)
    handles = [
        module.register_forward_hook(lambda m, _, out: seen.update({m: out.clone()}))
        for _, module in pairs
    ]
    with torch.no_grad():
        expected = scores_of(net, images)
    for handle in handles:
        handle.remove()
    logits, values = responses(net, images, layers)
    torch.testing.assert_close(logits, expected)
    by_index = {layer.index: value for layer, value in zip(layers, values, strict=True)}
    compared = 0
    for layer, module in pairs:
        if module in seen:  # torchvision's Swin uses weights of modules that it does not call
            compared += 1
            torch.testing.assert_close(by_index[layer.index], seen[module], msg=layer.name)
    assert compared > 0.5 * len(pairs)

    _, x = describe_batch(net, images, layers, DESCRIPTORS["vebi_text"])
    start = 0
    for layer, value in zip(layers, values, strict=True):
        assert value.shape == (3, *layer.shape)
        channels = value.movedim(layer.channel_axis, 1)
        norms = channels.flatten(1).unflatten(1, (layer.n_channels, -1)).square().sum(2).sqrt()
        part = x[:, start : start + layer.n_channels].double()
        expected = norms / norms.sum(1, keepdim=True)
        torch.testing.assert_close(part, expected, rtol=1e-5, atol=1e-7)
        start += layer.n_channels
    assert x.shape == (3, start)


def test_patch_embeddings_are_convolutions_and_heads_are_channels() -> None:
    net = made("vit")
    layers = {x.name: x for x in list_layers(net, torch.zeros(3, SIZE, SIZE))}
    first = layers["conv_proj"]
    assert (first.type, first.window.stride, first.shape) == ("conv", (8, 8), (16, 4, 4))
    block = "encoder.layers.encoder_layer_1"
    shapes = {
        f"{block}.self_attention.in_proj": ("conv", (17, 48), 48),
        f"{block}.self_attention": ("attention", (2, 17, 8), 2),
        f"{block}.self_attention.out_proj": ("conv", (17, 16), 16),
        f"{block}.mlp.0": ("conv", (17, 24), 24),
        f"{block}.mlp.1": ("gelu", (17, 24), 24),
    }
    for name, (type_, shape, channels) in shapes.items():
        layer = layers[name]
        assert (layer.type, layer.shape, layer.n_channels) == (type_, shape, channels)
        assert layer.spatial
        assert layer.layout.map_size == (4, 4)


def test_the_heads_of_torch_s_attention_by_hand() -> None:
    net = made("vit")
    images = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    layers = {x.name: x for x in list_layers(net, images)}
    block = "encoder.layers.encoder_layer_0"
    names = [f"{block}.ln_1", f"{block}.self_attention", f"{block}.self_attention.out_proj"]
    _, (tokens, heads, out) = responses(
        net, images, list(layers.values()), [layers[name] for name in names]
    )
    attention = net.get_submodule(f"{block}.self_attention")
    with torch.no_grad():
        q, k, v = (
            (tokens @ w.t() + b).unflatten(2, (2, 8)).transpose(1, 2)
            for w, b in zip(
                attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True
            )
        )
        expected = (q @ k.transpose(2, 3) / math.sqrt(8)).softmax(-1) @ v
        torch.testing.assert_close(heads, expected)
        torch.testing.assert_close(out, attention(tokens, tokens, tokens)[0])


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("masked", ["", "float", "bool", "padding", "heads"])
def test_attention_written_out_equals_torch_s(
    need_weights: bool, separate: bool, masked: str
) -> None:
    torch.manual_seed(0)
    sizes = {"kdim": 6, "vdim": 10} if separate else {}
    module = nn.MultiheadAttention(8, 2, batch_first=True, **sizes).double().eval()
    tokens = torch.randn(3, 5, 8).double()
    key, value = (
        (torch.randn(3, 4, n).double() for n in (6, 10)) if separate else (tokens[:, :4],) * 2
    )
    mask = torch.rand(5, 4) > 0.6
    mask[:, 0] = False
    options = {
        "": {},
        "float": {"attn_mask": torch.randn(5, 4).double()},
        "bool": {"attn_mask": mask},
        "padding": {"key_padding_mask": mask[:3]},
        "heads": {"attn_mask": torch.randn(6, 5, 4).double()},
    }[masked]

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.attention = nn.Conv2d(3, 2, 1).double(), module

        def forward(self, x: Tensor) -> Tensor:
            del x
            found, weights = self.attention(
                tokens, key, value, need_weights=need_weights, **options
            )
            self.found, self.weights = found, weights
            return found[:, 0]

    net = Net()
    with torch.no_grad():
        net(tokens)
    expected = net.found, net.weights
    run(net, torch.zeros(3, 3, 2, 2))
    torch.testing.assert_close(net.found, expected[0])
    assert (net.weights is None) is not need_weights
    if need_weights:
        torch.testing.assert_close(net.weights, expected[1])


POINTWISE = {
    "swin": ("features.1.1.norm1", "features.1.1.attn.qkv"),
    "swin_v2": ("features.0.2", "features.1.0.attn.qkv"),
}


@pytest.mark.parametrize("name", POINTWISE)
def test_maps_of_shifted_windows_by_hand(name: str) -> None:
    """Projections look at one place each: on the map they are what they are in windows."""
    before, after = POINTWISE[name]
    net = made(name)
    images = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    layers = {x.name: x for x in list_layers(net, images)}
    _, (maps, windows) = responses(
        net, images, list(layers.values()), [layers[before], layers[after]]
    )
    layer = layers[after]
    linear = net.get_submodule(after)
    with torch.no_grad():
        bias = linear.bias.clone()
        if name == "swin_v2":
            bias[8:16] = 0  # of the keys
        expected = (maps @ linear.weight.t() + bias).movedim(3, 1)
    assert windows.shape[1:3] == (16, 16)
    channels = windows.movedim(layer.channel_axis, 1)
    found = layer.layout.maps(channels.flatten(0, 1)).unflatten(0, (2, 24))
    torch.testing.assert_close(found, expected)


def test_maps_of_grid_attention_by_hand() -> None:
    net = made("maxvit")
    images = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    block = "blocks.0.layers.0.layers.grid_attention"
    layers = {x.name: x for x in list_layers(net, images)}
    layer = layers[f"{block}.attn_layer.1.to_qkv"]
    _, (windows,) = responses(net, images, list(layers.values()), [layer])
    seen = []
    handle = net.get_submodule(block).register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    with torch.no_grad():
        net(images)
        handle.remove()
        norm, attention = net.get_submodule(f"{block}.attn_layer")[:2]
        expected = attention.to_qkv(norm(seen[0].movedim(1, 3))).movedim(3, 1)
    channels = windows.movedim(layer.channel_axis, 1)
    found = layer.layout.maps(channels.flatten(0, 1)).unflatten(0, (2, 24))
    torch.testing.assert_close(found, expected)


def head_weights(net: nn.Module, layer: Layer) -> Tensor:
    """The weights that take over what an attention's heads give."""
    parent = layer.name.removesuffix(".attention")
    options = ("out_proj", "proj", "merge")
    parent = "" if parent == "attention" else parent
    module = net.get_submodule(parent)
    return next(getattr(module, x).weight for x in options if hasattr(module, x))


def test_ablation_equals_zeroing_by_hand(network) -> None:
    net, images, layers = network
    rng = np.random.default_rng(0)
    chosen = [x for x, m in modules_of(net, layers) if not isinstance(m, nn.GELU)]
    heads = [layer for layer in layers if layer.type == "attention"]
    assert heads
    some = [chosen[i] for i in rng.choice(len(chosen), 5, replace=False)]
    projected = [x for x in layers if x.name.endswith(("qkv", "out_proj", "proj", "in_proj"))]
    conditions, twins = [], []
    for layer in [layers[0], *some, *projected[:2], *heads[:2]]:
        channels = rng.choice(layer.n_channels, max(1, layer.n_channels // 2), replace=False)
        conditions.append(as_ablation([(layer.index, c) for c in channels], layers))
        twin = copy.deepcopy(net)
        with torch.no_grad():
            if layer.type == "attention":
                weight = head_weights(twin, layer).unflatten(1, (layer.n_channels, -1))
                weight[:, torch.from_numpy(channels)] = 0
            else:
                held = dict(twin.named_parameters())
                for end in ("weight", "bias"):
                    name = f"{layer.name}.{end}"
                    name = name if name in held else f"{layer.name}_{end}"
                    if name in held:  # a convolution may have no bias
                        held[name][torch.from_numpy(channels)] = 0
        twins.append(twin)
    scores = ablate_batch(net, images, layers, [*conditions, ()])
    with torch.no_grad():
        whole = scores_of(net, fast_layout(images))
        torch.testing.assert_close(scores[-1], whole)
        for ours, twin, layer in zip(
            scores, twins, [layers[0], *some, *projected[:2], *heads[:2]], strict=False
        ):
            expected = scores_of(twin, fast_layout(images))
            assert not torch.allclose(expected, whole), layer.name
            torch.testing.assert_close(ours, expected, msg=layer.name)


def test_signals_equal_captum_s(network) -> None:
    """GELU, attention and normalisations follow their gradients: weights of attention are not held."""
    net, images, layers = network

    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            return scores_of(self.net, x)

    seen: set[nn.Module] = set()
    handles = [module.register_forward_hook(lambda m, *_: seen.add(m)) for module in net.modules()]
    with torch.no_grad():
        net(images)
    for handle in handles:
        handle.remove()
    pairs = [(layer, module) for layer, module in modules_of(net, layers) if module in seen]
    pairs = [(layer, module) for layer, module in pairs if layer.spatial]
    for layer, module in [*pairs[1 :: max(1, len(pairs) // 4)], pairs[-1]]:
        axis = layer.channel_axis
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = NeuronGuidedBackprop(Scores(), module).attribute(
                images.clone().requires_grad_(),
                lambda out, axis=axis: 0.5 * out.movedim(axis, 1)[:, 1].square().flatten(1).sum(1),
            )
        ours = feature_signals(net, images, layers, np.full((3, 1, 2), (layer.index, 1)))[:, 0]
        scale = float(theirs.abs().max())
        assert scale > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9 * scale, msg=layer.name)


def test_every_method_draws_features_of_every_kind(network) -> None:
    net, images, layers = network
    kinds = {layer.kind: layer.index for layer in reversed(layers) if layer.spatial}
    assert {"conv2d", "linear", "attention", "layer_norm", "gelu"} <= set(kinds)
    features = np.array([[(index, 0) for index in kinds.values()]] * 3)
    drawing = [name for name, method in METHODS.items() if method.explains == "features"]
    for name, maps in feature_maps(net, images, layers, features, drawing).items():
        assert maps.shape == (3, len(kinds), SIZE, SIZE)
        assert maps.isfinite().all(), name
        assert (maps.flatten(2).amax(2) == 1).float().mean() > 0.9, name


def test_upsampled_maps_of_tokens_lie_where_their_patches_do() -> None:
    net = made("vit")
    image = torch.zeros(1, 3, SIZE, SIZE, dtype=torch.float64)
    image[:, :, 16:24, 8:16] = 3.0  # the patch in row 2, column 1
    layers = list_layers(net, image)
    by_name = {layer.name: layer for layer in layers}
    net.encoder.pos_embedding.data.zero_()
    layer = by_name["encoder.layers.encoder_layer_0.self_attention.in_proj"]
    _, (response,) = responses(net, image, layers, [layer])
    maps = layer.layout.maps(response.movedim(layer.channel_axis, 1)[0])
    others = maps - maps[:, :1, :1]
    places = others.abs().amax(0) > 1e-9
    assert places.nonzero().tolist() == [[2, 1]]


def brute_force_box(
    net: nn.Module, image: Tensor, layer: Layer, row: int, column: int
) -> list[int]:
    """Rows and columns of the pixels whose gradient is not zero."""
    total = torch.zeros(SIZE, SIZE, dtype=torch.float64)
    seen: list[Tensor] = []
    parent = net.get_submodule(layer.name.removesuffix(".attention").removesuffix(".qkv"))
    handle = parent.register_forward_hook(lambda _, __, out: seen.append(out))
    leaf = image.clone().requires_grad_()
    net(leaf)
    handle.remove()
    for channel in range(seen[0].shape[3]):
        (found,) = torch.autograd.grad(seen[0][0, row, column, channel], leaf, retain_graph=True)
        total += found.abs().sum((0, 1))
    rows, columns = (total.sum(i).nonzero().flatten() for i in (1, 0))
    return [int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1]


def test_receptive_fields_of_windows_equal_brute_force() -> None:
    net = made("swin")
    image = torch.randn(1, 3, SIZE, SIZE, dtype=torch.float64)
    layers = list_layers(net, image)
    heads = [layer for layer in layers if layer.type == "attention"][:2]
    for layer, boxes in zip(
        heads, receptive_fields(net, image, layers, [(x.index, 0) for x in heads]), strict=True
    ):
        assert boxes.shape == (16, 16, 4)
        for row, column in ((0, 0), (3, 8), (6, 13), (15, 15)):
            expected = brute_force_box(net, image, layer, row, column)
            assert boxes[row, column].tolist() == expected, (layer.name, row, column)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("vit", "encoder.layers.encoder_layer_1.ln_1"),
        ("hub", "norm1"),
        ("swin", "norm"),
        ("maxvit", "blocks.1.layers.0.layers.grid_attention.mlp_layer.3"),
    ],
)
def test_grad_cam_looks_at_tokens_that_reach_the_scores(name: str, layer: str) -> None:
    net = made(name)
    images = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    layers = list_layers(net, images)
    wanted = cam_layer(layers)
    assert wanted is not None
    assert wanted.name == layer
    ours = ClassBatch(net, images, layers, np.array([1, 3])).cam
    if name in ("swin", "maxvit"):
        assert ours.amax((1, 2, 3)).min() > 0
        return
    seen: list[Tensor] = []
    handle = net.get_submodule(layer).register_forward_hook(lambda _, __, out: seen.append(out))
    scores = scores_of(net, images)
    handle.remove()
    (gradient,) = torch.autograd.grad(scores[0, 1] + scores[1, 3], seen[0])
    weights = gradient[:, 1:].mean(1, keepdim=True)
    coarse = (weights * seen[0][:, 1:]).sum(2).clamp(min=0).reshape(2, 1, 4, 4)
    expected = functional.interpolate(coarse, (SIZE, SIZE), mode="bilinear")
    assert expected.abs().max() > 0
    torch.testing.assert_close(ours, expected)


BLOCK = [*(["norm", "conv", "attention", "conv"]), *(["norm", "conv", "gelu", "conv"])]
NAMED = {
    "vit_b_16": (98, ["conv", *BLOCK * 12, "norm"]),
    # Two of the embedding, twelve blocks, three mergings, normalisation and pooling.
    "swin_t": (2 + 12 * 8 + 3 * 2 + 2, None),
    # Eleven layers: 13 of a convolution block, two attentions; four of them with a strided shortcut.
    "maxvit_t": (4 + 11 * (13 + 2 * 8) + 4 * 2 + 4, None),
    "convnext_tiny": (100, None),
    "efficientnet_b0": (212, None),
    "regnet_y_400mf": (236, None),
}


@pytest.mark.parametrize("name", NAMED)
def test_layers_of_torchvision_s_networks(name: str) -> None:
    """Without numbers: on torch's `meta` device shapes are all there is."""
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        net = getattr(models, name)(weights=None).eval().to("meta")
    layers = list_layers(net, torch.zeros(3, 224, 224, device="meta"))
    n_layers, types = NAMED[name]
    assert len(layers) == n_layers
    assert types is None or [layer.type for layer in layers] == types
    attentions = [layer for layer in layers if layer.type == "attention"]
    heads = {"vit_b_16": 144, "swin_t": 2 * (3 + 6 + 3 * 12 + 24)}
    assert name not in heads or sum(layer.n_channels for layer in attentions) == heads[name]
    maps = {"vit_b_16": (14, 14), "swin_t": (7, 7), "maxvit_t": (7, 7)}
    assert bool(attentions) is (name in maps)
    assert not attentions or attentions[-1].layout.map_size == maps[name]
    assert all(x.spatial for x in layers if x.type in ("conv", "attention"))


class ScaledStdConv2d(nn.Conv2d):
    """As timm's NF-ResNets and NFNets have it (Brock et al. 2021): standardised at every pass."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.gain = nn.Parameter(torch.rand(len(self.weight), 1, 1, 1) + 0.5)
        self.scale = self.weight[0].numel() ** -0.5

    def standardised(self) -> Tensor:
        return functional.batch_norm(
            self.weight.reshape(1, len(self.weight), -1),
            None,
            None,
            weight=(self.gain * self.scale).view(-1),
            training=True,
            momentum=0.0,
            eps=1e-6,
        ).reshape_as(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.standardised(), self.bias, self.stride, self.padding)


class NormaliserFree(nn.Module):
    """A block of ECA-NFNet (timm): scaled activations and a gate by a convolution over channels."""

    def __init__(self, convolution: type[nn.Conv2d]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = convolution(3, 8, 3), convolution(8, 8, 3)
        self.gate, self.head = nn.Conv1d(1, 1, 3, padding=1), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(functional.silu(self.a(x)) * 1.7881293296813965)
        y = self.gate(x.mean((2, 3)).view(len(x), 1, -1)).sigmoid().view(len(x), -1, 1, 1)
        return self.head((2.0 * (x * y.expand_as(x))).mean((2, 3)))


def test_normaliser_free_networks_equal_plain_convolutions() -> None:
    net, twin = (
        NormaliserFree(ScaledStdConv2d).double().eval(),
        NormaliserFree(nn.Conv2d).double().eval(),
    )
    twin.load_state_dict(net.state_dict(), strict=False)
    with torch.no_grad():
        for name in ("a", "b"):
            getattr(twin, name).weight.copy_(getattr(net, name).standardised())
    images = torch.randn(2, 3, 16, 16).double()
    layers, others = list_layers(net, images), list_layers(twin, images)
    assert layers == others
    assert [x.name for x in layers] == ["a", "silu", "b", "gate", "sigmoid"]
    conditions = [as_ablation([(i, 0)], layers) for i in (0, 2, 3)]
    torch.testing.assert_close(
        ablate_batch(net, images, layers, conditions),
        ablate_batch(twin, images, others, conditions),
    )
    assert not layers[3].spatial
    features = np.array([[(0, 1), (2, 3)]] * 2)
    ours, theirs = (
        feature_maps(one, images, layers, features, ["vebi", "deconv_gb"]) for one in (net, twin)
    )
    for name, maps in ours.items():
        torch.testing.assert_close(maps, theirs[name])
    relevance, expected = (
        class_relevance(one, images, lambda s: s.argmax(1)) for one in (net, twin)
    )
    assert expected.abs().max() > 0
    torch.testing.assert_close(relevance, expected)


@dataclass
class Answer:
    logits: Tensor
    loss: None = None


class Named(NamedTuple):
    loss: None
    logits: Tensor


def test_scores_are_found_in_objects_and_nowhere_else() -> None:
    scores = torch.rand(2, 3)
    for output in (scores, Answer(scores), Named(None, scores), {"logits": scores}):
        assert scores_in(output) is scores
    for output in ((scores, scores), {"scores": scores}, Answer(None), None):
        assert scores_in(output) is output

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            found = self.conv(x).mean((2, 3))
            return found, found

    with pytest.raises(VebiError, match="as `logits`; it returns a tuple"):
        list_layers(Two(), torch.rand(3, 8, 8))
