"""Which axis of a tensor holds the channels, followed through a forward pass from call to call."""

from typing import Any

import torch
from torch import Tensor

from vebi.network.call import Call
from vebi.network.operations import ACTIVATIONS, ATTENTION, PERMUTING, RESHAPING

Axes = frozenset[int]
_UNCLEAR: Axes = frozenset()

_MOVING = frozenset((*PERMUTING, "transpose_", "swapaxes_", "swapdims_"))
_RESHAPING = frozenset((*RESHAPING, "squeeze_", "unsqueeze_"))
# Same number of dimensions out, but not the same meaning.
_SHUFFLING = frozenset(
    (
        *("einsum", "matmul", "__matmul__", "bmm", "tensordot", "fold", "unfold", "rot90"),
        "__get__",
    )
)


class ChannelAxes:
    """The axes that the channels of each tensor lie along: one, several while they are split up.

    None (an empty set) where that is unclear.
    """

    def __init__(self, images: Tensor) -> None:
        # The tensor is kept next to its axes, or another could get its id.
        self._known: dict[int, tuple[Tensor, Axes]] = {id(images): (images, frozenset({1}))}

    def of(self, tensor: Tensor) -> Axes:
        """The axes of a tensor; those of a table (N, C) need not be known."""
        entry = self._known.get(id(tensor))
        if entry is not None:
            return entry[1]
        return frozenset({1}) if tensor.ndim == 2 else _UNCLEAR

    def single(self, tensor: Tensor) -> int | None:
        """The only axis, None if there is none or there are several."""
        axes = self.of(tensor)
        return next(iter(axes)) if len(axes) == 1 else None

    def set(self, tensor: Tensor, axes: Axes) -> None:
        """Note the axes of a tensor."""
        if axes:
            self._known[id(tensor)] = (tensor, axes)
        else:
            self._known.pop(id(tensor), None)

    def of_response(self, call: Call) -> int | None:
        """Channel axis of a counted operation's response."""
        kind, source = call.kind, call.source
        if source.ndim == 2:
            return 1
        if kind == "linear":
            return source.ndim - 1
        if kind == ATTENTION:
            return source.ndim - 3 if source.ndim > 3 else None
        if kind in ("layer_norm", "rms_norm"):
            normalised = call.given(1, "normalized_shape")
            return source.ndim - 1 if len(normalised) == 1 else self.single(source)
        if kind in ACTIVATIONS and kind != "prelu":
            return self.single(source)
        return 1

    def follow(self, call: Call, result: Any) -> None:
        """Note the axes of what a function that is not a counted operation returned."""
        several = isinstance(result, (tuple, list))
        results = result if several else (result,)
        if not any(isinstance(value, Tensor) and value.ndim > 2 for value in results):
            return
        for number, value in enumerate(results):
            if isinstance(value, Tensor) and value.ndim > 2:
                at = number if several else None
                self.set(value, self._after(call, value, at))

    def _after(self, call: Call, result: Tensor, number: int | None) -> Axes:
        name = call.name
        if name in _SHUFFLING:
            return _UNCLEAR
        source = next(call.tensors(), None)
        if source is not None and name in _MOVING:
            return _moved(call, source, self.of(source))
        indexed = name == "__getitem__" and source is not None and source.ndim != result.ndim
        if source is not None and (indexed or name in _RESHAPING):
            return _reshaped(call, (source, self.of(source)), (result, number))
        alike = (tensor for tensor in call.tensors() if tensor.ndim == result.ndim)
        found = {self.of(tensor) for tensor in alike} - {_UNCLEAR}
        return found.pop() if len(found) == 1 else _UNCLEAR


def _moved(call: Call, source: Tensor, axes: Axes) -> Axes:
    found = set()
    for axis in axes:
        # The function itself says where the axis goes: the only dimension of size 2 is the marker.
        marker = torch.empty([2 if i == axis else 1 for i in range(source.ndim)])
        shape = call.replaced(source, marker).run().shape
        found.add(list(shape).index(2))
    return frozenset(found)


def _reshaped(call: Call, before: tuple[Tensor, Axes], after: tuple[Tensor, int | None]) -> Axes:
    (source, axes), (result, number) = before, after
    if not axes:
        return _UNCLEAR
    last = max(axes) + 1
    if number is None and source.shape[:last] == result.shape[:last]:
        return axes
    # The function moves the numbers of the channels as it moves their values.
    sizes = [source.shape[axis] if axis in axes else 1 for axis in range(source.ndim)]
    numbers = torch.arange(int(torch.Size(sizes).numel())).reshape(sizes)
    numbers = numbers.expand(source.shape).contiguous()
    moved = call.replaced(source, numbers).run()
    moved = moved if number is None else moved[number]
    varying = {a for a in range(moved.ndim) if bool((moved != moved.narrow(a, 0, 1)).any())}
    if not varying and moved.ndim > 1 and moved.shape[1] == 1:
        return frozenset({1})  # a single channel
    n_places = int(torch.Size([moved.shape[axis] for axis in varying]).numel())
    # All along these axes, and nothing but channels along them.
    return frozenset(varying) if 0 not in varying and len(moved.unique()) == n_places else _UNCLEAR
