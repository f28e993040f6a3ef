"""The part of an image that a channel looks at, and images reduced to such parts."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.heatmaps.signals import feature_signals
from vebi.network.batches import map_batches, split_batches
from vebi.network.layers import Layer
from vebi.studies.perturbation.chosen_channels import Sets


def as_features(sets: dict[int, Sets], n_images: int, k: int) -> NDArray[np.int64]:
    """Sets of channels by layer index as int64 (N, layers x k, 2), -1 where a set is smaller than k."""
    features = np.full((n_images, len(sets) * k, 2), -1, np.int64)
    for position, (index, per_image) in enumerate(sets.items()):
        for n, channels in enumerate(per_image):
            slots = slice(position * k, position * k + len(channels))
            features[n, slots, 0], features[n, slots, 1] = index, channels
    return features


def boxes(nonzero: Tensor) -> Tensor:
    """The bounding box of each bool map (..., H, W), filled; nothing for an empty map."""
    inside = []
    for axis in (-1, -2):
        line = nonzero.any(axis).to(torch.int8)
        before, after = line.cummax(-1).values, line.flip(-1).cummax(-1).values.flip(-1)
        inside.append((before & after).bool())
    return inside[0][..., :, None] & inside[1][..., None, :]


def patches(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    features: NDArray[np.int64],
    batch_size: int = 16,
) -> NDArray[np.bool_]:
    """Union of the patches of each image's features: bool (N, H, W).

    A feature's patch is the bounding box of the pixels that its strongest position goes back to,
    through the guided ReLU of our heatmaps; the authors' deconvnet leaves out the condition on the ReLU's
    input. `images` float (N, C, H, W); `features` int64 (N, k, 2) as for heatmaps.
    """

    def unite(rows: NDArray[np.int64], some: Tensor) -> NDArray[np.bool_]:
        signals = feature_signals(model, some, layers, features[rows], peak_only=True)
        return boxes((signals != 0).any(2)).any(1).cpu().numpy()

    return np.concatenate(
        [union for _, union in map_batches(split_batches(images, batch_size), unite)]
    )


def reduce_images(
    images: NDArray[np.uint8], masks: NDArray[np.bool_], fill: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """uint8 images (N, H, W, C) with `fill` (H, W, C) wherever the masks (N, H, W) are not."""
    return np.where(masks[..., None], images, np.rint(fill).clip(0, 255).astype(np.uint8))
