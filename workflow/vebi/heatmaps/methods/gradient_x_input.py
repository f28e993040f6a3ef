"""Gradient of the class's score times the image (Shrikumar et al. 2016)."""

from torch import Tensor

from vebi.heatmaps.class_batch import ClassBatch


def signal(batch: ClassBatch) -> Tensor:
    """The gradient times the image's difference to the reference image: (N, C, H, W)."""
    return batch.gradient * batch.difference
