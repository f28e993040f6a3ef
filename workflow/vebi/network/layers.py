"""The layers of a network: one per counted operation of its forward pass, in order."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from vebi.io.errors import VebiError
from vebi.network.axes import ChannelAxes
from vebi.network.call import Call
from vebi.network.lattice import Lattices, Lattices2d
from vebi.network.operations import (
    ACTIVATIONS,
    ATTENTION,
    COUNTED,
    OPERATION_MODULES,
    POOLINGS,
    RECTIFIERS,
    UNREADABLE,
    WEIGHTED,
    Window,
    response_of,
    window_of,
)
from vebi.network.places import IN_ORDER, Layout, Places
from vebi.network.running import as_written, run
from vebi.network.watching import OperationMode

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layer:
    """One counted operation.

    `index` its place in the list of layers; `position` among all counted operations, in the order of
    execution; `name` the qualified name of the module that called
    it (with the function's name if it is not a module of its own, with #2, #3 if called again); `type`
    conv, fc, relu, pool, norm, lrn, attention, or the name of another activation; `kind` the torch
    function; `shape` of one image's response; `channel_axis` in the batched response, whose images lie
    along its first axis (`apart`); `layout`: where they do in the operation's own, and the channels'
    maps; `spatial`: whether a channel is a map of more than one value; `window` for convolutions and
    poolings. The channels of an attention are its heads.
    `joined`: where its maps go on, joined with others (concatenated, added) before any other counted
    operation: after how many calls of torch functions, and the channel axis there.
    `lattices`: where its positions lie in the image, where the windows before it tell.
    """

    index: int
    name: str
    type: str
    kind: str
    shape: tuple[int, ...]
    channel_axis: int
    window: Window | None
    overwritten: bool  # a later operation writes into this response, so keeping it needs a copy
    inplace: bool  # it writes into its input
    position: int
    joined: tuple[int, int] | None = None
    lattices: Lattices | None = None
    layout: Layout = IN_ORDER

    @property
    def n_channels(self) -> int:
        return self.shape[self.channel_axis - 1]

    @property
    def spatial(self) -> bool:
        return self.layout.map_size is not None


def feature_index(layers: Sequence[Layer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where every feature of some layers stands, layer after layer.

    Args:
        layers: those whose channels are the features.

    Returns:
        Position in `layers` and channel of each of the m features, both int64 (m).
    """
    sizes = [layer.n_channels for layer in layers]
    if not sizes:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    positions = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    return positions, np.concatenate([np.arange(size, dtype=np.int64) for size in sizes])


def list_layers(model: nn.Module, example: Tensor) -> list[Layer]:
    """List the counted operations of a network, in the order of execution.

    The weighted operations that give the class scores, and all that follows from them, are left out:
    their responses are tied to the classes (VEBI 3.1).

    Args:
        model: any network of images that returns class scores (N, classes).
        example: an image (C, H, W) or images (1+, C, H, W), of which the first is used.

    Raises:
        VebiError: naming the layer, for what can't be handled: operations inside compiled code,
            statistics over a batch. A layer whose response has no clear channel axis, or mixes images,
            is left out, which is logged.
    """
    example = example if example.ndim == 4 else example[None]
    if example.ndim != 4:
        raise VebiError(f"An image must be (C, H, W), this one has shape {tuple(example.shape)}.")
    # Two images, so that a response that mixes images shows in its first dimension.
    images = example[:1].expand(2, -1, -1, -1).contiguous()
    lister = _Lister(as_written(model))
    with lister.listening():
        scores = run(model, images, lister)
    if not isinstance(scores, Tensor) or scores.ndim != 2 or scores.shape[0] != 2:
        raise VebiError(
            "The network must return class scores (N, classes), or an object with them as `logits`; "
            f"it returns {_describe(scores)}."
        )
    if scores.shape[1] == 1:
        raise VebiError(
            "The network returns one score z per image, classes need one each. Return "
            "torch.cat([-z, z], 1) / 2, whose softmax is the sigmoid of z."
        )
    return lister.layers(scores)


@dataclass
class _Node:
    """A call that makes channels of its own, or passes them on: where its input comes from."""

    inputs: frozenset[int]
    weighted: bool


@dataclass
class _Found:
    name: str
    kind: str
    result: Tensor
    version: int
    axis: int | None
    window: Window | None
    inplace: bool
    node: int
    layout: Layout
    problem: str = ""
    is_fatal: bool = False
    joined: tuple[int, int] | None = None


class _Lister(OperationMode):
    """Records every counted operation: its owner's name, its channel axis, what is wrong with it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.found: list[_Found] = []
        self._owners: list[tuple[str, nn.Module]] = []
        self._names = {module: name for name, module in model.named_modules()}
        # Weights that another module than their own may use, as attention does its projections'.
        self._weights = {
            id(value): name.removesuffix("weight").rstrip("._")
            for name, value in model.named_parameters()
            if name.endswith("weight")
        }
        self._used: Counter[str] = Counter()
        self._first_kind: dict[str, str] = {}
        self._hidden = _HiddenOperations(self._owner_name)
        self._thread = get_ident()
        # The way of the images: which nodes each tensor comes from, without others between.
        self._nodes: list[_Node] = []
        self._origins: dict[int, tuple[Tensor, frozenset[int]]] = {}

    def begin(self, model: nn.Module, images: Tensor) -> None:
        super().begin(model, images)
        self._axes, self._batch = ChannelAxes(images), images.shape[0]
        self._lattices, self._places = Lattices2d(images), Places(images)
        self._origins[id(images)] = (images, frozenset())

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Know the module that runs, inside the block."""
        with ExitStack() as stack:
            for module in self._names:
                before = module.register_forward_pre_hook(self._enter_module)
                after = module.register_forward_hook(self._leave_module, always_call=True)
                stack.callback(before.remove)
                stack.callback(after.remove)
            stack.enter_context(self._hidden)
            yield

    def _enter_module(self, module: nn.Module, _: Any) -> None:
        # Another thread may run the same network meanwhile.
        if get_ident() == self._thread:
            self._owners.append((self._names[module], module))

    def _leave_module(self, module: nn.Module, _: Any, __: Any) -> None:
        if get_ident() == self._thread:
            self._owners.pop()

    def _owner_name(self) -> str:
        return self._owners[-1][0] if self._owners else ""

    def _name(self, call: Call) -> str:
        owner, module = self._owners[-1] if self._owners else ("", None)
        kind = call.kind
        base = f"{owner}.{kind}" if owner else kind
        weight = self._weights.get(id(call.given(1, "weight"))) if kind in WEIGHTED else None
        if weight is not None and weight != owner and weight.startswith(owner):
            base = weight
        elif owner and isinstance(module, OPERATION_MODULES):
            # A module that is an operation gives its name to its own operation only.
            base = owner if self._first_kind.setdefault(owner, kind) == kind else base
        self._used[base] += 1
        return base if self._used[base] == 1 else f"{base}#{self._used[base]}"

    def operation(self, position: int, call: Call) -> Any:
        source, kind = call.source, call.kind
        name, axis = self._name(call), self._axes.of_response(call)
        node = self._add_node([source], kind in WEIGHTED)
        found = _Found(name, kind, source, 0, axis, window_of(call), False, node, IN_ORDER)
        with self._hidden.allowed():
            result = call.run()
        response = response_of(result)
        found.inplace = response is source
        found.result, found.version = response, response._version
        self._lattices.respond(call, found.window, response)
        self._places.respond(call, response, axis)
        if kind == "batch_norm" and call.given(5, "training", False):
            found.problem = "normalises with the statistics of the batch, which mixes images"
            found.is_fatal = True
        elif axis is None:
            found.problem = (
                f"which axis of its response {tuple(response.shape)} holds the channels is unclear"
            )
        else:
            layout = self._places.layout(kind, response, axis)
            if layout is None:
                found.problem = f"its response {tuple(response.shape)} does not keep images apart"
            found.layout = layout or IN_ORDER
        self.found.append(found)
        self._axes.set(response, frozenset() if axis is None else frozenset({axis}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            self._origins[id(tensor)] = (tensor, frozenset({node}))
        return result

    def other(self, call: Call) -> Any:
        if call.function in UNREADABLE:
            raise VebiError(
                f"Layer '{self._owner_name()}' calls {UNREADABLE[call.function]}, whose operations "
                "can't be read or changed one by one. Networks with it are not handled."
            )
        # A function that counts, but not where it works on parameters alone.
        with self._hidden.allowed() if call.function in COUNTED else nullcontext():
            result = call.run()
        if isinstance(result, (Tensor, tuple, list)):
            self._axes.follow(call, result)
            results = result if isinstance(result, (tuple, list)) else (result,)
            self._lattices.follow(call, results, self._map_size)
            self._places.follow(call, results)
            self._follow(call, result)
        return result

    def _origin(self, tensor: Tensor) -> frozenset[int]:
        entry = self._origins.get(id(tensor))
        if entry is not None:
            return entry[1]
        # Made out of sight: as far as can be told, of what came last.
        return frozenset({len(self._nodes) - 1} if self._nodes else ())

    def _add_node(self, sources: Sequence[Tensor], weighted: bool) -> int:
        inputs = frozenset().union(*map(self._origin, sources))
        self._nodes.append(_Node(inputs, weighted))
        return len(self._nodes) - 1

    def _follow(self, call: Call, result: Any) -> None:
        """Note where the result of a function that is not a counted operation comes from."""
        given = list(call.tensors())
        sources = [tensor for tensor in given if not self.is_constant(tensor)]
        if not sources:
            return
        origin = frozenset().union(*map(self._origin, sources))
        if call.name in _PRODUCTS and len(sources) < len(given):
            # The network's own numbers times the image's: a head, however it is written.
            origin = frozenset({self._add_node(sources, True)})
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                self._origins[id(tensor)] = (tensor, origin)
                self._note_joined(tensor, origin)

    def _map_size(self, tensor: Tensor) -> list[int] | None:
        axis = None if self.is_constant(tensor) else self._axes.single(tensor)
        return None if axis is None else _map_size(tensor, axis)

    def _note_joined(self, tensor: Tensor, origin: frozenset[int]) -> None:
        if not self.found or self.found[-1].axis is None or tensor.ndim != 4:
            return
        last, axis = self.found[-1], self._axes.single(tensor)
        if axis is not None and last.node in origin and last.result.ndim == 4:
            assert last.axis is not None
            if _map_size(tensor, axis) == _map_size(last.result, last.axis):
                last.joined = (self.calls, axis)

    def layers(self, scores: Tensor) -> list[Layer]:
        """What was found, but for what gives the class scores and what follows from it."""
        self._hidden.check()
        of_classes, before = self._give_scores(scores)
        if not of_classes:
            raise VebiError(
                "The network has no convolution and no fully connected layer that its class scores "
                "come from: nothing to explain."
            )
        layers: list[Layer] = []
        for position, found in enumerate(self.found):
            if found.node in of_classes:
                continue
            if found.problem and found.node not in before:
                continue  # nothing that the scores depend on
            if found.is_fatal:
                raise VebiError(f"Layer '{found.name}' can't be handled: {found.problem}.")
            if found.problem:
                log.warning("layer '%s' is left out of the features: %s", found.name, found.problem)
                continue
            assert found.axis is not None
            whole = found.layout.apart(found.result)
            axis = found.layout.moved(found.axis)
            layers.append(
                Layer(
                    index=len(layers),
                    name=found.name,
                    type=_type_of(found.kind, tuple(whole.shape), axis),
                    kind=found.kind,
                    shape=tuple(whole.shape[1:]),
                    channel_axis=axis,
                    window=found.window,
                    overwritten=found.result._version != found.version,
                    inplace=found.inplace,
                    position=position,
                    joined=found.joined,
                    lattices=self._lattices.of(found.result),
                    layout=found.layout,
                )
            )
        return layers

    def _give_scores(self, scores: Tensor) -> tuple[set[int], set[int]]:
        """The nodes tied to the classes, and those that they depend on.

        Tied are the last weighted ones on each way to the scores, and all that depends on these.
        """
        tied: set[int] = set()
        waiting = list(self._origin(scores))
        while waiting:
            node = waiting.pop()
            if self._nodes[node].weighted:
                tied.add(node)
            else:
                waiting += self._nodes[node].inputs
        before: set[int] = set()
        waiting = [i for node in tied for i in self._nodes[node].inputs]
        while waiting:
            node = waiting.pop()
            if node not in before:
                before.add(node)
                waiting += self._nodes[node].inputs
        for number, one in enumerate(self._nodes):
            if one.inputs & tied:
                tied.add(number)
        return tied, before


# Sums of products over channels. With the network's own numbers they make new channels.
_PRODUCTS = frozenset(
    ("einsum", "tensordot", "bmm", "matmul", "__matmul__", "__rmatmul__", "cdist", "bilinear", "mv")
)


def _map_size(tensor: Tensor, axis: int) -> list[int]:
    return [n for i, n in enumerate(tensor.shape) if i not in (0, axis)]


def _type_of(kind: str, shape: tuple[int, ...], axis: int) -> str:
    if kind in WEIGHTED:
        single = int(np.prod(shape[1:])) == shape[axis]
        return "fc" if single else "conv"
    if kind in RECTIFIERS:
        return "relu"
    if kind in POOLINGS:
        return "pool"
    if kind in (ATTENTION, "local_response_norm"):
        return "lrn" if kind == "local_response_norm" else ATTENTION
    return kind if kind in ACTIVATIONS else "norm"


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


class _HiddenOperations(TorchDispatchMode):
    """Notices counted operations that compiled code runs out of sight of the function mode."""

    _WATCHED = (
        *("convolution", "relu", "relu_", "leaky_relu", "elu", "gelu", "silu", "hardtanh"),
        *("max_pool2d_with_indices", "avg_pool2d", "_adaptive_avg_pool2d", "hardswish"),
        *("native_batch_norm", "_native_batch_norm_legit", "native_layer_norm"),
        *("native_group_norm",),
    )

    def __init__(self, owner: Callable[[], str]) -> None:
        super().__init__()
        self._owner = owner
        self._depth = 0
        self._problem = ""

    @contextmanager
    def allowed(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = func.overloadpacket.__name__
        if not self._depth and not self._problem and name in self._WATCHED:
            self._problem = (
                f"Layer '{self._owner()}' runs {name} inside compiled code, where it can't be read "
                "or changed. Networks with it are not handled."
            )
        return func(*args, **(kwargs or {}))

    def check(self) -> None:
        if self._problem:
            raise VebiError(self._problem)
