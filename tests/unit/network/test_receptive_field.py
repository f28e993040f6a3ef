"""Receptive fields: the closed form for chains, perturbed pixels for any network."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build
from vebi.network import list_layers, responses
from vebi.network.lattice import Lattice
from vebi.network.receptive_field import continued_fields, receptive_fields

declare_missing_ops()
from torchvision import models  # noqa: E402


def fields_of(net: nn.Module, size: tuple[int, int], chosen=None) -> tuple[list, list[np.ndarray]]:
    """All layers (or those of `chosen`, a function), and the boxes of each one's first channel."""
    example = torch.zeros(1, 3, *size)
    layers = list_layers(net, example)
    wanted = [layer for layer in layers if chosen is None or chosen(layer)]
    boxes = receptive_fields(net, example, layers, [(layer.index, 0) for layer in wanted])
    return wanted, boxes


def make_monotone(net: nn.Module) -> nn.Module:
    """Positive weights and statistics that change nothing: raising a pixel raises what depends on it."""
    net = net.double().eval()
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            with torch.no_grad():
                module.weight.copy_(module.weight.abs() + 0.1)
                module.weight /= module.weight[0].sum()
                if module.bias is not None:
                    module.bias.zero_()
    return net


def boxes_by_perturbation(
    net: nn.Module, size: tuple[int, int], layers, wanted
) -> list[np.ndarray]:
    """The brute-force twin: raise one row or column after the other, and see which units change."""
    base = torch.ones(1, 3, *size, dtype=torch.float64)
    still = responses(net, base, layers, wanted)[1]
    changed: list[list[list[np.ndarray]]] = [[[], []] for _ in wanted]
    for axis in (0, 1):
        for line in range(size[axis]):
            image = base.clone()
            image.select(axis + 2, line).fill_(1e6)
            for i, response in enumerate(responses(net, image, layers, wanted)[1]):
                changed[i][axis].append((response != still[i])[0, 0].numpy())
    result = []
    for rows_and_columns in changed:
        bounds = []
        for lines in map(np.stack, rows_and_columns):
            any_line = lines.any(0)
            first, last = lines.argmax(0), len(lines) - lines[::-1].argmax(0)
            bounds += [np.where(any_line, first, 0), np.where(any_line, last, 0)]
        result.append(np.stack(bounds, -1))
    return result


@st.composite
def chains(draw) -> list[tuple[str, int, int, int, int]]:
    """Up to five convolutions or poolings: (operation, kernel, stride, padding, dilation)."""
    steps = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "max", "avg", "relu"]))
        kernel = draw(st.integers(1, 3))
        stride = draw(st.integers(1, min(2, kernel)))
        padding = draw(st.integers(0, kernel // 2))
        dilation = draw(st.integers(1, 2)) if kind == "conv" and stride == 1 else 1
        steps.append((kind, kernel, stride, padding, dilation))
    return steps


def chain_of(steps: list[tuple[str, int, int, int, int]]) -> nn.Sequential:
    modules: list[nn.Module] = []
    for kind, kernel, stride, padding, dilation in steps:
        if kind == "conv":
            modules.append(nn.Conv2d(3, 3, kernel, stride, padding, dilation))
        elif kind == "max":
            modules.append(nn.MaxPool2d(kernel, stride, padding))
        elif kind == "avg":
            modules.append(nn.AvgPool2d(kernel, stride, padding))
        else:
            modules.append(nn.ReLU())
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 4, 1), nn.Flatten())


@settings(max_examples=40)
@given(chains())
def test_chains_have_the_field_of_the_recurrence(steps) -> None:
    """r += (k - 1) d j; start -= p j; j *= s."""
    length = 48
    wanted, boxes = fields_of(chain_of(steps), (length, length))
    size, start, jump = 1, 0, 1
    for (kind, kernel, stride, padding, dilation), layer, box in zip(
        steps, wanted, boxes, strict=False
    ):
        if kind != "relu":
            size += (kernel - 1) * dilation * jump
            start -= padding * jump
            jump *= stride
        begin = start + jump * np.arange(layer.shape[1])
        vertical, horizontal = continued_fields(box, (length, length))
        assert np.array_equal(vertical.start, horizontal.start)
        told = continued_fields(box, (length, length), layer.lattices)[0]
        # Whatever the borders hide, the windows tell.
        assert (told.size, told.jump) == (size, jump)
        assert np.array_equal(told.start, begin)
        whole = (begin >= 0) & (begin + size <= length)
        assert np.array_equal(box[whole, 0, 0], begin[whole])
        assert np.array_equal(box[whole, 0, 1], begin[whole] + size)
        # Less than the cut field where windows leave rows out (dilation, a stride's remainder).
        assert (box[0, :, 2] >= begin.clip(0, length)).all()
        assert (box[0, :, 3] <= (begin + size).clip(0, length)).all()
        if ((begin > 0) & (begin + size < length)).sum() > 1:
            assert (vertical.size, vertical.jump) == (size, jump)
            assert np.array_equal(vertical.start, begin)


