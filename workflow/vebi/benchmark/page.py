"""The comparison in a form for people: tables, sentences, and a page."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from vebi.benchmark.compare import Comparison
from vebi.benchmark.ranks import rank_table
from vebi.catalogue.measures import MEASURES

# Of rows that are methods and no controls.
METHOD_KINDS = ("yours", "known")
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>vebi benchmark</title><style>
body {{ font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; }}
table {{ border-collapse: collapse; font-size: 13px; }}
th, td {{ border-bottom: 1px solid #ddd; padding: 4px 8px; text-align: right; vertical-align: top; }}
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) {{ text-align: left; }}
tr.yours {{ background: #eef6ff; font-weight: 600; }} tr.control {{ color: #666; }}
</style></head><body><h1>Explanation methods on {dataset}</h1>
{networks}
<h2>What each measure asks, and what it can't see</h2><ul>{measures}</ul>
<p>A measure on which a control that should lose is ahead of a method does not tell a good map from one
that knows nothing of the network.</p></body></html>
"""
NETWORK = """<h2>{model}</h2>
<p>{about}</p>
{values}
<h3>Ranks</h3>
<p>Among the methods, and where 95&nbsp;% of the ranks lie when scenes are drawn again.</p>
{ranks}
<h3>Below a control that should lose</h3><p>{warnings}</p>
"""


def about(table: pd.DataFrame) -> str:
    """What the intervals of one network's table range over, in a sentence."""
    first = table.iloc[0]
    images = f"{first['n_images']} test images of {first['n_scenes']} scenes"
    if first["n_networks"] == 1:
        return (
            f"One network, {images}: means with 95 % intervals over scenes. They say what other scenes "
            "would give with this network, and nothing of other networks."
        )
    over = "means with 95 % intervals over networks and scenes"
    return f"{first['n_networks']} networks, {images}: {over}."


def shown_table(table: pd.DataFrame, measures: Iterable[str] = tuple(MEASURES)) -> pd.DataFrame:
    """The table with each mean and its interval in one cell, and titles for columns."""
    shown = pd.DataFrame({"method": table["method"], "kind": table["kind"]})
    for name in measures:
        ends = table[f"{name}_ci_low"], table[f"{name}_ci_high"]
        shown[MEASURES[name].title] = [cell(*row) for row in zip(table[name], *ends, strict=True)]
    if table["seconds_per_image"].notna().any():
        shown["ms per image"] = [
            "" if math.isnan(value) else f"{1000 * value:.1f}"
            for value in table["seconds_per_image"]
        ]
    return shown


def cell(value: float, low: float, high: float) -> str:
    """`0.42 (0.37 to 0.47)`; without an interval where there is none, `-` without a value."""
    if math.isnan(value):
        return "-"
    # A zero is added so that what rounds to zero has no sign.
    value, low, high = (round(number, 2) + 0.0 for number in (value, low, high))
    return f"{value:.2f}" if math.isnan(low) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def narrow_table(table: pd.DataFrame, measures: Iterable[str]) -> pd.DataFrame:
    """The same for a terminal of 80 columns: `0.42±.05` is a mean and half its interval."""
    marks = {"yours": "> ", "known": ""}
    names = [
        marks.get(kind, "control: ") + name
        for kind, name in zip(table["kind"], table["method"], strict=True)
    ]
    shown = pd.DataFrame({"method": names})
    for name in measures:
        # Student's intervals reach as far on both sides.
        halves = table[f"{name}_ci_high"] - table[name]
        shown[MEASURES[name].short] = [
            cell(value, math.nan, math.nan)
            + ("" if math.isnan(half) else f"±{half:.2f}".replace("0.", "."))
            for value, half in zip(table[name], halves, strict=True)
        ]
    return shown


def shown_ranks(ranks: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Rank and its interval by measure, a row per method, of the ranks of one network.

    A star: the method can't be told from the first one.
    """
    rows = []
    for method in methods:
        row = {"method": method}
        for _, one in ranks[ranks["method"] == method].iterrows():
            star = "" if one["differs"] else " *"
            row[MEASURES[one["measure"]].title] = (
                f"{one['rank']} ({one['ci_low']} to {one['ci_high']}){star}"
            )
        rows.append(row)
    columns = [one.title for name, one in MEASURES.items() if name in set(ranks["measure"])]
    return pd.DataFrame(rows, columns=["method", *columns]).fillna("-")


def ahead_of(table: pd.DataFrame, control: str, measure: str) -> list[str] | None:
    """The methods of one network that a control is ahead of by a measure; None where it has no value."""
    sign = -1 if MEASURES[measure].less_is_better else 1
    value = sign * table.loc[table["method"] == control, measure].iloc[0]
    if math.isnan(value):
        return None
    methods = table[table["kind"].isin(METHOD_KINDS)]
    return list(methods[sign * methods[measure] < value]["method"])


def warnings(table: pd.DataFrame) -> list[str]:
    """By each measure of one network the methods that a control which should lose is ahead of."""
    found = []
    for name, measure in MEASURES.items():
        for control in table[table["kind"] == "negative control"]["method"]:
            if losers := ahead_of(table, control, name):
                shown = control.replace("_", " ")
                found.append(f"{measure.title}: {shown} is ahead of {', '.join(losers)}.")
    return found or ["No measure: every method is ahead of all of them."]


def page(comparison: Comparison, dataset: str) -> str:
    """A page without scripts that loads nothing."""
    ranks = rank_table(comparison.scores)
    networks = []
    for model, table in comparison.table.groupby("model", sort=False):
        methods = table[table["kind"].isin(METHOD_KINDS)]["method"]
        kinds = dict(zip(table["method"], table["kind"], strict=True))
        networks.append(
            NETWORK.format(
                model=html.escape(str(model)),
                about=html.escape(about(table)),
                values=_html(shown_table(table), kinds),
                ranks=_html(shown_ranks(ranks[ranks["model"] == model], list(methods)), kinds),
                warnings="<br>".join(map(html.escape, warnings(table))),
            )
        )
    return PAGE.format(
        dataset=html.escape(dataset),
        networks="".join(networks),
        measures="".join(
            f"<li><b>{html.escape(one.title)}</b>: {html.escape(one.asks)} Blind spots: "
            f"{html.escape(one.blind)}</li>"
            for one in MEASURES.values()
        ),
    )


def _html(shown: pd.DataFrame, kinds: Mapping[str, str]) -> str:
    head = "".join(f"<th>{html.escape(title)}</th>" for title in shown.columns)
    rows = []
    for _, row in shown.iterrows():
        kind = kinds[row["method"]]
        style = "yours" if kind == "yours" else "control" if "control" in kind else ""
        cells = "".join(f"<td>{html.escape(str(value))}</td>" for value in row)
        rows.append(f'<tr class="{style}">{cells}</tr>')
    body = "\n".join(rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
