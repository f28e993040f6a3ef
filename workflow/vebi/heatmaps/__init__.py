"""Heatmaps: of features (VEBI 3.2 and 3.3), and of the predicted class by other methods."""

from vebi.heatmaps.methods import (
    METHODS,
    Method,
    Targets,
    choose_targets,
    feature_maps,
    heatmaps,
    merge,
    merged_maps,
)
from vebi.heatmaps.ranking import top_features
from vebi.heatmaps.subject import FEATURE_SOURCES, Subject
from vebi.heatmaps.write import write_heatmaps

__all__ = [
    "FEATURE_SOURCES",
    "METHODS",
    "Method",
    "Subject",
    "Targets",
    "choose_targets",
    "feature_maps",
    "heatmaps",
    "merge",
    "merged_maps",
    "top_features",
    "write_heatmaps",
]
