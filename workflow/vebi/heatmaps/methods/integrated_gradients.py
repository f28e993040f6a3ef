"""Integrated gradients (Sundararajan et al. 2017)."""

import numpy as np
import torch
from torch import Tensor

from vebi.heatmaps.class_batch import ClassBatch, class_gradient


def signal(batch: ClassBatch) -> Tensor:
    """Eq. 1 from the reference image on, by Gauss and Legendre's rule: (N, C, H, W)."""
    nodes, weights = np.polynomial.legendre.leggauss(batch.ig_steps)
    # Those of the images, not of the points on the way to them.
    classes = batch.classes
    total = torch.zeros_like(batch.images)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        point = batch.images - (1 - float(node)) * batch.difference
        total += float(weight) * class_gradient(batch.model, point, lambda _: classes)
    return total * batch.difference
