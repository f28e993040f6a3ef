"""Which torch functions count as a layer, and how one call of them is described."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.network.call import Call

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
TRANSPOSED_CONVOLUTIONS = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
MAX_POOLINGS = ("max_pool2d", "adaptive_max_pool2d")
POOLINGS = (
    *MAX_POOLINGS,
    *("avg_pool2d", "adaptive_avg_pool2d", "lp_pool2d", "fractional_max_pool2d"),
    *("max_pool1d", "avg_pool1d", "adaptive_avg_pool1d", "adaptive_max_pool1d", "lp_pool1d"),
    *("max_pool3d", "avg_pool3d", "adaptive_avg_pool3d", "adaptive_max_pool3d"),
)
NORMALISATIONS = ("batch_norm", "instance_norm", "layer_norm", "group_norm", "rms_norm")
RECTIFIERS = ("relu", "relu6")
ACTIVATIONS = (
    *RECTIFIERS,
    *("leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish"),
    *("hardswish", "hardsigmoid", "hardtanh", "sigmoid", "logsigmoid", "tanh"),
    *("softplus", "softsign", "tanhshrink", "hardshrink", "softshrink", "threshold"),
)
WEIGHTED = (*CONVOLUTIONS, *TRANSPOSED_CONVOLUTIONS, "linear")

# What the heads of an attention give: sums of values, weighted by a softmax.
ATTENTION = "attention"

# What they return are the input's values, with axes in another order or of other lengths.
PERMUTING = ("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis")
RESHAPING = (
    *("view", "reshape", "view_as", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze"),
    *("expand", "expand_as", "select", "unbind"),
)

CLAMPS = ("clamp", "clip", "clamp_min", "clamp_max")
# Functions that are one of the above for certain bounds only: see `kind_of_bounded`.
BOUNDED = (*CLAMPS, "hardtanh", "threshold")

# They compute counted operations inside compiled code, where nothing can be read or changed.
CLOSED = (
    *("multi_head_attention_forward", "_native_multi_head_attention"),
    *("_transformer_encoder_layer_fwd", "lstm", "gru", "rnn_tanh", "rnn_relu"),
)


def _functions(names: tuple[str, ...]) -> Iterator[tuple[Callable[..., Any], str]]:
    for name in names:
        for variant in (name, f"{name}_", f"{name}_with_indices"):
            for namespace in (torch, functional, Tensor, torch._C._nn):
                function = getattr(namespace, variant, None)
                if function is not None:
                    yield function, name


# The same operation comes as torch.relu, F.relu, Tensor.relu_, ...: all map to one kind.
COUNTED: dict[Callable[..., Any], str] = dict(
    _functions(
        (*WEIGHTED, *POOLINGS, *NORMALISATIONS, *ACTIVATIONS, *CLAMPS, "local_response_norm")
    )
)
COUNTED[functional.scaled_dot_product_attention] = ATTENTION
UNREADABLE: dict[Callable[..., Any], str] = dict(_functions(CLOSED))


_RECTIFYING: dict[tuple[float | None, ...], str] = {
    (0, None): "relu",
    (0, math.inf): "relu",
    (0, 6): "relu6",
}


def kind_of_bounded(kind: str, call: Call, number: Callable[[Any], float | None]) -> str:
    """The kind of operation that a call of one of BOUNDED is, or "" if it is none.

    `number` reads a bound; it returns None for one that is missing or no single number.
    """
    if kind == "threshold":
        zeros = call.given(1, "threshold", 0), call.given(2, "value", 0)
        return "relu" if zeros == (0, 0) else kind
    if kind == "hardtanh":
        bounds = call.given(1, "min_val", -1.0), call.given(2, "max_val", 1.0)
    elif kind == "clamp_min":
        bounds = call.given(1, "min"), None
    elif kind == "clamp_max":
        return ""
    else:
        bounds = call.given(1, "min"), call.given(2, "max")
    numbers = tuple(number(bound) for bound in bounds)
    if any(bound is not None and at is None for bound, at in zip(bounds, numbers, strict=True)):
        return ""
    return _RECTIFYING.get(numbers, kind if kind == "hardtanh" else "")


@dataclass(frozen=True)
class Window:
    """How a convolution or pooling slides: pairs are (vertical, horizontal), in its input's pixels.

    `padding` is ((top, bottom), (left, right)); `ceil_mode`: a last window may reach over the end.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int] = (1, 1)
    ceil_mode: bool = False

    def dense_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Output size with stride 1 for an input of `size`: A + 2P - D(M - 1) (VEBI Eq. 3)."""
        height, width = (
            size[i] + sum(self.padding[i]) - self.dilation[i] * (self.kernel[i] - 1) for i in (0, 1)
        )
        return height, width


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    values = tuple(int(v) for v in value)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _even(padding: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    vertical, horizontal = _pair(padding)
    return (vertical, vertical), (horizontal, horizontal)


@dataclass(frozen=True)
class Convolution:
    """The arguments of one `conv2d` call."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None = None
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1

    @classmethod
    def of(cls, call: Call) -> "Convolution":
        """The arguments of a call."""
        return cls(*call.args, **call.kwargs)

    def window(self) -> Window:
        kernel = (int(self.weight.shape[2]), int(self.weight.shape[3]))
        dilation = _pair(self.dilation)
        if self.padding == "valid":
            padding = _even(0)
        elif self.padding == "same":
            spans = [dilation[i] * (kernel[i] - 1) for i in (0, 1)]
            # torch puts the odd pixel at the end.
            padding = (
                (spans[0] // 2, spans[0] - spans[0] // 2),
                (spans[1] // 2, spans[1] - spans[1] // 2),
            )
        else:
            padding = _even(self.padding)
        return Window(kernel, _pair(self.stride), padding, dilation)


def _max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Window:
    stride = kernel_size if stride is None or stride == [] else stride
    pairs = _pair(kernel_size), _pair(stride), _even(padding), _pair(dilation)
    return Window(*pairs, ceil_mode)


def _avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Window:
    return _max_pool2d(input, kernel_size, stride, padding, 1, ceil_mode)


def _lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Window:
    return _max_pool2d(input, kernel_size, stride, 0, 1, ceil_mode)


def _adaptive_pool2d(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> Window | None:
    """The sliding window that adaptive pooling is when sizes divide; else windows differ: None."""
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    kernel = []
    for available, wanted in zip(input.shape[-2:], sizes, strict=True):
        if wanted is None:
            wanted = available
        if available % wanted:
            return None
        kernel.append(available // wanted)
    return _max_pool2d(input, tuple(kernel))


_WINDOWS: dict[str, Callable[..., Window | None]] = {
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "lp_pool2d": _lp_pool2d,
    "adaptive_avg_pool2d": _adaptive_pool2d,
    "adaptive_max_pool2d": _adaptive_pool2d,
}


def window_of(call: Call) -> Window | None:
    """The window of a counted operation; None where there is no single one."""
    if call.kind == "conv2d":
        return Convolution.of(call).window()
    describe = _WINDOWS.get(call.kind)
    return describe(*call.args, **call.kwargs) if describe else None


def response_of(result: Any) -> Tensor:
    """The response of an operation: poolings may return (response, indices)."""
    return result[0] if isinstance(result, (tuple, list)) else result


def returns_indices(call: Call) -> bool:
    """Whether a call of a pooling returns (response, indices)."""
    return call.name.endswith("_with_indices")


OPERATION_MODULES = tuple(
    module
    for name, module in vars(nn.modules).items()
    if isinstance(module, type)
    and issubclass(module, nn.Module)
    and name not in ("Module", "Sequential", "ModuleList", "ModuleDict", "Container")
)
