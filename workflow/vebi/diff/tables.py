"""Two CSV tables, row by row of the same key."""

import csv
import filecmp
import io
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.diff import numbers
from vebi.diff.report import MOST_FINDINGS, FileResult, Finding, Verdict
from vebi.diff.tolerances import ROWS, Tolerance, Tolerances
from vebi.io.errors import VebiError
from vebi.io.tables import MISSING
from vebi.io.tables import Table as Record

Cells = NDArray[np.object_]

TABLE_LIMIT = 2 << 30
# A key that counts as a number. Names such as 007 or one of twenty digits stay names.
NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?(e[+-]?\d{1,2})?", re.ASCII)
# No number is written like this, but names are: 007.
LEADING_ZERO = re.compile(r"\s*[+-]?0\d", re.ASCII)


@dataclass
class Table:
    """A CSV file as text: the column names in order and one array of strings for each."""

    name: str
    columns: dict[str, Cells]
    rows: int


def read_table(path: Path, name: str) -> Table:
    """Read a CSV file (UTF-8, comma, header) without interpreting its cells.

    Raises:
        VebiError: not UTF-8, binary, empty, a column twice, or a line with too few or many cells.
    """
    size = path.stat().st_size
    if size > TABLE_LIMIT:
        raise VebiError(f"{name}: {size / 2**30:.1f} GiB, more than a table's limit of 2 GiB.")
    raw = path.read_bytes()
    if not raw.strip():
        raise VebiError(f"{name}: empty file, expected a CSV table with a header.")
    if b"\0" in raw:
        raise VebiError(f"{name}: binary data, expected a CSV table.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VebiError(f"{name}: not UTF-8 text (byte {error.start}), expected CSV.") from error
    header = _header(text, name)
    try:
        frame = _read_fast(text, len(header))
    # Whatever pandas has against the text, csv finds it with the line's number, or reads it.
    except (ValueError, Warning):
        frame = None
    if frame is None:
        frame = _read_checked(text, header, name)
    cells = {column: frame[index] for index, column in enumerate(header)}
    return Table(name, cells, len(frame[0]))


def _header(text: str, name: str) -> list[str]:
    try:
        header = next(row for row in csv.reader(io.StringIO(text), strict=True) if row)
    except (csv.Error, StopIteration) as error:
        raise VebiError(f"{name}: no CSV header ({error}).") from error
    doubled = sorted({column for column in header if header.count(column) > 1})
    if doubled:
        raise VebiError(f"{name}: column '{doubled[0]}' appears twice in the header.")
    if "" in header:
        raise VebiError(f"{name}: the header has a column without a name.")
    return header


def _read_fast(text: str, width: int) -> list[Cells] | None:
    """The columns by pandas' parser, or None where it would hide a line of the wrong length.

    pandas fills short lines up silently. Without quotes the number of commas tells.
    """
    if '"' in text or "\r" in text or text.startswith("\n") or "\n\n" in text or width < 2:
        return None
    lines = text.count("\n") + (not text.endswith("\n"))
    if text.count(",") != lines * (width - 1):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = (
            pd.read_csv(
                io.StringIO(text),
                dtype=object,
                header=None,
                skiprows=1,
                names=list(range(width)),
                keep_default_na=False,
                na_filter=False,
                index_col=False,
                quoting=csv.QUOTE_NONE,
            )
            if lines > 1
            else pd.DataFrame({i: np.array([], object) for i in range(width)})
        )
    if len(frame) != lines - 1:
        return None
    return [frame[column].to_numpy(dtype=object) for column in frame]


def _read_checked(text: str, header: list[str], name: str) -> list[Cells]:
    """The columns by the csv module, every line checked."""
    reader = csv.reader(io.StringIO(text), strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row and len(row) != len(header):
                raise VebiError(
                    f"{name}, line {reader.line_num}: {len(row)} cells, but the header has "
                    f"{len(header)}."
                )
            if row:
                rows.append(row)
    except csv.Error as error:
        raise VebiError(f"{name}, line {reader.line_num}: not CSV ({error}).") from error
    columns = np.empty((len(header), len(rows) - 1), dtype=object)
    for index in range(len(header)):
        columns[index] = [row[index] for row in rows[1:]]
    return list(columns)


def compare_tables(
    name: str,
    a: Path,
    b: Path,
    record: Record | None,
    tolerances: Tolerances,
) -> tuple[FileResult, list[Verdict]]:
    """Compare two CSV files; `record` tells key columns and text, None for a table nobody declared.

    In a table without a record the keys are text, and other cells that look like numbers are numbers
    unless they have leading zeros.

    Returns:
        The result, and the changed verdicts if the table has a column `verdict`.
    """
    result = FileResult(name, "table")
    left = read_table(a, name + " of A")
    same = filecmp.cmp(a, b, shallow=False)
    right = replace(left, name=name + " of B") if same else read_table(b, name + " of B")
    _compare_columns(result, list(left.columns), list(right.columns))
    shared = [column for column in left.columns if column in right.columns]
    if not shared:
        raise VebiError(f"{name}: A and B have no column in common.")
    keys = list(record.keys) if record else _guess_keys(left, right, shared)
    text = record.text if record else frozenset(keys)
    if record is None:
        result.notes.append(f"rows matched by {', '.join(keys) or 'their position'} (a guess)")
    _require_columns((left, right), keys)
    result.keys = keys
    codes = _row_codes(left, right, keys, text)
    rows_a, rows_b = _match_rows(result, (left, right), codes, keys, tolerances.of(name, ROWS))
    labels = _Labels(left, keys, rows_a)
    verdicts: list[Verdict] = []
    for column in shared:
        if column in keys:
            continue
        cells_a, cells_b = left.columns[column][rows_a], right.columns[column][rows_b]
        result.compared += len(cells_a)
        moved = np.flatnonzero(cells_a != cells_b)
        if not len(moved):
            continue
        cells = {other: left.columns[other][rows_a][moved] for other in shared}
        for tolerance, chosen in tolerances.by_row(name, column, cells, len(moved)):
            some = moved[chosen]
            _compare_cells(
                result,
                column,
                (cells_a[some], cells_b[some]),
                is_text=_text_cells(column, record, cells_a[some], cells_b[some]),
                ends=_interval_ends(left, right, rows_a[some], rows_b[some], column),
                tolerance=tolerance,
                labels=labels,
                rows=some,
            )
        if column == "verdict":
            told: dict[str, Cells] = {
                key: left.columns[key][rows_a] for key in ("claim_id", "statement") if key in shared
            }
            verdicts = _changed_verdicts(name, (cells_a, cells_b), told, labels, moved)
    return result, verdicts


def _changed_verdicts(
    name: str,
    cells: tuple[Cells, Cells],
    told: Mapping[str, Cells],
    labels: "_Labels",
    moved: NDArray[np.int64],
) -> list[Verdict]:
    """The verdicts of the rows `moved`, the first of them.

    Claims have names, which `told` holds; verdicts of other tables go by the table and the row's key.
    """
    verdicts = []
    for row in moved[:MOST_FINDINGS]:
        place = f"{Path(name).stem}: {labels.of(int(row))}"
        claim = str(told["claim_id"][row]) if "claim_id" in told else place
        statement = str(told["statement"][row]) if "statement" in told else ""
        verdicts.append(Verdict(claim, statement, str(cells[0][row]), str(cells[1][row])))
    return verdicts


def _require_columns(tables: Sequence[Table], keys: Sequence[str]) -> None:
    for table in tables:
        absent = [key for key in keys if key not in table.columns]
        if absent:
            raise VebiError(
                f"{table.name}: no key column '{absent[0]}'; its columns are "
                f"{', '.join(table.columns)}."
            )


def _compare_columns(result: FileResult, a: list[str], b: list[str]) -> None:
    only_a = [column for column in a if column not in b]
    only_b = [column for column in b if column not in a]
    # A table may gain columns at its end; anything else changes its meaning.
    gained = a == b[: len(a)] or b == a[: len(b)]
    for side, columns in (("A", only_a), ("B", only_b)):
        for column in columns:
            mode = "listed" if gained else "counted"
            left, right = _sides(side == "A")
            result.add(Finding("column", f"only in {side}", column, left, right, mode=mode))


def _sides(in_a: bool) -> tuple[str, str]:
    """What stands under A and B for a thing that only one of them has."""
    return ("present", "") if in_a else ("", "present")


def _guess_keys(a: Table, b: Table, shared: list[str]) -> list[str]:
    """The shortest run of leading columns that names every row once, in both tables."""
    for width in range(1, len(shared) + 1):
        keys = shared[:width]
        codes_a, codes_b = _row_codes(a, b, keys, frozenset(keys))
        if pd.Index(codes_a).is_unique and pd.Index(codes_b).is_unique:
            return keys
    return []


def _row_codes(
    a: Table, b: Table, keys: Sequence[str], text: Collection[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One integer per row, equal exactly for equal keys (numbers by value: 10 is 10.0 but in `text`)."""
    same = all(a.columns[key] is b.columns[key] for key in keys)
    codes = np.zeros(a.rows + (0 if same else b.rows), dtype=np.int64)
    for key in keys:
        cells = a.columns[key] if same else np.concatenate([a.columns[key], b.columns[key]])
        texts, names = pd.factorize(cells)
        if key not in text and all(NUMBER.fullmatch(str(name)) for name in names):
            values = names.astype(np.float64)
            # + 0.0 makes one zero of -0 and 0.
            texts = pd.factorize(values + 0.0)[0][texts]
        count = int(texts.max()) + 1 if len(texts) else 1
        # Renumbering after every column keeps the product of two counts far below 2^63.
        codes = pd.factorize(codes * count + texts)[0].astype(np.int64)
    return codes[: a.rows], codes if same else codes[a.rows :]


def _match_rows(
    result: FileResult,
    tables: tuple[Table, Table],
    row_codes: tuple[NDArray[np.int64], NDArray[np.int64]],
    keys: Sequence[str],
    tolerance: Tolerance,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row numbers of A and B that belong together; rows of one side only become findings."""
    (a, b), (codes_a, codes_b) = tables, row_codes
    if keys:
        for table, codes in ((a, codes_a), (b, codes_b)):
            _refuse_duplicates(table, codes, keys)
        places = pd.Index(codes_b).get_indexer(pd.Index(codes_a))
    else:
        places = np.where(np.arange(a.rows) < b.rows, np.arange(a.rows), -1)
    found = places >= 0
    rows_a, rows_b = np.flatnonzero(found), places[found]
    lonely_a = np.flatnonzero(~found)
    lonely_b = np.flatnonzero(~np.isin(np.arange(b.rows), rows_b, kind="table"))
    result.rows_only_a, result.rows_only_b = len(lonely_a), len(lonely_b)
    lonely = len(lonely_a) + len(lonely_b)
    allowed = tolerance.atol + tolerance.rtol * max(a.rows, b.rows)
    if lonely:
        excess = lonely / allowed if allowed else np.inf
        mode = tolerance.mode if lonely > allowed else "listed"
        result.count(ROWS, mode, lonely)
        for table, rows in ((a, lonely_a), (b, lonely_b)):
            left, right = _sides(table is a)
            for row in rows[:MOST_FINDINGS]:
                finding = Finding(
                    "row", _label(table, keys, int(row)), ROWS, left, right, mode=mode
                )
                finding.allowed, finding.excess = str(tolerance), float(excess)
                result.findings.append(finding)
        if tolerance.kind != "follows":
            result.moved += lonely
    return rows_a, np.asarray(rows_b, dtype=np.intp)


def _refuse_duplicates(table: Table, codes: NDArray[np.int64], keys: Sequence[str]) -> None:
    doubled = pd.Series(codes).duplicated().to_numpy()
    if doubled.any():
        row = int(np.flatnonzero(doubled)[0])
        raise VebiError(
            f"{table.name}: {int(doubled.sum())} rows repeat a key, the first is "
            f"({_label(table, keys, row)}) in {', '.join(keys)}. Each row must have a key of its own."
        )


def _label(table: Table, keys: Sequence[str], row: int) -> str:
    if not keys:
        return f"row {row + 1}"
    return ", ".join(str(table.columns[key][row]) for key in keys)


@dataclass
class _Labels:
    """Names of matched rows, made only for the few that are shown."""

    table: Table
    keys: Sequence[str]
    rows: NDArray[np.intp]

    def of(self, matched: int) -> str:
        return _label(self.table, self.keys, int(self.rows[matched]))


def _numbers(cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Cells as float64 and which of them are numbers at all (a missing number is one: NaN)."""
    values = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").to_numpy(np.float64)
    missing = np.isin(cells.astype(str), MISSING) if np.isnan(values).any() else np.isnan(values)
    return values, missing | ~np.isnan(values)


def _text_cells(column: str, record: Record | None, a: Cells, b: Cells) -> NDArray[np.bool_]:
    """Which cells of a column are text although they may look like numbers, in A or B."""
    if record and column in record.columns:
        return np.full(len(a), column in record.text)
    pairs = zip(a, b, strict=True)
    return np.array([any(map(LEADING_ZERO.match, pair)) for pair in pairs], dtype=bool)


def _interval_ends(
    a: Table, b: Table, rows_a: NDArray[np.intp], rows_b: NDArray[np.intp], column: str
) -> tuple[Any, Any, Any, Any] | None:
    """The confidence bounds that belong to a column, of A and of B, as text.

    `auc` has `auc_ci_low`, `score_drop_mean` and `measured` have the table's only `ci_low`.
    """
    for prefix in (f"{column}_", f"{column.removesuffix('_mean')}_", ""):
        low, high = f"{prefix}ci_low", f"{prefix}ci_high"
        if all(end in table.columns for end in (low, high) for table in (a, b)):
            return (
                a.columns[low][rows_a],
                a.columns[high][rows_a],
                b.columns[low][rows_b],
                b.columns[high][rows_b],
            )
    return None


def _compare_cells(
    result: FileResult,
    column: str,
    cells: tuple[Cells, Cells],
    *,
    is_text: NDArray[np.bool_],
    ends: tuple[Any, Any, Any, Any] | None,
    tolerance: Tolerance,
    labels: _Labels,
    rows: NDArray[np.intp],
) -> None:
    """Judge the cells of one column whose text is not the same; `rows` are their matched rows.

    Where `is_text`, and where a cell is not a number, they differ.
    """
    a, is_number_a = _numbers(cells[0])
    b, is_number_b = _numbers(cells[1])
    text = is_text | ~(is_number_a & is_number_b)
    excess = numbers.excesses(a, b, tolerance)
    if tolerance.kind == "interval" and ends is not None:
        bounds = tuple(_numbers(end)[0] for end in ends)
        inside = numbers.interval_excesses(a, b, (bounds[0], bounds[1], bounds[2], bounds[3]))
        excess = np.where(np.isnan(inside), excess, inside)
    # Whole numbers beyond 2^53 can share a float64.
    for place in np.flatnonzero((a == b) & (np.abs(a) >= 2**53) & np.isfinite(a)):
        if Decimal(cells[0][place].strip()) != Decimal(cells[1][place].strip()):
            excess[place] = np.inf if tolerance == Tolerance() else excess[place]
    excess[text] = np.inf
    if tolerance.kind != "follows":
        result.moved += int(np.count_nonzero((excess > 0) | text))
    over = np.flatnonzero(excess > 1)
    if not len(over):
        return
    result.count(column, tolerance.mode, len(over))
    size = np.where(text, np.inf, numbers.relative(a, b))
    kept = over[np.lexsort((-size[over], -excess[over]))][:MOST_FINDINGS]
    difference = numbers.differences(a, b)
    for place in kept:
        gap = float(difference[place])
        finding = Finding(
            "value",
            labels.of(int(rows[place])),
            column,
            str(cells[0][place]),
            str(cells[1][place]),
            None if text[place] or not np.isfinite(gap) else gap,
            str(tolerance),
            float(excess[place]),
            float(size[place]),
            tolerance.mode,
        )
        result.findings.append(finding)


def record_of(name: str, known: Mapping[str, Record]) -> Record | None:
    """What a study declares of the table in a file, None if it is not such a table."""
    path = Path(name)
    return known.get(path.stem) if path.suffix == ".csv" and path.parent.name == "tables" else None
