"""The fast backward convolutions against the literal rule: resize, then stride 1."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from vebi.heatmaps.stride1 import nearest_resize
from vebi.heatmaps.transposed import (
    stride1_segments,
    transposed_convolution,
    transposed_filters,
)
from vebi.network import Window


def literal(signal: Tensor, weight: Tensor, window: Window, size, groups, stride1) -> Tensor:
    """The large array built, the convolution's own gradient taken."""
    source = signal.new_zeros((len(signal), weight.shape[1] * groups, *size), requires_grad=True)
    stride = 1 if stride1 else window.stride
    padding = (window.padding[0][0], window.padding[1][0])
    response = functional.conv2d(source, weight, None, stride, padding, window.dilation, groups)
    signal = nearest_resize(signal, response.shape[2:])
    return torch.autograd.grad(response, source, signal)[0]


def case(size, kernel, stride, padding, dilation, groups, dtype, channels=3, outputs=4):
    torch.manual_seed(0)
    window = Window(kernel, stride, tuple((p, p) for p in padding), dilation)
    weight = torch.randn(outputs * groups, channels, *kernel, dtype=dtype)
    dense = window.dense_size(size)
    places = [(dense[i] - 1) // stride[i] + 1 for i in (0, 1)]
    signal = torch.randn(2, outputs * groups, *places, dtype=dtype)
    return signal, weight, window


@settings(max_examples=80, deadline=None)
@given(
    size=st.tuples(st.integers(9, 20), st.integers(9, 20)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.integers(1, 2),
    stride1=st.booleans(),
)
def test_equals_the_literal_rule(size, kernel, stride, padding, dilation, groups, stride1) -> None:
    signal, weight, window = case(size, kernel, stride, padding, dilation, groups, torch.float64)
    expected = literal(signal, weight, window, size, groups, stride1)
    ours = transposed_convolution(signal, weight, window, size, groups, stride1=stride1)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)

    channels = torch.tensor([1, len(weight) - 1])
    alone = torch.zeros_like(signal)
    maps = signal[torch.arange(2), channels][:, None]
    alone[torch.arange(2), channels] = maps[:, 0]
    expected = literal(alone, weight, window, size, groups, stride1)
    ours = transposed_filters(maps, weight[channels], window, size, stride1=stride1)
    for row, group in enumerate((channels // 4).tolist()):
        expected_part = expected[row, group * 3 : group * 3 + 3]
        torch.testing.assert_close(ours[row], expected_part, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride1", [False, True])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        (112, 5, 2, 2),  # the an8Flower net's first layer
        (224, 11, 4, 0),  # VGG-F's: 54 values over 214 positions, runs of 4 and of 3
        (224, 7, 2, 3),  # ResNet's
        (64, 16, 16, 0),  # patches
    ],
)
def test_published_first_layers_in_single_precision(size, kernel, stride, padding, stride1) -> None:
    pairs = (size, size), (kernel, kernel), (stride, stride), (padding, padding)
    signal, weight, window = case(*pairs, (1, 1), 1, torch.float32, outputs=16)
    ours = transposed_convolution(signal, weight, window, (size, size), stride1=stride1)
    # The literal rule itself is off by more than 1e-6 in single precision.
    exact = literal(signal.double(), weight.double(), window, (size, size), 1, stride1)
    assert (ours - exact).abs().max() / exact.abs().max() < 1e-6


def test_kernels_are_rearranged_once() -> None:
    signal, weight, window = case((20, 20), (5, 5), (2, 2), (2, 2), (1, 1), 1, torch.float32)
    cache: dict = {}
    first = transposed_convolution(signal, weight, window, (20, 20), stride1=True, cache=cache)
    assert len(cache) == 1
    again = transposed_convolution(signal, weight * 0, window, (20, 20), stride1=True, cache=cache)
    assert torch.equal(first, again)


def test_segments_of_vgg_f() -> None:
    segments = stride1_segments(54, 214)
    assert sum(s.count * s.run for s in segments) == 214
    assert sum(s.count for s in segments) == 54
    assert [s.run for s in segments] == [4, 3, 4, 3, 4]
    assert [s.start for s in segments[1:]] == [s.start + s.count * s.run for s in segments[:-1]]


def test_segments_of_a_whole_factor_are_one() -> None:
    (segment,) = stride1_segments(56, 112)
    assert (segment.count, segment.spacing, segment.run) == (56, 2, 2)
