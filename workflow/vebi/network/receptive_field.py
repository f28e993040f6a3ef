"""Receptive fields of any network's units: computed by following marked pixels, not from a table.

One row or one column of the image is marked with NaN. What a marked value enters becomes marked, so a
unit's field reaches from the first to the last row (column) whose mark arrives at it. NaN passes every
arithmetic function of torch by itself. Layers get explicit rules, since fast convolution algorithms
spread NaN over whole tiles and rectifiers may drop it.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vebi.io.errors import VebiError
from vebi.network.batches import map_batches, split_batches
from vebi.network.call import Call
from vebi.network.lattice import Lattice, Lattices
from vebi.network.layers import Layer
from vebi.network.operations import (
    ACTIVATIONS,
    ATTENTION,
    CONVOLUTIONS,
    POOLINGS,
    TRANSPOSED_CONVOLUTIONS,
    response_of,
)
from vebi.network.passes import LayerPass
from vebi.network.running import run


def receptive_fields(
    model: nn.Module,
    example: Tensor,
    layers: Sequence[Layer],
    features: Sequence[tuple[int, int]],
    batch_size: int = 32,
) -> list[NDArray[np.int64]]:
    """Bounding box of the pixels that each unit of each feature depends on, clipped at the borders.

    Dependence is the architecture's: a weight counts also where it is zero.

    Args:
        model: the network.
        example: an image (C, H, W) or (1+, C, H, W), of which only shape and device count.
        layers: all of them, from `list_layers`.
        features: (layer index, channel) of each.
        batch_size: images of a pass; H + W are needed in all.

    Returns:
        Per feature int64 (H', W', 4) in pixels for the places of its map (1 x 1 without one): top,
        bottom, left, right, the second and fourth exclusive, zeros for a unit that depends on no pixel.

    Raises:
        VebiError: a layer without a rule.
    """
    channels, height, width = example.shape[-3:]
    lines = np.array([(0, y) for y in range(height)] + [(1, x) for x in range(width)])
    reached: dict[tuple[int, int], list[NDArray[np.bool_]]] = {feature: [] for feature in features}
    if not reached:
        return []

    def mark(
        _: NDArray[np.int64], batch: NDArray[np.int64]
    ) -> dict[tuple[int, int], NDArray[np.bool_]]:
        images = torch.ones((len(batch), channels, height, width), device=example.device)
        for image, (axis, position) in zip(images, batch.tolist(), strict=True):
            image.select(axis + 1, position).fill_(torch.nan)
        forward = _MarkPass(layers, reached)
        with suppress(_AllSeen):
            run(model, images, forward)
        return {feature: marks.cpu().numpy() for feature, marks in forward.marks.items()}

    for _, found in map_batches(split_batches(lines, batch_size), mark):
        for feature, marks in found.items():
            reached[feature].append(marks)
    return [_boxes(np.concatenate(reached[feature]), height) for feature in features]


def _boxes(marked: NDArray[np.bool_], height: int) -> NDArray[np.int64]:
    """Boxes (*positions, 4) from where each row's and column's mark arrived: bool (H + W, *positions)."""
    bounds = []
    for lines in (marked[:height], marked[height:]):
        depends = lines.any(0)
        first, last = lines.argmax(0), len(lines) - lines[::-1].argmax(0)
        bounds += [np.where(depends, first, 0), np.where(depends, last, 0)]
    return np.stack(bounds, axis=-1).astype(np.int64)


@dataclass(frozen=True)
class Axis:
    """Fields of n positions along one axis, as if the image went on beyond its borders.

    Position i sees `size` pixels from `start[i]` on, which may be negative; neighbours' fields are
    `jump` pixels apart.
    """

    start: NDArray[np.int64]
    size: int
    jump: float


def continued_fields(
    boxes: NDArray[np.int64], size: tuple[int, int], lattices: Lattices | None = None
) -> tuple[Axis, Axis]:
    """The vertical and horizontal fields behind clipped boxes, as if the image went on.

    Units whose fields end inside the image tell size and spacing; the others follow from them. Where
    too many reach over a border to tell, the layer's `lattices` do, all its channels' fields together.
    Without any, or where the fields are not equally far apart (adaptive pooling to sizes that do not
    divide), the clipped fields are returned, all with the largest one's size.

    Args:
        boxes: int64 (H', W', 4) of one feature, from `receptive_fields`.
        size: height and width of the image in pixels.
        lattices: of the layer, vertical and horizontal.
    """
    vertical, horizontal = lattices or (None, None)
    return (
        _continue(boxes[..., 0].min(1), boxes[..., 1].max(1), size[0], vertical),
        _continue(boxes[..., 2].min(0), boxes[..., 3].max(0), size[1], horizontal),
    )


def _continue(
    first: NDArray[np.int64], last: NDArray[np.int64], length: int, lattice: Lattice | None
) -> Axis:
    # A strided convolution may never look at the image's last rows: fields end where it ends.
    low, high = first.min(), last.max()
    begins, ends = first > low, (last < high) & (last > first)
    inside = begins & ends
    # With dilation a clipped field may begin inside the image, but it is smaller than a whole one.
    inside &= last - first == (last - first)[inside].max(initial=0)
    if inside.sum() > 1:
        begins = ends = inside
    jumps = {*_steps(first, begins), *_steps(last, ends)}
    if lattice is not None:
        jumps.add(float(lattice.jump))
    if len(jumps) == 1:
        (jump,) = jumps
        steps = np.arange(len(first)) * jump
        # One whole end is enough where the other end tells the spacing.
        begin, end = (
            steps + (values[at] - steps[at])[0] if at.any() else None
            for values, at in ((first, begins), (last, ends))
        )
        if begin is not None and end is not None:
            fits = (begin.clip(0, length) <= first) & (last <= end.clip(0, length))
            if jump > 0 and jump.is_integer() and fits.all():
                return Axis(begin.astype(np.int64), int(end[0] - begin[0]), jump)
        if lattice is not None:
            begin = lattice.start + steps.astype(np.int64)
            return Axis(begin, lattice.size, jump)
    jump = float(first[-1] - first[0]) / max(1, len(first) - 1)
    # Where all see the same, the borders hide how far the fields are apart.
    jump = jump or float(max(1, round(length / len(first))))
    return Axis(first, int((last - first).max()), jump)


def _steps(values: NDArray[np.int64], at: NDArray[np.bool_]) -> tuple[float, ...]:
    """The different steps of `values` between the positions `at`."""
    where = np.flatnonzero(at)
    return tuple(set((np.diff(values[where]) / np.diff(where)).tolist()))


class _AllSeen(Exception):
    """The last layer that is asked for has run."""


class _MarkPass(LayerPass):
    """A forward pass that knows of every value only whether it depends on marked pixels.

    Values without a mark are 1 after every layer, so that arithmetic does not make NaN of its own.
    """

    def __init__(self, layers: Sequence[Layer], features: Iterable[tuple[int, int]]) -> None:
        super().__init__(layers)
        self.marks: dict[tuple[int, int], Tensor] = {}
        self._channels: dict[int, list[int]] = {}
        for layer, channel in features:
            self._channels.setdefault(layer, []).append(channel)
        # Marks of tensors that can't hold NaN (comparisons, indices), kept next to the tensor.
        self._aside: dict[int, tuple[Tensor, Tensor]] = {}

    def compute(self, layer: Layer, call: Call) -> Any:
        source = call.source
        if layer.kind == ATTENTION:
            return _through_attention(*call.args[:3])
        rule = _RULES.get(layer.kind)
        if rule is None:
            if layer.kind not in ACTIVATIONS and layer.kind != "batch_norm":
                raise VebiError(
                    f"Layer '{layer.name}' ({layer.kind}) has no rule for receptive fields."
                )
            return source if layer.inplace else source.clone()
        result = rule(source.isnan().float(), layer, call)
        response = torch.where(response_of(result) > 0, torch.nan, 1.0)
        return (response, *result[1:]) if isinstance(result, tuple) else response

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        for channel in self._channels.pop(layer.index, ()):
            marks = response.select(layer.channel_axis, channel).isnan()
            self.marks[layer.index, channel] = layer.layout.maps(marks.float()) > 0
        if not self._channels:
            raise _AllSeen
        return response

    def other(self, call: Call) -> Any:
        result = super().other(call)
        if not isinstance(result, Tensor):
            return result
        inputs = [v for v in (*call.args, *call.kwargs.values()) if isinstance(v, Tensor)]
        aside = [self._aside[id(v)][1] for v in inputs if id(v) in self._aside]
        if result.is_floating_point():
            for marks in aside:
                # In place: the caller of an in-place function looks at its argument.
                result.masked_fill_(_fitted(marks, result), torch.nan)
        else:
            aside += [v.isnan() for v in inputs if v.is_floating_point()]
            marks = torch.zeros_like(result, dtype=torch.bool)
            for part in aside:
                marks = marks | _fitted(part, result)
            if marks.any():
                self._aside[id(result)] = (result, marks)
        return result


def _fitted(marks: Tensor, result: Tensor) -> Tensor:
    """Marks in the shape of a result: the same places, or all of an image where places got lost."""
    try:
        return marks.broadcast_to(result.shape)
    except RuntimeError:
        images = marks.flatten(1).any(1)
        return images.reshape(-1, *[1] * (result.ndim - 1)).broadcast_to(result.shape)


# How marks (0 or 1) pass a layer.
_Rule = Callable[[Tensor, Layer, Call], Any]


def _through_convolution(marked: Tensor, layer: Layer, call: Call) -> Tensor:
    groups = call.given(6, "groups", 1)
    any_channel = marked.unflatten(1, (groups, -1)).amax(2)
    ones = any_channel.new_ones((groups, 1, *call.given(1, "weight").shape[2:]))
    # Sums of ones: whatever the algorithm's rounding, below or above a half is certain.
    reached = (call.weighted(any_channel, ones, None) > 0.5).float()
    return reached.repeat_interleave(layer.n_channels // groups, 1)


def _through_linear(marked: Tensor, layer: Layer, call: Call) -> Tensor:
    return marked.amax(-1, keepdim=True).repeat_interleave(layer.n_channels, -1)


def _through_pooling(marked: Tensor, layer: Layer, call: Call) -> Any:
    return call.on(marked)


def _through_attention(first: Tensor, *others: Tensor) -> Tensor:
    """Marked: rows of queries (or of weights) that are, and all where a key or value is."""
    marked = first.isnan().any(-1, keepdim=True)
    for other in others:
        marked = marked | other.isnan().any((-2, -1), keepdim=True)
    shape = (*first.shape[:-1], others[-1].shape[-1])
    return torch.where(marked, torch.nan, 1.0).to(first.dtype).expand(shape).clone()


def _through_layer_norm(marked: Tensor, layer: Layer, call: Call) -> Tensor:
    axes = tuple(range(-len(call.given(1, "normalized_shape")), 0))
    return marked.amax(axes, keepdim=True).expand_as(marked)


def _through_group_norm(marked: Tensor, layer: Layer, call: Call) -> Tensor:
    groups = marked.unflatten(1, (call.given(1, "num_groups"), -1))
    any_value = groups.flatten(2).amax(2).reshape(*groups.shape[:2], *[1] * (groups.ndim - 2))
    return any_value.expand_as(groups).flatten(1, 2)


def _through_instance_norm(marked: Tensor, layer: Layer, call: Call) -> Tensor:
    if not call.given(5, "use_input_stats", True):
        return marked
    return marked.amax((2, 3), keepdim=True).expand_as(marked)


def _through_response_norm(marked: Tensor, layer: Layer, call: Call) -> Tensor:
    size = call.given(1, "size")
    shape = [0, 0] * (marked.ndim - 2) + [size // 2, (size - 1) // 2]
    return functional.pad(marked, shape).unfold(1, size, 1).amax(-1)


_RULES: dict[str, _Rule] = {
    **dict.fromkeys((*CONVOLUTIONS, *TRANSPOSED_CONVOLUTIONS), _through_convolution),
    **dict.fromkeys(POOLINGS, _through_pooling),
    "linear": _through_linear,
    "layer_norm": _through_layer_norm,
    "rms_norm": _through_layer_norm,
    "group_norm": _through_group_norm,
    "instance_norm": _through_instance_norm,
    "local_response_norm": _through_response_norm,
}
