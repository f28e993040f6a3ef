"""Layer-wise relevance propagation of the predicted class (Bach et al. 2015), on any network.

The composite "epsilon plus flat" (Kohlbrenner et al. 2020, zennit's EpsilonPlusFlat): epsilon rule in
fully connected layers, z+ rule in convolutions, flat rule in the first. Their best practice; unlike
the box rule it needs no range of pixel values. In transformers the weights of attention and the
deviations that normalisations divide by count as constants (Ali et al. 2022), and so do gates.
Relevance travels as the gradient of a graph whose operations have their rule for a backward pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from vebi.io.errors import VebiError
from vebi.network.call import Call
from vebi.network.layers import Layer
from vebi.network.operations import (
    ACTIVATIONS,
    ATTENTION,
    MAX_POOLINGS,
    NORMALISATIONS,
    WEIGHTED,
    response_of,
)
from vebi.network.reading import COMPARISONS, MAKERS, NEGATIONS
from vebi.network.running import as_written, leaf_of, run
from vebi.network.watching import OperationMode

EPSILON = 1e-6


def class_relevance(
    model: nn.Module, images: Tensor, classes_of: Callable[[Tensor], Tensor]
) -> Tensor:
    """Relevance of every input value for the score of each image's class.

    It starts as 1 at that score; what biases and epsilon take is not spread over the pixels.

    Args:
        model: the network.
        images: float (N, C, H, W).
        classes_of: from the scores (N, classes) of the pass to the classes, int64 (N).

    Returns:
        (N, C, H, W).

    Raises:
        VebiError: naming it, for an operation without a rule that relevance arrives at.
    """
    leaf = leaf_of(images).contiguous().requires_grad_()
    mode = _RelevanceMode(model)
    scores = run(model, leaf, mode, gradients=True)
    mode.check()
    return gradients_of(scores, classes_of(scores), [leaf])[0]


def layer_relevance(
    model: nn.Module, images: Tensor, classes: Tensor, layers: Sequence[Layer]
) -> dict[int, Tensor]:
    """Relevance of every response of some layers for the score of each image's class.

    Summed over a channel's positions it is how much the concept that the channel stands for matters to
    the class, by concept relevance propagation (Achtibat et al. 2023). It starts as 1 at the score, so
    that all images weigh alike.

    Args:
        model: the network.
        images: float (N, C, H, W).
        classes: int64 (N).
        layers: some of `list_layers`.

    Returns:
        By layer index, (N, *shape) each. A layer that no relevance arrives at is left out, as the queries
        and keys of an attention.

    Raises:
        VebiError: naming it, for an operation without a rule that relevance arrives at.
    """
    leaf = leaf_of(images).contiguous().requires_grad_()
    mode = _LayerRelevanceMode(model, layers)
    scores = run(model, leaf, mode, gradients=True)
    mode.check()
    reached = [layer for layer in layers if layer.index in mode.edges]
    found = gradients_or_none(scores, classes, [mode.edges[layer.index] for layer in reached])
    return {
        layer.index: layer.layout.apart(relevance)
        for layer, relevance in zip(reached, found, strict=True)
        if relevance is not None
    }


def gradients_of(
    scores: Tensor, classes: Tensor, places: Sequence[Tensor | GradientEdge]
) -> tuple[Tensor, ...]:
    """What goes back from each image's score of its class.

    Args:
        scores: (N, classes), with a graph.
        classes: int64 (N).
        places: in the graph, whose gradients are asked for.

    Returns:
        A gradient per place, in its shape.

    Raises:
        VebiError: the scores have no gradient path to one of the places.
    """
    found = gradients_or_none(scores, classes, places)
    given = tuple(gradient for gradient in found if gradient is not None)
    if len(given) < len(found):
        raise VebiError(
            "The network's scores have no gradient path to its input: it detaches it, or computes "
            "without gradients (quantised)."
        )
    return given


def gradients_or_none(
    scores: Tensor, classes: Tensor, places: Sequence[Tensor | GradientEdge]
) -> tuple[Tensor | None, ...]:
    """The same, None for a place that the scores have no path to."""
    with torch.inference_mode(False), torch.enable_grad():
        # A copy: autograd keeps no tensor of inference mode.
        total = scores.gather(1, classes.clone()[:, None]).sum()
        if not places or not total.requires_grad:
            return (None,) * len(places)
        return torch.autograd.grad(total, places, allow_unused=True)  # type: ignore[arg-type]


def stabilised(values: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Values moved away from zero by epsilon."""
    return values + torch.where(values < 0, -epsilon, epsilon)


