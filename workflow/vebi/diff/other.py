"""Files that are neither tables, arrays nor images: JSON by its entries, the rest by bytes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vebi.diff.arrays import compare_arrays
from vebi.diff.report import FileResult, Finding
from vebi.diff.tolerances import Tolerances
from vebi.io.errors import VebiError
from vebi.io.files import parse_json

JSON_LIMIT = 256 << 20
DEEPEST = 200


def read_json(path: Path, name: str) -> Any:
    """Parse a JSON file; raises VebiError if it is none, or more than 256 MiB."""
    if path.stat().st_size > JSON_LIMIT:
        raise VebiError(f"{name}: more than 256 MiB of JSON.")
    try:
        return parse_json(path.read_bytes())
    # json raises RecursionError for lists nested thousands deep.
    except (ValueError, RecursionError) as error:
        raise VebiError(f"{name}: broken JSON ({error}).") from error


def leaves(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The plain values in nested dictionaries and lists with their paths (`config.models.0`)."""
    if depth > DEEPEST:
        raise VebiError(f"{path[:60]}...: JSON nested deeper than {DEEPEST} levels.")
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{index}" if path else str(index), depth + 1)
    else:
        yield path, value


def compare_json(name: str, a: Path, b: Path, tolerances: Tolerances) -> FileResult:
    """Compare two JSON files entry by entry; the order of an object's keys means nothing."""
    result = FileResult(name, "json")
    left = dict(leaves(read_json(a, f"{name} of A")))
    right = dict(leaves(read_json(b, f"{name} of B")))
    for path in sorted(left.keys() | right.keys()):
        result.compared += 1
        tolerance = tolerances.of(name, path)
        if path in left and path in right:
            x, y = left[path], right[path]
            if x == y and type(x) is type(y):
                continue
            if _is_number(x) and _is_number(y):
                compare_arrays(result, path, np.asarray(x), np.asarray(y), tolerance)
                continue
        result.moved += 1
        text_a, text_b = _text(left, path), _text(right, path)
        result.add(Finding("entry", "", path, text_a, text_b, mode=tolerance.mode))
    return result


def _is_number(value: Any) -> bool:
    # Python's whole numbers have no bound, numpy's have.
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**53)


def _text(values: dict[str, Any], path: str) -> str:
    return json.dumps(values[path])[:200] if path in values else "absent"


def compare_bytes(name: str, a: Path, b: Path, tolerances: Tolerances) -> FileResult:
    """The result for two files that are known to have different bytes."""
    result = FileResult(name, "bytes", compared=1, moved=1)
    size_a, size_b = (f"{path.stat().st_size:,} bytes" for path in (a, b))
    mode = tolerances.of(name, "bytes").mode
    result.add(Finding("bytes", "", "content", size_a, size_b, mode=mode))
    return result
