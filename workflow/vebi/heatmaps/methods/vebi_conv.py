"""VEBI as in the authors' demo: the stride-1 rule in convolutions alone."""

from torch import Tensor

from vebi.heatmaps.feature_batch import FeatureBatch
from vebi.heatmaps.maps import map_of_signal

STRIDE1 = frozenset({"conv"})


def draw(batch: FeatureBatch) -> Tensor:
    """The maps (N, k, H, W) of signals by the stride-1 rule in convolutions."""
    return map_of_signal(batch.signals(STRIDE1))
