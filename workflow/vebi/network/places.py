"""Which image and which place of its map each value of a tensor belongs to, through a forward pass.

Tokens, windows and shifted windows are the places of a map in another order, and may have the images of
a batch along any axis, also together with windows. So every place of every image gets a number, and what
moves values moves the numbers: where an image and a map have gone can then be read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vebi.network.call import Call
from vebi.network.operations import (
    ATTENTION,
    CONVOLUTIONS,
    PERMUTING,
    POOLINGS,
    RESHAPING,
    TRANSPOSED_CONVOLUTIONS,
)

# They move values, or pick some, and leave them as they are.
_MOVING = frozenset(
    (
        *(*PERMUTING, *RESHAPING, "t", "mT", "H", "narrow", "chunk", "split", "tensor_split"),
        *("split_with_sizes", "index_select", "__getitem__", "__get__", "cat", "concat", "stack"),
        *("concatenate", "pad", "roll", "flip", "rot90", "repeat", "tile", "pixel_unshuffle"),
    )
)
_ROWS = frozenset(("matmul", "__matmul__", "bmm"))
_SLIDING = frozenset((*CONVOLUTIONS, *TRANSPOSED_CONVOLUTIONS, *POOLINGS))
_FAR = torch.iinfo(torch.int32).max


@dataclass(frozen=True)
class Numbers:
    """Numbers int32 in a tensor's shape: image x places + place + 1, and 0 for what has no place.

    They are on the CPU wherever the network is.
    `size` is that of the map, so that place = row x width + column.
    """

    values: Tensor
    size: tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """How the values of a response lie: its images, and the places of one image.

    Attributes:
        images: axis of the images in the operation's own response, and how many other values that axis
            has outside and inside of them: windows that were made images of.
        grid: positions of a channel in their order, as a map (h, w); None: they are a map as they are,
            or none.
        map_size: of the map, None where there is none.
        has_vectors: whether a channel has a vector at each place, as a head of attention does.
    """

    images: tuple[int, int, int] = (0, 1, 1)
    grid: NDArray[np.int64] | None = field(default=None, compare=False)
    map_size: tuple[int, int] | None = None
    has_vectors: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether images lie along the first axis, and nothing else does."""
        return self.images == (0, 1, 1)

    def apart(self, response: Tensor) -> Tensor:
        """A view of an operation's response with the images along its first axis."""
        axis, outer, inner = self.images
        if self.is_plain:
            return response
        sizes = [n for n in (outer, -1, inner) if n != 1]
        whole = response.unflatten(axis, sizes) if len(sizes) > 1 else response
        return whole.movedim(axis + (outer > 1), 0)

    def together(self, values: Tensor) -> Tensor:
        """Values as `apart` gives them, in the operation's own order."""
        axis, outer, inner = self.images
        if self.is_plain:
            return values
        whole = values.movedim(0, axis + (outer > 1))
        return whole.flatten(axis, axis + (outer > 1) + (inner > 1))

    def moved(self, axis: int) -> int:
        """Where an axis of the operation's own response is in `apart`, if it is not the images'."""
        at, outer, inner = self.images
        if axis < at:
            return axis + 1
        return axis + (outer > 1) + (inner > 1)

    def maps(self, values: Tensor) -> Tensor:
        """Values of one channel each, (R, *positions), as maps (R, h, w).

        A head of attention has a vector at each place: its norm; so has what has no map, for all.
        """
        if self.map_size is None:
            flat = values.flatten(1) if values.ndim > 1 else values[:, None]
            single = flat.shape[1] == 1
            found = flat if single else torch.linalg.vector_norm(flat, dim=1, keepdim=True)
            return found[:, :, None]
        if self.has_vectors:
            values = torch.linalg.vector_norm(values, dim=-1)
        if self.grid is None:
            return values
        at = torch.from_numpy(self.grid).to(values.device)
        return values.flatten(1)[:, at]


# Images along the first axis; the positions are the map.
IN_ORDER = Layout()


