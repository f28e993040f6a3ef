"""Hostile input for every reader, one case after another; see `__main__`."""
