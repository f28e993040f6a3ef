"""Functions of the package that a record names as text, so that reading the record imports nothing."""

import importlib
import re
from collections.abc import Callable
from typing import Any

from vebi.io.errors import VebiError

_FORM = re.compile(r"vebi(\.\w+)+:\w+")


def resolve(name: str) -> Callable[..., Any]:
    """The function `vebi.module:function`.

    Raises:
        VebiError: another form; only code of this package is named so.
    """
    if not _FORM.fullmatch(name):
        raise VebiError(
            f"'{name}' does not name a function of vebi; expected vebi.module:function."
        )
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
