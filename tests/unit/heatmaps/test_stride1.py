"""The stride-1 rule (VEBI Eq. 3) against explicit loops."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vebi.heatmaps.methods.vebi import STRIDE1
from vebi.heatmaps.signals import feature_signals
from vebi.heatmaps.stride1 import nearest_resize
from vebi.network import list_layers, responses


def half_pixel_index(size: int, n: int) -> np.ndarray:
    """Source position of each of `size` resized positions: its centre's, in exact fractions."""
    return np.array([int((i + Fraction(1, 2)) * n / size) for i in range(size)])


def loop_convolution(
    signal: np.ndarray,
    weight: np.ndarray,
    size: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> np.ndarray:
    """Eq. 3 for one image: (O, h, w) at the output to (C, H, W) at the input."""
    outputs, per_group, kernel_y, kernel_x = weight.shape
    dense = [
        size[i] + 2 * padding[i] - dilation[i] * ((kernel_y, kernel_x)[i] - 1) for i in range(2)
    ]
    rows, columns = (half_pixel_index(dense[i], signal.shape[i + 1]) for i in range(2))
    padded = np.zeros((per_group * groups, size[0] + 2 * padding[0], size[1] + 2 * padding[1]))
    for o in range(outputs):
        group = o // (outputs // groups)
        for y in range(dense[0]):
            for x in range(dense[1]):
                value = signal[o, rows[y], columns[x]]
                for ky in range(kernel_y):
                    for kx in range(kernel_x):
                        place = y + ky * dilation[0], x + kx * dilation[1]
                        for c in range(per_group):
                            padded[group * per_group + c, place[0], place[1]] += (
                                value * weight[o, c, ky, kx]
                            )
    return padded[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]


def loop_pooling(signal: np.ndarray, source: np.ndarray, pool: nn.Module) -> np.ndarray:
    """Eq. 3 for one image's pooling: windows of stride 1, written out."""
    pair = lambda v: (v, v) if isinstance(v, int) else tuple(v)  # noqa: E731
    kernel, padding = pair(pool.kernel_size), pair(getattr(pool, "padding", 0))
    dilation = pair(getattr(pool, "dilation", 1))
    height, width = source.shape[1:]
    size = [(height, width)[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) for i in range(2)]
    rows, columns = (half_pixel_index(size[i], signal.shape[i + 1]) for i in range(2))
    result = np.zeros_like(source)
    for c in range(len(source)):
        for y in range(size[0]):
            for x in range(size[1]):
                value = signal[c, rows[y], columns[x]]
                window = [
                    (y + i * dilation[0] - padding[0], x + j * dilation[1] - padding[1])
                    for i in range(kernel[0])
                    for j in range(kernel[1])
                ]
                inside = [p for p in window if 0 <= p[0] < height and 0 <= p[1] < width]
                if isinstance(pool, nn.MaxPool2d):
                    best = max(inside, key=lambda p: source[c, p[0], p[1]])
                    result[c, best[0], best[1]] += value
                else:
                    divisor = len(window) if pool.count_include_pad else len(inside)
                    for p in inside:
                        result[c, p[0], p[1]] += value / (pool.divisor_override or divisor)
    return result


def signal_through(operation: nn.Module, image: Tensor, channel: int) -> tuple[Tensor, Tensor]:
    """Response and vebi signal of the operation when it is a network's first layer."""
    net = nn.Sequential(operation, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(2))
    net = net.to(image.dtype).eval()
    net(image)
    layers = list_layers(net, image)
    features = np.array([[[0, channel]]])
    signal = feature_signals(net, image, layers, features, STRIDE1)[0, 0]
    seed = torch.zeros_like(responses(net, image, layers)[1][0])
    seed[:, channel] = responses(net, image, layers)[1][0][:, channel]
    return seed[0], signal


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(7, 12), st.integers(7, 12)),
    kernel=pairs,
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.sampled_from([1, 2]),
    seed=st.integers(0, 1000),
)
def test_convolution(size, kernel, stride, padding, dilation, groups, seed) -> None:
    torch.manual_seed(seed)
    convolution = nn.Conv2d(4, 2, kernel, stride, padding, dilation, groups).double()
    image = torch.randn(1, 4, *size, dtype=torch.float64)
    response, signal = signal_through(convolution, image, 1)
    expected = loop_convolution(
        response.numpy(), convolution.weight.detach().numpy(), size, padding, dilation, groups
    )
    np.testing.assert_allclose(signal.numpy(), expected, rtol=1e-9, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(6, 11), st.integers(6, 11)),
    kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.integers(0, 1),
    dilation=st.integers(1, 2),
    ceil_mode=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_max_pooling(size, kernel, stride, padding, dilation, ceil_mode, seed) -> None:
    torch.manual_seed(seed)
    pool = nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    image = torch.randn(1, 2, *size, dtype=torch.float64)
    response, signal = signal_through(pool, image, 1)
    expected = loop_pooling(response.numpy(), image[0].numpy(), pool)
    np.testing.assert_allclose(signal.numpy(), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(6, 11), st.integers(6, 11)),
    kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.integers(0, 1),
    ceil_mode=st.booleans(),
    include=st.booleans(),
    divisor=st.sampled_from([None, 7]),
    seed=st.integers(0, 1000),
)
def test_average_pooling(size, kernel, stride, padding, ceil_mode, include, divisor, seed) -> None:
    torch.manual_seed(seed)
    pool = nn.AvgPool2d(kernel, stride, padding, ceil_mode, include, divisor)
    image = torch.randn(1, 2, *size, dtype=torch.float64)
    response, signal = signal_through(pool, image, 1)
    expected = loop_pooling(response.numpy(), image[0].numpy(), pool)
    np.testing.assert_allclose(signal.numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("adaptive", "twin"),
    [
        (nn.AdaptiveMaxPool2d(3), nn.MaxPool2d((3, 4))),
        (nn.AdaptiveMaxPool2d((3, None)), nn.MaxPool2d((3, 1))),
        (nn.AdaptiveAvgPool2d((1, 4)), nn.AvgPool2d((9, 3))),
    ],
)
def test_adaptive_pooling_whose_sizes_divide(adaptive, twin, ties) -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 2, 9, 12, dtype=torch.float64)
    image = image.sign() if ties else image
    response, signal = signal_through(adaptive, image, 0)
    expected = loop_pooling(response.numpy(), image[0].numpy(), twin)
    np.testing.assert_allclose(signal.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_lp_pooling_is_the_gradient_of_the_dense_one() -> None:
    image = torch.rand(1, 2, 9, 9, dtype=torch.float64)
    response, signal = signal_through(nn.LPPool2d(2, 3, 2), image, 1)
    leaf = image.clone().requires_grad_()
    dense = nn.functional.lp_pool2d(leaf, 2, 3, 1)
    resized = response[None][..., half_pixel_index(7, 4), :][..., half_pixel_index(7, 4)]
    expected = torch.autograd.grad(dense, leaf, resized)[0]
    torch.testing.assert_close(signal, expected[0])


@given(n=st.integers(1, 60), size=st.integers(1, 240))
@settings(max_examples=60, deadline=None)
def test_nearest_has_half_pixel_centres(n: int, size: int) -> None:
    ramp = torch.arange(n, dtype=torch.float32).reshape(1, 1, 1, n)
    resized = nearest_resize(ramp, (1, size)).flatten().numpy()
    assert resized.tolist() == half_pixel_index(size, n).tolist()


@pytest.mark.parametrize(("n", "size"), [(7, 14), (5, 15), (13, 26), (54, 214)])
def test_nearest_agrees_with_torch_where_it_does_not_round(n: int, size: int) -> None:
    maps = torch.rand(1, 2, n, n)
    expected = nn.functional.interpolate(maps, (size, size), mode="nearest-exact")
    assert torch.equal(nearest_resize(maps, (size, size)), expected)
