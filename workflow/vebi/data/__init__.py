"""Data sets: where the images come from, and the one file format that the later stages read."""
