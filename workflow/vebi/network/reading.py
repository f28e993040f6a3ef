"""What a call of a torch function is: which counted operation, however it is written.

A network may compute its weights from parameters, write ReLU as `x * (x > 0)` and its head as `h @ W`.
So two things are followed from call to call: which tensors hold nothing of the image, and which are the
sign of another. Calls that are a counted operation in other words are read as that operation.
"""

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.network.call import Call
from vebi.network.deterministic import in_fixed_order
from vebi.network.operations import ATTENTION, BOUNDED, COUNTED, kind_of_bounded

# They make tensors of their own, whatever tensor they are given to take a shape from.
MAKERS = frozenset(
    (
        *("zeros", "ones", "full", "empty", "arange", "linspace", "eye", "tensor", "scalar_tensor"),
        *("zeros_like", "ones_like", "full_like", "empty_like"),
        *("new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"),
    )
)


class Constants:
    """The tensors that hold nothing of the image: the network's own, and what is computed from them.

    Any other tensor counts as part of the image's way through the network.
    """

    def __init__(self, model: nn.Module | None = None) -> None:
        modules = () if model is None else model.modules()
        # Kept, not only counted: an id is free again when its tensor is gone.
        self._own = {id(value): value for module in modules for value in _own_tensors(module)}
        self._made: dict[int, weakref.ref[Tensor]] = {}

    def __contains__(self, tensor: Tensor) -> bool:
        if id(tensor) in self._own or isinstance(tensor, nn.Parameter):
            return True
        found = self._made.get(id(tensor))
        return found is not None and found() is tensor

    def note(self, call: Call, result: Any) -> None:
        """Take in what a call has made, or written into."""
        name = call.name
        results = result if isinstance(result, (list, tuple)) else (result,)
        if name in MAKERS:
            self._add(results)
            return
        given = call.tensors()
        first = next(given, None)
        if first is not None and first in self and all(tensor in self for tensor in given):
            self._add(results)
            return
        written = [*results, call.kwargs.get("out")]
        if name == "__setitem__":
            written.append(call.args[0])
        for tensor in written:
            if isinstance(tensor, Tensor):
                self._own.pop(id(tensor), None)
                self._made.pop(id(tensor), None)

    def _add(self, results: Any) -> None:
        for tensor in results:
            if isinstance(tensor, Tensor):
                self._made[id(tensor)] = weakref.ref(tensor)


def _own_tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from (value for value in module._parameters.values() if value is not None)
    yield from (value for value in module._buffers.values() if value is not None)
    yield from (value for value in vars(module).values() if isinstance(value, Tensor))


@dataclass(frozen=True)
class _Sign:
    """A tensor that is 1 where another's entries are positive (or not `positive`), else 0."""

    itself: "weakref.ref[Tensor]"
    of: "weakref.ref[Tensor]"
    version: int
    positive: bool


COMPARISONS = {
    **dict.fromkeys(("gt", "greater", "__gt__", "ge", "greater_equal", "__ge__"), True),
    **dict.fromkeys(("lt", "less", "__lt__", "le", "less_equal", "__le__"), False),
}
_CONVERSIONS = frozenset(("float", "double", "half", "bfloat16", "to", "type", "type_as"))
NEGATIONS = frozenset(("logical_not", "bitwise_not", "__invert__"))
# They leave attention weights what they are.
_KEEPING = frozenset((*_CONVERSIONS, "dropout", "dropout_", "contiguous", "clone", "view"))
# Functions that are a counted operation for certain arguments: `take(reader, call)`.
_Take = Callable[["Reader", Call], Call | None]
_TAKERS: dict[str, _Take] = {}


