"""Backward signals of chosen features: guided ReLU, and the stride-1 rule where it is asked for.

The forward pass runs once for all features and all rules. It records, by autograd, a graph whose
operations ask at the time of the backward pass which rule to follow (`rules`).
"""

import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from vebi.heatmaps.rules import (
    GuidedRectifier,
    ResponseNorm,
    SignalConvolution,
    SignalMaxPooling,
    SignalPooling,
    SignalResponseNorm,
    filter_signals,
    gated,
    let_positive_pass,
    pooling_signal,
)
from vebi.heatmaps.stride1 import dense_pooling
from vebi.heatmaps.transposed import Cache
from vebi.io.errors import VebiError
from vebi.network.call import Call
from vebi.network.layers import Layer
from vebi.network.operations import MAX_POOLINGS, RECTIFIERS, Convolution, returns_indices
from vebi.network.passes import LayerPass, fast_layout
from vebi.network.running import leaf_of, run

# A rule names the kinds of operations, "conv" and "pool", that the stride-1 rule holds in.
PLAIN: frozenset[str] = frozenset()


def feature_signals(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    features: NDArray[np.int64],
    stride1: frozenset[str] = PLAIN,
    *,
    peak_only: bool = False,
) -> Tensor:
    """Signals of every feature by one rule: see `SignalGraph`, whose arguments it takes.

    Args:
        stride1: kinds of operations in which the stride-1 rule holds.

    Returns:
        (N, k, C, H, W), zero where there is no feature.
    """
    with SignalGraph(model, images, layers, features, peak_only) as graph:
        return graph.signals(stride1)


class SignalGraph:
    """The forward pass of a batch, from which the features' signals go back by any rule.

    Args:
        model: the network.
        images: float (N, C, H, W).
        layers: all of the network's, from `list_layers`.
        features: int64 (N, k, 2), layer index and channel, -1 for none.
        peak_only: start at the highest position of a feature's map instead of the whole map.

    Raises:
        VebiError: features that the network does not have.

    It holds the whole graph: use it as a context, which lets go of it at the end.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        layers: Sequence[Layer],
        features: NDArray[np.int64],
        peak_only: bool = False,
    ) -> None:
        _check_features(features, images, layers)
        self._images, self._features = images, features
        self._pass: _SignalPass | None = None
        if not (features[..., 0] >= 0).any():
            return
        self._order = _deepest_first(features)
        in_order = np.take_along_axis(features, self._order[..., None], 1)
        self._pass = _SignalPass(layers, in_order, peak_only)
        with torch.inference_mode(False):
            self._leaf = fast_layout(leaf_of(images)).requires_grad_()
            with suppress(_AllSeen):
                run(model, self._leaf, self._pass, gradients=True)

    def __enter__(self) -> "SignalGraph":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pass is not None:
            self._pass.release()

    def signals(self, stride1: frozenset[str] = PLAIN) -> Tensor:
        """Signal at the input pixels of every feature (VEBI 3.2 and 3.3): (N, k, C, H, W).

        The backward pass starts at the feature's own layer with its activation map, the other channels
        zero. A ReLU lets through positive signals where its input was positive; any other operation
        follows its gradient, or the stride-1 rule where its kind is in `stride1`. Zero where there is
        no feature. Networks in half precision start with maps scaled to at most 1.
        """
        images = self._images
        shape = (*self._features.shape[:2], *images.shape[1:])
        with torch.inference_mode(False):
            signals = torch.zeros(shape, dtype=images.dtype, device=images.device)
            if self._pass is None:
                return signals
            rows = torch.arange(len(images), device=images.device)
            for slot in range(shape[1]):
                edges, seeds = self._pass.starts(slot, stride1)
                if edges:
                    places = torch.from_numpy(self._order[:, slot]).to(images.device)
                    signals[rows, places] = _gradient(edges, seeds, self._leaf)
        return signals


def _gradient(edges: list[GradientEdge], seeds: list[Tensor], leaf: Tensor) -> Tensor:
    """The signal at the leaf of seeds at places in the graph."""
    (signal,) = torch.autograd.grad(edges, leaf, seeds, retain_graph=True, allow_unused=True)
    if signal is None:
        raise VebiError(
            "The network's input gets no gradient from its layers: does it detach them?"
        )
    return signal


def _deepest_first(features: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order (N, k) of each image's features from the last layer to the first, none at the end.

    Backward pass number s goes back from feature number s of every image at once, so that k passes
    serve all images; sorted, passes after the first are shallow for most of them.
    """
    return np.argsort(-features[..., 0], axis=1, kind="stable")


