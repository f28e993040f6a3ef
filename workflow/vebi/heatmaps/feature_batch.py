"""What the methods that explain features share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.heatmaps.signals import SignalGraph
from vebi.network.layers import Layer


@dataclass
class FeatureBatch:
    """Images with the features to draw in each; the signals of all methods share one forward pass.

    `images` float (N, C, H, W); `layers` all of the network's; `features` int64 (N, k, 2), layer index
    and channel, -1 for none. As a context it lets go of the pass's graph at the end.
    """

    model: nn.Module
    images: Tensor
    layers: Sequence[Layer]
    features: NDArray[np.int64]

    @cached_property
    def _graph(self) -> SignalGraph:
        return SignalGraph(self.model, self.images, self.layers, self.features)

    def signals(self, stride1: frozenset[str]) -> Tensor:
        """Signals (N, k, C, H, W) at the pixels, by the stride-1 rule in these kinds of operations."""
        return self._graph.signals(stride1)

    def __enter__(self) -> "FeatureBatch":
        return self

    def __exit__(self, *_: object) -> None:
        if graph := self.__dict__.pop("_graph", None):
            graph.__exit__()
