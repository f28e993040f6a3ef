"""Files: atomic writes, HDF5, MATLAB, tables, and the one exception that is meant for people."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
