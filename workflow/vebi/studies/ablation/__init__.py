"""Removing features from a network (VEBI 4.1)."""
