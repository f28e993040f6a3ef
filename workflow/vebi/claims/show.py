"""Claims for a terminal and as Markdown. Every verdict is as plain to see as any other."""

import math
import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vebi.claims.claim import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, describe_reduced
from vebi.claims.tabulate import CLAIMS

VERDICTS = (REPRODUCED, NOT_REPRODUCED, NOT_TESTED)
_STYLES = {REPRODUCED: "bold blue", NOT_REPRODUCED: "bold red", NOT_TESTED: "dim"}
_CLAIMS = {claim.claim_id: claim for claim in CLAIMS}


def measured(row: Mapping[Any, Any]) -> str:
    """Our number with its interval, as many digits as the claim needs; "" for none."""
    claim = _CLAIMS.get(row["claim_id"])
    digits = claim.decimals if claim else 3
    value, low, high = (float(row[key]) for key in ("measured", "ci_low", "ci_high"))
    if math.isnan(value):
        return ""
    ends = "" if math.isnan(low) else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{value:.{digits}f}{ends}"


def published(row: Mapping[Any, Any]) -> str:
    """The printed number with the digits that it was printed with, "" for none."""
    value, claim = float(row["published"]), _CLAIMS.get(row["claim_id"])
    if math.isnan(value):
        return ""
    if claim and claim.rounding:
        return f"{value:.{round(-math.log10(2 * claim.rounding))}f}"
    return f"{value:g}"


def counts(claims: pd.DataFrame) -> dict[str, int]:
    """Number of claims of every verdict."""
    return {verdict: int((claims["verdict"] == verdict).sum()) for verdict in VERDICTS}


def show(claims: pd.DataFrame) -> None:
    """Print `claims` (of `merge`) as a table, a section per place, and how many have which verdict."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("claim", ratio=5)
    table.add_column("published", justify="right")
    table.add_column("here (95 %)", justify="right")
    table.add_column("verdict")
    table.add_column("run")
    table.add_column("note", ratio=4, style="dim")
    for (source, place), group in claims.groupby(["source", "place"], sort=False):
        table.add_row(f"[bold underline]{escape(f'{source}, {place}')}")
        for row in group.to_dict("records"):
            verdict = row["verdict"]
            table.add_row(
                escape(row["statement"]),
                published(row),
                measured(row),
                f"[{_STYLES[verdict]}]{verdict}",
                row["run"],
                escape(row["note"]),
            )
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    console.print(", ".join(f"{number} {verdict}" for verdict, number in counts(claims).items()))


def to_markdown(claims: pd.DataFrame) -> str:
    """`claims` (of `merge`) for a README: how many of each place, and every claim folded below."""
    several = len(set(claims["run"])) > 1
    lines = [f"| claims of | {' | '.join(VERDICTS)} |", "|---|" + "---|" * len(VERDICTS)]
    for (source, place), group in claims.groupby(["source", "place"], sort=False):
        numbers = " | ".join(str(number or "") for number in counts(group).values())
        lines.append(f"| {_cell(f'{source}, {place}')} | {numbers} |")
    total = " | ".join(f"**{number}**" for number in counts(claims).values())
    lines += [f"| **all {len(claims)}** | {total} |", ""]
    lines += [f"<details><summary>Each of the {len(claims)} claims</summary>", ""]
    lines += ["| claim | published | here (95 % interval) | verdict |" + " run |" * several]
    lines += ["|---|---|---|---|" + "---|" * several]
    for (source, place), group in claims.groupby(["source", "place"], sort=False):
        lines.append(f"| **{_cell(f'{source}, {place}')}** | | | |" + " |" * several)
        for row in group.to_dict("records"):
            tested = row["verdict"] != NOT_TESTED
            verdict = f"**{row['verdict']}**" if tested else row["verdict"]
            verdict += f": {row['problem']}" if row["problem"] else ""
            reduced = describe_reduced(row["reduced"])
            statement = row["statement"] + (f" ({reduced})" if reduced else "")
            cells = [_cell(statement), published(row), measured(row), verdict]
            cells += [_cell(row["run"]) if tested else ""] * several
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "</details>"]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
