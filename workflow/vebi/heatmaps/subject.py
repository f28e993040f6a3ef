"""A batch of images with all that features can be chosen from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.network.layers import Layer
from vebi.perturbation.resample import Sampling

# Features int64 (N, k, 2), layer index and channel, -1 for none, and their scores (N, k).
Chosen = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True)
class WeightedDescriptors:
    """What the mu-Lasso's features are ranked from.

    `layers`: those that the m columns of `descriptors` (N, m) belong to; `weights` (classes, m).
    """

    layers: Sequence[Layer]
    descriptors: NDArray[np.float32]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """A batch of N images with all that features can be chosen from.

    `images` float (N, C, H, W) as the network takes them; `layers` all of the network's; `predictions`
    int64 (N); `image_index` int64 (N), the images' places in their data set, which with `seed` is the
    key of any random draw. `weighted`: None where no features were selected before. `sampling`: how
    images are perturbed, for sources that do so. `memory`: what sources share.
    """

    model: nn.Module
    images: Tensor
    layers: Sequence[Layer]
    predictions: NDArray[np.int64]
    image_index: NDArray[np.int64]
    weighted: WeightedDescriptors | None = None
    seed: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    memory: dict[str, Any] = field(default_factory=dict)
