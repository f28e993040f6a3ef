"""Layer-wise relevance propagation (Bach et al. 2015), composite "epsilon plus flat"."""

from torch import Tensor

from vebi.heatmaps.class_batch import ClassBatch
from vebi.heatmaps.relevance import class_relevance


def signal(batch: ClassBatch) -> Tensor:
    """Relevance of every input value for the score of the image's class: (N, C, H, W)."""
    return class_relevance(batch.model, batch.images, batch.classes_of)
