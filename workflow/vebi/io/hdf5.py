"""HDF5 files: read safely wherever they come from, written whole or not at all.

Reading: a file may declare terabytes that it does not have, take its values from other files, or be a
pipe that never ends. All of that is refused before anything is allocated.

Writing: HDF5 does not survive a write that fails: some errors of h5py are lost on the way, others end
the process when the file is closed (HDF5 2.0 and h5py 3.16). So it never sees one. It writes to a file
object that keeps what the disk refuses, and the error is raised when HDF5 is done.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.io.arrays import AnyArray
from vebi.io.errors import VebiError
from vebi.io.files import FULL, atomic_path

FORMAT = ("v108", "v108")
CHUNK_LIMIT = 1 << 30
# gzip shrinks zeros a thousandfold; a file that promises more than that holds no such data.
PROMISE_FACTOR = 2000
PROMISE_FREE = 1 << 30
# Arrays that are read in one piece (labels, masks' indices, weights) are far smaller.
WHOLE_LIMIT = 2 << 30
MOST_SOFT_LINKS = 16
# What a full disk refuses is kept in memory up to here: the rest of one file, seldom more than this.
KEPT_BYTES = 1 << 28
# What a file that is damaged or was made by somebody else's hand can raise anywhere in h5py.
BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError)


class _ReadFile(h5py.File):
    """A file that is read in a `with` block: what h5py raises there becomes a VebiError.

    A damaged file opens, and then fails wherever it is looked into, in any of many ways.
    """

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        filename = self.filename if self.id.valid else "the file"
        with suppress(*BROKEN):
            super().__exit__(kind, error, trace)
        if isinstance(error, (*BROKEN, MemoryError)) and _is_of_h5py(error):
            raise unreadable(filename, error) from error


def open_hdf5(path: str | Path, what: str = "an HDF5 file", **options: Any) -> h5py.File:
    """Open a file for reading, in a `with` block in which every error of h5py becomes a VebiError.

    Args:
        path: the file.
        what: what it should be, for messages.
        options: h5py's.

    Raises:
        VebiError: there is no such file, or it is not HDF5.
    """
    path = Path(path)
    try:
        # Opening a pipe would wait for ever.
        if path.is_file():
            return _ReadFile(path, "r", **options)
    except (OSError, ValueError) as error:
        raise unreadable(path, error, what) from error
    reason = "it is not a file" if path.exists() else "no such file"
    raise VebiError(f"{path} can't be read as HDF5 ({reason}); expected {what}.")


def unreadable(where: str | Path, error: BaseException, what: str = "an HDF5 file") -> VebiError:
    """What to say of a file that h5py can't read, and what to do about it."""
    text = first_line(error)
    if isinstance(error, MemoryError):
        remedy = "It needs more memory than there is."
    elif "unable to lock file" in text:
        remedy = "Another program has it open for writing: wait until that is done."
    elif re.search("filter.*(regist|available)|/plugin", text):
        remedy = (
            "Its values are packed by a filter that this h5py does not have: store them with gzip, or "
            "install the filter (often: pip install hdf5plugin)."
        )
    else:
        remedy = "Delete it and make it again if it is damaged."
    return VebiError(f"{where} can't be read as HDF5 ({text}); expected {what}. {remedy}")


def _is_of_h5py(error: BaseException) -> bool:
    """Whether an exception was raised in h5py, or in what it called."""
    if isinstance(error, OSError) and error.errno in FULL:
        return False
    trace = error.__traceback__
    while trace is not None:
        if "h5py" in Path(trace.tb_frame.f_code.co_filename).parts:
            return True
        trace = trace.tb_next
    return False


def get_array(file: h5py.File, name: str) -> h5py.Dataset:
    """The array `name` of an open file, whose values are in this file and are no larger than it.

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


def read_array(file: h5py.File, name: str, shape: Sequence[int | str], kinds: str) -> AnyArray:
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
        raise unreadable(f"{file.filename}: {name}", error) from error


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
        raise VebiError(f"{file.filename}: {name} has texts that are not UTF-8.") from error
    except (*BROKEN, MemoryError) as error:
        raise unreadable(f"{file.filename}: {name}", error) from error


def read_text_attribute(file: h5py.File, name: str) -> tuple[str, ...]:
    """An attribute that is a list of texts; empty where there is none.

    Raises:
        VebiError: something else.
    """
    try:
        values = np.asarray(file.attrs.get(name, ()), dtype=object)
    except (*BROKEN, MemoryError) as error:
        raise unreadable(f"{file.filename}: {name}", error) from error
    if values.ndim != 1 or not all(isinstance(value, str) for value in values):
        raise VebiError(f"{file.filename}: {name} must be a list of texts.")
    return tuple(map(str, values))


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


def read_rows_at(array: h5py.Dataset, rows: NDArray[np.integer]) -> AnyArray:
    """Rows of an array in any order, in memory that does not depend on how far apart they are.

    h5py's own fancy indexing is slow.
    """
    if not len(rows):
        return array[:0]
    low, high = int(rows.min()), int(rows.max()) + 1
    if high - low <= 2 * len(rows):
        return array[low:high][rows - low]
    return np.stack([array[int(row)] for row in rows])


@contextmanager
def create_hdf5(path: str | Path, **options: Any) -> Iterator[h5py.File]:
    """Yield a new HDF5 file that becomes `path` if the block succeeds, as `atomic_path` does.

    In the format of HDF5 1.8 (2008): in the older one an attribute ends at 64 KiB, which is names of
    4,000 classes, and nothing but arrays has checksums. Make every group by `create_group`: one that HDF5
    makes on the way to an array would hold the time of day.

    Raises VebiError where the disk is full or can't be written.
    """
    with atomic_path(path) as temporary, _SteadyFile(temporary) as steady:
        with h5py.File(steady, "w", libver=FORMAT, **options) as file:
            yield file
        if steady.error is not None:
            raise steady.error


class _SteadyFile(io.RawIOBase):
    """A file that takes every write; `error` is the first that the system did not take."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b", buffering=0)
        self._kept: list[tuple[int, bytes]] = []
        self._kept_bytes = 0
        self._position = 0
        self._size = 0
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def write(self, data: Any) -> int:
        content = memoryview(data).cast("B")
        start, done = self._position, 0
        try:
            while done < len(content) and self.error is None:
                self._file.seek(start + done)
                done += self._file.write(content[done:]) or 0
        except OSError as error:
            self.error = error
        if done < len(content):
            self._keep(start + done, bytes(content[done:]))
        self._position = start + len(content)
        self._size = max(self._size, self._position)
        return len(content)

    def _keep(self, start: int, content: bytes) -> None:
        self._kept_bytes += len(content)
        if self._kept_bytes > KEPT_BYTES and self.error is not None:
            raise self.error
        self._kept.append((start, content))

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        start, n = self._position, min(len(view), max(0, self._size - self._position))
        view[:n] = bytes(n)
        self._file.seek(start)
        self._file.readinto(view[:n])
        for first, content in self._kept:
            low, high = max(first, start), min(first + len(content), start + n)
            if low < high:
                view[low - start : high - start] = content[low - first : high - first]
        self._position = start + n
        return n

    def truncate(self, size: int | None = None) -> int:
        self._size = self._position if size is None else size
        try:
            self._file.truncate(self._size)
        except OSError as error:
            self.error = self.error or error
        return self._size

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error
        super().close()
