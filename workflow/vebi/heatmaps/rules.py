"""How each kind of operation sends a signal back: guided ReLU, true gradient, stride-1 rule.

Each class is the autograd function that stands in for one operation while signals are drawn. At the
time of the backward pass it asks its `BackwardPass` which rule holds and which images carry a signal.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from vebi.heatmaps.stride1 import nearest_resize
from vebi.heatmaps.transposed import Cache, transposed_convolution, transposed_filters
from vebi.network.layers import Layer
from vebi.network.operations import Convolution, Window, response_of
from vebi.network.passes import fast_layout

aten = torch.ops.aten


class BackwardPass(Protocol):
    """What the rules ask about the backward pass that is under way."""

    stride1: frozenset[str]

    def active_rows(self, layer: Layer, device: torch.device) -> Tensor | None:
        """Images whose signal passes `layer` now: int64 on `device`, or None for all."""

    def kernels(self, layer: Layer) -> Cache:
        """Rearranged kernels of a convolution, kept for the next pass."""


def _only(
    rows: Tensor | None, signal: Tensor, back: Callable[[Tensor], Tensor], size: torch.Size
) -> Tensor:
    """`back` of the rows that carry a signal, zero for the others."""
    if rows is None:
        return back(signal)
    part = back(signal.index_select(0, rows))
    whole = torch.empty(size, dtype=part.dtype, device=part.device, memory_format=_format(part))
    return whole.zero_().index_copy_(0, rows, part)


def _format(tensor: Tensor) -> torch.memory_format:
    last = tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


class GuidedRectifier(torch.autograd.Function):
    """A ReLU or ReLU6: the signal passes where it is positive and the input is in the open range."""

    @staticmethod
    def forward(
        ctx: Any, source: Tensor, call: Callable[[Tensor], Tensor], layer: Layer, kept: list[Tensor]
    ) -> Tensor:
        """Put what tells open from closed places into `kept`: the response, or a mask."""
        response = call(source)
        if layer.inplace:
            ctx.mark_dirty(response)
        gate = response
        if layer.kind == "relu6":
            gate = (response > 0).logical_and_(response < 6)
        elif layer.overwritten:
            gate = response > 0
        ctx.save_for_backward(gate)
        kept.append(gate.detach())
        return response

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        return gated(signals[0], ctx.saved_tensors[0]), None, None, None


def gated(signal: Tensor, gate: Tensor) -> Tensor:
    """The positive part of the signal where `gate` is positive or True."""
    if gate.dtype == torch.bool:
        return (signal * gate).relu_()
    return aten.threshold_backward(signal, gate, 0).relu_()


def let_positive_pass(response: Tensor) -> None:
    """Let only the positive part of what comes back to a response go on, before its own way back."""
    # Nothing comes back from an operation that has no gradient: no zeros either.
    response.register_hook(lambda signal: None if signal is None else signal.clamp(min=0))


class SignalConvolution(torch.autograd.Function):
    """A convolution without gradients of its parameters."""

    @staticmethod
    def forward(
        ctx: Any, source: Tensor, call: Convolution, layer: Layer, signal_pass: BackwardPass
    ) -> Tensor:
        ctx.size, ctx.layer, ctx.signal_pass = source.shape, layer, signal_pass
        response = torch.conv2d(source, *_parameters(call))
        # The arguments alone: a kept input would cost memory and is not needed. Under autocast the
        # convolution computes in another format than its arguments have.
        weight = call.weight.to(response.dtype)
        ctx.call = Convolution(source.new_empty(0), weight, *_parameters(call)[1:])
        return response

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        layer, signal_pass, call, size = ctx.layer, ctx.signal_pass, ctx.call, ctx.size
        strided = max(layer.window.stride) > 1
        stride1 = strided and "conv" in signal_pass.stride1

        def back(signal: Tensor) -> Tensor:
            if stride1 or (strided and _phases_pay(call, layer.window)):
                return transposed_convolution(
                    signal,
                    call.weight,
                    layer.window,
                    tuple(size[2:]),
                    call.groups,
                    stride1=stride1,
                    cache=signal_pass.kernels(layer),
                )
            return _gradient(signal, torch.Size((len(signal), *size[1:])), call, layer.window)

        source = _only(signal_pass.active_rows(layer, signals[0].device), signals[0], back, size)
        return source, None, None, None


def _parameters(call: Convolution) -> tuple[Any, ...]:
    return call.weight, call.bias, call.stride, call.padding, call.dilation, call.groups


def _gradient(signal: Tensor, size: torch.Size, call: Convolution, window: Window) -> Tensor:
    """The convolution's own gradient by torch."""
    (top, bottom), (left, right) = window.padding
    # More on one side than on the other: as without padding, on an input that has it already.
    uneven = top != bottom or left != right
    padding = (0, 0) if uneven else (top, left)
    if uneven:
        size = torch.Size((*size[:2], size[2] + top + bottom, size[3] + left + right))
    # Only shape and layout of the input count; a mixture of layouts would be copied at every step.
    shape_only = torch.empty(
        size, dtype=signal.dtype, device=signal.device, memory_format=_format(signal)
    )
    geometry = (window.stride, padding, window.dilation, False, [0], call.groups)
    arguments = (shape_only, call.weight, None, *geometry)
    whole = aten.convolution_backward(signal, *arguments, (True, False, False))[0]
    return whole[:, :, top : size[2] - bottom, left : size[3] - right] if uneven else whole


