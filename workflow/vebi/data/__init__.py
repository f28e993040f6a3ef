"""Data sets: where the images come from, and the one file format that the later stages read.

`vebi.data.Flowers` is the rendered benchmark for anyone's own code.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
