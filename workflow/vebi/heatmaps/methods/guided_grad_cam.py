"""Guided Grad-CAM (Selvaraju et al. 2017, 3.2)."""

from torch import Tensor

from vebi.heatmaps.class_batch import ClassBatch


def signal(batch: ClassBatch) -> Tensor:
    """Guided backpropagation times the class activation map: (N, C, H, W)."""
    return batch.guided * batch.cam