def _phases_pay(call: Convolution, window: Window) -> bool:
    """Whether one dense convolution over all phases is less work than torch's strided gradient.

    Both compute channels in blocks of 16; an image's three fill a block badly, its phases well.
    """
    if call.groups > 1 or window.dilation != (1, 1):
        return False
    channels = call.weight.shape[1]
    phases = window.stride[0] * window.stride[1]
    taps = [-(-window.kernel[i] // window.stride[i]) for i in (0, 1)]
    plain = -(-channels // 16) * window.kernel[0] * window.kernel[1]
    return -(-channels * phases // 16) * taps[0] * taps[1] < plain


def filter_signals(
    maps: Tensor,
    channels: Tensor,
    call: Convolution,
    layer: Layer,
    size: torch.Size,
    *,
    stride1: bool,
) -> Tensor:
    """Signals at a convolution's input from one channel's map per row.

    Equal to `SignalConvolution` for maps that are zero in every other channel.

    Args:
        maps: the channels' signals (R, 1, h, w).
        channels: int64 (R).
        call: arguments of the convolution.
        layer: the convolution.
        size: of its input, (N, C, H, W).
        stride1: by the stride-1 rule instead of the gradient.

    Returns:
        (R, C, H, W).
    """
    assert layer.window is not None
    stride1 = stride1 and max(layer.window.stride) > 1
    filters = call.weight.index_select(0, channels).to(maps.dtype)
    height, width = size[2:]
    window = layer.window
    part = transposed_filters(maps, filters, window, (height, width), stride1=stride1)
    if call.groups == 1:
        return fast_layout(part)
    per_group = call.weight.shape[1]
    group = channels // (len(call.weight) // call.groups)
    whole = part.new_zeros((len(part), call.groups, per_group, height, width))
    whole[torch.arange(len(part), device=part.device), group] = part
    return fast_layout(whole.flatten(1, 2))


class SignalMaxPooling(torch.autograd.Function):
    """Max pooling over windows that slide by more than one pixel."""

    @staticmethod
    def forward(
        ctx: Any, source: Tensor, layer: Layer, signal_pass: BackwardPass
    ) -> tuple[Tensor, Tensor]:
        assert layer.window is not None
        window = layer.window
        response, indices = _max_pool(source, window, window.stride, window.ceil_mode)
        ctx.layer, ctx.signal_pass, ctx.dense = layer, signal_pass, None
        ctx.save_for_backward(source, indices)
        ctx.mark_non_differentiable(indices)
        return response, indices

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        (source, indices), window = ctx.saved_tensors, ctx.layer.window
        stride, ceil_mode, signal = window.stride, window.ceil_mode, signals[0]
        if "pool" in ctx.signal_pass.stride1:
            if ctx.dense is None:
                # Once for all features: which pixel wins in each stride-1 window.
                ctx.dense = _max_pool(source, window, (1, 1), False)[1]
            indices, stride, ceil_mode = ctx.dense, (1, 1), False
            signal = nearest_resize(signal, (indices.shape[2], indices.shape[3]))
        padding = [window.padding[0][0], window.padding[1][0]]
        source = aten.max_pool2d_with_indices_backward(
            signal, source, window.kernel, stride, padding, window.dilation, ceil_mode, indices
        )
        return source, None, None


def _max_pool(
    source: Tensor, window: Window, stride: tuple[int, int], ceil_mode: bool
) -> tuple[Tensor, Tensor]:
    padding = (window.padding[0][0], window.padding[1][0])
    return functional.max_pool2d(
        source, window.kernel, stride, padding, window.dilation, ceil_mode, return_indices=True
    )


class SignalPooling(torch.autograd.Function):
    """Any other pooling over windows that slide by more than one pixel."""

    @staticmethod
    def forward(
        ctx: Any,
        source: Tensor,
        call: Callable[[Tensor], Tensor],
        dense: Callable[[Tensor], Tensor],
        signal_pass: BackwardPass,
    ) -> Tensor:
        ctx.save_for_backward(source)
        ctx.call, ctx.dense, ctx.signal_pass = call, dense, signal_pass
        return call(source)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        stride1 = "pool" in ctx.signal_pass.stride1
        call = ctx.dense if stride1 else ctx.call
        return pooling_signal(signals[0], ctx.saved_tensors[0], call), None, None, None


def pooling_signal(signal: Tensor, source: Tensor, call: Callable[[Tensor], Any]) -> Tensor:
    """The signal at a pooling's input; resized first if `call` is the pooling with stride 1."""
    with torch.enable_grad():
        leaf = source.detach().requires_grad_()
        response = response_of(call(leaf))
    signal = nearest_resize(signal, (response.shape[2], response.shape[3]))
    return torch.autograd.grad(response, leaf, signal)[0]


class ResponseNorm(NamedTuple):
    """Settings of a local response normalisation, named as torch names them."""

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0


class SignalResponseNorm(torch.autograd.Function):
    """Local response normalisation over channels, y = x d^-beta, d = k + alpha / n * sum of squares.

    torch's averages over a fifth dimension and takes general powers; a sum over neighbouring
    channels is a 1 x 1 convolution with a band matrix.
    """

    @staticmethod
    def forward(ctx: Any, source: Tensor, norm: ResponseNorm) -> Tensor:
        size, alpha, beta, k = norm
        channel = torch.arange(source.shape[1], device=source.device)
        offset = channel[None] - channel[:, None]
        band = ((offset >= -(size // 2)) & (offset <= (size - 1) // 2)).to(source.dtype)
        band = band[:, :, None, None]
        scale = torch.conv2d(source.square(), band * (alpha / size)).add_(k)
        factor = _negative_power(scale, beta)
        ctx.save_for_backward(source, scale, factor)
        ctx.band = band.transpose(0, 1) * (-2 * alpha * beta / size)
        return source * factor

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        source, scale, factor = ctx.saved_tensors
        through = signals[0] * factor
        spread = torch.conv2d((through * source).div_(scale), ctx.band)
        return through.addcmul_(source, spread), None


def _negative_power(values: Tensor, beta: float) -> Tensor:
    if beta == 0.75:  # the usual choice; roots are cheaper than general powers
        root = values.rsqrt()
        return root.sqrt().mul_(root)
    return values.pow(-beta)