@dataclass
class _Weighted:
    """A convolution or fully connected layer: what its rule needs, as far as known after the pass."""

    call: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    weight: Tensor
    bias: Tensor | None
    rule: str = ""

    def fold(self, scale: Tensor, shift: Tensor) -> None:
        """Take over a batch normalisation y = scale * x + shift that follows."""
        self.weight = self.weight * scale.reshape(-1, *[1] * (self.weight.ndim - 1))
        self.bias = shift if self.bias is None else self.bias * scale + shift

    def back(self, source: Tensor, relevance: Tensor) -> Tensor:
        # Under autocast the layer computes in another format than its arguments have.
        source, weight = source.to(relevance.dtype), self.weight.to(relevance.dtype)
        bias = None if self.bias is None else self.bias.to(relevance.dtype)
        if self.rule == "flat":
            ones = torch.ones_like(source)
            return _share(lambda x: self.call(x, torch.ones_like(weight), None), ones, relevance)
        if self.rule == "epsilon":
            return _share(lambda x: self.call(x, weight, bias), source, relevance)
        positive_bias = None if bias is None else bias.clamp(min=0)

        def positive(parts: Tensor) -> Tensor:
            above, below = parts.chunk(2)
            return self.call(above, weight.clamp(min=0), positive_bias) + self.call(
                below, weight.clamp(max=0), None
            )

        both = torch.cat([source.clamp(min=0), source.clamp(max=0)])
        above, below = _share(positive, both, relevance).chunk(2)
        return above + below


def _share(function: Callable[[Tensor], Tensor], source: Tensor, relevance: Tensor) -> Tensor:
    """Relevance of a function's output shared by the inputs in proportion to what each adds to it."""
    with torch.enable_grad():
        leaf = source.detach().requires_grad_()
        result = function(leaf)
    return leaf.detach() * torch.autograd.grad(result, leaf, relevance / stabilised(result))[0]


class _Ruled(torch.autograd.Function):
    """An operation with its own way back: `back` maps (source, relevance) to the source's relevance."""

    @staticmethod
    def forward(
        ctx: Any,
        source: Tensor,
        call: Callable[[Tensor], Tensor],
        back: Callable[[Tensor, Tensor], Tensor] | None,
    ) -> Tensor:
        ctx.back = back
        if back is not None:
            ctx.kept = source.detach().clone()
        result = call(source)
        if result is source:
            ctx.mark_dirty(result)
        return result

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        passed = signals[0] if ctx.back is None else ctx.back(ctx.kept, signals[0])
        return passed, None, None


def _shared(call: Call) -> Tensor:
    """What a call returns; its relevance is shared by the inputs."""
    return _linear(call.source, call.without_input().on)


