"""Which layers a descriptor measures: all of a network's layers to some of them, in their order."""

from collections.abc import Sequence

from vebi.catalogue.descriptors import Descriptor
from vebi.catalogue.record import resolve
from vebi.network.layers import Layer
from vebi.network.operations import WEIGHTED


def measured_layers(descriptor: Descriptor, layers: Sequence[Layer]) -> list[Layer]:
    """Those of a network's layers that a descriptor measures."""
    chosen: list[Layer] = resolve(descriptor.layers)(layers)
    return chosen


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
