"""The studies: what each measures, its tables and its figures, a record and a folder each."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
