"""Arrays in HDF5 files and in model weights, streamed block by block."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.diff import numbers
from vebi.diff.report import FileResult, Finding
from vebi.diff.tolerances import Tolerance, Tolerances
from vebi.io.errors import VebiError
from vebi.io.hdf5 import check_size, first_line

# Elements in memory at a time; the comparison needs some ten float64 arrays of that size.
BLOCK_ELEMENTS = 1 << 20


def _nothing() -> None:
    """Nobody waits for a sign of progress."""


def compare_hdf5(
    name: str,
    a: Path,
    b: Path,
    tolerances: Tolerances,
    alive: Callable[[], None] = _nothing,
) -> FileResult:
    """Compare the groups, data sets and attributes of two HDF5 files.

    A data set's tolerance is found under its path in the file. Links to other files are compared
    by their text and not followed. `alive` is called before every step that reads from a file.

    Raises:
        VebiError: a file that is not HDF5, is broken, or promises far more data than it holds.
    """
    result = FileResult(name, "hdf5")
    with _open(a, f"{name} of A") as left, _open(b, f"{name} of B") as right:
        try:
            nodes_a, nodes_b = _nodes(left, alive), _nodes(right, alive)
            for path in sorted(nodes_a.keys() | nodes_b.keys()):
                if path not in nodes_a or path not in nodes_b:
                    _one_sided(result, "dataset", path, path in nodes_a)
                    continue
                _compare_nodes(
                    result,
                    path,
                    nodes_a[path],
                    nodes_b[path],
                    tolerances=tolerances,
                    alive=alive,
                )
        # A truncated or flipped file opens and then fails anywhere, in any of these ways.
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
            raise VebiError(
                f"{name}: broken HDF5 in A or B ({first_line(error)}). Delete the broken one (find "
                "it with `vebi verify RUN`) and run the pipeline again."
            ) from error
    return result


def _open(path: Path, name: str) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise VebiError(f"{name}: no HDF5 file or a broken one ({first_line(error)}).") from error


def _nodes(file: h5py.File, alive: Callable[[], None]) -> dict[str, Any]:
    """Every group and data set by path; links, and an object's second name, as a text."""
    found: dict[str, Any] = {"/": file["/"]}
    first = {_address(file["/"]): "/"}
    stack = [("", file["/"])]
    while stack:
        prefix, group = stack.pop()
        for key in sorted(group):
            alive()
            path = f"{prefix}/{key}"
            link = group.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                found[path] = f"link to {link.filename}:{link.path}"
                continue
            if isinstance(link, h5py.SoftLink):
                found[path] = f"link to {link.path}"
                continue
            node = group[key]
            known = first.setdefault(_address(node), path)
            # Groups may contain each other: entering each object once ends the walk.
            found[path] = node if known == path else f"same as {known}"
            if known == path and isinstance(node, h5py.Group):
                stack.append((path, node))
    return found


def _address(node: Any) -> int:
    return int(h5py.h5o.get_info(node.id).addr)


def _kind(node: Any) -> str:
    if isinstance(node, str):
        return node
    return type(node).__name__.lower()


def _one_sided(result: FileResult, what: str, where: str, in_a: bool) -> None:
    result.moved += 1
    side = ("present", "") if in_a else ("", "present")
    result.add(Finding(what, f"only in {'A' if in_a else 'B'}", where, *side))


def _compare_nodes(
    result: FileResult,
    path: str,
    a: Any,
    b: Any,
    *,
    tolerances: Tolerances,
    alive: Callable[[], None],
) -> None:
    alive()
    if _kind(a) != _kind(b):
        result.moved += 1
        result.add(Finding("dataset", "kind", path, _kind(a), _kind(b)))
        return
    if isinstance(a, str):
        return
    _compare_attributes(result, path, a.attrs, b.attrs, tolerances=tolerances, alive=alive)
    if isinstance(a, h5py.Dataset):
        for side, node in (("A", a), ("B", b)):
            check_size(f"{result.name} of {side}", path, node)
        tolerance = tolerances.of(result.name, path.removeprefix("/"))
        compare_arrays(result, path, a, b, tolerance, chunks=a.chunks, alive=alive)


def _compare_attributes(
    result: FileResult,
    path: str,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    *,
    tolerances: Tolerances,
    alive: Callable[[], None],
) -> None:
    for key in sorted(set(a) | set(b)):
        alive()
        where = f"{path}@{key}"
        if key not in a or key not in b:
            _one_sided(result, "attribute", where, key in a)
            continue
        tolerance = tolerances.of(result.name, where.removeprefix("/"))
        compare_arrays(result, where, np.asarray(a[key]), np.asarray(b[key]), tolerance)


