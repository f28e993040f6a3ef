"""Relevant features per class: the mu-Lasso of VEBI 3.1 (Eq. 1), its whole path, its certificates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
