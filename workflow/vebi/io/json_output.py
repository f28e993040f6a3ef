"""What a command prints with `--json`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vebi.io.files import write_text

if TYPE_CHECKING:
    import pandas as pd

STANDARD_OUTPUT = "-"


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """A table as a list of rows, each from column to value; missing numbers are None."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def write_json(value: Any, path: Path) -> None:
    """Write plain values as JSON to a file, or to standard output where `path` is `-`."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if str(path) == STANDARD_OUTPUT:
        sys.stdout.write(text)
    else:
        write_text(path, text)
