"""Claims of several runs as one table: of the runs that tested a claim, the one with most networks."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vebi.claims.claim import NOT_TESTED, REDUCED
from vebi.claims.facts import facts_of
from vebi.claims.table import CLAIMS_TABLE
from vebi.claims.tabulate import CLAIMS, tabulate
from vebi.config import parse_config
from vebi.io.errors import VebiError
from vebi.io.tables import read_table
from vebi.run.checksums import check_files
from vebi.studies.registry import STUDY_TABLES

FILE = "claims.csv"


def read_claims(run: Path) -> pd.DataFrame:
    """The claims of a run's folder, of its folder of tables, or of a claims.csv.

    For a run of an older version, with a manifest but no claims.csv, they are computed from its tables.

    Raises:
        VebiError: none of these, or a file that is not as the run wrote it.
    """
    for path in (run, run / FILE, run / "tables" / FILE):
        if path.is_file():
            check_files(path)
            return read_table(path, CLAIMS_TABLE)
    if (run / "manifest.json").is_file():
        check_files(run / "manifest.json")
        config = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["config"]
        files = {name: run / "tables" / f"{name}.csv" for name in STUDY_TABLES}
        there = {name: path for name, path in files.items() if path.is_file()}
        check_files(*there.values())
        return tabulate(there, facts_of(parse_config(config)))
    raise VebiError(
        f"{run} has no {FILE}: expected a run's folder, such as results/default or "
        f"results/reference/default, or the file itself."
    )


def merge(runs: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """One row per claim in the works' order; column `run`: which of `runs` (name, claims) it is from.

    A run that tested the claim beats one that did not, a network of the report's own size a reduced
    one, more networks fewer, and the run that is given first the others: nothing that depends on the
    verdict. The note tells of runs that come to another one.
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
        tested = sorted((row for row in found if row["verdict"] != NOT_TESTED), key=_rank)
        for row in (tested or found)[:1]:
            against = [
                f"run {other['run']}: {other['verdict']}, {other['measured']:.3f} "
                f"({other['ci_low']:.3f} to {other['ci_high']:.3f})"
                for other in tested[1:]
                if other["verdict"] != row["verdict"]
            ]
            notes = [str(row["note"])] if pd.notna(row["note"]) and row["note"] else []
            rows.append({**row, "note": ". ".join([*notes, *against])})
    return pd.DataFrame(rows)


def _rank(row: Mapping[Any, Any]) -> tuple[bool, int]:
    return REDUCED in str(row["note"]), -int(row["networks"])
