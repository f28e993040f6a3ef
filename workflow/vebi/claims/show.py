"""Claims for a terminal and as Markdown. Every verdict is as plain to see as any other."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vebi.claims.claim import describe_reduced
from vebi.claims.tabulate import CLAIMS
from vebi.figures.names import say_names
from vebi.statistics import Verdict

VERDICTS = tuple(str(verdict) for verdict in Verdict)
_STYLES = {
    Verdict.CONFIRMED: "bold blue",
    Verdict.CONSISTENT: "bold blue",
    Verdict.IMPROVED: "bold blue",
    Verdict.ANSWERED: "bold blue",
    Verdict.CONTRADICTED: "bold red",
    Verdict.DIFFERS: "bold red",
    Verdict.DEPENDS: "bold magenta",
    Verdict.NEGLIGIBLE: "bold magenta",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_TESTED: "dim",
}
_CLAIMS = {claim.claim_id: claim for claim in CLAIMS}


def _digits(row: Mapping[Any, Any]) -> int:
    claim = _CLAIMS.get(row["claim_id"])
    return claim.decimals if claim else 3


def _numbers(row: Mapping[Any, Any], value: str, low: str, high: str) -> str:
    middle, *ends = (float(row[key]) for key in (value, low, high))
    if math.isnan(middle):
        return ""
    digits = _digits(row)
    interval = "" if math.isnan(ends[0]) else f" ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"
    return f"{middle:.{digits}f}{interval}"


def measured(row: Mapping[Any, Any]) -> str:
    """Our number with its interval, as many digits as the claim needs; "" for none."""
    return _numbers(row, "measured", "ci_low", "ci_high")


def published(row: Mapping[Any, Any]) -> str:
    """The printed number with the digits that it was printed with, "" for none."""
    value, claim = float(row["published"]), _CLAIMS.get(row["claim_id"])
    if math.isnan(value):
        return ""
    if claim and claim.rounding:
        return f"{value:.{round(-math.log10(2 * claim.rounding))}f}"
    return f"{value:g}"


def reason(row: Mapping[Any, Any]) -> str:
    """What belongs to the verdict: on what it depends, by how much, and why nothing was decided."""
    parts = []
    if row["factor"]:
        by = _numbers(row, "interaction", "interaction_ci_low", "interaction_ci_high")
        parts.append(f"on {row['factor']}: {row['contrast']} {by}")
    if row["problem"]:
        parts.append(str(row["problem"]))
    return say_names("; ".join(parts))


def counts(claims: pd.DataFrame) -> dict[str, int]:
    """Number of claims of every verdict, also of those that none has."""
    return {verdict: int((claims["verdict"] == verdict).sum()) for verdict in VERDICTS}


def show(claims: pd.DataFrame) -> None:
    """Print `claims` (of `merge`) as a table, a section per place, and how many have which verdict.

    It fits into 80 columns; a note stands below its claim.
    """
    several = len(set(claims["run"])) > 1
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("claim", ratio=1)
    table.add_column("published", justify="right")
    table.add_column("here (95 %)", justify="right", max_width=24)
    table.add_column("verdict", max_width=14)
    if several:
        table.add_column("run", max_width=12)
    for (source, place), group in claims.groupby(["source", "place"], sort=False):
        table.add_row(f"[bold underline]{escape(f'{source}, {place}')}")
        for row in group.to_dict("records"):
            verdict = row["verdict"]
            parts = dict.fromkeys((row["comparability"], reason(row), row["note"]))
            facts = ". ".join(text for text in parts if text)
            note = f"\n[dim]{escape(facts)}[/dim]" if facts else ""
            table.add_row(
                escape(row["statement"]) + note,
                published(row),
                measured(row),
                f"[{_STYLES.get(verdict, '')}]{verdict}" if verdict in _STYLES else verdict,
                *[row["run"]] * several,
            )
    console = Console()
    console.print(table)
    found = [f"{number} {verdict}" for verdict, number in counts(claims).items() if number]
    console.print(", ".join(found))


def count_table(claims: pd.DataFrame) -> str:
    """How many claims (of `merge`) of each place have which verdict, as Markdown."""
    used = [verdict for verdict, number in counts(claims).items() if number]
    lines = [f"| claims of | {' | '.join(used)} |", "|---|" + "---|" * len(used)]
    for (source, place), group in claims.groupby(["source", "place"], sort=False):
        numbers = " | ".join(str(counts(group)[verdict] or "") for verdict in used)
        lines.append(f"| {_cell(f'{source}, {place}')} | {numbers} |")
    total = " | ".join(f"**{counts(claims)[verdict]}**" for verdict in used)
    return "\n".join([*lines, f"| **all {len(claims)}** | {total} |"]) + "\n"


def claim_table(claims: pd.DataFrame) -> str:
    """Every claim (of `merge`) with its number, verdict and reason, as Markdown."""
    several = len(set(claims["run"])) > 1
    head = ["claim", "published", "here (95 % interval)", "verdict", "compared with"]
    head += ["run"] * several
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for (source, place), group in claims.groupby(["source", "place"], sort=False):
        lines.append(f"| **{_cell(f'{source}, {place}')}** |" + " |" * (len(head) - 1))
        for row in group.to_dict("records"):
            there = row["verdict"] != Verdict.NOT_TESTED
            verdict = f"**{row['verdict']}**" if there else row["verdict"]
            why = reason(row)
            verdict += f": {_cell(why)}" if why and row["comparability"] != "no data" else ""
            reduced = describe_reduced(row["reduced"])
            statement = row["statement"] + (f" ({reduced})" if reduced else "")
            cells = [_cell(statement), published(row), measured(row), verdict, row["comparability"]]
            cells += [_cell(row["run"]) if there else ""] * several
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def to_markdown(claims: pd.DataFrame) -> str:
    """`claims` (of `merge`) for a README: how many of each place, and every claim folded below."""
    summary = f"<details><summary>Each of the {len(claims)} claims</summary>"
    return f"{count_table(claims)}\n{summary}\n\n{claim_table(claims)}\n</details>\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
