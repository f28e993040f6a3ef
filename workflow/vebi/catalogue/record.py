"""Catalogues of records by name, and the functions that records name as text."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from vebi.io.errors import VebiError


class Named(Protocol):
    """What can be in a catalogue."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


def by_name(records: Iterable[N]) -> dict[str, N]:
    """Records under their names, in the given order; the same name twice raises ValueError."""
    found: dict[str, N] = {}
    for one in records:
        if one.name in found:
            raise ValueError(f"'{one.name}' is in the catalogue twice.")
        found[one.name] = one
    return found


def look_up(kind: str, name: str, known: Mapping[str, N]) -> N:
    """The record of a name; VebiError for an unknown one. `kind`: what the records are."""
    if name not in known:
        close = [one for one in known if one.startswith(f"{name}_")]
        close = close or difflib.get_close_matches(name, known, 1)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise VebiError(f"Unknown {kind} '{name}'; known: {', '.join(known)}.{hint}")
    return known[name]


def resolve(text: str) -> Any:
    """What a record names as text: `vebi.module:name`.

    Raises:
        VebiError: the text is of another form, or names nothing of this package.
    """
    module, _, name = text.partition(":")
    if not module.startswith("vebi.") or not name.isidentifier():
        raise VebiError(f"'{text}' is not of the form vebi.module:name.")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise VebiError(f"'{text}' names nothing: {error}.") from error
