"""VEBI (3.3, Eqs. 2 and 3): the stride-1 rule in convolutions and in poolings."""

from torch import Tensor

from vebi.heatmaps.feature_batch import FeatureBatch
from vebi.heatmaps.maps import map_of_signal

STRIDE1 = frozenset({"conv", "pool"})


def draw(batch: FeatureBatch) -> Tensor:
    """The maps (N, k, H, W) of signals by the stride-1 rule."""
    return map_of_signal(batch.signals(STRIDE1))