@settings(max_examples=25)
@given(chains(), st.booleans(), st.booleans())
def test_chains_against_perturbed_pixels(steps, ceil_mode, uneven) -> None:
    size = (20, 17)
    net = chain_of(steps)
    for module in net.modules():
        if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
            module.ceil_mode = ceil_mode
    if uneven:
        net[-3] = nn.AdaptiveMaxPool2d((2, 3))
        net[-2] = nn.Conv2d(3, 4, (2, 3))
    net = make_monotone(net)
    example = torch.zeros(1, 3, *size, dtype=torch.float64)
    layers = list_layers(net, example)
    expected = boxes_by_perturbation(net, size, layers, layers)
    boxes = receptive_fields(net, example, layers, [(layer.index, 0) for layer in layers], 7)
    for layer, box, truth in zip(layers, boxes, expected, strict=True):
        assert np.array_equal(box, truth), layer.name


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_published_networks_against_perturbed_pixels(name: str) -> None:
    size = (40, 33)
    torch.manual_seed(0)
    net = make_monotone(getattr(models, name)(weights=None))
    example = torch.zeros(1, 3, *size, dtype=torch.float64)
    layers = list_layers(net, example)
    wanted = layers[:: 4 if name == "resnet18" else 25]
    boxes = receptive_fields(net, example, layers, [(layer.index, 0) for layer in wanted])
    expected = boxes_by_perturbation(net, size, layers, wanted)
    for layer, box, truth in zip(wanted, boxes, expected, strict=True):
        assert np.array_equal(box, truth), layer.name


def test_random_weights_see_nothing_outside_their_fields() -> None:
    torch.manual_seed(1)
    net = models.resnet18(weights=None).eval().double()
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    layers = list_layers(net, images)
    rng = np.random.default_rng(0)
    for layer in [x for x in layers if x.spatial][::6]:
        (box,) = receptive_fields(net, images, layers, [(layer.index, 1)])
        y, x = (int(rng.integers(n)) for n in layer.shape[1:])
        top, bottom, left, right = box[y, x]
        outside = images + torch.randn_like(images)
        outside[..., top:bottom, left:right] = images[..., top:bottom, left:right]
        base, moved = (
            responses(net, image, layers, [layer])[1][0][0, 1, y, x] for image in (images, outside)
        )
        # Not to the bit: a convolution's algorithm may mix neighbours and take them out again.
        assert float(moved) == pytest.approx(float(base), rel=1e-9, abs=1e-12)
        if layer.type != "conv":
            continue
        for rows, columns in (
            (slice(top, top + 1), slice(left, right)),
            (slice(bottom - 1, bottom), slice(left, right)),
            (slice(top, bottom), slice(left, left + 1)),
            (slice(top, bottom), slice(right - 1, right)),
        ):
            border = images.clone()
            border[..., rows, columns] += 100
            changed = responses(net, border, layers, [layer])[1][0][0, 1, y, x]
            assert float(changed) != pytest.approx(float(base), rel=1e-9)


VGG16 = "CCPCCPCCCPCCCPCCCP"


def thin_vgg16() -> list[nn.Module]:
    return [nn.Conv2d(3, 3, 3, padding=1) if x == "C" else nn.MaxPool2d(2) for x in VGG16]


def thin_alexnet() -> list[nn.Module]:
    return [
        nn.Conv2d(3, 3, 11, 4, 2),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(3, 3, 5, padding=2),
        nn.MaxPool2d(3, 2),
        *(nn.Conv2d(3, 3, 3, padding=1) for _ in range(3)),
        nn.MaxPool2d(3, 2),
    ]


@pytest.mark.parametrize(("make", "size"), [(thin_vgg16, 212), (thin_alexnet, 195)])
def test_published_field_sizes(make: Callable[[], list[nn.Module]], size: int) -> None:
    """Araujo, Norris and Sim (2019), Computing receptive fields of convolutional neural networks."""
    layers = make()
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 2, 1), nn.Flatten())
    _, (box,) = fields_of(net, (352, 64), lambda x: x.index == len(layers) - 1)
    vertical, _ = continued_fields(box, (352, 64))
    assert (vertical.size, vertical.jump) == (size, 32)


