"""The table of `vebi benchmark` as a page, and in a form for people."""

import html
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from vebi.studies.interventions.benchmark import LESS_IS_BETTER, MEASURES

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
    "Area, IoU, mass, rank and pointing compare a map with the mask of the part that makes the label. A"
    " network may look elsewhere: then a map that shows where it looks loses.",
    "Both columns of effects compare the parts of an image with each other. They don't see where in a "
    "part a map is high, and an edge of a part counts as its inside.",
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
</style></head><body><h1>Explanation methods on {experiment}</h1>
<p>{n_images} test images, {n_networks} networks; means with 95&nbsp;% intervals over networks and
scenes.</p>
<table><thead><tr>{head}</tr></thead><tbody>
{rows}
</tbody></table>
<h2>Below a control that should lose</h2><p>{warnings}</p>
<h2>What the measures can't see</h2><ul>{blind}</ul></body></html>
"""


def shown_table(table: pd.DataFrame, measures: Sequence[str] = MEASURES) -> pd.DataFrame:
    """The table with each mean and its interval in one cell, and titles for columns."""
    shown = pd.DataFrame({"method": table["method"], "kind": table["kind"]})
    for name in measures:
        shown[TITLES[name]] = [_cell(row, name) for _, row in table.iterrows()]
    shown["ms per image"] = [
        "" if math.isnan(value) else f"{1000 * value:.1f}" for value in table["seconds_per_image"]
    ]
    return shown


def _cell(row: pd.Series, name: str) -> str:
    value = row[name]
    if math.isnan(value):
        return "-"
    low, high = row.get(f"{name}_ci_low", math.nan), row.get(f"{name}_ci_high", math.nan)
    return f"{value:.2f}" if math.isnan(low) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def beaten_by_controls(table: pd.DataFrame) -> list[str]:
    """For each measure the methods that a negative control is ahead of, as sentences."""
    found = []
    controls = table[table["kind"] == "negative control"]
    methods = table[table["kind"].isin(["yours", "run"])]
    for name in MEASURES:
        sign = -1 if name in LESS_IS_BETTER else 1
        values = (sign * controls[name]).to_numpy()
        if np.isnan(values).all():
            continue
        best = int(np.nanargmax(values))
        losers = methods[sign * methods[name] < values[best]]["method"]
        if len(losers):
            control = str(controls["method"].iloc[best]).replace("_", " ")
            found.append(f"{TITLES[name]}: {control} is ahead of {', '.join(losers)}.")
    return found


def page(table: pd.DataFrame, experiment: str) -> str:
    """A page without scripts that loads nothing."""
    shown = shown_table(table)
    rows = []
    for kind, (_, row) in zip(table["kind"], shown.iterrows(), strict=True):
        style = "yours" if kind == "yours" else "control" if "control" in kind else ""
        cells = "".join(f"<td>{html.escape(str(value))}</td>" for value in row)
        rows.append(f'<tr class="{style}">{cells}</tr>')
    warnings = beaten_by_controls(table) or ["No measure: every method is ahead of all of them."]
    return PAGE.format(
        experiment=html.escape(experiment),
        n_images=table["n_images"].iloc[0],
        n_networks=table["n_networks"].iloc[0],
        head="".join(f"<th>{html.escape(title)}</th>" for title in shown.columns),
        rows="\n".join(rows),
        warnings="<br>".join(map(html.escape, warnings)),
        blind="".join(f"<li>{html.escape(text)}</li>" for text in BLIND_SPOTS),
    )
