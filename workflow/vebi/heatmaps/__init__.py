"""Heatmaps: of features (VEBI 3.2 and 3.3), and of the predicted class by other methods."""

from vebi.heatmaps.draw import Targets, choose_targets, feature_maps, heatmaps, merged_maps
from vebi.heatmaps.maps import merge
from vebi.heatmaps.ranking import top_features
from vebi.heatmaps.subject import Subject, WeightedDescriptors
from vebi.heatmaps.write import write_heatmaps

__all__ = [
    "Subject",
    "Targets",
    "WeightedDescriptors",
    "choose_targets",
    "feature_maps",
    "heatmaps",
    "merge",
    "merged_maps",
    "top_features",
    "write_heatmaps",
]
