"""Data sets and trained networks: what the other studies stand on."""
