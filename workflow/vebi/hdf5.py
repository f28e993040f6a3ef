"""HDF5 files from anywhere: nothing outside the file is opened, nothing larger than it can hold is read.

A file may declare terabytes that it does not have, take its values from other files, or be a pipe
that never ends. All of that is refused before anything is allocated.
"""

from collections.abc import Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vebi import checksums
from vebi.errors import VebiError

CHUNK_LIMIT = 1 << 30
# gzip shrinks zeros a thousandfold; a file that promises more than that holds no such data.
PROMISE_FACTOR = 2000
PROMISE_FREE = 1 << 30
# Arrays that are read in one piece (labels, masks' indices, weights) are far smaller.
WHOLE_LIMIT = 2 << 30
MOST_SOFT_LINKS = 16
# What a file that is damaged or was made by somebody else's hand can raise anywhere in h5py.
BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError)


def open_hdf5(path: str | Path, what: str = "an HDF5 file") -> h5py.File:
    """Open a file for reading; raises VebiError where there is none or it is no HDF5."""
    path = Path(path)
    try:
        # Opening a pipe would wait for ever.
        if not path.is_file():
            reason, way_out = "it is no file" if path.exists() else "no such file", ""
        else:
            checksums.check(path)
            return h5py.File(path, "r")
    except (OSError, ValueError) as error:
        reason = first_line(error)
        way_out = " Delete it and make it again if it is damaged."
    raise VebiError(f"{path} can't be read as HDF5 ({reason}); expected {what}.{way_out}")


def get_array(file: h5py.File, name: str) -> h5py.Dataset:
    """The array `name` of an open file, whose values stand in this file and are no larger than it.

    Raises:
        VebiError: no such array; a link to another file; values in other files; a declared size that
            the file's bytes can't hold.
    """
    node = _follow(file, name)
    if not isinstance(node, h5py.Dataset):
        there = ", ".join(sorted(file)[:20]) or "nothing"
        what = "no array" if node is None else "no array but a group"
        raise VebiError(f"{file.filename}: {what} '{name}'; the file holds: {there}.")
    check_size(file.filename, name, node)
    return node


def read_array(file: h5py.File, name: str, shape: Sequence[int | str], kinds: str) -> np.ndarray:
    """One array, whole; `shape` has a letter where any size goes, `kinds` numpy's kinds that are allowed.

    Raises:
        VebiError: as `get_array`, or another shape or type, or more than 2 GiB.
    """
    data = get_array(file, name)
    check_form(file.filename, name, data, shape, kinds)
    if data.nbytes > WHOLE_LIMIT:
        raise VebiError(
            f"{file.filename}: {name} has {data.nbytes / 2**30:.3g} GiB, 2 are the limit."
        )
    try:
        return data[()]
    except (*BROKEN, MemoryError) as error:
        raise VebiError(f"{file.filename}: {name} can't be read ({first_line(error)}).") from error


def read_texts(file: h5py.File, name: str) -> tuple[str, ...]:
    """One array (n) of texts."""
    data = get_array(file, name)
    if data.ndim != 1 or h5py.check_string_dtype(data.dtype) is None:
        raise VebiError(
            f"{file.filename}: {name} must be a list of texts, not {data.dtype} of shape {data.shape}."
        )
    try:
        return tuple(str(text) for text in data.asstr("utf-8")[:])
    except UnicodeError as error:
        raise VebiError(f"{file.filename}: {name} has texts that are no UTF-8.") from error
    except (*BROKEN, MemoryError) as error:
        raise VebiError(f"{file.filename}: {name} can't be read ({first_line(error)}).") from error


def check_form(filename: str, name: str, data: Any, shape: Sequence[int | str], kinds: str) -> None:
    """Raise VebiError unless an array has the `shape` (a letter: any size) and one of numpy's `kinds`."""
    found = data.shape
    fits = found is not None and len(found) == len(shape)
    if not fits or any(
        want not in (have, str(want)) for want, have in zip(shape, found, strict=True)
    ):
        wanted = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise VebiError(f"{filename}: {name} has shape {found}; expected ({wanted}).")
    if data.dtype.kind not in kinds:
        names = {"b": "true or false", "i": "integers", "u": "integers", "f": "floats"}
        wanted = " or ".join(dict.fromkeys(names[kind] for kind in kinds))
        raise VebiError(f"{filename}: {name} holds {data.dtype}; expected {wanted}.")


def check_size(filename: str, name: str, data: h5py.Dataset) -> None:
    """Raise VebiError for an array that is elsewhere, or larger than what the file holds of it."""
    # Before the shape: asking for a virtual array's shape can open the files that it consists of.
    if data.is_virtual or data.external:
        raise VebiError(
            f"{filename}: {name} takes its values from another file; that is not followed."
        )
    if data.shape is None:
        return
    size = prod(data.shape) * data.dtype.itemsize
    held = data.id.get_storage_size()
    if size > PROMISE_FREE and size > PROMISE_FACTOR * held:
        raise VebiError(
            f"{filename}: {name} promises {size / 2**30:.3g} GiB, but the file holds {held:,} bytes "
            "of it."
        )
    if data.chunks and prod(data.chunks) * data.dtype.itemsize > CHUNK_LIMIT:
        raise VebiError(
            f"{filename}: {name} has chunks of more than 1 GiB, too large to read safely."
        )


def first_line(error: BaseException) -> str:
    """What an exception says, in one short line."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _follow(file: h5py.File, name: str) -> Any:
    """The object of a name, None if there is none; links are followed inside the file only."""
    group: Any = file
    steps, hops = [step for step in name.split("/") if step], 0
    # A damaged file fails in any of many ways; then the object can't be used.
    with suppress(*BROKEN):
        while steps:
            step = steps.pop(0).encode()
            # h5py's own look-up would resolve the link, and open the file that it leads to.
            kind = group.id.links.get_info(step).type
            if kind == h5py.h5l.TYPE_EXTERNAL:
                other = group.id.links.get_val(step)[0].decode("utf-8", "replace")
                raise VebiError(
                    f"{file.filename}: {name} is a link to another file ({other}); that is not "
                    "followed. Copy the array into this file."
                )
            if kind == h5py.h5l.TYPE_SOFT:
                hops += 1
                if hops > MOST_SOFT_LINKS:
                    return None
                target = group.id.links.get_val(step).decode()
                group = file if target.startswith("/") else group
                steps = [part for part in target.split("/") if part not in ("", ".")] + steps
            elif kind == h5py.h5l.TYPE_HARD:
                group = group[step]
            else:
                return None
        return group
    return None
