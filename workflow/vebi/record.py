"""What makes a class one of records."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose fields are given by name: all that is known of one thing.

    A field counts for the digest of a script (`vebi.run.code_digest`) only if the script reaches code
    that reads an attribute of that name, so that a new colour or caption reruns nothing that does not
    show it. So: no `asdict` or `getattr` on records.
    """
    return dataclass(frozen=True, kw_only=True)(cls)


def paragraph(text: str) -> str:
    """A text that is written over several lines as one line, with single spaces."""
    return " ".join(text.split())
