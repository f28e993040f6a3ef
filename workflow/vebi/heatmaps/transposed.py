"""Convolutions backward to their input, fast: strided, by the stride-1 rule, from one filter.

Going back through a convolution places, for each output position, the kernel times the signal. Where
positions stand `spacing` apart, input pixels fall into spacing x spacing phases, each of which sees
only every spacing-th kernel element. So the strided transposed convolution equals one dense
convolution with a channel per phase, whose phases are then interleaved. The stride-1 rule repeats
each value over a run of positions: the same with the kernel summed over the run (a box filter). The
resized array, spacing x spacing times as large, is never built.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vebi.heatmaps.stride1 import nearest_index
from vebi.network.operations import Window


@dataclass(frozen=True)
class Segment:
    """Neighbouring output positions along one axis that repeat regularly.

    `count` values from number `first` on; the first one's kernel stands at `start` of the padded
    input, the others' each `spacing` further; each is repeated over `run` positions.
    """

    first: int
    count: int
    start: int
    spacing: int
    run: int


def strided_segments(n: int, stride: int) -> list[Segment]:
    """The positions of a convolution with `stride` and n outputs."""
    return [Segment(0, n, 0, stride, 1)]


def stride1_segments(n: int, size: int) -> list[Segment]:
    """The positions of n values resized to `size` by nearest neighbour, by runs of equal length."""
    starts = torch.searchsorted(nearest_index(size, n), torch.arange(n + 1)).tolist()
    segments: list[Segment] = []
    for first in range(n):
        run = starts[first + 1] - starts[first]
        if segments and segments[-1].run == run:
            last = segments.pop()
            segments.append(Segment(last.first, last.count + 1, last.start, run, run))
        else:
            segments.append(Segment(first, 1, starts[first], run, run))
    return segments


def segments_of(
    window: Window, outputs: tuple[int, int], size: tuple[int, int], stride1: bool
) -> tuple[list[Segment], list[Segment]]:
    """Segments along both axes for a convolution with `outputs` and input of `size`."""
    if stride1:
        dense = window.dense_size(size)
        return stride1_segments(outputs[0], dense[0]), stride1_segments(outputs[1], dense[1])
    return (
        strided_segments(outputs[0], window.stride[0]),
        strided_segments(outputs[1], window.stride[1]),
    )


Cache = dict[tuple[int, int, int, int], Tensor]
# The signal at the input from the output positions of two segments, in y and in x.
Piece = Callable[[Tensor, Segment, Segment], Tensor]


def transposed_convolution(
    signal: Tensor,
    weight: Tensor,
    window: Window,
    size: tuple[int, int],
    groups: int = 1,
    *,
    stride1: bool = False,
    cache: Cache | None = None,
) -> Tensor:
    """The signal at a convolution's input.

    Args:
        signal: at its output, (N, O, h, w).
        weight: (O, C / groups, M, M').
        window: of the convolution.
        size: height and width of its input.
        groups: of its channels.
        stride1: by the stride-1 rule instead of the gradient.
        cache: keeps the kernels' rearrangements from one call to the next.

    Returns:
        (N, C, *size).
    """
    cache = {} if cache is None else cache

    def piece(part: Tensor, y: Segment, x: Segment) -> Tensor:
        key = (y.spacing, x.spacing, y.run, x.run)
        if key not in cache:
            cache[key] = _phase_kernels(_boxed(_undilated(weight, window), y, x), y, x, groups)
        kernels = cache[key]
        padding = (kernels.shape[2] - 1, kernels.shape[3] - 1)
        return _interleaved(functional.conv2d(part, kernels, None, 1, padding, 1, groups), y, x)

    channels = weight.shape[1] * groups
    return _assemble(piece, signal, channels, window, size, stride1=stride1)


def transposed_filters(
    signal: Tensor,
    weight: Tensor,
    window: Window,
    size: tuple[int, int],
    *,
    stride1: bool = False,
) -> Tensor:
    """The signals at a convolution's input from one filter per row.

    A matrix product per row with the map's patches: a small part of the whole convolution's work.

    Args:
        signal: the filters' maps (R, 1, h, w).
        weight: the filters (R, C, M, M').
        window: of the convolution.
        size: height and width of its input.
        stride1: by the stride-1 rule instead of the gradient.

    Returns:
        (R, C, *size).
    """

    n, channels = weight.shape[:2]
    cache: Cache = {}

    def piece(part: Tensor, y: Segment, x: Segment) -> Tensor:
        key = (y.spacing, x.spacing, y.run, x.run)
        if key not in cache:
            filters = _boxed(_undilated(weight, window), y, x).flatten(0, 1)[:, None]
            cache[key] = _phase_kernels(filters, y, x, n * channels)
        kernels = cache[key]
        taps = (kernels.shape[2], kernels.shape[3])
        patches = functional.unfold(part, taps, padding=(taps[0] - 1, taps[1] - 1))
        phases = torch.bmm(kernels.reshape(n, -1, taps[0] * taps[1]), patches)
        places = [part.shape[i + 2] + taps[i] - 1 for i in (0, 1)]
        return _interleaved(phases.reshape(n, -1, *places), y, x)

    return _assemble(piece, signal, channels, window, size, stride1=stride1)


def _assemble(
    piece: Piece,
    signal: Tensor,
    channels: int,
    window: Window,
    size: tuple[int, int],
    *,
    stride1: bool,
) -> Tensor:
    """Add up the pieces' signals on the padded input and crop the padding."""
    outputs = (signal.shape[2], signal.shape[3])
    pieces = list(_pieces(segments_of(window, outputs, size, stride1)))
    (top, bottom), (left, right) = window.padding
    padded = (size[0] + top + bottom, size[1] + left + right)
    if len(pieces) == 1:
        whole = piece(signal, *pieces[0])
        missing = [max(0, padded[i] - whole.shape[i + 2]) for i in (0, 1)]
        if any(missing):
            whole = functional.pad(whole, (0, missing[1], 0, missing[0]))
    else:
        whole = signal.new_zeros((len(signal), channels, *padded))
        for y, x in pieces:
            rows = slice(y.first, y.first + y.count)
            columns = slice(x.first, x.first + x.count)
            part = piece(signal[:, :, rows, columns], y, x)
            place = whole[:, :, y.start :, x.start :][:, :, : part.shape[2], : part.shape[3]]
            # Phases that belong to no kernel element may reach over the end; they are zero.
            place += part[:, :, : place.shape[2], : place.shape[3]]
    return whole[:, :, top : top + size[0], left : left + size[1]]


def _pieces(segments: tuple[list[Segment], list[Segment]]) -> Iterator[tuple[Segment, Segment]]:
    return ((y, x) for y in segments[0] for x in segments[1])


def _undilated(weight: Tensor, window: Window) -> Tensor:
    """The kernel with the zeros between its elements written out."""
    if window.dilation == (1, 1):
        return weight
    spans = [window.dilation[i] * (window.kernel[i] - 1) + 1 for i in (0, 1)]
    spread = weight.new_zeros((*weight.shape[:2], *spans))
    spread[:, :, :: window.dilation[0], :: window.dilation[1]] = weight
    return spread


def _boxed(weight: Tensor, y: Segment, x: Segment) -> Tensor:
    """The kernel summed over run x run placements."""
    if y.run == x.run == 1:
        return weight
    shape = (*weight.shape[:2], weight.shape[2] + y.run - 1, weight.shape[3] + x.run - 1)
    boxed = weight.new_zeros(shape)
    for i in range(y.run):
        for j in range(x.run):
            boxed[:, :, i : i + weight.shape[2], j : j + weight.shape[3]] += weight
    return boxed


def _phase_kernels(weight: Tensor, y: Segment, x: Segment, groups: int) -> Tensor:
    """Kernels (O, C / groups, M, M') as those of the dense convolution, (C * phases, O / groups, ...)."""
    outputs, channels, height, width = weight.shape
    taps = -(-height // y.spacing), -(-width // x.spacing)
    weight = functional.pad(
        weight, (0, taps[1] * x.spacing - width, 0, taps[0] * y.spacing - height)
    )
    split = weight.reshape(
        groups, outputs // groups, channels, taps[0], y.spacing, taps[1], x.spacing
    )
    # A convolution runs over the kernel backwards when seen from the input.
    kernels = split.permute(0, 2, 4, 6, 1, 3, 5).flip(5, 6)
    return kernels.reshape(-1, outputs // groups, *taps)


def _interleaved(phases: Tensor, y: Segment, x: Segment) -> Tensor:
    """(N, C * phases, h, w) to (N, C, h * spacing, w * spacing)."""
    if y.spacing == x.spacing:
        return functional.pixel_shuffle(phases, y.spacing) if y.spacing > 1 else phases
    n, _, height, width = phases.shape
    split = phases.reshape(n, -1, y.spacing, x.spacing, height, width)
    return split.permute(0, 1, 4, 2, 5, 3).reshape(n, -1, height * y.spacing, width * x.spacing)
