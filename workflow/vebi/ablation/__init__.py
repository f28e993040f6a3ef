"""Removing features from a network (VEBI 4.1)."""

from vebi.ablation.ablate import ablate, ablated_accuracy, mean_class_accuracy

__all__ = ["ablate", "ablated_accuracy", "mean_class_accuracy"]
