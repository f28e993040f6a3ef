"""The claims as the report shows them: verdicts counted, numbers readable, a small plot for each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from vebi.claims.show import reason
from vebi.claims.tabulate import CLAIMS
from vebi.figures.names import say_names
from vebi.statistics import Verdict

# Of the page; what these works do not hold follows by name. What we add stands with the first of them.
SOURCES = ("VEBI", "Ours", "McGill report", "Input resampling")
PLACES = {claim.claim_id: number for number, claim in enumerate(CLAIMS)}
VERDICTS = tuple(str(verdict) for verdict in Verdict)
WIDTH, HEIGHT, MARGIN = 168, 26, 9


@dataclass(frozen=True)
class Claim:
    """A row of claims.csv, as text.

    `reason`: on what a difference depends, or why nothing was decided. `plot` is SVG, '' where there is
    no measured number; `tables`: names of those the number is from.
    """

    key: str
    source: str
    place: str
    statement: str
    published: str
    measured: str
    verdict: str
    comparability: str
    reason: str
    margin: str
    rule: str
    table: str
    note: str
    plot: str
    tables: tuple[str, ...]


def read_claims(table: pd.DataFrame) -> list[Claim]:
    """The claims in the order of the works: by work, section and figure there, then as listed."""
    claims = []
    for _, row in table.iterrows():
        low, high = _number(row.get("ci_low")), _number(row.get("ci_high"))
        published, measured = _number(row.get("published")), _number(row.get("measured"))
        margin = _number(row.get("margin"))
        interval = "" if low is None or high is None else f" ({_format(low)} to {_format(high)})"
        claims.append(
            Claim(
                key=_text(row["claim_id"]),
                source=_text(row["source"]),
                place=_text(row.get("place")),
                statement=_text(row["statement"]),
                published=_text(row.get("published")) if published is None else _format(published),
                measured=_text(row.get("measured"))
                if measured is None
                else f"{_format(measured)}{interval}",
                verdict=_text(row["verdict"]),
                comparability=_text(row.get("comparability")),
                reason=reason(
                    {**row, "factor": _text(row["factor"]), "problem": _text(row["problem"])}
                ),
                margin="" if margin is None else _format(margin),
                rule=_text(row.get("rule")),
                table=_text(row.get("table")),
                note=say_names(_text(row.get("note"))),
                plot=draw(published, measured, low, high),
                tables=tuple(_text(row.get("tables")).split()),
            )
        )
    return sorted(claims, key=_order)


def _order(claim: Claim) -> tuple[int, str, str, int, str]:
    known = SOURCES.index(claim.source) if claim.source in SOURCES else len(SOURCES)
    # "3.3: cost" stands before "4.1, Fig. 4: ...": by the number of the section.
    return known, claim.source, claim.place, PLACES.get(claim.key, len(PLACES)), claim.key


def group_claims(claims: Sequence[Claim]) -> list[tuple[str, str, list[Claim]]]:
    """Claims of one place stand together: (work, place, claims)."""
    groups: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        groups.setdefault((claim.source, claim.place), []).append(claim)
    return [(source, place, group) for (source, place), group in groups.items()]


def count_verdicts(claims: Sequence[Claim]) -> dict[str, int]:
    """How many claims have each verdict: the known verdicts first, those that none has left out."""
    found = [claim.verdict for claim in claims]
    names = [*VERDICTS, *sorted(set(found) - set(VERDICTS))]
    return {name: found.count(name) for name in names if name in found}


def draw(
    published: float | None, measured: float | None, low: float | None, high: float | None
) -> str:
    """Measured (dot, interval as a line) and published (diamond) on a scale of their own, as SVG."""
    values = [v for v in (published, measured, low, high) if v is not None]
    if measured is None or len(values) < 2:
        return ""
    first, last = min(values), max(values)
    # A difference is read against zero, so zero is there where it is near.
    if first > 0 and first < 2 * (last - first):
        first = 0.0
    if last < 0 and -last < 2 * (last - first):
        last = 0.0
    span = (last - first) or abs(last) or 1.0

    def x(value: float) -> str:
        return f"{MARGIN + (value - first) / span * (WIDTH - 2 * MARGIN):.1f}"

    middle = HEIGHT / 2
    parts = [f'<line class="axis" x1="0" x2="{WIDTH}" y1="{middle:g}" y2="{middle:g}"/>']
    spoken = f"measured {_format(measured)}"
    if first <= 0 <= last:
        parts.append(f'<line class="zero" x1="{x(0)}" x2="{x(0)}" y1="3" y2="{HEIGHT - 3}"/>')
    if low is not None and high is not None:
        parts.append(
            f'<line class="interval" x1="{x(low)}" x2="{x(high)}" y1="{middle:g}" y2="{middle:g}"/>'
        )
        spoken += f", interval {_format(low)} to {_format(high)}"
    parts.append(f'<circle class="measured" cx="{x(measured)}" cy="{middle:g}" r="4.5"/>')
    if published is not None:
        centre = float(x(published))
        parts.append(
            f'<path class="published" d="M{centre - 6:.1f} {middle:g}L{centre:.1f} {middle - 6:g}'
            f'L{centre + 6:.1f} {middle:g}L{centre:.1f} {middle + 6:g}Z"/>'
        )
        spoken += f", published {_format(published)}"
    return (
        f'<svg class="range" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{escape(spoken)}">{"".join(parts)}</svg>'
    )


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _format(value: float) -> str:
    """Three significant digits or three decimals, with a real minus sign."""
    if value == round(value) and abs(value) < 1e6:
        text = f"{value:,.0f}"
    elif 0 < abs(value) < 0.001:
        text = f"{value:.1e}"
    else:
        text = f"{value:,.3f}" if abs(value) < 100 else f"{value:,.1f}"
    return text.replace("-", "\N{MINUS SIGN}")