def _check_features(features: NDArray[np.int64], images: Tensor, layers: Sequence[Layer]) -> None:
    if features.ndim != 3 or features.shape[0] != len(images) or features.shape[2] != 2:
        raise VebiError(
            f"features have shape {features.shape}, expected ({len(images)}, k, 2): "
            "layer and channel of k features per image."
        )
    sizes = np.array([layer.n_channels for layer in layers])
    for layer, channel in features[features[..., 0] >= 0]:
        if layer >= len(layers) or not 0 <= channel < sizes[layer]:
            raise VebiError(
                f"The network has no feature (layer {layer}, channel {channel}): it has {len(layers)} "
                "layers here. Do features and network belong together?"
            )


class _AllSeen(Exception):
    """The last layer with a feature has run: the rest of the network is not needed."""


def _raise_all_seen(_: Tensor) -> None:
    raise _AllSeen


@dataclass
class _Step:
    """One executed operation: what a channel's signal needs to go back through it alone.

    `producer` is the operation whose response is this one's input, if it is one; `edge` the input's
    place in the graph. `alone` maps (rows, channels, maps (R, 1, h, w)) through an operation that
    keeps channels apart; `convolution` is set for a convolution.
    """

    layer: Layer
    producer: "_Step | None"
    edge: GradientEdge | None
    source_size: torch.Size
    convolution: Convolution | None = None
    alone: Callable[[Tensor, Tensor, Tensor, frozenset[str]], Tensor] | None = None
    response: "weakref.ref[Tensor] | None" = None
    version: int = 0


@dataclass
class _Seed:
    """Features of one layer in one slot: images `rows`, their `channels`, activation `maps`."""

    step: _Step
    rows: NDArray[np.int64]
    channels: Tensor
    maps: Tensor
    size: torch.Size
    edge: GradientEdge | None = None


