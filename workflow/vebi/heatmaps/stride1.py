"""The stride-1 backward rule of VEBI 3.3 for convolutions and poolings.

A strided operation leaves gaps or blocks in the signal that comes back through it. The rule resizes
the incoming signal to the size that the output would have with stride 1, A + 2P - D(M - 1) (Eq. 3),
by nearest neighbour, and goes back through the same operation with stride 1.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from vebi.network.call import Call
from vebi.network.operations import Window


def nearest_resize(signal: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps (N, C, h, w) to (N, C, *size) by nearest neighbour with half-pixel centres.

    The rule of MATLAB's `imresize(..., 'nearest')`.
    """
    n = (signal.shape[2], signal.shape[3])
    if n == size:
        return signal
    # How a GPU's own kernel rounds is not known here; integers are the same everywhere.
    if signal.device.type == "cpu" and all(_torch_rounds_well(size[i], n[i]) for i in (0, 1)):
        return functional.interpolate(signal, size=size, mode="nearest-exact")
    for axis in (0, 1):
        index = nearest_index(size[axis], n[axis]).to(signal.device)
        signal = signal.index_select(axis + 2, index)
    return signal


def nearest_index(size: int, n: int) -> Tensor:
    """Which of n values each of `size` resized values takes: int64 (size), ascending."""
    return (2 * torch.arange(size) + 1) * n // (2 * size)


@lru_cache(maxsize=1024)
def _torch_rounds_well(size: int, n: int) -> bool:
    """Whether torch's own nearest neighbour is exact for these sizes; for 2 to 107 it is not."""
    ramp = torch.arange(n, dtype=torch.float32).reshape(1, 1, n)
    resized = functional.interpolate(ramp, size=size, mode="nearest-exact")
    return torch.equal(resized.long().flatten(), nearest_index(size, n))


def dense_pooling(call: Call, window: Window) -> Callable[[Tensor], Tensor]:
    """The pooling of a call with stride 1, as a function of its input."""
    kernel, padding = window.kernel, (window.padding[0][0], window.padding[1][0])
    if call.kind == "avg_pool2d":
        include = call.given(5, "count_include_pad", True)
        divisor = call.given(6, "divisor_override")
        return lambda x: functional.avg_pool2d(x, kernel, 1, padding, False, include, divisor)
    if call.kind == "adaptive_avg_pool2d":
        return lambda x: functional.avg_pool2d(x, kernel, 1)
    if call.kind == "lp_pool2d":
        power = call.given(1, "norm_type")
        return lambda x: functional.lp_pool2d(x, power, kernel, 1)
    return lambda x: functional.max_pool2d(x, kernel, 1, padding, window.dilation)