class Odd(nn.Module):
    """What chains do not have: squeeze and excitation, a comparison, norms over maps, a transpose."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2, groups=2)
        self.last = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        if self.kind == "squeeze":
            x = x * torch.sigmoid(x.mean((2, 3), keepdim=True))
        elif self.kind == "where":
            kept = x[:, :, :, :1] > 0
            x = torch.where(kept, torch.ones_like(x), torch.zeros_like(x))
        elif self.kind == "group norm":
            x = self.norm(x)
        elif self.kind == "transposed":
            x = self.up(x)
        elif self.kind == "lrn":
            x = torch.cat([x[:, :1] * 0 + 1, functional.max_pool2d(x[:, 1:], 5, 1, 2)], 1)
            x = functional.local_response_norm(x, 3)
        elif self.kind == "constant":
            x = functional.pad(x[..., :2], (0, 7))
        return self.head(self.last(x).mean((2, 3)))


@pytest.mark.parametrize(
    ("kind", "layer", "channel", "unit", "box"),
    [
        ("squeeze", "last", 0, (4, 4), (0, 9, 0, 9)),
        # The comparison is of the first column: rows 3 to 5 of columns 0 and 1.
        ("where", "last", 0, (4, 4), (3, 6, 0, 2)),
        ("group norm", "norm", 0, (4, 4), (0, 9, 0, 9)),
        # Output 7 of a stride-2 transposed convolution with kernel 2 comes from input 3.
        ("transposed", "up", 3, (7, 7), (2, 5, 2, 5)),
        # Channel 0 has no wide neighbour but channel 1, channel 1 has the field of a 7 x 7 window.
        ("lrn", "local_response_norm", 1, (4, 4), (1, 8, 1, 8)),
        # Nothing but padding there.
        ("constant", "last", 0, (4, 4), (0, 0, 0, 0)),
    ],
)
def test_what_chains_do_not_have(kind, layer, channel, unit, box) -> None:
    net = Odd(kind).eval()
    image = torch.zeros(1, 3, 9, 9)
    layers = list_layers(net, image)
    index = next(x.index for x in layers if x.name == layer)
    (boxes,) = receptive_fields(net, image, layers, [(index, channel)])
    assert tuple(boxes[unit]) == box


def test_response_norm_mixes_neighbouring_channels_only() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 6, 1)
            self.head = nn.Conv2d(6, 2, 9)

        def forward(self, images: Tensor) -> Tensor:
            x = self.first(images)
            wide = functional.avg_pool2d(x[:, :1], 3, 1, 1)
            x = functional.local_response_norm(torch.cat([wide, x[:, 1:]], 1), 4)
            return self.head(x).flatten(1)

    image = torch.zeros(1, 3, 9, 9)
    net = Mixed().eval()
    layers = list_layers(net, image)
    index = next(x.index for x in layers if x.type == "lrn")
    boxes = receptive_fields(net, image, layers, [(index, c) for c in range(6)])
    # torch's window of 4 channels is c - 2 to c + 1.
    assert [int(box[4, 4, 1] - box[4, 4, 0]) for box in boxes] == [3, 3, 3, 1, 1, 1]


def test_grouped_convolutions_keep_groups_apart() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Conv2d(6, 4, 3, groups=2)
            self.head = nn.Conv2d(4, 2, 7)

        def forward(self, images: Tensor) -> Tensor:
            wide = functional.max_pool2d(images, 3, 1, 1)
            return self.head(self.mix(torch.cat([images, wide], 1))).flatten(1)

    image = torch.zeros(1, 3, 9, 9)
    net = Grouped().eval()
    layers = list_layers(net, image)
    index = next(x.index for x in layers if x.name == "mix")
    boxes = receptive_fields(net, image, layers, [(index, c) for c in range(4)])
    assert [tuple(box[3, 3]) for box in boxes] == [(3, 6, 3, 6)] * 2 + [(2, 7, 2, 7)] * 2


def test_the_project_s_networks() -> None:
    """By the recurrence: strided 5/2, 2/2, 5, 2/2, 3; inferred 10, 5/3, 5, 5/3."""
    for architecture, expected in (
        (
            "an8flower_strided",
            {"relu1": (5, 2), "pool1": (7, 4), "relu2": (23, 4), "relu3": (43, 8)},
        ),
        ("an8flower_inferred", {"conv1": (10, 1), "pool1": (14, 3), "conv2": (26, 3)}),
    ):
        net = build(NetSpec(architecture, (3, 112, 112), 3, 64.0))
        layers, boxes = fields_of(net, (112, 112), lambda x, names=expected: x.name in names)
        found = {}
        for layer, box in zip(layers, boxes, strict=True):
            axis = continued_fields(box, (112, 112))[0]
            found[layer.name] = (axis.size, axis.jump)
        assert found == expected


def boxes_along(begin: np.ndarray, size: int, length: int) -> np.ndarray:
    clipped = np.stack([begin.clip(0), (begin + size).clip(0, length)], 1)
    return np.concatenate(np.broadcast_arrays(clipped[:, None], clipped[None]), axis=-1)


@pytest.mark.parametrize(("size", "whole"), [(151, True), (260, False)])
def test_fields_wider_than_the_image(size: int, whole: bool) -> None:
    """Units 16 pixels apart on 128 pixels: two cut at one end only tell size and step, else none."""
    begin = 8 + 16 * np.arange(8) - size // 2
    vertical, horizontal = continued_fields(boxes_along(begin, size, 128), (128, 128))
    assert vertical.size == horizontal.size == (size if whole else 128)
    assert vertical.jump == 16
    if whole:
        assert np.array_equal(vertical.start, begin)


FIRE_STEPS = {"squeeze": 0, "expand1x1": 0, "expand3x3": 2}


def squeezenet_fields() -> dict[str, tuple[int, int, int]]:
    """Size, start and jump of every layer of SqueezeNet 1.1 (its Table 1), by hand.

    A pooling's first channels come from expand1x1, a squeeze layer sees both.
    """
    fields = {"features.0": (3, 0, 2), "features.1": (3, 0, 2)}
    size, start, jump = 3 + 2 * 2, 0, 4
    narrow = size, start
    fields["features.2"] = (size, start, jump)
    for number in range(3, 13):
        if number in (5, 8):
            # Three positions at this spacing, of which the first channels' ones are narrower.
            fields[f"features.{number}"] = (narrow[0] + 2 * jump, narrow[1], 2 * jump)
            size, jump = size + 2 * jump, 2 * jump
            continue
        narrow = (size, start)
        wide = (size + 2 * jump, start - jump)
        for part in ("squeeze", "expand1x1", "expand3x3"):
            found = wide if part == "expand3x3" else narrow
            for name in (part, f"{part}_activation"):
                fields[f"features.{number}.{name}"] = (*found, jump)
        size, start = wide
    return fields


@pytest.mark.parametrize("size", [224, 96, 64])
def test_squeezenet_whose_first_convolution_leaves_the_last_row_out(size: int) -> None:
    torch.manual_seed(0)
    net = models.squeezenet1_1(weights=None).eval()
    layers, boxes = fields_of(net, (size, size), lambda x: x.spatial)
    expected = squeezenet_fields()
    assert set(expected) == {layer.name for layer in layers}
    for layer, box in zip(layers, boxes, strict=True):
        axis = continued_fields(box, (size, size), layer.lattices)[0]
        wanted = expected[layer.name]
        assert (axis.size, int(axis.start[0]), axis.jump) == wanted, layer.name
        if size == 224:
            # There the fields' own borders are enough.
            axis = continued_fields(box, (size, size))[0]
            assert (axis.size, int(axis.start[0]), axis.jump) == wanted, layer.name


class Meeting(nn.Module):
    """Branches that meet: by sum, by concatenation, at different spacings, or shifted."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 5, padding=2)
        self.c, self.mix = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 1)
        self.head, self.how = nn.Linear(4, 2), how

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        if self.how == "sum":
            y = y + self.b(x)
        elif self.how == "concatenation":
            y = torch.cat([y[:, :2], self.b(x)[:, 2:]], 1)
        elif self.how == "spacings":
            y = y + functional.interpolate(self.c(x), y.shape[2:])
        elif self.how == "gate":
            y = y * torch.sigmoid(y.mean((2, 3), keepdim=True))
        elif self.how == "cut":
            y = y[:, :, 1:, 1:]
        else:
            y = y.roll(1, 2)
        return self.head(self.mix(y).mean((2, 3)))


