"""Removing features from a network (VEBI 4.1)."""

from vebi.ablation.ablate import ablate, class_weights, mean_class_accuracy

__all__ = ["ablate", "class_weights", "mean_class_accuracy"]
