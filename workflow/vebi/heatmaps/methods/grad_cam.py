"""Grad-CAM (Selvaraju et al. 2017)."""

from torch import Tensor

from vebi.heatmaps.class_batch import ClassBatch


def signal(batch: ClassBatch) -> Tensor:
    """The class activation map at the size of the image: (N, 1, H, W)."""
    return batch.cam
