"""VEBI as in the authors' demo: signals resampled to stride 1 in convolutions alone."""

from torch import Tensor

from vebi.heatmaps.feature_batch import FeatureBatch
from vebi.heatmaps.maps import map_of_signal

RESAMPLED = frozenset({"conv"})


def draw(batch: FeatureBatch) -> Tensor:
    """The maps (N, k, H, W) of signals by the stride-1 rule in convolutions."""
    return map_of_signal(batch.signals(RESAMPLED))