@pytest.mark.parametrize(
    ("how", "lattice"),
    [
        ("sum", Lattice(-2, 5, 1)),
        ("concatenation", Lattice(-2, 5, 1)),
        ("spacings", None),
        ("gate", None),
        ("cut", None),
        ("roll", None),
    ],
)
def test_lattices_of_branches_that_meet(how: str, lattice: Lattice | None) -> None:
    layers = list_layers(Meeting(how), torch.zeros(3, 12, 12))
    (mix,) = [layer for layer in layers if layer.name == "mix"]
    assert mix.lattices == (None if lattice is None else (lattice, lattice))


def test_uneven_windows_are_left_as_they_are() -> None:
    """Adaptive pooling of 10 to 4: windows of 3 that start at 0, 2, 5 and 7."""
    net = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Conv2d(3, 2, 4), nn.Flatten())
    _, (box,) = fields_of(net, (10, 10))
    vertical, _ = continued_fields(box, (10, 10))
    assert vertical.start.tolist() == [0, 2, 5, 7]
    assert vertical.size == 3


def test_no_features_and_no_rule() -> None:
    net = chain_of([("conv", 3, 1, 0, 1)])
    image = torch.zeros(1, 3, 9, 9)
    layers = list_layers(net, image)
    assert receptive_fields(net, image, layers, []) == []
    with pytest.raises(VebiError, match="ran differently"):
        receptive_fields(net, torch.zeros(1, 3, 12, 12), layers, [(len(layers) - 1, 0)])
