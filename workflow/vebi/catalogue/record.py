"""Records: all that is known of one thing, as plain data in one place."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, dataclass_transform

from vebi.io.errors import VebiError

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose fields are given by name.

    A field counts for the digest of a script (`vebi.run.code_digest`) only if the script reaches code
    that reads an attribute of that name, so that a new colour reruns the figures and nothing else.
    Hence: no `asdict` or `getattr` on records.
    """
    return dataclass(frozen=True, kw_only=True)(cls)


class Named(Protocol):
    """What can stand in a catalogue."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


def by_name(records: Iterable[N]) -> dict[str, N]:
    """Records under their names, in the given order; the same name twice raises ValueError."""
    found: dict[str, N] = {}
    for one in records:
        if one.name in found:
            raise ValueError(f"'{one.name}' stands in the catalogue twice.")
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
