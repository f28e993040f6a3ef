"""Modules that are imported when they are first used."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def late_names(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package that offers names of its modules without importing them.

    Every job and .smk file imports packages for one of their modules; numpy and torch, which others
    need, take longer to import than all else.

    Args:
        package: its `__name__`.
        names: by module of the package, what it offers. None may be called as a module is, which an
            import would put in its place.
    """
    modules = {name: module for module, offered in names.items() for name in offered}

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get


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
