"""Guided backpropagation of the class's score (Springenberg et al. 2015)."""

from torch import Tensor

from vebi.heatmaps.class_batch import ClassBatch


def signal(batch: ClassBatch) -> Tensor:
    """What comes back through ReLUs that let only positive signals through: (N, C, H, W)."""
    return batch.guided
