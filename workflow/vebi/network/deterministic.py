"""Operations whose gradients torch computes in no fixed order on a GPU, in a form that has one.

Under `torch.use_deterministic_algorithms` the backward pass of adaptive average pooling raises an error
on CUDA (torch 2.13's notes on that function). torchvision's VGG and AlexNet end in one.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vebi.network.call import Call, CallMode


def adaptive_mean(input: Tensor, output_size: Any) -> Tensor:
    """Adaptive average pooling of maps (N, C, H, W) by operations with deterministic gradients.

    Where sizes divide it is a pooling with one window, elsewhere a matrix product along each axis.
    """
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    given = [int(n) for n in input.shape[-2:]]
    wanted = [own if n is None else int(n) for n, own in zip(sizes, given, strict=True)]
    if all(n % m == 0 for n, m in zip(given, wanted, strict=True)):
        kernel = (given[0] // wanted[0], given[1] // wanted[1])
        return functional.avg_pool2d(input, kernel)
    rows, columns = (_means(n, m).to(input) for n, m in zip(given, wanted, strict=True))
    return rows @ input @ columns.t()


def _means(n: int, m: int) -> Tensor:
    """The matrix (m, n) whose rows take the means of adaptive pooling's windows over n values."""
    windows = torch.zeros(m, n)
    for i in range(m):
        start, stop = i * n // m, -(-(i + 1) * n // m)
        windows[i, start:stop] = 1 / (stop - start)
    return windows


_REPLACED: dict[Callable[..., Any], Callable[..., Tensor]] = dict.fromkeys(
    (functional.adaptive_avg_pool2d, torch._C._nn.adaptive_avg_pool2d), adaptive_mean
)


def in_fixed_order(function: Callable[..., Any], source: Tensor) -> Callable[..., Any]:
    """What computes the same as `function` of `source`, and its gradient in a fixed order if asked for.

    That is `function` itself on a CPU, and where no deterministic algorithms are asked for.
    """
    if source.device.type == "cpu" or not torch.are_deterministic_algorithms_enabled():
        return function
    return _REPLACED.get(function, function)


class InFixedOrder(CallMode):
    """Runs a network, inside the block, by operations whose gradients come in a fixed order."""

    def receive(self, call: Call) -> Any:
        if call.function not in _REPLACED:
            return call.run()
        return in_fixed_order(call.function, call.source)(*call.args, **call.kwargs)
