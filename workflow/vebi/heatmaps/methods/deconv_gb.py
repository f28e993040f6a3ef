"""Guided backpropagation of features, in the authors' words a deconvnet with guided backpropagation.

Springenberg et al. (2015); the peer that the paper compares itself with.
"""

from torch import Tensor

from vebi.heatmaps.feature_batch import FeatureBatch
from vebi.heatmaps.maps import map_of_signal
from vebi.heatmaps.signals import PLAIN


def draw(batch: FeatureBatch) -> Tensor:
    """The maps (N, k, H, W) of signals that follow the operations' gradients."""
    return map_of_signal(batch.signals(PLAIN))
