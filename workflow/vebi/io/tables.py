"""Result tables: what one consists of, and one way to write and to read it.

Every table is UTF-8 CSV with LF line ends, rows sorted by the key columns and floats in a fixed
format, so that equal results are equal bytes. Rules read the records of tables, so pandas is imported
only where a table itself is read or written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vebi.io.errors import VebiError
from vebi.io.files import atomic_path
from vebi.record import record

if TYPE_CHECKING:
    import pandas as pd

RUN_KEYS = ("dataset", "model", "seed")
# Key columns that hold numbers. The others are names, also where they look like a number.
NUMBER_KEYS = frozenset(
    (
        "seed",
        "mu",
        "class",
        "channel",
        "repeat",
        "threshold",
        "covered_fraction",
        "k",
        "epoch",
        "scene",
        "batch",
    )
)
# Other columns that mean the same in every table: those of text, and those with a format of their own.
TEXT_VALUES = frozenset(("over", "verdict"))
FORMATS = {"mu": "%g", "cumulative_stride": "%g", "relative_gap": "%.2e"}
FLOAT = "%.6f"
# How a missing number may be written. In a column of text these are texts.
MISSING = ("", "nan", "NaN")


@dataclass(frozen=True)
class Allowed:
    """How far apart a column of two runs may be before `vebi diff` calls them different.

    `column` may hold wildcards. `kind`, `atol` and `rtol` as in `vebi.diff.tolerances.Tolerance`, `rows`
    as in `Row` there; `why` is for people.
    """

    column: str
    kind: str
    atol: float = 0.0
    rtol: float = 0.0
    why: str = ""
    rows: str = ""


def allow(
    *columns: str, kind: str, atol: float = 0.0, rtol: float = 0.0, why: str = ""
) -> tuple[Allowed, ...]:
    """`Allowed` with the same values for several columns, in their order."""
    return tuple(Allowed(column, kind, atol, rtol, why) for column in columns)


@record
class Table:
    """A result table.

    Attributes:
        keys: columns that tell rows apart, in the order of the file.
        values: the other columns.
        formats: printf formats of float columns that need another than FORMATS or FLOAT.
        text_values: those of `values` that hold text, besides TEXT_VALUES. Keys are text unless
            NUMBER_KEYS has them.
        caption: what a reader should know, as reStructuredText.
        allowed: differences between two runs that are none; the first that matches a column decides.
    """

    keys: tuple[str, ...]
    values: tuple[str, ...]
    formats: Mapping[str, str] = field(default_factory=dict)
    text_values: tuple[str, ...] = ()
    # A job that writes the table does not depend on what is said about it.
    caption: str = field(default="", repr=False)
    allowed: tuple[Allowed, ...] = field(default=(), repr=False)

    @property
    def columns(self) -> list[str]:
        """All columns in the order of the file."""
        return [*self.keys, *self.values]

    @property
    def text(self) -> frozenset[str]:
        """The columns that hold text, whatever it looks like: `0.10`, `NA` and `007` are names."""
        of_values = TEXT_VALUES.intersection(self.values).union(self.text_values)
        return frozenset(self.keys).difference(NUMBER_KEYS).union(of_values)

    def format_of(self, column: str) -> str:
        """The printf format of a column of floats."""
        return self.formats.get(column, FORMATS.get(column, FLOAT))


def write_table(path: str | Path, frame: pd.DataFrame, table: Table) -> None:
    """Write a table's file: rows sorted by the keys, floats in the table's formats.

    Args:
        path: the file; its name without ending stands for the table in messages.
        frame: its rows, columns in any order.
        table: what it consists of.

    Raises:
        VebiError: other columns than the table's, or two rows with one key.
    """
    from pandas.api.types import is_float_dtype

    name = Path(path).stem
    if set(frame.columns) != set(table.columns):
        raise VebiError(
            f"table {name} has columns {sorted(frame.columns)}, expected {sorted(table.columns)}."
        )
    keys = list(table.keys)
    if frame.duplicated(keys).any():
        repeated = frame.loc[frame.duplicated(keys), keys].iloc[0].to_dict()
        raise VebiError(f"table {name} has two rows with the key {repeated}.")
    ordered = frame[table.columns].sort_values(keys, kind="stable", ignore_index=True)
    for column in ordered.columns:
        if is_float_dtype(ordered[column]):
            form = table.format_of(column)
            # A zero is a zero: rounding must not leave a sign that differs between machines.
            text = [(form % value).replace("nan", "") for value in ordered[column]]
            ordered[column] = [t[1:] if t == "-" + form % 0.0 else t for t in text]
    with atomic_path(path) as temporary:
        ordered.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def read_rows(path: str | Path, *tables: Table) -> pd.DataFrame:
    """Read a CSV file of which `tables` are made, or a table itself.

    Columns that are text in one of `tables` stay as they are written, an empty cell as "". The others
    are numbers or truth values, NaN where a cell is one of MISSING.

    Raises:
        ValueError, OSError: as pandas does.
    """
    import pandas as pd

    text = frozenset[str]().union(*(table.text for table in tables))
    columns = pd.read_csv(path, nrows=0).columns
    return pd.read_csv(
        path,
        dtype={column: str for column in columns if column in text},
        keep_default_na=False,
        na_values={column: MISSING for column in columns if column not in text},
    )


def read_table(path: str | Path, table: Table) -> pd.DataFrame:
    """Read the file of `table`: text as it is written, an empty cell of text as "".

    A table may gain value columns at its end; those that an older file lacks are NaN, or "" for text.

    Raises:
        VebiError: it can't be read, or lacks other columns of the table.
    """
    name = Path(path).stem
    try:
        frame = read_rows(path, table)
    except (OSError, ValueError) as error:
        raise VebiError(f"{path} can't be read as the table {name} ({error}).") from error
    missing = [column for column in table.columns if column not in frame.columns]
    end = table.columns[len(table.columns) - len(missing) :]
    if missing != end or not set(missing) < set(table.values):
        raise VebiError(
            f"{path} is not the table {name}: it lacks the columns {', '.join(missing)}."
        )
    return frame.assign(**{c: "" if c in table.text else float("nan") for c in missing})


def stack_runs(
    parts: Sequence[str | Path],
    runs: Sequence[Mapping[str, Any]],
    table: Table,
    *,
    last_row_only: bool = False,
) -> pd.DataFrame:
    """Stack the CSV files of several runs to `table`, the run's keys (dataset, model, seed) in front.

    `parts` are in the order of `runs`, the same number of files for each. `last_row_only` keeps the
    end of a training history, with the number of its epochs.
    """
    import pandas as pd

    per_run = len(parts) // len(runs)
    frames = []
    for number, part in enumerate(parts):
        frame = read_rows(part, table)
        if last_row_only:
            frame = frame.tail(1).rename(columns={"epoch": "epochs"}).drop(columns="loss")
        for position, (key, value) in enumerate(runs[number // per_run].items()):
            frame.insert(position, key, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