class Reader:
    """Reads the calls of one forward pass, in order."""

    def __init__(self, model: nn.Module | None = None) -> None:
        self.constants = Constants(model)
        self._signs: dict[int, _Sign] = {}
        self._attention_weights: dict[int, weakref.ref[Tensor]] = {}

    def read(self, call: Call) -> Call | None:
        """The counted operation that a call is, with its `kind`; None if it is none.

        Clamping at 0 from below is a ReLU, between 0 and 6 a ReLU6, whatever function does it. The
        same functions count for nothing where they are applied to parameters.
        """
        kind = COUNTED.get(call.function, "") or _quantised_kind(call.function)
        if kind in BOUNDED:
            kind = kind_of_bounded(kind, call, self.number)
        if kind:
            function = in_fixed_order(call.function, call.source)
            counted: Call | None = Call(function, call.args, call.kwargs, kind)
        else:
            take = _TAKERS.get(call.name)
            counted = take(self, call) if take else None
        return None if counted is None or counted.source in self.constants else counted

    def note(self, call: Call, result: Any) -> None:
        """Take in what a call returned."""
        name, args = call.name, call.args
        if isinstance(result, (Tensor, list, tuple)) or name == "__setitem__":
            self.constants.note(call, result)
        if isinstance(result, Tensor) and args and isinstance(args[0], Tensor):
            weighs = name == "softmax" and call.given(1, "dim") in (-1, args[0].ndim - 1)
            if weighs or (name in _KEEPING and self.is_attention_weights(args[0])):
                self._attention_weights[id(result)] = weakref.ref(result)
            sign = self._sign_after(name, args)
            if sign is not None:
                of, version, positive = sign
                self._signs[id(result)] = _Sign(weakref.ref(result), of, version, positive)

    def number(self, value: Any) -> float | None:
        """A bound as a number: itself, or the only value of a tensor that is not part of the image."""
        if not isinstance(value, Tensor):
            return value
        if value not in self.constants or not value.numel():
            return None
        try:
            first = value.detach().reshape(-1)[0]
            return float(first) if bool((value == first).all()) else None
        except (RuntimeError, NotImplementedError):  # a tensor without data: `meta`, fake
            return None

    def sign_of(self, mask: Any, source: Any) -> bool | None:
        """Whether `mask` marks the positive entries of `source` (True), the others (False), or else."""
        found = self._signs.get(id(mask))
        if found is None or found.itself() is not mask or not isinstance(source, Tensor):
            return None
        if found.of() is not source:
            return None
        return found.positive if found.version == _version(source) else None

    def is_attention_weights(self, value: Any) -> bool:
        """Whether a value is the softmax of something, or that with dropout."""
        found = self._attention_weights.get(id(value))
        return found is not None and found() is value

    def _sign_after(
        self, name: str, args: tuple[Any, ...]
    ) -> tuple["weakref.ref[Tensor]", int, bool] | None:
        source = args[0]
        if name in COMPARISONS:
            if len(args) == 2 and self.number(args[1]) == 0:
                return weakref.ref(source), _version(source), COMPARISONS[name]
            return None
        if name not in _CONVERSIONS and name not in NEGATIONS:
            return None
        found = self._signs.get(id(source))
        if found is None or found.itself() is not source:
            return None
        return found.of, found.version, found.positive != (name in NEGATIONS)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _quantised_kind(function: Callable[..., Any]) -> str:
    name = getattr(function, "_qualified_op_name", "")
    return (
        "linear" if name in ("quantized::linear_dynamic", "quantized::linear_dynamic_fp16") else ""
    )


def _rectifier(source: Tensor, inplace: bool = False) -> Call:
    return Call(torch.relu_ if inplace else torch.relu, (source,), {}, "relu")


def _taker(*names: str) -> Callable[[_Take], _Take]:
    def register(take: _Take) -> _Take:
        _TAKERS.update(dict.fromkeys(names, take))
        return take

    return register


def _operands(call: Call, *names: str) -> list[Any] | None:
    """The values of a call's parameters in order; None if there are others, or one is missing."""
    given = dict(zip(names, call.args, strict=False)) | call.kwargs
    complete = given.keys() == set(names) and len(call.args) + len(call.kwargs) == len(names)
    return [given[name] for name in names] if complete else None


def _fits(value: Any, source: Tensor) -> bool:
    """Whether an operation of `source` and `value` has the shape and format of `source`."""
    if not isinstance(value, Tensor) or value.ndim == 0:
        return True
    return value.dtype == source.dtype and (value.numel() == 1 or value.shape == source.shape)