class Places:
    """The numbers of the tensors of a forward pass."""

    def __init__(self, images: Tensor) -> None:
        # The tensor is kept next to its numbers, or another could get its id.
        self._known: dict[int, tuple[Tensor, Numbers]] = {}
        self._batch = images.shape[0]
        self._number(images, 1)

    def of(self, tensor: Tensor) -> Numbers | None:
        """The numbers of a tensor."""
        entry = self._known.get(id(tensor))
        return entry[1] if entry else None

    def respond(self, call: Call, response: Tensor, axis: int | None) -> None:
        """Note the numbers of a counted operation's response, whose channels lie along `axis`."""
        source, found = call.source, self.of(call.source)
        if call.kind in _SLIDING:
            if response.shape[0] == self._batch:
                self._number(response, axis)
            else:
                self._set(response, _images_only(found, response))
        elif found is None or axis is None:
            self._set(response, None)
        elif call.kind == ATTENTION:
            self._set(response, _resized(found, -1, response))
        elif response.shape == source.shape:
            self._set(response, found)
        else:
            self._set(response, _resized(found, axis, response))

    def follow(self, call: Call, results: Iterable[Any]) -> None:
        """Note the numbers of what another function returned."""
        tensors = [value for value in results if isinstance(value, Tensor)]
        known = [found for tensor in call.tensors() if (found := self.of(tensor)) is not None]
        for number, result in enumerate(tensors):
            self._set(result, self._after(call, known, number, result) if known else None)

    def _after(
        self, call: Call, known: list[Numbers], number: int, result: Tensor
    ) -> Numbers | None:
        size = known[0].size
        if call.name in _MOVING:
            if call.is_inplace or any(one.size != size for one in known):
                return None
            moved = self._run(call)
            if isinstance(moved, (tuple, list)):
                moved = moved[number]
            fits = isinstance(moved, Tensor) and moved.shape == result.shape
            return Numbers(moved, size) if fits else None
        if call.name in _ROWS:
            rows = self.of(call.source)
            if rows is None or rows.values.shape[:-1] != result.shape[:-1]:
                return None
            return _resized(rows, -1, result)
        if call.name == "einsum" and isinstance(call.args[0], str):
            rows = self.of(call.args[1])
            return None if rows is None else _contracted(call.args[0], rows, result)
        alike = (one for one in known if one.values.shape == result.shape)
        return next(alike, None)

    def _run(self, call: Call) -> Any:
        """What a function does to numbers, None where it can't be said."""

        def numbers(value: Any) -> Any:
            if isinstance(value, (list, tuple)) and any(isinstance(x, Tensor) for x in value):
                return type(value)(numbers(x) for x in value)
            if not isinstance(value, Tensor) or not value.is_floating_point():
                return value
            found = self.of(value)
            return (
                torch.zeros(value.shape, dtype=torch.int32, device="cpu")
                if found is None
                else found.values
            )

        try:
            return call.mapped(numbers).run()
        except (RuntimeError, TypeError, NotImplementedError, IndexError):
            return None

    def _number(self, tensor: Tensor, axis: int | None) -> None:
        """Number the places of maps (N, C, H, W); of other shapes the images only."""
        if tensor.ndim == 4 and axis == 1:
            n, _, height, width = tensor.shape
            numbers = 1 + torch.arange(n * height * width, dtype=torch.int32, device="cpu")
            self._set(
                tensor,
                Numbers(numbers.view(n, 1, height, width).expand(tensor.shape), (height, width)),
            )
        else:
            images = 1 + torch.arange(len(tensor), dtype=torch.int32, device="cpu")
            values = images.view(-1, *[1] * (tensor.ndim - 1)).expand(tensor.shape)
            self._set(tensor, Numbers(values, (1, 1)))

    def _set(self, tensor: Tensor, found: Numbers | None) -> None:
        if found is None:
            self._known.pop(id(tensor), None)
        else:
            self._known[id(tensor)] = (tensor, found)

    def layout(self, kind: str, response: Tensor, axis: int) -> Layout | None:
        """How a response lies whose channels are along `axis`; None if its images are mixed."""
        found = self.of(response)
        if found is None:
            plain = response.shape[0] == self._batch
            return _with_map(IN_ORDER, kind, response, axis, None) if plain else None
        # Of several places the first: a patch of pixels, or channels of four places.
        values = found.values
        values = values.masked_fill(values == 0, _FAR).amin(axis, keepdim=True)
        values = values.masked_fill(values == _FAR, 0)
        images = self._images(values, found, axis)
        if images is None:
            return None
        return _with_map(Layout(images), kind, response, axis, Numbers(values, found.size))

    def _images(self, values: Tensor, found: Numbers, axis: int) -> tuple[int, int, int] | None:
        """Axis of the images in numbers, and how many values lie outside and inside of them there."""
        known = values > 0
        image = torch.div(values - 1, prod(found.size), rounding_mode="floor")
        for at, length in enumerate(values.shape):
            if at == axis or length % self._batch:
                continue
            others = length // self._batch
            for outer in (n for n in range(1, others + 1) if others % n == 0):
                inner = others // outer
                expected = (
                    torch.arange(length, device="cpu").div(inner, rounding_mode="floor")
                    % self._batch
                )
                expected = expected.view(-1, *[1] * (values.ndim - at - 1))
                if bool(((image == expected) | ~known).all()):
                    return at, outer, inner
        return None


