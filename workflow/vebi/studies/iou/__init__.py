"""Overlap of heatmaps and masks (VEBI 4.3)."""