class _Added(torch.autograd.Function):
    """A sum of two branches: each gets relevance in proportion to what it adds."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, call: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(a.clone(), b.clone())
        result = call(a, b)
        if result is a:
            ctx.mark_dirty(result)
        return result

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        a, b = ctx.saved_tensors
        share = signals[0] / stabilised(a + b)
        return a * share, b * share, None


def _attended(call: Call) -> Tensor:
    """The heads of an attention, whose weights are held: relevance goes to the values alone.

    Ali et al. (2022), Section 3.1.
    """
    if call.function is torch.matmul:
        weights, values = call.args[0].detach(), call.args[1]
        return _linear(values, lambda v: torch.matmul(weights, v))
    values = call.given(2, "value")
    query, key = (call.given(i, name).detach() for i, name in enumerate(("query", "key")))
    others = {k: v for k, v in call.kwargs.items() if k not in ("query", "key", "value")}
    return _linear(values, lambda v: call.function(query, key, v, *call.args[3:], **others))


def _normalised(call: Call) -> Tensor:
    """A normalisation whose deviations are held, so that it is linear but for its bias.

    Ali et al. (2022), Section 3.2, for layer normalisation.
    """
    source, kind = call.source, call.kind
    shape, mean, groups = source.shape, None, 1
    if kind in ("layer_norm", "rms_norm"):
        axes = tuple(range(-len(call.given(1, "normalized_shape")), 0))
        weight = call.given(2, "weight")
        bias = call.given(3, "bias") if kind == "layer_norm" else None
        epsilon = call.given(4 if kind == "layer_norm" else 3, "eps", 1e-5)
    elif kind == "group_norm":
        groups, axes = call.given(1, "num_groups"), (2,)
        weight, bias = call.given(2, "weight"), call.given(3, "bias")
        epsilon = call.given(4, "eps", 1e-5)
    else:
        groups, axes = shape[1], (2,)
        weight, bias = call.given(3, "weight"), call.given(4, "bias")
        epsilon = call.given(7, "eps", 1e-5)
        if kind == "batch_norm" or not call.given(5, "use_input_stats", True):
            mean, variance = call.given(1, "running_mean"), call.given(2, "running_var")
    epsilon = torch.finfo(source.dtype).eps if epsilon is None else epsilon
    by_channel = kind not in ("layer_norm", "rms_norm")

    def centred(x: Tensor) -> Tensor:
        if by_channel:
            x = x.unflatten(1, (groups, -1)).flatten(2)
        if mean is not None:
            return x - mean[:, None]
        return x if kind == "rms_norm" else x - x.mean(axes, keepdim=True)

    held = centred(source.detach()).square().mean(axes, keepdim=True)
    scale = ((held if mean is None else variance[:, None]) + epsilon).rsqrt()

    def normalise(x: Tensor) -> Tensor:
        result = (centred(x) * scale).reshape(shape)
        own = (-1, *[1] * (len(shape) - 2)) if by_channel else None
        for value, function in ((weight, torch.mul), (bias, torch.add)):
            if value is not None:
                value = value.detach()
                result = function(result, value if own is None else value.view(own))
        return result

    function = call.without_input().on
    return _Ruled.apply(source, function, lambda x, r: _share(normalise, x, r))


def _linear(source: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of a tensor, whose relevance is shared by the inputs."""
    return _Ruled.apply(source, function, lambda x, r: _share(function, x, r))


_SUMS = ("add", "add_", "__add__", "__radd__", "__iadd__")
_ELEMENTWISE = (
    *(*_SUMS, "sub", "sub_", "__sub__", "__isub__", "mul", "mul_", "__mul__", "__rmul__"),
    *("__imul__", "div", "div_", "true_divide", "__truediv__", "__itruediv__"),
)
_PRODUCTS = ("mul", "mul_", "__mul__", "__rmul__", "__imul__", "multiply")
_MEANS = ("mean", "sum")
# What they give says how much of something else goes on.
_GATES = ("sigmoid", "hardsigmoid")


def _is_largest(own: Tensor, tensors: Sequence[Tensor]) -> bool:
    return torch.broadcast_shapes(*(tensor.shape for tensor in tensors)) == own.shape


