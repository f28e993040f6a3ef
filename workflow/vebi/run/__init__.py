"""A run of the workflow: its jobs, lock, checksums, code digests, checkpoints and manifest.

Only this package knows Snakemake.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
