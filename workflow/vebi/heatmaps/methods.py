"""Heatmaps: from backward signals or activations to maps in [0, 1]."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.errors import VebiError
from vebi.heatmaps.signals import RULES, feature_signals
from vebi.network.layers import Layer
from vebi.network.passes import responses


def map_of_signal(signal: Tensor) -> Tensor:
    """Signals (..., C, H, W) as maps (..., H, W): positive part, L2 norm over the channels, min-max."""
    return scale_to_unit(torch.linalg.vector_norm(signal.clamp(min=0), dim=-3))


def scale_to_unit(maps: Tensor) -> Tensor:
    """Each map (..., H, W) shifted and scaled to [0, 1]; a constant map becomes zero."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    spread = high - low
    return torch.where(spread > 0, (maps - low) / spread, 0.0)


def merge(maps: Tensor) -> Tensor:
    """One map per image from the maps (N, k, H, W) of its features: their maximum at each pixel."""
    return maps.amax(1) if maps.shape[1] else maps.new_zeros(maps.shape[0], *maps.shape[2:])


@dataclass(frozen=True)
class Method:
    """A way to draw features as maps.

    `maps(model, images, layers, features)` returns float32 (N, k, H, W) in [0, 1]; `spatial_only`:
    only features that are maps themselves can be drawn.
    """

    maps: Callable[[nn.Module, Tensor, Sequence[Layer], np.ndarray], Tensor]
    spatial_only: bool = False


def _backward_method(rule: str) -> Method:
    def maps(
        model: nn.Module, images: Tensor, layers: Sequence[Layer], features: np.ndarray
    ) -> Tensor:
        return map_of_signal(feature_signals(model, images, layers, features, [rule])[rule])

    return Method(maps)


def upsampled_activation(
    model: nn.Module, images: Tensor, layers: Sequence[Layer], features: np.ndarray
) -> Tensor:
    """The features' activation maps, resized to the image bilinearly, each scaled to [0, 1]."""
    maps = images.new_zeros((*features.shape[:2], *images.shape[2:]))
    used = [layer for layer in layers if (features[..., 0] == layer.index).any()]
    _, values = responses(model, images, layers, used)
    for layer, response in zip(used, values, strict=True):
        if not layer.spatial:
            raise VebiError(f"Layer '{layer.name}' has no maps that could be upsampled.")
        rows, slots = np.nonzero(features[..., 0] == layer.index)
        channels = torch.from_numpy(features[rows, slots, 1])
        chosen = response.movedim(layer.channel_axis, 1)[torch.from_numpy(rows), channels]
        size = (images.shape[2], images.shape[3])
        resized = functional.interpolate(chosen[:, None], size, mode="bilinear")[:, 0]
        maps[torch.from_numpy(rows), torch.from_numpy(slots)] = scale_to_unit(resized)
    return maps


METHODS: dict[str, Method] = {
    "upsampled_activation": Method(upsampled_activation, spatial_only=True),
    **{rule: _backward_method(rule) for rule in RULES},
}


def feature_maps(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    features: np.ndarray,
    methods: Iterable[str],
) -> dict[str, Tensor]:
    """Map of every feature by every method: float32 (N, k, H, W) in [0, 1], zero where none.

    `features` int64 (N, k, 2), layer index and channel. Methods that go backward share one forward
    pass.
    """
    methods = list(methods)
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise VebiError(f"Unknown heatmap method '{unknown[0]}'; known: {', '.join(METHODS)}.")
    rules = [name for name in methods if name in RULES]
    signals = feature_signals(model, images, layers, features, rules) if rules else {}
    return {
        name: map_of_signal(signals[name])
        if name in signals
        else METHODS[name].maps(model, images, layers, features)
        for name in methods
    }


def heatmaps(
    model: nn.Module, images: Tensor, layers: Sequence[Layer], features: np.ndarray, method: str
) -> np.ndarray:
    """One merged heatmap per image: float32 (N, H, W) in [0, 1]. Arguments as in `feature_maps`."""
    maps = feature_maps(model, images, layers, features, [method])[method]
    return merge(maps).cpu().numpy()
