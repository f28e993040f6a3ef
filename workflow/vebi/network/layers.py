"""The layers of a network: one per counted operation of its forward pass, in order."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from vebi.io.errors import VebiError
from vebi.network.operations import (
    ACTIVATIONS,
    OPERATION_MODULES,
    POOLINGS,
    RECTIFIERS,
    UNREADABLE,
    WEIGHTED,
    OperationMode,
    Window,
    response_of,
    window_of,
)


@dataclass(frozen=True)
class Layer:
    """One counted operation.

    `index` its place in the order of execution; `name` the qualified name of the module that called
    it (with the function's name if it is no module of its own, with #2, #3 if called again); `type`
    conv, fc, relu, pool, norm, lrn, or the name of another activation; `kind` the torch function;
    `shape` of one image's response; `channel_axis` in the batched response; `spatial`: whether a
    channel is a map of more than one value; `window` for convolutions and poolings.
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

    @property
    def n_channels(self) -> int:
        return self.shape[self.channel_axis - 1]

    @property
    def spatial(self) -> bool:
        return int(np.prod(self.shape)) > self.n_channels


def feature_index(layers: Sequence[Layer]) -> tuple[np.ndarray, np.ndarray]:
    """Layer position and channel (both int64 (m)) of every feature, layer after layer."""
    sizes = [layer.n_channels for layer in layers]
    if not sizes:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    positions = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    return positions, np.concatenate([np.arange(size, dtype=np.int64) for size in sizes])


def list_layers(model: nn.Module, example: Tensor) -> list[Layer]:
    """List the counted operations of `model` on one `example` image (C, H, W) or (1+, C, H, W).

    The classifier's last weighted operation and all after it are left out: their responses are tied
    to the classes (VEBI 3.1). Raises VebiError, naming the layer, for what can't be handled:
    operations inside compiled code, responses without a clear channel axis, statistics over a batch.
    """
    example = example if example.ndim == 4 else example[None]
    if example.ndim != 4:
        raise VebiError(f"An image must be (C, H, W), this one has shape {tuple(example.shape)}.")
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise VebiError(
                f"Layer '{name}' is a TorchScript module, whose operations can't be read or changed. "
                "Give the network before scripting."
            )
    # Two images, so that a response that mixes images shows in its first dimension.
    images = example[:1].expand(2, -1, -1, -1).contiguous()
    with evaluating(model), torch.no_grad(), _Lister(model, images) as lister:
        logits = model(images)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[0] != 2:
        raise VebiError(
            "The network must return one tensor of class scores (N, classes); "
            f"it returns {_describe(logits)}."
        )
    return lister.layers()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block, each module's own mode after it."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@dataclass
class _Found:
    name: str
    kind: str
    result: Tensor
    version: int
    axis: int | None
    window: Window | None
    inplace: bool
    problem: str = ""


class _Lister(OperationMode):
    """Records every counted operation: its owner's name, its channel axis, what is wrong with it."""

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        super().__init__()
        self.found: list[_Found] = []
        self._owners: list[tuple[str, nn.Module]] = []
        self._names = {module: name for name, module in model.named_modules()}
        self._used: Counter[str] = Counter()
        self._first_kind: dict[str, str] = {}
        self._axes = {id(images): (images, 1)}
        self._hidden = _HiddenOperations(self._owner_name)
        self._stack = ExitStack()
        self._batch = images.shape[0]

    def __enter__(self) -> "_Lister":
        for module in self._names:
            before = module.register_forward_pre_hook(self._enter_module)
            after = module.register_forward_hook(self._leave_module, always_call=True)
            self._stack.callback(before.remove)
            self._stack.callback(after.remove)
        self._stack.enter_context(self._hidden)
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._stack.close()

    def _enter_module(self, module: nn.Module, _: Any) -> None:
        self._owners.append((self._names[module], module))

    def _leave_module(self, module: nn.Module, _: Any, __: Any) -> None:
        self._owners.pop()

    def _owner_name(self) -> str:
        return self._owners[-1][0] if self._owners else ""

    def _name(self, kind: str) -> str:
        owner, module = self._owners[-1] if self._owners else ("", None)
        base = f"{owner}.{kind}" if owner else kind
        if owner and isinstance(module, OPERATION_MODULES):
            # A module that is an operation gives its name to its own operation only.
            base = owner if self._first_kind.setdefault(owner, kind) == kind else base
        self._used[base] += 1
        return base if self._used[base] == 1 else f"{base}#{self._used[base]}"

    def operation(
        self,
        position: int,
        kind: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        source = args[0] if args else kwargs["input"]
        name, axis = self._name(kind), self._axis(kind, source, args, kwargs)
        found = _Found(name, kind, source, 0, axis, window_of(kind, args, kwargs), False)
        if kind == "batch_norm" and _uses_batch_statistics(args, kwargs):
            found.problem = "normalises with the statistics of the batch, which mixes images"
        with self._hidden.allowed():
            result = function(*args, **kwargs)
        response = response_of(result)
        found.inplace = response is source
        found.result, found.version = response, response._version
        if response.ndim not in (2, 4):
            found.problem = (
                f"its response has shape {tuple(response.shape)}; images of shape (N, C, H, W) "
                "or vectors (N, C) are expected"
            )
        elif response.shape[0] != self._batch:
            found.problem = f"its response {tuple(response.shape)} does not keep images apart"
        elif axis is None:
            found.problem = (
                f"which axis of its response {tuple(response.shape)} holds the channels is unclear"
            )
        self.found.append(found)
        self._set_axis(response, axis)
        return result

    def other(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if function in UNREADABLE:
            raise VebiError(
                f"Layer '{self._owner_name()}' calls {UNREADABLE[function]}, whose operations can't be "
                "read or changed one by one. Networks with it are not handled."
            )
        result = function(*args, **kwargs)
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor) and tensor.ndim == 4:
                self._set_axis(tensor, self._axis_after(function, args, kwargs, tensor))
        return result

    def _set_axis(self, tensor: Tensor, axis: int | None) -> None:
        if axis is None:
            self._axes.pop(id(tensor), None)
        else:
            # The tensor is kept beside its axis, or another could get its id.
            self._axes[id(tensor)] = (tensor, axis)

    def _known_axis(self, tensor: Any) -> int | None:
        entry = self._axes.get(id(tensor))
        return entry[1] if entry else None

    def _axis(
        self, kind: str, source: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> int | None:
        """Channel axis of a counted operation's response."""
        if source.ndim == 2:
            return 1
        if kind == "linear":
            return source.ndim - 1
        if kind in ("layer_norm", "rms_norm"):
            normalised = args[1] if len(args) > 1 else kwargs["normalized_shape"]
            return source.ndim - 1 if len(normalised) == 1 else self._known_axis(source)
        if kind in ACTIVATIONS and kind != "prelu":
            return self._known_axis(source)
        return 1

    def _axis_after(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        result: Tensor,
    ) -> int | None:
        """Channel axis after a function that is no counted operation, None if unclear."""
        name = getattr(function, "__name__", "")
        flat = [*args, *kwargs.values()]
        flat += [item for value in flat if isinstance(value, (tuple, list)) for item in value]
        inputs = [(v, self._known_axis(v)) for v in flat if isinstance(v, Tensor) and v.ndim == 4]
        axes = {axis for tensor, axis in inputs if axis is not None}
        if len(axes) != 1:
            return None
        axis = axes.pop()
        source = next(tensor for tensor, known in inputs if known == axis)
        if name in ("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"):
            return _moved_axis(name, function, args, kwargs, source.ndim, axis)
        if name in ("view", "reshape", "view_as", "reshape_as"):
            same = axis == 1 and result.shape[:2] == source.shape[:2]
            return axis if same else None
        return None if name in _SHUFFLING else axis

    def layers(self) -> list[Layer]:
        """What was found, up to the classifier's last weighted operation."""
        self._hidden.check()
        last = [i for i, found in enumerate(self.found) if found.kind in WEIGHTED]
        if not last:
            raise VebiError(
                "The network has no convolution and no fully connected layer: nothing to explain."
            )
        layers = []
        for index, found in enumerate(self.found[: last[-1]]):
            if found.problem:
                raise VebiError(f"Layer '{found.name}' can't be handled: {found.problem}.")
            assert found.axis is not None
            layers.append(
                Layer(
                    index=index,
                    name=found.name,
                    type=_type_of(found.kind, tuple(found.result.shape), found.axis),
                    kind=found.kind,
                    shape=tuple(found.result.shape[1:]),
                    channel_axis=found.axis,
                    window=found.window,
                    overwritten=found.result._version != found.version,
                    inplace=found.inplace,
                )
            )
        return layers


# Same number of dimensions out, but not the same meaning.
_SHUFFLING = (
    *("einsum", "matmul", "__matmul__", "bmm", "tensordot", "fold", "unfold", "rot90"),
    *("flatten", "unflatten", "squeeze", "unsqueeze", "__get__", "transpose_", "swapaxes_"),
)


def _moved_axis(
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    ndim: int,
    axis: int,
) -> int:
    # The function itself says where the axis goes: the only dimension of size 2 is the marker.
    marker = torch.empty([2 if i == axis else 1 for i in range(ndim)])
    arguments = [marker if isinstance(arg, Tensor) else arg for arg in args]
    named = {key: marker if isinstance(arg, Tensor) else arg for key, arg in kwargs.items()}
    return list(function(*arguments, **named).shape).index(2)


def _type_of(kind: str, shape: tuple[int, ...], axis: int) -> str:
    if kind in WEIGHTED:
        single = int(np.prod(shape[1:])) == shape[axis]
        return "fc" if single else "conv"
    if kind in RECTIFIERS:
        return "relu"
    if kind in POOLINGS:
        return "pool"
    if kind == "local_response_norm":
        return "lrn"
    return kind if kind in ACTIVATIONS else "norm"


def _uses_batch_statistics(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return bool(args[5] if len(args) > 5 else kwargs.get("training", False))


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
