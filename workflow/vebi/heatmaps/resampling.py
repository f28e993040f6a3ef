"""The stride-1 backward rule of VEBI 3.3 for convolutions and poolings.

A strided operation leaves gaps or blocks in the signal that comes back through it. The rule resamples
the incoming signal to the size that the output would have with stride 1, A + 2P - D(M - 1) (Eq. 3),
by nearest neighbour, and goes back through the same operation with stride 1.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_input

from vebi.network.operations import Convolution, Window


def nearest_resample(signal: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample maps (..., h, w) to (..., *size) by nearest neighbour with half-pixel centres.

    The rule of MATLAB's `imresize(..., 'nearest')` and of torch's "nearest-exact", in integers: torch
    rounds, and takes the wrong one of two neighbours for some sizes.
    """
    for axis, length in ((-2, size[0]), (-1, size[1])):
        if signal.shape[axis] != length:
            index = nearest_index(length, signal.shape[axis]).to(signal.device)
            signal = signal.index_select(axis, index)
    return signal


def nearest_index(size: int, n: int) -> Tensor:
    """Which of n values each of `size` resampled values takes: int64 (size), ascending."""
    return (2 * torch.arange(size) + 1) * n // (2 * size)


def convolution_rule(
    signal: Tensor, size: tuple[int, int], call: Convolution, window: Window
) -> Tensor:
    """The signal at the input, of `size`, for `signal` (N, C, h, w) at a convolution's output."""
    dense = nearest_resample(signal, window.dense_size(size))
    shape = (signal.shape[0], call.weight.shape[1] * call.groups, *size)
    return conv2d_input(shape, call.weight, dense, 1, call.padding, call.dilation, call.groups)


def pooling_rule(
    signal: Tensor, source: Tensor, dense_pooling: Callable[[Tensor], Tensor]
) -> Tensor:
    """The signal at a pooling's input `source`; `dense_pooling` is the same pooling with stride 1.

    Max pooling routes the resampled signal to the largest value of each stride-1 window, average
    pooling spreads it over the window.
    """
    with torch.enable_grad():
        leaf = source.detach().requires_grad_()
        dense = dense_pooling(leaf)
    size = (dense.shape[-2], dense.shape[-1])
    return torch.autograd.grad(dense, leaf, nearest_resample(signal, size))[0]


def dense_pooling(
    kind: str, window: Window, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[[Tensor], Tensor]:
    """The pooling of a call (`kind`, `args`, `kwargs`) with stride 1."""
    kernel, padding = window.kernel, (window.padding[0][0], window.padding[1][0])
    if kind == "avg_pool2d":
        given = dict(zip(_AVG_POOL_ARGUMENTS, args[1:], strict=False)) | kwargs
        include = given.get("count_include_pad", True)
        divisor = given.get("divisor_override")
        return lambda x: functional.avg_pool2d(x, kernel, 1, padding, False, include, divisor)
    if kind == "adaptive_avg_pool2d":
        return lambda x: functional.avg_pool2d(x, kernel, 1)
    if kind == "lp_pool2d":
        power = args[1] if len(args) > 1 else kwargs["norm_type"]
        return lambda x: functional.lp_pool2d(x, power, kernel, 1)
    return lambda x: functional.max_pool2d(x, kernel, 1, padding, window.dilation)


_AVG_POOL_ARGUMENTS = (
    *("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
)
