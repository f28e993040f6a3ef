"""The table of claims of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from vebi.claims.claim import Claim, judge
from vebi.claims.input_resampling import CLAIMS as RESAMPLING
from vebi.claims.mcgill_report import CLAIMS as MCGILL
from vebi.claims.run import Run, hull
from vebi.claims.table import CLAIMS_TABLE
from vebi.claims.vebi_paper import CLAIMS as VEBI

CLAIMS: tuple[Claim, ...] = (*VEBI, *MCGILL, *RESAMPLING)


def tabulate(files: Mapping[str, Path], facts: Mapping[str, Any]) -> pd.DataFrame:
    """claims.csv of a run: every claim, in order of its id.

    `measured` is the mean over the claim's data sets and networks. The interval reaches from the lowest
    end of theirs to the highest: it lies above 0 where all of them do.
    """
    run = Run(files, facts)
    rows = [_row(claim, run) for claim in CLAIMS]
    return pd.DataFrame(rows, columns=CLAIMS_TABLE.columns).sort_values("claim_id")


def _row(claim: Claim, run: Run) -> dict[str, object]:
    found = claim.measure(run)
    judged = judge(claim, found)
    parts = found.parts if found else ()
    low, high = hull(*((part.low, part.high) for part in parts))
    nothing = float("nan")
    return {
        "claim_id": claim.claim_id,
        "source": claim.source,
        "statement": claim.statement,
        "published": nothing if claim.published is None else float(claim.published),
        "measured": sum(part.value for part in parts) / len(parts) if parts else nothing,
        "ci_low": low,
        "ci_high": high,
        "verdict": judged.verdict,
        "place": claim.place,
        "rule": claim.rule.words,
        "table": "; ".join(source.words for source in found.sources) if found else "",
        "note": judged.note,
        "networks": found.networks if found else 0,
        "problem": judged.problem,
        "reduced": found.reduced if found else "",
        "tables": " ".join(found.tables) if found else "",
    }
