"""A run of the workflow: its jobs, lock, checksums, code digests, checkpoints and manifest.

Only this package knows Snakemake.
"""
