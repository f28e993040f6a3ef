"""A module that is imported when it is first used."""

import importlib
from typing import Any


class Late:
    """Stands for a module and imports it when one of its names is first asked for.

    For a module of the package that is imported to know what there is, long before anything of it runs:
    every job reads the configuration, and numpy and torch take longer to import than all else.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module(self._module), name)
        setattr(self, name, value)
        return value
