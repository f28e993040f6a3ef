"""MATLAB's .mat files (version 5 to 7) from anywhere: looked through before scipy allocates anything.

A few bytes can declare cells by the billion, unpack to gigabytes, or nest deeper than a reader can go.
"""

import struct
import zlib
from math import prod
from pathlib import Path
from typing import Any

from vebi.io.guard import check_survives

LARGEST = 4 << 30
DEEPEST = 32
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _OBJECT, _SPARSE = 1, 2, 3, 5


def load_mat(path: str | Path, **options: Any) -> dict[str, Any]:
    """What `scipy.io.loadmat` reads, which runs no code; an error for a file made to do harm.

    `options` are scipy's. Raises whatever scipy does for files that are none, or damaged.
    """
    # Slow to import, and only few files need it.
    from scipy.io import loadmat

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST / 2**30:g} GiB")
    _look_through(path)
    check_survives([path])
    return loadmat(path, **options)


def _look_through(path: Path) -> None:
    """Raise ValueError for more than 4 GiB, deep nesting, or arrays larger than their bytes."""
    unpacked = 0
    with path.open("rb") as stream:
        head = stream.read(128)
        order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
        if order is None:
            raise ValueError("no file of MATLAB 5 to 7")
        # The successor (7.3) is HDF5, which scipy refuses.
        if head[124:126] in (b"\x00\x02", b"\x02\x00"):
            return
        while len(tag := stream.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            data = stream.read(size)
            if kind == _COMPRESSED:
                unpacker = zlib.decompressobj()
                data = unpacker.decompress(data, LARGEST - unpacked)
                if unpacker.unconsumed_tail:
                    raise ValueError(f"it unpacks to more than {LARGEST / 2**30:g} GiB")
                unpacked += len(data)
                _check(data, 0, len(data), order)
            elif kind == _MATRIX:
                _check(tag + data, 0, len(data) + 8, order)


def _check(data: bytes, start: int, stop: int, order: str) -> None:
    """Check a row of elements, and all that they hold."""
    stack = [(start, stop, 0)]
    while stack:
        place, end, depth = stack.pop()
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST} levels")
        seen: list[tuple[int, int, int]] = []
        while place + 8 <= end:
            kind, size = struct.unpack_from(f"{order}II", data, place)
            if kind >> 16:  # up to four bytes, in the tag itself
                seen.append((kind & 0xFFFF, place + 4, kind >> 16))
                place += 8
                continue
            seen.append((kind, place + 8, size))
            if kind == _MATRIX:
                stack.append((place + 8, min(end, place + 8 + size), depth + 1))
            place += 8 + size + (-size % 8)
        if depth:
            _check_dimensions(data, seen, end, order)


def _check_dimensions(data: bytes, parts: list[tuple[int, int, int]], end: int, order: str) -> None:
    """The elements (type, place, bytes) of one matrix: flags, dimensions, name, contents."""
    if len(parts) < 2 or parts[0][2] < 4 or parts[1][1] + parts[1][2] > len(data):
        return
    kind = struct.unpack_from(f"{order}I", data, parts[0][1])[0] & 0xFF
    sides = struct.unpack_from(f"{order}{parts[1][2] // 4}i", data, parts[1][1])
    if kind == _SPARSE:
        return
    # Cells and fields take the eight bytes of a tag each, numbers one byte or more.
    least = 8 if kind in (_CELL, _STRUCT, _OBJECT) else 1
    if min(sides, default=0) < 0 or prod(sides) * least > max(0, end - parts[1][1]):
        raise ValueError(f"an array of {' x '.join(map(str, sides))} is larger than its bytes")