def _resized(found: Numbers, axis: int, like: Tensor) -> Numbers:
    """Numbers with another length along an axis, whose values belong to one place."""
    values = found.values
    first = values.masked_fill(values == 0, _FAR).amin(axis, keepdim=True)
    return Numbers(first.masked_fill(first == _FAR, 0).expand(like.shape), found.size)


def _contracted(equation: str, found: Numbers, result: Tensor) -> Numbers | None:
    """Numbers of the first operand, along the axes of it that a result of `einsum` keeps."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    own = list(inputs.split(",")[0])
    if not arrow or "." in equation or len(own) != found.values.ndim:
        return None
    values = found.values
    for axis in reversed(range(len(own))):
        if own[axis] not in output:
            values = values.select(axis, 0)
            del own[axis]
    values = values.permute([own.index(letter) for letter in output if letter in own])
    for axis, letter in enumerate(output):
        values = values if letter in own else values.unsqueeze(axis)
    return Numbers(values.expand(result.shape), found.size)


def _images_only(found: Numbers | None, response: Tensor) -> Numbers | None:
    """Numbers of the images alone, of maps that stand along the first axis of a source's."""
    if found is None or len(found.values) != len(response):
        return None
    values = found.values.flatten(1).amax(1)
    image = torch.div(values - 1, prod(found.size), rounding_mode="floor") + 1
    shape = (-1, *[1] * (response.ndim - 1))
    return Numbers(image.to(torch.int32).view(shape).expand(response.shape), (1, 1))


def _with_map(
    layout: Layout, kind: str, response: Tensor, axis: int, found: Numbers | None
) -> Layout:
    """The same layout with the map that one image's places make."""
    whole = layout.apart(response)
    positions = list(whole.shape[1:])
    del positions[layout.moved(axis) - 1]
    has_vectors = kind == ATTENTION
    if has_vectors:
        positions.pop()
    is_map = len(positions) == 2 and not has_vectors and prod(positions) > 1
    size, grid = ((positions[0], positions[1]) if is_map else None), None
    if found is not None and found.size != (1, 1):
        places = layout.apart(found.values)[0].squeeze(layout.moved(axis) - 1).numpy() - 1
        places = places[..., 0] if has_vectors else places
        grid = _grid(places.ravel(), found.size[1])
        size = None if grid is None else (grid.shape[0], grid.shape[1])
        if grid is not None:
            in_order = np.array_equal(grid.ravel(), np.arange(places.size))
            grid = None if in_order and size == tuple(positions) else grid
    return Layout(layout.images, grid, size, has_vectors)


def _grid(places: NDArray[np.int32], width: int) -> NDArray[np.int64] | None:
    """Positions (h, w) of the places of a regular map; None if they make none. -1 is not a place."""
    at = np.flatnonzero(places >= 0)
    rows, row = np.unique(places[at] // width, return_inverse=True)
    columns, column = np.unique(places[at] % width, return_inverse=True)
    whole = len(rows) * len(columns) == len(at) == len(np.unique(places[at]))
    if len(at) < 2 or not whole:
        return None
    grid = np.empty((len(rows), len(columns)), np.int64)
    grid[row, column] = at
    return grid