# They move values and leave them as they are, or tell about a tensor.
_MOVING = frozenset(
    (
        *(
            "view",
            "reshape",
            "flatten",
            "unflatten",
            "squeeze",
            "unsqueeze",
            "permute",
            "transpose",
        ),
        *("movedim", "moveaxis", "swapaxes", "t", "cat", "concat", "concatenate", "stack", "chunk"),
        *("split", "split_with_sizes", "unbind", "narrow", "select", "__getitem__", "contiguous"),
        *("clone", "to", "float", "type", "detach", "expand", "expand_as", "view_as", "reshape_as"),
        *(
            "pad",
            "dropout",
            "dropout_",
            "dropout1d",
            "dropout2d",
            "alpha_dropout",
            "feature_dropout",
        ),
        *("feature_alpha_dropout", "identity", "roll", "flip", "gather", "channel_shuffle"),
        *("pixel_shuffle", "pixel_unshuffle", "requires_grad_", "retain_grad", "register_hook"),
        *("size", "dim", "numel", "is_floating_point", "is_contiguous", "__len__", "__get__"),
        *("stochastic_depth", "ndimension", "stride", "data_ptr", "is_complex", "nelement"),
    )
)
# Nothing of a tensor's values goes on in their results.
_WITHOUT_VALUES = frozenset((*MAKERS, *COMPARISONS, *NEGATIONS))


