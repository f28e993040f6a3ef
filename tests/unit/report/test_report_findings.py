"""Findings, claims and curves: numbers that the page computes."""

import math
import re
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vebi.report.claims import Claim, count_verdicts, draw, read_claims
from vebi.report.curves import iou_curves
from vebi.report.findings import Finding, find
from vebi.report.lead import lead_claims, lead_findings, pick_example
from vebi.report.places import TABLES

FINITE = st.floats(-1e3, 1e3, allow_nan=False)


def paired(name, **columns):
    rows = {column: [0.0] for column in TABLES[name].columns}
    rows |= {"dataset": ["d"], "model": ["m"], "method": ["vebi"], "reference": ["deconv_gb"]}
    return pd.DataFrame(rows | {key: [value] for key, value in columns.items()})


def test_less_grid_and_less_confidence_are_what_the_paper_claims():
    grid = paired(
        "artefacts_paired", layer="heatmap", score_difference=-0.1, ci_low=-0.2, ci_high=-0.05
    )
    (finding,) = find("artefacts", {"artefacts_paired": grid})
    assert (finding.tone, finding.place) == ("holds", "d")
    assert finding.result.startswith("−0.100 (−0.200 to −0.050)")
    worse = paired("occlusion_paired", difference=0.02, ci_low=0.01, ci_high=0.03)
    (finding,) = find("occlusion", {"occlusion_paired": worse})
    assert finding.tone == "reversed"


def test_a_finding_says_over_what_its_interval_is():
    row = {"auc_difference": 0.1, "ci_low": 0.05, "ci_high": 0.15}
    table = paired("iou_paired", **row).assign(over="networks and scenes")
    (finding,) = find("iou", {"iou_paired": table})
    assert finding.result == (
        "+0.100 (+0.050 to +0.150) in area under the IoU curve, over networks and scenes"
    )


def test_one_scene_has_no_interval_and_decides_nothing():
    table = paired("iou_paired", auc_difference=0.3, ci_low=math.nan, ci_high=math.nan)
    (finding,) = find("iou", {"iou_paired": table})
    assert (finding.tone, finding.result) == ("undecided", "+0.300 in area under the IoU curve")


def test_ablation_counts_the_values_of_mu():
    rows = [
        ("d", "m", "all", mu, "random_layer_matched", low, low + 0.2)
        for mu, low in ((1, -0.1), (10, 0.05), (50, 0.3))
    ]
    table = pd.DataFrame(
        rows, columns=["dataset", "model", "scope", "mu", "control", "ci_low", "ci_high"]
    ).assign(difference=lambda t: t["ci_low"] + 0.1)
    (finding,) = find("ablation", {"ablation_effect": table})
    assert finding.tone == "in part"
    assert finding.result == "at 2 of 3 values of mu; at mu = 10: +0.150 (+0.050 to +0.250)"


@pytest.mark.parametrize(
    ("low", "high", "p_value", "tone", "says"),
    [
        (0.05, 0.15, 0.03, "holds", ""),
        (0.05, 0.15, 0.098, "undecided", "; p = 0.098"),
        (-0.15, -0.05, 0.03, "reversed", ""),
        (-0.15, -0.05, 0.5, "undecided", "; p = 0.5"),
        (-0.05, 0.15, 0.03, "undecided", ""),
        # One scene: an interval without width.
        (0.1, 0.1, 0.03, "undecided", ""),
        (0.05, 0.15, math.nan, "undecided", ""),
    ],
)
def test_a_finding_and_its_p_value_say_the_same(low, high, p_value, tone, says):
    row = {"auc_difference": 0.1, "ci_low": low, "ci_high": high, "p_value": p_value}
    (finding,) = find("iou", {"iou_paired": paired("iou_paired", **row)})
    assert finding.tone == tone
    assert finding.result.endswith(f"in area under the IoU curve{says}")
    # Where a smaller number is the claimed one, it is the other way round.
    row = {"score_difference": 0.1, "ci_low": low, "ci_high": high, "p_value": p_value}
    table = paired("artefacts_paired", layer="heatmap", **row)
    (finding,) = find("artefacts", {"artefacts_paired": table})
    assert finding.tone == {"holds": "reversed", "reversed": "holds"}.get(tone, tone)


def claim(key, verdict, place, source="VEBI"):
    texts = dict.fromkeys((field.name for field in fields(Claim)), "")
    return Claim(
        **texts | {"key": key, "verdict": verdict, "place": place, "source": source, "tables": ()}
    )


def test_a_page_opens_with_one_claim_of_each_verdict_and_place():
    claims = [
        claim("a", "inconclusive", "1"),
        claim("b", "confirmed", "1"),
        claim("c", "confirmed", "2"),
        claim("d", "contradicted", "1"),
        claim("e", "contradicted", "3"),
        claim("f", "not tested", "4"),
        claim("g", "inconclusive", "5"),
    ]
    chosen = lambda n, most=5: [lead.target[-1] for lead in lead_claims(claims[:n], most)]  # noqa: E731
    # b, e (d is of b's place), g; then c; then d although its place is taken. In the works' order.
    assert chosen(7) == ["b", "c", "d", "e", "g"]
    assert chosen(7, 3) == ["b", "e", "g"]
    assert chosen(2) == ["a", "b"]
    assert chosen(0) == []
    assert lead_claims(claims[5:6]) == []


