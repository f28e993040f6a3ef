"""How far apart two numbers may be: `config/tolerances.tsv`."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from vebi.io.errors import VebiError
from vebi.io.files import read_bounded

KINDS = ("exact", "close", "interval", "follows", "show")
COLUMNS = ("file", "column", "kind", "atol", "rtol", "why", "rows")
# The pseudo-column that stands for rows which only one side has.
ROWS = "(rows)"
# A row is some 100 bytes; the shipped file has a few hundred.
LARGEST_FILE = 10_000_000


@dataclass(frozen=True)
class Tolerance:
    """What is allowed between a and b.

    exact     the same number or text.
    close     |a - b| <= atol + rtol max(|a|, |b|), the same from both sides.
    interval  a lies in b's confidence interval and b in a's; without intervals as `close`.
    follows   as `close`; beyond it, a difference only while every table is exactly the same.
    show      listed, never a difference.
    """

    kind: str = "exact"
    atol: float = 0.0
    rtol: float = 0.0

    @property
    def mode(self) -> str:
        """The mode of a finding beyond this tolerance (see `Finding`)."""
        return {"show": "listed", "follows": "follows"}.get(self.kind, "counted")

    def __str__(self) -> str:
        """How the tolerance is written in a report."""
        numbers = " ".join(
            f"{name} {value:g}"
            for name, value in (("atol", self.atol), ("rtol", self.rtol))
            if value
        )
        if self.kind == "interval":
            return f"interval, else {numbers}" if numbers else "interval"
        return numbers or "exact"


EXACT = Tolerance()


@dataclass(frozen=True)
class Row:
    """A row of a tolerance file: what it is about, by the shell's wildcards, and what it allows.

    `rows`: as `solver=spgl1*`, rows of a table by what a column of theirs holds in A; "": every row.
    """

    file: str
    column: str
    tolerance: Tolerance
    rows: str = ""

    def is_about(self, file: str, column: str) -> bool:
        """Whether it is about a column of a file, at least in some rows."""
        names = (file, PurePosixPath(file).name)
        return any(fnmatchcase(name, self.file) for name in names) and fnmatchcase(
            column, self.column
        )


class Tolerances:
    """The rows of a tolerance file; the first that matches a file, a column and a row decides."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def of(self, file: str, column: str) -> Tolerance:
        """Tolerance of a column (or HDF5 data set) of a file, where it is not of some rows only.

        `file` is the path below the results folder with forward slashes. A pattern matches it or
        its last part. What no row matches is `exact`.
        """
        return next(
            (r.tolerance for r in self.rows if not r.rows and r.is_about(file, column)), EXACT
        )

    def by_row(
        self, file: str, column: str, cells: Mapping[str, Any], n: int
    ) -> Iterator[tuple[Tolerance, list[int]]]:
        """Yield each tolerance of a column with the numbers of the rows, of `n`, that it is for.

        `cells` are those of A, n texts by column.
        """
        left = list(range(n))
        for row in self.rows:
            if not row.is_about(file, column):
                continue
            key, _, pattern = row.rows.partition("=")
            if key and key not in cells:
                continue
            mine = [i for i in left if not key or fnmatchcase(str(cells[key][i]), pattern)]
            if mine:
                yield row.tolerance, mine
                taken = set(mine)
                left = [i for i in left if i not in taken]
        if left:
            yield EXACT, left


def read_tolerances(path: Path) -> Tolerances:
    """Read a tolerance file.

    Raises:
        VebiError: with the line's number, for anything that is not such a file; a device or a FIFO;
            more than 10 MB.
    """
    try:
        text = read_bounded(path, LARGEST_FILE).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VebiError(
            f"{path}: can't read the tolerances ({error}). Give another file with --tolerances."
        ) from error
    return parse_tolerances(text, str(path))


def parse_tolerances(text: str, path: str) -> Tolerances:
    """Tolerances from the text of a file that is called `path`.

    Tab-separated with the header `file column kind atol rtol why rows`, the last of which may be left
    out; lines that start with # and empty lines are skipped.

    Raises:
        VebiError: with the line's number, for anything else.
    """
    rows: list[Row] = []
    header: tuple[str, ...] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = next(csv.reader([line], delimiter="\t", quoting=csv.QUOTE_NONE))
        if header is None:
            header = tuple(cells)
            if header not in (COLUMNS, COLUMNS[:-1]):
                raise VebiError(
                    f"{path}, line {number}: header is {', '.join(header)}; expected the "
                    f"tab-separated columns {', '.join(COLUMNS)}."
                )
            continue
        cells += [""] * (len(COLUMNS) - len(cells))
        where = f"{path}, line {number}"
        if len(cells) != len(COLUMNS):
            raise VebiError(f"{where}: {len(cells)} cells, expected {len(COLUMNS)}.")
        file, column, kind, atol, rtol, _, chosen = cells
        if not file or not column:
            raise VebiError(f"{where}: file and column must not be empty; * matches everything.")
        if kind not in KINDS:
            raise VebiError(f"{where}: kind is '{kind}'; expected one of {', '.join(KINDS)}.")
        if chosen and not all(chosen.partition("=")):
            raise VebiError(f"{where}: rows is '{chosen}'; expected column=pattern, or nothing.")
        tolerance = Tolerance(kind, _number(atol, where), _number(rtol, where))
        rows.append(Row(file, column, tolerance, chosen))
        if kind == "exact" and (tolerance.atol or tolerance.rtol):
            raise VebiError(f"{where}: kind exact takes no atol or rtol; use close.")
    if header is None:
        raise VebiError(f"{path}: empty; expected a header {', '.join(COLUMNS)} and rows.")
    return Tolerances(rows)


def _number(cell: str, where: str) -> float:
    """A tolerance's number; an empty cell is 0."""
    if not cell.strip():
        return 0.0
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise VebiError(f"{where}: '{cell}' is not a tolerance; expected a number from 0 up.")
    return value


def default_path() -> Path | None:
    """`config/tolerances.tsv` of the working directory; None where there is none."""
    path = Path("config", "tolerances.tsv")
    return path if path.is_file() else None
