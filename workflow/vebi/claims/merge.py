"""Claims of several runs as one table: of the runs that tested a claim, the one most like the work's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vebi.claims.facts import facts_of
from vebi.claims.table import CLAIMS_TABLE, FACT_COLUMNS, FURTHER_COLUMNS
from vebi.claims.tabulate import CLAIMS, tabulate
from vebi.config import parse_config
from vebi.io.errors import VebiError
from vebi.io.files import parse_json, read_bounded
from vebi.io.tables import read_table
from vebi.run.checksums import check_files
from vebi.run.manifest import LARGEST_MANIFEST, MANIFEST
from vebi.statistics import Comparability, Verdict
from vebi.studies.registry import STUDY_TABLES

FILE = "claims.csv"
# Columns that earlier versions did not write.
ADDED = (*FACT_COLUMNS, *FURTHER_COLUMNS)


def read_claims(run: Path) -> pd.DataFrame:
    """The claims of a run's folder, of its folder of tables, or of a claims.csv.

    A run of an older version, with a manifest but no claims.csv or one that lacks columns, is read from
    its tables.

    Returns:
        The columns of CLAIMS_TABLE; notes and facts that are not there as "".

    Raises:
        VebiError: none of these, a file that is not as the run wrote it, one of an older version without
            its run, or one without claims.
    """
    path = next((p for p in (run, run / FILE, run / "tables" / FILE) if p.is_file()), None)
    if path is not None:
        check_files(path)
    if (path is None or _is_older(path)) and (run / MANIFEST).is_file():
        return _from_tables(run)
    if path is None:
        raise VebiError(
            f"{run} has no {FILE}: expected a run's folder, such as results/default or "
            f"results/reference/default, or the file itself."
        )
    if _is_older(path):
        raise VebiError(
            f"{path} is of an older version of vebi: it lacks some of the columns "
            f"{', '.join(ADDED)}. Give the folder of its run, with {MANIFEST} and all tables, or "
            "run again."
        )
    claims = read_table(path, CLAIMS_TABLE)
    if claims.empty:
        raise VebiError(
            f"{path} has no claims, expected a row for each. Delete it and run again, or give another "
            "run."
        )
    _check_values(path, claims)
    return claims


def _check_values(path: Path, claims: pd.DataFrame) -> None:
    """Raise VebiError for a table that no run has written."""
    for column, kinds, what in (
        ("networks", "iu", "whole numbers"),
        *((name, "iuf", "numbers") for name in ("published", "measured", "ci_low", "ci_high")),
    ):
        if claims[column].dtype.kind not in kinds:
            raise VebiError(f"{path}: {column} must hold {what}. Delete it and run again.")
    if twice := claims["claim_id"][claims["claim_id"].duplicated()].tolist():
        raise VebiError(f"{path}: '{twice[0]}' has two rows. Delete it and run again.")


def _is_older(path: Path) -> bool:
    """Whether this is a table of claims from before facts had columns of their own."""
    try:
        columns = set(pd.read_csv(path, nrows=0).columns)
    except (OSError, ValueError):
        return False
    return "verdict" in columns and not columns.issuperset(ADDED)


def _from_tables(run: Path) -> pd.DataFrame:
    check_files(run / MANIFEST)
    config = _config_of(run / MANIFEST)
    files = {name: run / "tables" / f"{name}.csv" for name in STUDY_TABLES}
    there = {name: path for name, path in files.items() if path.is_file()}
    check_files(*there.values())
    return tabulate(there, facts_of(parse_config(config)))


def _config_of(manifest: Path) -> Any:
    """The configuration in a manifest of any version."""
    try:
        return parse_json(read_bounded(manifest, LARGEST_MANIFEST))["config"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise VebiError(f"{manifest}: no configuration can be read from it. Run again.") from error


def merge(runs: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """One row per claim in the works' order; column `run`: which of `runs` (name, claims) it is from.

    A run that tested the claim beats one that did not, the work's own design a stand-in, more
    networks fewer, and the run that is given first the others: nothing that depends on the verdict.
    The note names runs that come to another one.
    """
    order = [claim.claim_id for claim in CLAIMS]
    later = {claim_id for _, claims in runs for claim_id in claims["claim_id"]} - set(order)
    rows = []
    for claim_id in [*order, *sorted(later)]:
        found = [
            {**row, "run": name}
            for name, claims in runs
            for row in claims[claims["claim_id"] == claim_id].to_dict("records")
        ]
        tested = sorted((row for row in found if row["verdict"] != Verdict.NOT_TESTED), key=_rank)
        # An experiment that was run and could not be judged says more than none.
        untested = sorted(found, key=lambda row: row["comparability"] == Comparability.NO_DATA)
        for row in (tested or untested)[:1]:
            against = [
                f"run {other['run']}: {other['verdict']}, {other['measured']:.3f} "
                f"({other['ci_low']:.3f} to {other['ci_high']:.3f})"
                for other in tested[1:]
                if other["verdict"] != row["verdict"]
            ]
            notes = [text for text in (row["note"], *against) if text]
            rows.append({**row, "note": ". ".join(notes)})
    return pd.DataFrame(rows)


def _rank(row: Mapping[Any, Any]) -> tuple[int, int]:
    return _LIKE.index(row["comparability"]), -int(row["networks"])


# The most like the published experiment first.
_LIKE = [str(one) for one in Comparability]
