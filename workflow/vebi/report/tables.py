"""Result tables inside the page: the first rows as HTML, all of them packed next to it."""

import csv
import gzip
import io
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

FIRST_ROWS = 6


@dataclass(frozen=True)
class EmbeddedTable:
    """A table's columns, which of them hold numbers, its first rows, and all of it as gzip and base64."""

    name: str
    columns: list[str]
    numeric: list[bool]
    first_rows: list[list[str]]
    n_rows: int
    packed: str


def embed(path: Path) -> EmbeddedTable:
    """Read a CSV file for the page."""
    data = path.read_bytes()
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"))))
    columns, body = (rows[0], rows[1:]) if rows else ([], [])
    numeric = [
        all(_is_number(row[i]) for row in body) and any(row[i] for row in body)
        for i in range(len(columns))
    ]
    # A time stamp of zero: gzip would write the clock's into its head.
    packed = b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")
    return EmbeddedTable(path.stem, columns, numeric, body[:FIRST_ROWS], len(body), packed)


def _is_number(cell: str) -> bool:
    try:
        return not cell or float(cell) is not None
    except ValueError:
        return False