def compare_arrays(
    result: FileResult,
    where: str,
    a: Any,
    b: Any,
    tolerance: Tolerance,
    *,
    chunks: Sequence[int] | None = None,
    alive: Callable[[], None] = _nothing,
) -> None:
    """Add the difference of two arrays (or data sets) to `result`, as one finding.

    Args:
        chunks: the storage's chunk shape, so that blocks cut no chunk in two where avoidable.
        alive: called before every block.
    """
    mode = tolerance.mode
    # HDF5's null has no shape and no type that counts: not even an empty array is in it.
    if a.shape is not None and b.shape is not None and a.dtype != b.dtype:
        result.moved += 1
        result.add(Finding("array", "type", where, str(a.dtype), str(b.dtype), mode=mode))
    if a.shape != b.shape:
        result.moved += 1
        result.add(Finding("array", "shape", where, str(a.shape), str(b.shape), mode=mode))
    if a.shape is None or a.shape != b.shape:
        return
    over, worst = 0, (-1.0, -1.0, "", "", "", 0.0)
    for block in _blocks(a.shape, chunks):
        alive()
        part_a, part_b = np.asarray(a[block]), np.asarray(b[block])
        result.compared += part_a.size
        excess, difference = _judge(part_a, part_b, tolerance)
        result.moved += int(np.count_nonzero(excess > 0))
        bad = excess > 1
        count = int(np.count_nonzero(bad))
        if not count:
            continue
        over += count
        # Among equal excesses (no tolerance: all infinite) the larger difference is the worse.
        order = np.where(bad, excess, -1.0)
        top = np.flatnonzero(order.ravel() == order.max())
        place = int(top[np.argmax(difference.ravel()[top])])
        candidate = (float(excess.flat[place]), float(difference.flat[place]))
        if candidate > worst[:2]:
            inner = np.unravel_index(place, part_a.shape)
            index = [int(i) + (s.start or 0) for i, s in zip(inner, block, strict=True)]
            size = numbers.relative(_floats(part_a, place), _floats(part_b, place))[0]
            texts = (_show(part_a.flat[place]), _show(part_b.flat[place]))
            worst = (*candidate, str(index) if index else "", *texts, float(size))
    if over:
        gap = worst[1] if np.isfinite(worst[1]) else None
        total = prod(a.shape)
        what = f"{worst[2]} the largest of {over:,} of {total:,}".strip()
        texts, size = worst[3:5], worst[5]
        finding = Finding("array", what, where, *texts, gap, str(tolerance), worst[0], size, mode)
        result.add(finding, over)


def _blocks(shape: tuple[int, ...], chunks: Sequence[int] | None) -> Iterator[tuple[slice, ...]]:
    """Slices that cover `shape` in blocks of about BLOCK_ELEMENTS elements."""
    if 0 in shape:
        return
    block = list(shape)
    least = list(chunks) if chunks else [1] * len(shape)
    # First down to the storage's chunks, from the slowest axis on; then through them if need be.
    for floor in (least, [1] * len(shape)):
        for axis in range(len(shape)):
            others = max(1, prod(block) // block[axis])
            if others * block[axis] > BLOCK_ELEMENTS:
                fit = max(1, BLOCK_ELEMENTS // others)
                block[axis] = min(block[axis], max(floor[axis], fit // floor[axis] * floor[axis]))
    starts = [range(0, size, step) for size, step in zip(shape, block, strict=True)]
    for corner in product(*starts):
        yield tuple(
            slice(start, min(start + step, size))
            for start, step, size in zip(corner, block, shape, strict=True)
        )


def _numeric(values: NDArray[np.generic]) -> bool:
    return values.dtype.kind in "biuf"


def _judge(
    a: NDArray[np.generic], b: NDArray[np.generic], tolerance: Tolerance
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Excess and difference of each element; what is not a number is the same or infinitely far."""
    if _numeric(a) and _numeric(b):
        wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
        excess = np.atleast_1d(
            numbers.excesses(np.atleast_1d(wide_a), np.atleast_1d(wide_b), tolerance)
        )
        if a.dtype.kind in "iu" and b.dtype.kind in "iu" and tolerance == Tolerance():
            excess[np.atleast_1d(a != b)] = np.inf
        return excess, numbers.differences(np.atleast_1d(wide_a), np.atleast_1d(wide_b))
    if a.dtype.kind == "c" and b.dtype.kind == "c":
        full_a, full_b = (np.atleast_1d(side.astype(np.complex128)) for side in (a, b))
        return numbers.excesses(full_a, full_b, tolerance), numbers.differences(full_a, full_b)
    equal = [_same(x, y) for x, y in zip(a.reshape(-1), b.reshape(-1), strict=True)]
    excess = np.where(equal, 0.0, np.inf).reshape(np.atleast_1d(a).shape)
    return excess, excess


def _same(a: Any, b: Any) -> bool:
    """Whether two elements of any HDF5 type (text, records, variable length) are the same."""
    if isinstance(a, np.void) and isinstance(b, np.void):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return bool(np.array_equal(np.asarray(a), np.asarray(b)))


def _floats(values: NDArray[np.generic], place: int) -> NDArray[np.float64]:
    value = values.flat[place]
    return np.array([float(value) if _numeric(values) else 0.0])


def _show(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:200].decode("utf-8", "backslashreplace")
    if isinstance(value, (np.floating, float)):
        return f"{float(value):.9g}"
    return str(value)[:200]


def compare_models(name: str, a: Path, b: Path, tolerances: Tolerances) -> FileResult:
    """Compare two files of `torch.save` tensor by tensor; plain values must be the same.

    The weights load with `weights_only=True`, so that a file can't run code.
    """
    # torch is slow to import, and most comparisons have no models that differ.
    from vebi.io.tensors import load_tensors

    result = FileResult(name, "model")
    states = []
    for side, path in (("A", a), ("B", b)):
        try:
            state = load_tensors(path)
        # A broken pickle or zip fails in any way it likes.
        except Exception as error:
            raise VebiError(
                f"{name} of {side}: no weights that torch can load ({first_line(error)})."
            ) from error
        states.append(dict(_leaves(state)))
    left, right = states
    for tensor in sorted(left.keys() | right.keys()):
        if tensor not in left or tensor not in right:
            _one_sided(result, "tensor", tensor, tensor in left)
            continue
        tolerance = tolerances.of(name, tensor)
        compare_arrays(result, tensor, left[tensor], right[tensor], tolerance)
    return result


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Tensors and plain values of nested dictionaries and lists, by their path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}/{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}/{index}")
    elif hasattr(value, "detach"):
        tensor = value.detach()
        # numpy has no bfloat16.
        yield path, (tensor.float() if tensor.dtype.is_floating_point else tensor).numpy()
    else:
        plain = value if isinstance(value, (bool, int, float, str)) else repr(value)
        yield path, np.asarray(plain)
