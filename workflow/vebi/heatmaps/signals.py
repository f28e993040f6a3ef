"""Backward signals of chosen features: guided ReLU, and the stride-1 rule where it is asked for.

The forward pass runs once for all features and all rules. It records, by autograd, a graph whose
strided operations ask at the time of the backward pass which rule to follow.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.grad import conv2d_input

from vebi.errors import VebiError
from vebi.heatmaps.resampling import convolution_rule, dense_pooling, pooling_rule
from vebi.network.layers import Layer, evaluating
from vebi.network.operations import POOLINGS, RECTIFIERS, Convolution, response_of
from vebi.network.passes import LayerPass

# In which operations each rule resamples the signal to stride 1.
RULES: dict[str, frozenset[str]] = {
    "deconv_gb": frozenset(),
    "vebi_conv": frozenset({"conv"}),
    "vebi": frozenset({"conv", "pool"}),
}


def feature_signals(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    features: np.ndarray,
    rules: Iterable[str],
) -> dict[str, Tensor]:
    """Signal at the input pixels of every feature, for every rule (VEBI 3.2 and 3.3).

    `images` float (N, C, H, W); `features` int64 (N, k, 2): layer index and channel, -1 for none.
    The backward pass starts at the feature's own layer with its whole activation map, the other
    channels zero. A ReLU lets through positive signals where its input was positive; any other
    operation follows its gradient, or the stride-1 rule. Returns (N, k, C, H, W) per rule, zero where
    there is no feature. Raises VebiError for features that the network does not have.
    """
    rules = list(rules)
    _check_features(features, images, layers)
    shape = (*features.shape[:2], *images.shape[1:])
    signals = {rule: images.new_zeros(shape) for rule in rules}
    if not (features[..., 0] >= 0).any():
        return signals
    slots = _deepest_first(features)
    with evaluating(model), torch.enable_grad():
        leaf = images.detach().requires_grad_()
        forward = _SignalPass(layers, np.take_along_axis(features, slots[..., None], 1))
        # The network may change its input in place, which autograd refuses for a leaf.
        with suppress(_AllSeen), forward:
            model(leaf.clone())
    for slot, (edges, seeds) in enumerate(forward.starts()):
        for rule in rules:
            forward.resampled = RULES[rule]
            (signal,) = torch.autograd.grad(
                edges, leaf, seeds, retain_graph=True, allow_unused=True
            )
            if signal is None:
                raise VebiError(
                    "The network's input gets no gradient from its layers: does it detach them?"
                )
            signals[rule][torch.arange(len(images)), torch.from_numpy(slots[:, slot])] = signal
    return signals


def _deepest_first(features: np.ndarray) -> np.ndarray:
    """Order (N, k) of each image's features from the last layer to the first, none at the end.

    Backward pass number s goes back from feature number s of every image at once, so that k passes
    serve all images; sorted, passes after the first are shallow for most of them.
    """
    return np.argsort(-features[..., 0], axis=1, kind="stable")


def _check_features(features: np.ndarray, images: Tensor, layers: Sequence[Layer]) -> None:
    if features.ndim != 3 or features.shape[0] != len(images) or features.shape[2] != 2:
        raise VebiError(
            f"features have shape {features.shape}, expected ({len(images)}, k, 2): "
            "layer and channel of k features per image."
        )
    chosen = features[features[..., 0] >= 0]
    sizes = np.array([layer.n_channels for layer in layers])
    for layer, channel in chosen:
        if layer >= len(layers) or not 0 <= channel < sizes[layer]:
            raise VebiError(
                f"The network has no feature (layer {layer}, channel {channel}): it has {len(layers)} "
                "layers here. Do features and network belong together?"
            )


class _AllSeen(Exception):
    """The last layer with a feature has run: the rest of the network is not needed."""


class _SignalPass(LayerPass):
    """Forward pass that records the graph and keeps the chosen activation maps."""

    def __init__(self, layers: Sequence[Layer], features: np.ndarray) -> None:
        super().__init__(layers)
        self.resampled: frozenset[str] = frozenset()
        self._features = features
        self._wanted = set(features[..., 0].ravel().tolist()) - {-1}
        self._last = max(self._wanted)
        self._starts: list[tuple[list[GradientEdge], list[Tensor]]] = [
            ([], []) for _ in range(features.shape[1])
        ]

    def starts(self) -> list[tuple[list[GradientEdge], list[Tensor]]]:
        """Places in the graph and signals to start from, for every slot that has a feature."""
        return [start for start in self._starts if start[0]]

    def compute(
        self,
        layer: Layer,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        # Without parameters in the graph nothing is kept or computed for their gradients.
        args = tuple(_without_gradient(value) for value in args)
        kwargs = {key: _without_gradient(value) for key, value in kwargs.items()}
        if layer.kind in RECTIFIERS:
            source, call = _as_function_of_input(function, args, kwargs)
            return _GuidedRectifier.apply(source, call, layer)
        if layer.window is None or max(layer.window.stride) == 1:
            return function(*args, **kwargs)
        if layer.kind == "conv2d":
            convolution = Convolution(*args, **kwargs)
            return _StridedConvolution.apply(convolution.input, convolution, layer, self)
        if layer.kind in POOLINGS:
            source, call = _as_function_of_input(function, args, kwargs)
            dense = dense_pooling(layer.kind, layer.window, args, kwargs)
            return _StridedPooling.apply(source, call, dense, self)
        return function(*args, **kwargs)

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        if layer.index in self._wanted:
            self._start_from(layer, response)
        if layer.index == self._last:
            raise _AllSeen
        return response

    def _start_from(self, layer: Layer, response: Tensor) -> None:
        if not response.requires_grad:
            raise VebiError(
                f"Layer '{layer.name}' has no gradient path to the input: the network detaches it."
            )
        edge = get_gradient_edge(response)
        values = response.detach().movedim(layer.channel_axis, 1)
        for slot, (edges, seeds) in enumerate(self._starts):
            rows = np.flatnonzero(self._features[:, slot, 0] == layer.index)
            if len(rows):
                channels = torch.from_numpy(self._features[rows, slot, 1])
                images = torch.from_numpy(rows)
                seed = torch.zeros_like(values)
                seed[images, channels] = values[images, channels]
                edges.append(edge)
                seeds.append(seed.movedim(1, layer.channel_axis))


def _without_gradient(value: Any) -> Any:
    return value.detach() if isinstance(value, nn.Parameter) else value


def _as_function_of_input(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """A call as its input and the function of the input alone."""
    if args:
        return args[0], lambda source: function(source, *args[1:], **kwargs)
    rest = {key: value for key, value in kwargs.items() if key != "input"}
    return kwargs["input"], lambda source: function(source, **rest)


class _GuidedRectifier(torch.autograd.Function):
    """A ReLU or ReLU6: the signal passes where it is positive and the input is in the open range."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, call: Callable[[Tensor], Tensor], layer: Layer) -> Tensor:
        response = call(source)
        if layer.inplace:
            ctx.mark_dirty(response)
        ctx.bounded = layer.kind == "relu6"
        if layer.overwritten or ctx.bounded:
            passes = response > 0
            ctx.save_for_backward(passes.logical_and_(response < 6) if ctx.bounded else passes)
        else:
            ctx.save_for_backward(response)
        return response

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        (kept,) = ctx.saved_tensors
        if kept.dtype == torch.bool:
            return (signals[0] * kept).relu_(), None, None
        return torch.ops.aten.threshold_backward(signals[0], kept, 0).relu_(), None, None