def test_a_page_of_own_images_opens_with_a_finding_of_each_study():
    found = {
        name: [Finding(f"{name}{i}", "d", "x") for i in range(n)]
        for name, n in (("a", 3), ("b", 0), ("c", 2))
    }
    leads = lead_findings(list(found.items()), 4)
    assert [lead.statement for lead in leads] == ["a0 (d)", "a1 (d)", "c0 (d)", "c1 (d)"]
    assert [lead.target for lead in leads] == ["a", "a", "c", "c"]
    assert len(lead_findings(list(found.items()), 9)) == 5
    assert lead_findings([]) == []


def test_the_first_image_that_is_predicted_right_is_shown():
    item = {"index": 3, "label": 0, "predicted": 1, "image": "i", "mask": None, "maps": ["m", "n"]}
    item |= {"areas": None, "features": [["conv/1"], []]}
    one = {"dataset": "d", "model": "m", "classes": ["a", "b"], "pixelated": True}
    one |= {"methods": ["vebi", "lrp"], "items": [item, item | {"index": 4, "predicted": 0}]}
    shown = pick_example([one | {"items": []}, one])
    assert (shown.place, shown.said, shown.is_right) == ("d, m, test image 4", "a", True)
    assert [tile.uri for tile in shown.tiles] == ["i", "m"]
    assert shown.features == ("conv/1",)
    wrong = pick_example([one | {"items": [item]}])
    assert (wrong.said, wrong.is_right) == ("b", False)
    assert pick_example([]) is None


def test_a_run_without_the_tables_has_no_findings():
    assert find("iou", {}) == []
    assert find("explanations", {}) == []


@given(FINITE, FINITE, FINITE, FINITE)
def test_the_small_plot_keeps_the_order_and_stays_inside(published, measured, a, b):
    low, high = min(a, b, measured), max(a, b, measured)
    svg = draw(published, measured, low, high)
    dot = float(re.search(r'cx="([^"]+)"', svg)[1])
    diamond = float(re.search(r'd="M(\S+) ', svg)[1]) + 6
    ends = re.search(r'class="interval" x1="([^"]+)" x2="([^"]+)"', svg)
    left, right = float(ends[1]), float(ends[2])
    assert 0 <= left <= dot <= right <= 168
    assert 0 <= diamond <= 168
    # Coordinates have one decimal.
    assert (dot - diamond) * (measured - published) >= -0.2 * abs(measured - published)


def test_no_number_no_plot():
    assert draw(0.5, None, None, None) == ""
    assert draw(None, 0.5, None, None) == ""


def test_claims_are_counted_and_keep_their_texts():
    columns = TABLES["claims"].columns
    rows = pd.DataFrame(
        {
            "claim_id": ["b", "a", "c"],
            "source": ["VEBI"] * 3,
            "verdict": ["contradicted", "depends", "not tested"],
            "comparability": ["same design", "stand-in", "no data"],
            "factor": ["", "network", ""],
            "contrast": ["", "a minus b", ""],
            "interaction": [np.nan, 0.25, np.nan],
            "interaction_ci_low": [np.nan, 0.125, np.nan],
            "interaction_ci_high": [np.nan, 0.375, np.nan],
            "problem": ["below zero", "", "no data"],
            "margin": [0.05, np.nan, np.nan],
            "published": [0.23, np.nan, 12000.0],
            "measured": [0.3141, 5.0, np.nan],
            "table": ["iou_auc.csv and iou_paired.csv: x", "", ""],
            "tables": ["iou_auc iou_paired", "", ""],
        }
    ).reindex(columns=columns)
    claims = read_claims(rows)
    assert [c.key for c in claims] == ["a", "b", "c"]
    assert list(count_verdicts(claims).items()) == [
        *(("contradicted", 1), ("depends", 1), ("not tested", 1)),
    ]
    assert [c.reason for c in claims] == [
        *("on network: a minus b 0.250 (0.125 to 0.375)", "below zero", "no data"),
    ]
    assert [c.comparability for c in claims] == ["stand-in", "same design", "no data"]
    assert [c.margin for c in claims] == ["", "0.050", ""]
    assert claims[1].tables == ("iou_auc", "iou_paired")
    assert [c.published for c in claims] == ["", "0.230", "12,000"]
    assert [c.measured for c in claims] == ["5", "0.314", ""]


def test_iou_curves_are_the_mean_over_networks_with_their_range():
    threshold = np.linspace(0, 1, 5)
    rows = [
        {
            "dataset": "d",
            "model": "m",
            "seed": seed,
            "method": "vebi",
            "threshold": t,
            "mean_iou": s * t,
        }
        for seed, s in ((0, 0.2), (1, 0.6))
        for t in threshold
    ]
    table = pd.DataFrame(rows).assign(ci_low=0.0, ci_high=1.0)
    (plot,) = iou_curves(table)
    (series,) = plot["series"]
    assert series["y"] == [round(0.4 * t, 3) for t in threshold]
    assert series["low"] == [round(0.2 * t, 3) for t in threshold]
    assert series["area"] == pytest.approx(0.2)
    (single,) = iou_curves(table[table["seed"] == 0])
    assert set(single["series"][0]["high"]) == {1.0}