class _RelevanceMode(OperationMode):
    """Gives every operation its rule while the forward pass runs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._names = {
            id(parameter): name.rpartition(".")[0]
            for name, parameter in as_written(model).named_parameters()
        }
        self._weighted: dict[int, tuple[Tensor, _Weighted]] = {}
        self._last = "the input"
        self._closed: dict[int, str] = {}
        self._gates: dict[int, Tensor] = {}
        self._first = True

    def operation(self, position: int, call: Call) -> Any:
        self._last = f"operation {position} ({call.kind})"
        if not any(tensor.requires_grad for tensor in call.tensors()):
            return call.run()
        result = self._run(call)
        if call.kind in _GATES:
            self._gates[id(result)] = result
        self._watch(call.kind, result)
        return result

    def _watch(self, kind: str, result: Any) -> None:
        """Remember what runs inside an `autograd.Function`: its rule only holds for its result."""
        if not torch.is_grad_enabled() and isinstance(result, Tensor):
            self._closed[id(result)] = f"{kind} inside an autograd.Function"
            self.when_recorded(result, self._open)

    def _open(self, response: Tensor) -> None:
        self._closed.pop(id(response), None)

    def check(self) -> None:
        """After the pass: raise VebiError for what would go back by other rules than ours."""
        if self._closed:
            raise self._no_rule(next(iter(self._closed.values())))

    def _refuse(self, what: str, call: Call) -> Any:
        """Run a call that has no rule: an error as soon as relevance arrives at what it returns."""
        error, result = self._no_rule(what), call.run()

        def refuse(_: Tensor) -> None:
            raise error

        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, Tensor) and value.requires_grad:
                value.register_hook(refuse)
        return result

    def _run(self, call: Call) -> Any:
        kind, source = call.kind, call.source
        if kind in WEIGHTED:
            return self._run_weighted(call)
        if kind == ATTENTION:
            return _attended(call)
        if kind == "batch_norm" and self._follows_weights(call):
            return self._run_batch_norm(call)
        if kind in NORMALISATIONS and not (kind == "batch_norm" and call.given(5, "training")):
            return _normalised(call)
        if kind in ACTIVATIONS or kind == "local_response_norm":
            return _Ruled.apply(source, call.on, None)
        if kind in ("avg_pool2d", "adaptive_avg_pool2d"):
            return _shared(call)
        if kind in MAX_POOLINGS:
            # The winner takes all: relevance goes where the gradient does.
            return call.run()
        return self._refuse(kind, call)

    def _run_weighted(self, call: Call) -> Tensor:
        kind, weight, bias = call.kind, call.given(1, "weight"), call.given(2, "bias")
        if kind not in ("conv2d", "linear") or not isinstance(weight, Tensor):
            return self._refuse(getattr(call.function, "_qualified_op_name", kind), call)
        item = _Weighted(
            call.without_input().weighted, weight.detach(), None if bias is None else bias.detach()
        )
        result = _Ruled.apply(call.source, lambda x: item.call(x, weight, bias), item.back)
        connected = kind == "linear" or result.shape[2:].numel() == 1
        item.rule = "flat" if self._first else "epsilon" if connected else "plus"
        self._first = False
        self._last = f"layer '{self._names.get(id(weight), kind)}'"
        self._weighted[id(result)] = (result, item)
        return result

    def _follows_weights(self, call: Call) -> bool:
        """Whether a batch normalisation directly follows a layer that it can be folded into."""
        found = self._weighted.get(id(call.source))
        return found is not None and found[0] is call.source

    def _run_batch_norm(self, call: Call) -> Tensor:
        source, found = call.source, self._weighted[id(call.source)]
        weight, bias = call.given(3, "weight"), call.given(4, "bias")
        scale = (call.given(2, "running_var") + call.given(7, "eps", 1e-5)).rsqrt()
        if weight is not None:
            scale = scale * weight.detach()
        shift = -call.given(1, "running_mean") * scale
        if bias is not None:
            shift = shift + bias.detach()
        found[1].fold(scale, shift)
        return _Ruled.apply(source, call.on, None)

    def other(self, call: Call) -> Any:
        name = call.name
        tensors = [
            value
            for value in call.args
            if isinstance(value, Tensor) and value.requires_grad and not self.is_constant(value)
        ]
        if not tensors or name in _MOVING or name in _WITHOUT_VALUES:
            result = call.run()
        else:
            result = self._run_other(call, tensors)
            self._watch(name, result)
        is_same = name in _MOVING or (name in _ELEMENTWISE and len(tensors) == 1)
        if is_same and tensors and id(tensors[0]) in self._gates and isinstance(result, Tensor):
            self._gates[id(result)] = result
        return result

    def _run_other(self, call: Call, tensors: list[Tensor]) -> Any:
        name, args = call.name, call.args
        if name in _ELEMENTWISE:
            if len(tensors) == 1:
                # With a constant: relevance stays where it is.
                (own,) = tensors
                return _Ruled.apply(own, lambda x: call.replaced(own, x).run(), None)
            if name in _SUMS and len(args) == 2 and args[0].shape == args[1].shape:
                return _Added.apply(*args, lambda a, b: call.function(a, b, **call.kwargs))
        if name in _PRODUCTS and len(tensors) == 2:
            signals = [tensor for tensor in tensors if id(tensor) not in self._gates]
            if len(signals) == 1 and _is_largest(signals[0], tensors):
                # How much of it goes on is held, as attention's weights are.
                (own,) = signals
                held = call.mapped(
                    lambda x: x if x is own or not isinstance(x, Tensor) else x.detach()
                )
                return _Ruled.apply(own, lambda x: held.replaced(own, x).run(), None)
        if name in _MEANS and len(tensors) == 1 and args[0] is tensors[0]:
            return _shared(call)
        return self._refuse(name or str(call.function), call)

    def _no_rule(self, what: str) -> VebiError:
        return VebiError(f"LRP has no rule for '{what}' after {self._last}. Use another method.")


class _LayerRelevanceMode(_RelevanceMode):
    """The same pass, which also keeps the places of layers in the graph, by layer index."""

    def __init__(self, model: nn.Module, layers: Sequence[Layer]) -> None:
        super().__init__(model)
        self._layers = {layer.position: layer for layer in layers}
        self.edges: dict[int, GradientEdge] = {}

    def operation(self, position: int, call: Call) -> Any:
        result, layer = super().operation(position, call), self._layers.get(position)
        if layer is not None:
            self.when_recorded(response_of(result), partial(self._keep, layer.index))
        return result

    def _keep(self, index: int, response: Tensor) -> None:
        self.edges[index] = get_gradient_edge(response)
