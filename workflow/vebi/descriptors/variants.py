"""The descriptors of VEBI's text, of its authors' code, and of the two McGill reproductions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vebi.network.layers import Layer
from vebi.network.operations import WEIGHTED


def l2(responses: Tensor) -> Tensor:
    """L2 norm of each channel: (N, C, ...) to (N, C); the absolute value of a single number."""
    return torch.linalg.vector_norm(responses.reshape(*responses.shape[:2], -1), dim=2)


def squared_l2(responses: Tensor) -> Tensor:
    """Sum of squares of each channel: (N, C, ...) to (N, C)."""
    return l2(responses).square()


def spectral(responses: Tensor) -> Tensor:
    """Largest singular value of each map (N, C, H, W), which MATLAB's `norm` of a matrix gives."""
    if responses[0, 0].numel() == 1:
        return l2(responses)
    return torch.linalg.matrix_norm(responses, ord=2)


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "l2": l2,
    "squared_l2": squared_l2,
    "spectral": spectral,
}


def all_layers(layers: Sequence[Layer]) -> list[Layer]:
    return list(layers)


def convolutions_and_relus(layers: Sequence[Layer]) -> list[Layer]:
    return [layer for layer in layers if layer.type in ("conv", "relu")]


def relus_after_convolutions(layers: Sequence[Layer]) -> list[Layer]:
    """ReLUs whose last weighted layer before is a convolution."""
    chosen, weighted = [], ""
    for layer in layers:
        if layer.kind in WEIGHTED:
            weighted = layer.type
        if layer.type == "relu" and weighted == "conv":
            chosen.append(layer)
    return chosen


@dataclass(frozen=True)
class Variant:
    """A descriptor: `statistic` of every channel of the layers that `choose` keeps."""

    statistic: str
    choose: Callable[[Sequence[Layer]], list[Layer]]


VARIANTS: dict[str, Variant] = {
    "vebi_text": Variant("l2", all_layers),
    "vebi_code": Variant("squared_l2", all_layers),
    "mcgill_matconvnet": Variant("spectral", convolutions_and_relus),
    "mcgill_keras": Variant("l2", relus_after_convolutions),
}
