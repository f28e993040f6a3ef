"""Where a data set's folder of images is, and which paths lie in it."""

import os
import posixpath
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vebi.io.errors import VebiError


def find_root(path: str) -> Path:
    """The folder `path`: as it stands if absolute, else below $VEBI_DATA or the working directory.

    Raises VebiError with the places that were looked at.
    """
    places = candidate_roots(path)
    for place in places:
        if is_folder(place):
            return place
    raise VebiError(
        f"The image folder '{path}' is not there; looked at: {', '.join(map(str, places))}. Three "
        "remedies: (1) set VEBI_DATA to the folder that it lies in; (2) give the data set's key `path` "
        "another folder, relative or absolute; (3) take its experiments out of the configuration, or "
        "give the data set `if_missing: leave_out`."
    )


def no_source(
    what: str, reasons: Sequence[str], why: str, remedies: Sequence[str], otherwise: str
) -> VebiError:
    """The error of files that are nowhere.

    Args:
        what: which files, as the beginning of a sentence: "MNIST's x is".
        reasons: why each place did not do.
        why: what stopped a download, as the end of that sentence.
        remedies: what the user can do.
        otherwise: a sentence on what does without the files.
    """
    numbered = "; ".join(f"({i}) {remedy}" for i, remedy in enumerate(remedies, start=1))
    return VebiError(
        f"{what} on no disk that was looked at{why} ({'; '.join(reasons)}). Remedies: {numbered}. "
        f"{otherwise}"
    )


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; False, too, where looking is not allowed."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether there is such a file; False, too, where looking is not allowed, or the name too long."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def candidate_roots(path: str) -> list[Path]:
    """Where a data set's folder is looked for, in this order."""
    given = Path(path)
    # A '~' of nobody on this machine stands for itself.
    with suppress(RuntimeError):
        given = given.expanduser()
    if given.is_absolute():
        return [given]
    data = os.environ.get("VEBI_DATA")
    return [*([Path(data) / given] if data else []), Path.cwd() / given]


def check_inside(file: str, where: str) -> str:
    """The path in its shortest form; VebiError if it would leave the root folder.

    Links inside the folder may lead anywhere: whoever made them owns the folder.
    """
    if not file or "\0" in file or posixpath.isabs(file) or ".." in file.split("/"):
        raise VebiError(
            f"{where}: '{file}' is not a path below the data set's folder. Paths must be relative to it, "
            "without '..'."
        )
    short = posixpath.normpath(file)
    if short == ".":
        raise VebiError(f"{where}: '{file}' names the data set's folder, not a file in it.")
    return short