class _SignalPass(LayerPass):
    """Forward pass that records the graph and keeps the chosen activation maps.

    It is the `BackwardPass` of the rules: `starts` says which backward pass comes next.
    """

    def __init__(
        self, layers: Sequence[Layer], features: NDArray[np.int64], peak_only: bool = False
    ) -> None:
        super().__init__(layers)
        self._peak_only = peak_only
        self.stride1: frozenset[str] = frozenset()
        self._features = features
        self._wanted = set(features[..., 0].ravel().tolist()) - {-1}
        self._last = max(self._wanted)
        self._seeds: list[list[_Seed]] = [[] for _ in range(features.shape[1])]
        self._steps: dict[int, _Step] = {}
        self._step: _Step | None = None
        self._kernels: dict[int, Cache] = {}
        # Each image's signal passes the operations before this one.
        self._entries = np.zeros(len(features), np.int64)

    def release(self) -> None:
        """Let go of the graph at once, not when Python next looks for reference cycles."""
        self._seeds.clear()
        self._steps.clear()
        self._step = None

    def active_rows(self, layer: Layer, device: torch.device) -> Tensor | None:
        if not layer.layout.is_plain:
            return None  # its rows are not the images
        active = self._entries > layer.index
        # Picking rows costs two copies: not worth it for a few.
        if active.mean() > 0.8:
            return None
        return torch.from_numpy(np.flatnonzero(active)).to(device)

    def kernels(self, layer: Layer) -> Cache:
        return self._kernels.setdefault(layer.index, {})

    def compute(self, layer: Layer, call: Call) -> Any:
        # Without parameters in the graph nothing is kept or computed for their gradients.
        call = call.mapped(self._without_gradient)
        source = call.source
        step = self._step = _Step(
            layer=layer,
            producer=self._producer(source),
            edge=get_gradient_edge(source) if source.requires_grad else None,
            source_size=source.shape,
        )
        if layer.kind in RECTIFIERS:
            kept: list[Tensor] = []
            result = GuidedRectifier.apply(source, call.on, layer, kept)
            if not torch.is_grad_enabled():
                # Inside an autograd.Function, which goes back its own way: guided all the same.
                self.when_recorded(result, let_positive_pass)
            gate = kept[0]
            step.alone = lambda rows, channels, maps, _: gated(maps, gate[rows, channels][:, None])
            return result
        if layer.kind == "conv2d":
            convolution = Convolution.of(call)
            # A kernel made from the image has a signal, too.
            if not convolution.weight.requires_grad:
                step.convolution = convolution
                return SignalConvolution.apply(source, convolution, layer, self)
        if layer.kind == "local_response_norm" and source.ndim == 4:
            return SignalResponseNorm.apply(source, _response_norm(*call.args, **call.kwargs))
        if layer.window is not None and max(layer.window.stride) > 1:
            dense = dense_pooling(call, layer.window)
            # The pooling may be followed by an operation that writes into its input.
            kept_source = source.detach()
            step.alone = lambda rows, channels, maps, stride1: pooling_signal(
                maps,
                kept_source[rows, channels][:, None],
                dense if "pool" in stride1 else call.on,
            )
            if layer.kind in MAX_POOLINGS:
                pooled = SignalMaxPooling.apply(source, layer, self)
                return pooled if returns_indices(call) else pooled[0]
            return SignalPooling.apply(source, call.on, dense, self)
        return call.run()

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        step = self._step
        assert step is not None
        step.response, step.version = weakref.ref(response), response._version
        self._steps[id(response)] = step
        if layer.index in self._wanted:
            self._keep_seeds(step, response)
        if layer.index == self._last:
            self.when_recorded(response, _raise_all_seen)
        return response

    def _without_gradient(self, value: Any) -> Any:
        return value.detach() if self.is_constant(value) else value

    def _producer(self, source: Tensor) -> _Step | None:
        """The operation that `source` is the unchanged response of."""
        step = self._steps.get(id(source))
        if step is None or step.response is None or step.response() is not source:
            return None
        return step if step.version == source._version else None

    def _keep_seeds(self, step: _Step, response: Tensor) -> None:
        layer = step.layer
        values = response.detach().movedim(layer.channel_axis, 1)
        for slot, seeds in enumerate(self._seeds):
            rows = np.flatnonzero(self._features[:, slot, 0] == layer.index)
            if len(rows):
                channels = torch.from_numpy(self._features[rows, slot, 1]).to(values.device)
                maps = values[torch.from_numpy(rows).to(values.device), channels]
                if self._peak_only:
                    maps = peaks(maps)
                if maps.dtype == torch.float16:
                    # Sums of a whole map's signals soon leave the range of the format; a signal's
                    # scale says nothing.
                    maps = maps / _highest(maps)
                seed = _Seed(step, rows, channels, maps, response.shape)
                seeds.append(seed)
                self.when_recorded(response, partial(_set_edge, seed))

    def starts(self, slot: int, stride1: frozenset[str]) -> tuple[list[GradientEdge], list[Tensor]]:
        """Prepare the backward pass of a slot: where in the graph to start, and with what."""
        self.stride1 = stride1
        self._entries[:] = 0
        edges, starts = [], []
        for seed in self._seeds[slot]:
            edge, start, entry = self._start(seed)
            self._entries[seed.rows] = entry
            edges.append(edge)
            starts.append(start)
        return edges, starts

    def _start(self, seed: _Seed) -> tuple[GradientEdge, Tensor, int]:
        """Where a seed enters the graph, its dense signal there, and the operation it is before.

        As long as operations keep channels apart the one channel goes back alone; a convolution
        then needs the weights of that one filter only.
        """
        step, edge, size, maps = seed.step, seed.edge, seed.size, seed.maps
        if edge is None:
            raise VebiError(
                f"Layer '{step.layer.name}' has no gradient path to the input: the network detaches it."
            )
        rows = torch.from_numpy(seed.rows).to(maps.device)
        entry, axis = step.layer.index + 1, step.layer.channel_axis
        if axis == 1 and len(size) == 4:
            maps = maps[:, None]
            while step.edge is not None and (step.alone or step.convolution):
                edge, size, entry = step.edge, step.source_size, step.layer.index
                if step.convolution is not None:
                    part = filter_signals(
                        maps,
                        seed.channels,
                        step.convolution,
                        step.layer,
                        size,
                        stride1="conv" in self.stride1,
                    )
                    if len(rows) == size[0]:
                        return edge, part, entry
                    whole = fast_layout(part.new_zeros(size))
                    return edge, whole.index_copy_(0, rows, part), entry
                assert step.alone is not None
                maps = step.alone(rows, seed.channels, maps, self.stride1)
                if step.producer is None:
                    break
                step = step.producer
            maps = maps[:, 0]
        start = fast_layout(maps.new_zeros(size))
        start.movedim(axis, 1)[rows, seed.channels] = maps
        return edge, start, entry


def _set_edge(seed: _Seed, response: Tensor) -> None:
    seed.edge = get_gradient_edge(response)


def _highest(maps: Tensor) -> Tensor:
    """The largest absolute value of each of the maps (R, ...), 1 for a map of zeros."""
    highest = (
        maps.abs().amax(tuple(range(1, maps.ndim)), keepdim=True) if maps.ndim > 1 else maps.abs()
    )
    return torch.where(highest > 0, highest, 1.0)


def peaks(maps: Tensor) -> Tensor:
    """The maps (R, ...) with nothing left but the highest value of each, the first of equal ones."""
    flat = maps.reshape(len(maps), -1)
    at = flat.argmax(1, keepdim=True)
    return torch.zeros_like(flat).scatter_(1, at, flat.gather(1, at)).reshape(maps.shape)


def _response_norm(*args: Any, input: Tensor | None = None, **settings: Any) -> ResponseNorm:
    """Settings of a call of torch's function, whose input may come by place or by name."""
    return ResponseNorm(*(args if input is not None else args[1:]), **settings)
