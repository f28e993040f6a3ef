"""The comparison in a form for people: tables, sentences, and a page."""

import html
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vebi.benchmark.compare import Comparison
from vebi.benchmark.ranks import rank_table
from vebi.benchmark.score import LESS_IS_BETTER, MEASURES

TITLES = {
    "auc": "area under the IoU curve",
    "best_iou": "IoU at the best threshold",
    "relevance_mass": "relevance mass",
    "relevance_rank": "relevance rank",
    "pointing": "pointing game",
    "rank_correlation": "follows true effects",
    "single_deletion": "follows removal",
    "wrong_order": "ignored above used (less is better)",
    "grid": "grid of the strides (less is better)",
    "sanity": "alike after all weights are random (less is better)",
}
# What a measure can't see, for whoever reads one column alone.
BLIND_SPOTS = (
    "Area, IoU, mass, rank and pointing compare a map with the mask of the part that makes the label. "
    "A network may look elsewhere: then a map that shows where it looks loses. The threshold of the best "
    "IoU is chosen on the images that it is scored on.",
    "The three columns of effects compare the parts of an image with each other. They don't see where "
    "in a part a map is high, and an edge of a part counts as its inside.",
    "Effects are of one change at a time. Where either of two parts is enough for the network, each "
    "alone has little effect.",
    "The grid's share is that of the network's widest lattice; a smooth map has none, whatever it shows. "
    "A map that changes with the weights need not be right about them.",
    "A measure on which a negative control is ahead of a method does not tell a good map from one that "
    "knows nothing of the network.",
)
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>vebi benchmark</title><style>
body {{ font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; }}
table {{ border-collapse: collapse; font-size: 13px; }}
th, td {{ border-bottom: 1px solid #ddd; padding: 4px 8px; text-align: right; vertical-align: top; }}
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) {{ text-align: left; }}
tr.yours {{ background: #eef6ff; font-weight: 600; }} tr.control {{ color: #666; }}
</style></head><body><h1>Explanation methods on {dataset}</h1>
{networks}
<h2>What the measures can't see</h2><ul>{blind}</ul></body></html>
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


def shown_table(table: pd.DataFrame, measures: Sequence[str] = MEASURES) -> pd.DataFrame:
    """The table with each mean and its interval in one cell, and titles for columns."""
    shown = pd.DataFrame({"method": table["method"], "kind": table["kind"]})
    for name in measures:
        ends = table[f"{name}_ci_low"], table[f"{name}_ci_high"]
        shown[TITLES[name]] = [cell(*row) for row in zip(table[name], *ends, strict=True)]
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
    return f"{value:.2f}" if math.isnan(low) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def shown_ranks(ranks: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Rank and its interval by measure, a row per method, of the ranks of one network.

    A star: the method can't be told from the first one.
    """
    rows = []
    for method in methods:
        row = {"method": method}
        for _, one in ranks[ranks["method"] == method].iterrows():
            star = "" if one["differs"] else " *"
            row[TITLES[one["measure"]]] = (
                f"{one['rank']} ({one['ci_low']} to {one['ci_high']}){star}"
            )
        rows.append(row)
    columns = [title for name, title in TITLES.items() if name in set(ranks["measure"])]
    return pd.DataFrame(rows, columns=["method", *columns]).fillna("-")


def behind_controls(table: pd.DataFrame) -> Mapping[str, tuple[str, list[str]]]:
    """By measure: the best of the controls that should lose, and the methods that are behind it."""
    found = {}
    controls = table[table["kind"] == "negative control"]
    methods = table[table["kind"].isin(["yours", "known"])]
    for name in MEASURES:
        sign = -1 if name in LESS_IS_BETTER else 1
        values = (sign * controls[name]).to_numpy()
        if np.isnan(values).all():
            continue
        best = int(np.nanargmax(values))
        losers = methods[sign * methods[name] < values[best]]["method"]
        if len(losers):
            found[name] = str(controls["method"].iloc[best]), list(losers)
    return found


def warnings(table: pd.DataFrame) -> list[str]:
    """The same as sentences."""
    return [
        f"{TITLES[name]}: {control.replace('_', ' ')} is ahead of {', '.join(losers)}."
        for name, (control, losers) in behind_controls(table).items()
    ] or ["No measure: every method is ahead of all of them."]


def page(comparison: Comparison, dataset: str) -> str:
    """A page without scripts that loads nothing."""
    ranks = rank_table(comparison.scores)
    networks = []
    for model, table in comparison.table.groupby("model", sort=False):
        methods = table[table["kind"].isin(["yours", "known"])]["method"]
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
        blind="".join(f"<li>{html.escape(text)}</li>" for text in BLIND_SPOTS),
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