@_taker("maximum", "max", "fmax")
def _take_maximum(reader: Reader, call: Call) -> Call | None:
    both = _operands(call, "input", "other")
    if both is None or not isinstance(both[1], Tensor):
        return None
    for source, bound in (both, both[::-1]):
        if source not in reader.constants and reader.number(bound) == 0 and _fits(bound, source):
            return _rectifier(source)
    return None


@_taker("where")
def _take_where(reader: Reader, call: Call) -> Call | None:
    # torch.where(condition, input, other) or input.where(condition, other)
    given = _operands(call, "condition", "input", "other")
    if given is None:
        return None
    if isinstance(given[0], Tensor) and given[0].dtype != torch.bool:
        given[:2] = given[1], given[0]
    mask, chosen, other = given
    for source, zero, positive in ((chosen, other, True), (other, chosen, False)):
        if (
            isinstance(source, Tensor)
            and reader.sign_of(mask, source) is positive
            and reader.number(zero) == 0
            and _fits(zero, source)
        ):
            return _rectifier(source)
    return None


@_taker("mul", "mul_", "multiply", "multiply_", "__mul__", "__rmul__", "__imul__")
def _take_product(reader: Reader, call: Call) -> Call | None:
    both = _operands(call, "input", "other")
    if both is None:
        return None
    for source, mask in (both,) if call.is_inplace else (both, both[::-1]):
        if reader.sign_of(mask, source) is True:
            return _rectifier(source, call.is_inplace)
    return None


@_taker("masked_fill", "masked_fill_")
def _take_filled(reader: Reader, call: Call) -> Call | None:
    given = _operands(call, "input", "mask", "value")
    if given is None or reader.sign_of(given[1], given[0]) is not False:
        return None
    return _rectifier(given[0], call.is_inplace) if reader.number(given[2]) == 0 else None


@_taker("__setitem__")
def _take_assigned(reader: Reader, call: Call) -> Call | None:
    source, mask, value = call.args
    if reader.sign_of(mask, source) is not False or reader.number(value) != 0:
        return None
    return _rectifier(source, inplace=True)


@_taker("matmul", "__matmul__", "mm")
def _take_matmul(reader: Reader, call: Call) -> Call | None:
    both = _operands(call, "input", "mat2" if "mat2" in call.kwargs else "other")
    if both is not None and _are_heads(reader, both[0], both[1]):
        return Call(torch.matmul, tuple(both), {}, ATTENTION)
    if both is None or not _is_weight(reader, both[1]) or both[0] in reader.constants:
        return None
    return Call(functional.linear, (both[0], both[1].t()), {}, "linear")


@_taker("einsum")
def _take_einsum(reader: Reader, call: Call) -> Call | None:
    if len(call.args) != 3 or not _are_heads(reader, *call.args[1:]):
        return None
    equation = call.args[0]
    inputs, _, output = equation.replace(" ", "").partition("->")
    # ...hqk, ...hkd -> ...hqd: one head's product, whatever the letters.
    weights, values = inputs.split(",")
    product = weights[:-2] == values[:-2] and weights[-1] == values[-2]
    if not product or output != weights[:-1] + values[-1]:
        return None
    return Call(torch.matmul, call.args[1:], {}, ATTENTION)


def _are_heads(reader: Reader, weights: Any, values: Any) -> bool:
    """Whether the product is what attention heads (..., heads, T, d) give."""
    return (
        reader.is_attention_weights(weights)
        and isinstance(values, Tensor)
        and values not in reader.constants
        and weights.ndim == values.ndim > 3
    )


@_taker("addmm")
def _take_addmm(reader: Reader, call: Call) -> Call | None:
    given = _operands(call, "input", "mat1", "mat2")
    if given is None or not _is_weight(reader, given[2]) or given[1] in reader.constants:
        return None
    bias = given[0]
    if bias not in reader.constants or bias.shape != given[2].shape[1:]:
        return None
    return Call(functional.linear, (given[1], given[2].t(), bias), {}, "linear")


def _is_weight(reader: Reader, value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 2 and value in reader.constants
