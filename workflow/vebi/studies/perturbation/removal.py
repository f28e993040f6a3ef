"""Class scores of images each of which loses channels of its own."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vebi.network.call import Call
from vebi.network.layers import Layer
from vebi.network.operations import returns_indices
from vebi.network.passes import LayerPass, fast_layout, responses
from vebi.network.running import evaluating, run

# Layer index to bool (N, channels): which channels of which image are set to zero.
Removal = Mapping[int, Tensor]


class _MaskedPass(LayerPass):
    """A forward pass that zeroes each image's channels, taking over the responses before the first."""

    def __init__(
        self, layers: Sequence[Layer], removal: Removal, whole: Mapping[int, Tensor]
    ) -> None:
        super().__init__(layers)
        self._removal, self._whole = removal, whole
        self._first = min(removal, default=math.inf)

    def compute(self, layer: Layer, call: Call) -> Any:
        # An operation that writes into its input, or returns indices as well, must run.
        if layer.index > self._first or layer.inplace or returns_indices(call):
            return call.run()
        kept = layer.layout.together(self._whole[layer.index])
        return kept.clone() if layer.overwritten else kept

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        removed = self._removal.get(layer.index)
        if removed is None:
            return response
        shape = [1] * response.ndim
        shape[0], shape[layer.channel_axis] = removed.shape
        mask = removed.reshape(shape)
        # What is written in place changes for everyone who holds it; the others' responses are shared.
        return response.masked_fill_(mask, 0) if layer.inplace else response.masked_fill(mask, 0)


def scores_without(
    model: nn.Module, images: Tensor, layers: Sequence[Layer], removals: Sequence[Removal]
) -> tuple[Tensor, Tensor]:
    """Class scores of the whole network (N, classes) and without channels (conditions, N, classes).

    `images` float (N, C, H, W); `layers` all of `list_layers`. Every image of a condition may lose other
    channels; all images go through the network together, from the first layer that loses any.
    """
    images = fast_layout(images)
    logits, values = responses(model, images, layers)
    whole = {layer.index: value for layer, value in zip(layers, values, strict=True)}
    scores = []
    with evaluating(model):
        for removal in removals:
            masked = _MaskedPass(layers, removal, whole)
            scores.append(run(model, images, masked) if removal else logits)
    return logits, torch.stack(scores) if scores else logits.new_zeros(0, *logits.shape)
