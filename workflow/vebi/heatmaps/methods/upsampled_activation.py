"""The features' own activation maps: the baseline of VEBI 4.3."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vebi.heatmaps.feature_batch import FeatureBatch
from vebi.heatmaps.maps import scale_to_unit
from vebi.io.errors import VebiError
from vebi.network.passes import responses


def draw(batch: FeatureBatch) -> Tensor:
    """The activation maps resized to the image bilinearly, each scaled to [0, 1]: (N, k, H, W)."""
    images, features = batch.images, batch.features
    maps = images.new_zeros((*features.shape[:2], *images.shape[2:]))
    used = [layer for layer in batch.layers if (features[..., 0] == layer.index).any()]
    _, values = responses(batch.model, images, batch.layers, used)
    for layer, response in zip(used, values, strict=True):
        if not layer.spatial:
            raise VebiError(f"Layer '{layer.name}' has no maps that could be upsampled.")
        rows, slots = np.nonzero(features[..., 0] == layer.index)
        indices = np.stack([rows, slots, features[rows, slots, 1]])
        images_at, slots_at, channels = torch.from_numpy(indices).to(maps.device)
        chosen = response.movedim(layer.channel_axis, 1)[images_at, channels].to(maps.dtype)
        chosen = layer.layout.maps(chosen)
        size = (images.shape[2], images.shape[3])
        resized = functional.interpolate(chosen[:, None], size, mode="bilinear")[:, 0]
        maps[images_at, slots_at] = scale_to_unit(resized)
    return maps
