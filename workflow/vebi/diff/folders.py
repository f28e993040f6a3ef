"""`vebi diff A B`: compare two results folders and say what is not the same."""

import filecmp
import json
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vebi.diff import arrays, images, isolated, manifests, other, sources, tables
from vebi.diff.html import to_html
from vebi.diff.report import FileResult, Report, Verdict
from vebi.diff.terminal import plain, print_report
from vebi.diff.tolerances import Tolerances, default_path, read_tolerances
from vebi.io.errors import VebiError
from vebi.io.files import read_bounded, write_text
from vebi.io.tables import Table


@dataclass(frozen=True)
class Known:
    """What is known of the files that are compared: the record of each table, and tolerances."""

    tables: Mapping[str, Table]
    tolerances: Tolerances


# A file of a results folder: paths of tables, one on a line, that it does without.
LEFT_OUT = "left_out.txt"
LARGEST_LIST = 1 << 16

NOTHING_KNOWN = Known({}, Tolerances([]))

COMPARERS = {
    ".h5": isolated.compare_hdf5,
    ".hdf5": isolated.compare_hdf5,
    ".pt": arrays.compare_models,
    ".png": images.compare_pngs,
    ".json": other.compare_json,
}

KINDS = {
    ".csv": "table",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".pt": "model",
    ".png": "image",
    ".json": "json",
}


def compare(
    a: Path,
    b: Path,
    tolerances: Path | None = None,
    *,
    strict: bool = False,
    known: Known = NOTHING_KNOWN,
    archive_limit: int = sources.ARCHIVE_LIMIT,
) -> Report:
    """Compare two results folders, archives of them, or two single files.

    Args:
        tolerances: a tolerance file; None takes `config/tolerances.tsv` of the working directory, and
            where there is none those that are `known`.
        strict: files on one side only and what is otherwise only listed count as differences.
        known: what the caller knows of the tables.
        archive_limit: bytes that an archive may unpack to.

    Returns:
        The report. A file that can't be compared is one of its entries and no exception.

    Raises:
        VebiError: A or B is nothing that can be compared, or the tolerance file is wrong.
    """
    report = Report(str(a), str(b), strict=strict)
    path = tolerances if tolerances is not None else default_path()
    allowed = known.tolerances if path is None else read_tolerances(path)
    if not allowed.rows:
        report.notes.append("There are no tolerances: numbers must be exactly the same.")
    with ExitStack() as stack:
        roots = [stack.enter_context(sources.opened(side, archive_limit)) for side in (a, b)]
        files_a, files_b = (sources.list_files(root) for root in roots)
        if roots[0].is_file() != roots[1].is_file():
            raise VebiError(f"{a} and {b}: one is a file and one a folder; give two of a kind.")
        if roots[0].is_file():
            files_b = {roots[0].name: roots[1]}
        for side, files in ((a, files_a), (b, files_b)):
            if not files:
                raise VebiError(f"{side}: no result files in it. Expected tables/*.csv and more.")
        _compare_sides(report, files_a, files_b, allowed, known.tables)
    report.settle()
    return report


def _compare_sides(
    report: Report,
    files_a: dict[str, Path],
    files_b: dict[str, Path],
    tolerances: Tolerances,
    known: Mapping[str, Table],
) -> None:
    manifest_a = files_a.pop(manifests.MANIFEST, None)
    manifest_b = files_b.pop(manifests.MANIFEST, None)
    report.provenance, notes = manifests.compare_manifests(manifest_a, manifest_b)
    report.notes += notes
    left_out = _left_out(files_a, files_b)
    report.only_a = sorted(files_a.keys() - files_b.keys())
    report.only_b = sorted(files_b.keys() - files_a.keys())
    # Tables are what every results folder promises; a reference has nothing but them and figures.
    one_side = report.only_a + report.only_b
    report.missing_tables = [n for n in one_side if _is_table(n) and n not in left_out]
    if not_compared := sorted(left_out.intersection(one_side)):
        report.notes.append(f"Left out of one side on purpose: {', '.join(not_compared)}.")
    both = [name for name in files_a if name in files_b]
    if not both and not report.missing_tables:
        raise VebiError(f"{report.a} and {report.b}: no file of the same name in both.")
    for name in both:
        result, verdicts = compare_files(name, files_a[name], files_b[name], tolerances, known)
        report.files.append(result)
        report.verdicts += verdicts


def _left_out(*sides: dict[str, Path]) -> set[str]:
    """Tables that a side leaves out on purpose, as a reference does of many networks: see LEFT_OUT."""
    lists = [files.pop(LEFT_OUT) for files in sides if LEFT_OUT in files]
    texts = (read_bounded(path, LARGEST_LIST).decode("utf-8", "replace") for path in lists)
    return {line.strip() for text in texts for line in text.splitlines()}


def _is_table(name: str) -> bool:
    path = Path(name)
    return path.suffix == ".csv" and path.parent.name == "tables"


def compare_files(
    name: str,
    a: Path,
    b: Path,
    tolerances: Tolerances,
    known: Mapping[str, Table] = NOTHING_KNOWN.tables,
) -> tuple[FileResult, list[Verdict]]:
    """Compare two files of one name by their kind; problems end up in the result's `error`."""
    suffix = Path(name).suffix.lower()
    kind = KINDS.get(suffix, "bytes")
    try:
        if suffix == ".csv":
            # Tables are read even if their bytes are the same: a broken one must not pass.
            return tables.compare_tables(name, a, b, tables.record_of(name, known), tolerances)
        if filecmp.cmp(a, b, shallow=False):
            return FileResult(name, kind), []
        return COMPARERS.get(suffix, other.compare_bytes)(name, a, b, tolerances), []
    except VebiError as error:
        message = str(error)
    except OSError as error:
        message = f"{name}: can't be read ({error.strerror or error})."
    except MemoryError:
        message = f"{name}: needs more memory than there is."
    return FileResult(name, kind, error=message), []


def _console() -> Console:
    # rich takes 80 columns for a pipe or a log file, where lines can well be longer.
    narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if narrow else 110)


def run_diff(
    a: Path,
    b: Path,
    tolerances: Path | None = None,
    *,
    strict: bool = False,
    json_path: Path | None = None,
    html_path: Path | None = None,
    known: Known = NOTHING_KNOWN,
) -> int:
    """Compare, print, write what was asked for, and return the exit code.

    `json_path` `-` writes JSON to standard output, in the place of the terminal's tables.

    Returns:
        0 alike, 1 different, 2 something could not be compared.
    """
    console = Console(stderr=True, highlight=False)
    try:
        report = compare(Path(a), Path(b), tolerances, strict=strict, known=known)
        to_stdout = json_path is not None and str(json_path) == "-"
        text = json.dumps(report.to_json(), indent=2, ensure_ascii=True) + "\n"
        if to_stdout:
            sys.stdout.write(text)
        else:
            print_report(report, _console())
        if json_path is not None and not to_stdout:
            write_text(json_path, text)
        if html_path is not None:
            write_text(html_path, to_html(report))
        return report.exit_code
    except VebiError as error:
        message = str(error)
    except BrokenPipeError:
        return 2
    except OSError as error:
        message = f"{error.filename or ''}: {error.strerror or error}"
    # A user gets no traceback; what is left is a defect of this program, and says so.
    except Exception as error:
        message = f"unexpected {type(error).__name__}: {error}. Please report this."
    console.print(f"vebi diff: {plain(message, 2000)}", style="red", markup=False, soft_wrap=True)
    return 2
