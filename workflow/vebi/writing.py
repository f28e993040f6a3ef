"""New HDF5 files, whole or absent, also when the disk is full.

HDF5 does not survive a write that fails: some errors of h5py are lost on the way, others end the
process when the file is closed (HDF5 2.0 and h5py 3.16). So it never sees one. It writes to a file
object that keeps what the disk refuses, and the error is raised when HDF5 is done.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from vebi.files import atomic_path

# What a full disk refuses is kept in memory up to here: the rest of one file, seldom more than this.
KEPT_BYTES = 1 << 28


@contextmanager
def create_hdf5(path: str | Path, **options: Any) -> Iterator[h5py.File]:
    """Yield a new HDF5 file that becomes `path` if the block succeeds, as `atomic_path` does.

    Raises VebiError where the disk is full or can't be written.
    """
    with atomic_path(path) as temporary, _SteadyFile(temporary) as steady:
        with h5py.File(steady, "w", **options) as file:
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
