"""Functions that numba compiles on their first call."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba import njit
from numba.core import event
from tqdm import tqdm

LINE = (
    "Compiling for this processor; this takes some seconds, once. (Where the package and the home folder "
    "are read-only, NUMBA_CACHE_DIR names a folder to keep the result in.)"
)


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """`function` compiled by numba, and kept for the next process where numba finds a place to.

    Its places are $NUMBA_CACHE_DIR, the package's own folder, and the user's cache folder. Where it can
    write to none of them (containers, modules of a cluster), each process compiles for itself.

    Args:
        options: further options of `numba.njit`.
    """
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(nogil=True, **options)(function)


@contextmanager
def announced() -> Iterator[None]:
    """Say so, in one line on standard error, if something is compiled meanwhile."""
    with event.install_listener("numba:compile", _Announcer()):
        yield


class _Announcer(event.Listener):
    """Prints at the first compilation that it hears of."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: event.Event) -> None:
        # Several threads may compile at once; a line said twice does no harm.
        if not self.said:
            self.said = True
            tqdm.write(LINE, file=sys.stderr)

    def on_end(self, event: event.Event) -> None:
        """Nothing to say."""
