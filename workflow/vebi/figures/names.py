"""What figures and the report call data sets and networks: `shown_as` of the configuration.

Tables, files and folders have their names in the configuration, by which they are found. People read
others, which hold for what is drawn or written inside `named`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_SHOWN: ContextVar[Mapping[str, str]] = ContextVar("shown_as", default=MappingProxyType({}))


@contextmanager
def named(shown_as: Mapping[str, str]) -> Iterator[None]:
    """Call data sets and networks so until the end of the block.

    Args:
        shown_as: by their names in the configuration; others keep those.
    """
    token = _SHOWN.set(shown_as)
    try:
        yield
    finally:
        _SHOWN.reset(token)


def name_of(name: str) -> str:
    """What people read for the name of a data set or a network."""
    return _SHOWN.get().get(name, name)


def title_of(first: str, second: str, between: str = "\n") -> str:
    """What people read for a data set and a network, on two lines or with `between`."""
    return f"{name_of(first)}{between}{name_of(second)}"


def short_title(dataset: str, model: str, experiments: Iterable[tuple[str, str]]) -> str:
    """What people read for one of several experiments: the network where the data set has more."""
    networks = {other for data, other in experiments if data == dataset}
    return title_of(dataset, model, ", ") if len(networks) > 1 else name_of(dataset)


def say_names(text: str) -> str:
    """A text of tables, such as a claim's, with what people read for each name in it.

    A name is a whole word: `keras-8` is not in `keras-80`, nor in `results/keras-8/`.
    """
    shown = _SHOWN.get()
    if not shown:
        return text
    # The longest first: of two that begin alike it is the one that is meant.
    names = "|".join(re.escape(name) for name in sorted(shown, key=len, reverse=True))
    return re.sub(rf"(?<![\w/.-])(?:{names})(?![\w/-]|\.\w)", lambda m: shown[m[0]], text)