class _StridedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, source: Tensor, call: Convolution, layer: Layer, owner: _SignalPass
    ) -> Tensor:
        ctx.call = Convolution(source.new_empty(0), *_rest(call))
        ctx.size, ctx.layer, ctx.owner = source.shape, layer, owner
        return torch.conv2d(source, *_rest(call))

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        (signal,), call, window = signals, ctx.call, ctx.layer.window
        if "conv" in ctx.owner.resampled:
            source = convolution_rule(signal, tuple(ctx.size[2:]), call, window)
        else:
            source = conv2d_input(
                ctx.size, call.weight, signal, call.stride, call.padding, call.dilation, call.groups
            )
        return source, None, None, None


def _rest(call: Convolution) -> tuple[Any, ...]:
    return call.weight, call.bias, call.stride, call.padding, call.dilation, call.groups


class _StridedPooling(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        source: Tensor,
        call: Callable[[Tensor], Any],
        dense: Callable[[Tensor], Tensor],
        owner: _SignalPass,
    ) -> Any:
        with torch.enable_grad():
            leaf = source.detach().requires_grad_()
            result = call(leaf)
        ctx.save_for_backward(source)
        ctx.plain = leaf, response_of(result)
        ctx.dense, ctx.owner = dense, owner
        if isinstance(result, Tensor):
            return result.detach()
        ctx.mark_non_differentiable(result[1])
        return result[0].detach(), result[1]

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        if "pool" in ctx.owner.resampled:
            source = pooling_rule(signals[0], ctx.saved_tensors[0], ctx.dense)
        else:
            leaf, response = ctx.plain
            (source,) = torch.autograd.grad(response, leaf, signals[0], retain_graph=True)
        return source, None, None, None
