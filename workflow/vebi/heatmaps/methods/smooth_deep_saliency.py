"""Smooth Deep Saliency (Herdt et al. 2024, arXiv 2404.02282): gradients without checkerboards."""

from typing import Any

from torch import Tensor

from vebi.heatmaps.class_batch import ClassBatch, class_gradient
from vebi.network.call import Call
from vebi.network.operations import window_of
from vebi.network.watching import OperationMode


def signal(batch: ClassBatch) -> Tensor:
    """As gradient x input but for the hook, so that the two show what the hook does: (N, C, H, W)."""
    smoothed = class_gradient(batch.model, batch.images, batch.classes_of, SmoothedMode())
    return smoothed * batch.difference


class SmoothedMode(OperationMode):
    """The backward hook of Smooth Deep Saliency.

    Below each convolution with stride S > 1 the gradient is replaced by its mean over all shifts by 0
    to S - 1 pixels down and right, cyclic at the border, as the authors' code does for S = 2. Other
    strides are our extension; poolings are left alone, as in their code.
    """

    def operation(self, position: int, call: Call) -> Any:
        window = window_of(call) if call.kind == "conv2d" else None
        if window is None or max(window.stride) == 1 or not call.source.requires_grad:
            return call.run()
        stride = window.stride
        # A view of its own: the hook sees what comes from this convolution and from no other branch.
        source = call.source.view_as(call.source)
        source.register_hook(lambda g: None if g is None else mean_over_shifts(g, stride))
        return call.on(source)


def mean_over_shifts(maps: Tensor, stride: tuple[int, int]) -> Tensor:
    """Mean of maps (..., H, W) shifted by 0 to stride - 1 pixels along both axes, cyclically."""
    for axis, n in zip((-2, -1), stride, strict=True):
        maps = sum(maps.roll(i, axis) for i in range(n)) / n  # type: ignore[assignment]
    return maps
