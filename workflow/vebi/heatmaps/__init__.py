"""Heatmaps of features (VEBI 3.2 and 3.3)."""

from vebi.heatmaps.methods import METHODS, Method, feature_maps, heatmaps, merge
from vebi.heatmaps.ranking import top_features
from vebi.heatmaps.stream import write_heatmaps

__all__ = [
    "METHODS",
    "Method",
    "feature_maps",
    "heatmaps",
    "merge",
    "top_features",
    "write_heatmaps",
]
