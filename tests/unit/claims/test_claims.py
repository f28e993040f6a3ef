"""Verdicts on numbers that are put into the tables, and the printed numbers of the three works."""

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vebi.claims.claim import (
    NOT_REPRODUCED,
    NOT_TESTED,
    ORDER,
    PROBLEMS,
    REPRODUCED,
    VALUE,
    Claim,
    Found,
    Part,
    Source,
    judge,
)
from vebi.claims.facts import facts_of
from vebi.claims.merge import merge, read_claims
from vebi.claims.print_claims import run_claims
from vebi.claims.run import Run, difference_interval, hull
from vebi.claims.show import counts, to_markdown
from vebi.claims.table import FACT_COLUMNS
from vebi.claims.tabulate import CLAIMS, tabulate
from vebi.config import parse_config
from vebi.io.errors import VebiError
from vebi.io.tables import read_table, write_table
from vebi.report.places import TABLES
from vebi.studies.registry import STUDY_TABLES

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "results" / "reference" / "default" / "tables"
BY_ID = {claim.claim_id: claim for claim in CLAIMS}
NAN = float("nan")


def read_config(name: str = "config") -> dict:
    """A configuration as Snakemake merges it."""

    def overlay(below: dict, above: dict) -> dict:
        both = {
            k: overlay(below[k], v) if isinstance(v, dict) and isinstance(below.get(k), dict) else v
            for k, v in above.items()
        }
        return {**below, **both}

    default = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    if name == "config":
        return default
    return overlay(default, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))


FACTS = facts_of(parse_config(read_config()))


def claim(rule, published=None, rounding=0.0) -> Claim:
    return Claim("x", "s", "p", "words", published, rule, lambda run: None, "more", rounding)


def part(low: float, high: float) -> Part:
    return Part("here", (low + high) / 2, low, high)


def write(folder: Path, **tables: pd.DataFrame) -> dict[str, Path]:
    """Tables with the columns that are given, all others empty."""
    paths = {}
    for name, frame in tables.items():
        paths[name] = folder / f"{name}.csv"
        write_table(paths[name], frame.reindex(columns=TABLES[name].columns), TABLES[name])
    return paths


def verdict_of(files: dict[str, Path], claim_id: str, facts=FACTS) -> pd.Series:
    return tabulate(files, facts).set_index("claim_id").loc[claim_id]


# The rules.


@pytest.mark.parametrize(
    ("ends", "verdict", "note"),
    [
        ([(0.1, 0.2)], REPRODUCED, ""),
        ([(-0.1, 0.2)], NOT_REPRODUCED, "undecided"),
        ([(0.0, 0.2)], NOT_REPRODUCED, "undecided"),
        ([(-0.3, -0.1)], NOT_REPRODUCED, "reversed"),
        ([(0.1, 0.2), (0.3, 0.4)], REPRODUCED, "here"),
        ([(0.1, 0.2), (-0.1, 0.4)], NOT_REPRODUCED, "undecided"),
        ([(0.1, 0.2), (-0.4, -0.1)], NOT_REPRODUCED, "reversed"),
        ([(0.1, 0.2), (NAN, NAN)], NOT_TESTED, "no interval"),
    ],
)
def test_an_ordering_must_hold_everywhere(ends, verdict, note):
    said = judge(claim(ORDER), Found(tuple(part(*pair) for pair in ends), ()))
    assert said[0] == verdict
    assert note in said[1]


@pytest.mark.parametrize(
    ("ends", "verdict", "note"),
    [
        ((0.21, 0.24), REPRODUCED, ""),
        ((0.225, 0.24), REPRODUCED, ""),  # printed 0.22 may stand for 0.225
        ((0.226, 0.24), NOT_REPRODUCED, "ours is larger"),
        ((0.1, 0.214), NOT_REPRODUCED, "ours is smaller"),
        ((0.1, 0.3), NOT_REPRODUCED, "undecided"),  # holds almost anything
        ((NAN, NAN), NOT_TESTED, "no interval"),
    ],
)
def test_a_printed_value_must_lie_in_a_narrow_interval(ends, verdict, note):
    said = judge(claim(VALUE, 0.22, 0.005), Found((part(*ends),), ()))
    assert said[0] == verdict
    assert note in said[1]


def test_what_a_run_has_no_numbers_for_says_what_to_run():
    assert judge(claim(ORDER), None) == (NOT_TESTED, "needs more", "")


# Intervals.


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1)), min_size=1, max_size=5))
def test_the_hull_lies_above_zero_exactly_if_all_its_intervals_do(pairs):
    intervals = [(low, low + width) for low, width in pairs]
    low, high = hull(*intervals, (NAN, NAN))
    assert (low > 0) == all(interval[0] > 0 for interval in intervals)
    assert all(low <= interval[0] <= interval[1] <= high for interval in intervals)


def test_the_interval_of_a_difference_is_newcombe_s():
    """Table II of Newcombe (1998): 56 of 70 against 48 of 80, method 10: 0.0524 to 0.3339."""
    from vebi.statistics import wilson_interval

    ends = wilson_interval(56, 70), wilson_interval(48, 80)
    found = difference_interval(56 / 70, ends[0], 48 / 80, ends[1])
    assert found == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_one_network_has_no_interval_and_three_have_their_range():
    run = Run({}, FACTS)
    assert all(math.isnan(end) for end in run.over_networks([0.3]))
    assert run.over_networks([0.1, 0.4, 0.2]) == pytest.approx((0.1, 0.4))


# The printed numbers, typed in here once more.

PRINTED = {
    "vebi.features.mnist.all": 46,
    "vebi.features.mnist.conv": 28,
    "vebi.features.images.92-101": 92,
    "vebi.features.images.104-111": 104,
    "vebi.features.images.248-180": 248,
    "vebi.fig8.single-6c.upsampled_activation": 0.15,
    "vebi.fig8.single-6c.deconv_gb": 0.22,
    "vebi.fig8.single-6c.vebi": 0.23,
    "vebi.fig8.double-12c.upsampled_activation": 0.19,
    "vebi.fig8.double-12c.deconv_gb": 0.20,
    "vebi.fig8.double-12c.vebi": 0.21,
    "vebi.fig8.single-6c.vebi-over-deconv_gb": 0.01,
    "vebi.fig8.single-6c.vebi-over-upsampled_activation": 0.08,
    "vebi.fig8.double-12c.deconv_gb-over-upsampled_activation": 0.01,
    "vebi.occlusion.flowers.value": 0.02,
    "mcgill.matconvnet.mu10.dropped": 17,
    "mcgill.matconvnet.mu10.accuracy": 0.86,
    "mcgill.matconvnet.mu10.order": 0.13,
    "mcgill.matconvnet.mu10.conv.accuracy": 0.875,
    "mcgill.matconvnet.mu10.conv.order": 0.0284,
    "mcgill.matconvnet.mu100.dropped": 175,
    "mcgill.matconvnet.mu100.accuracy": 0.30,
    "mcgill.matconvnet.mu100.order": 0.66,
    "mcgill.matconvnet.mu200.dropped": 387,
    "mcgill.matconvnet.mu200.accuracy": 0.21,
    "mcgill.matconvnet.mu200.order": 0.11,
    "mcgill.keras.mu10.dropped": 23,
    "mcgill.keras.mu10.accuracy": 0.9901,
    "mcgill.keras.mu10.order": 0.0013,
    "mcgill.keras.mu100.dropped": 69,
    "mcgill.keras.mu100.accuracy": 0.9881,
    "mcgill.keras.mu500.dropped": 301,
    "mcgill.keras.mu500.accuracy": 0.8003,
    "mcgill.keras.mu600.dropped": 333,
    "mcgill.keras.mu600.accuracy": 0.5861,
    "mcgill.keras.mu700.dropped": 397,
    "mcgill.keras.mu700.accuracy": 0.1142,
    "mcgill.keras.mu700.order": 0.8731,
    "mcgill.keras.test_accuracy": 0.9919,
    "mcgill.keras.dropout": round(93 / 640, 3),
    "mcgill.memory": 50,
    "resampling.patches.network": 0.89,
    "resampling.patches.precision": 0.85,
    "resampling.patches.correlation": 0.81,
    "resampling.similarity.first": 0.16,
    "resampling.similarity.last": 0.40,
}


@pytest.mark.parametrize("claim_id", sorted(PRINTED))
def test_printed_numbers_are_those_of_the_works(claim_id):
    assert BY_ID[claim_id].published == PRINTED[claim_id]


def test_every_claim_has_an_id_of_its_own_a_rule_and_a_place():
    assert len(BY_ID) == len(CLAIMS) >= 60
    assert {claim.source for claim in CLAIMS} == {"VEBI", "McGill report", "Input resampling"}
    assert all(claim.rule.words and claim.place and claim.needs for claim in CLAIMS)


# From tables to verdicts.

STRIDED = "an8flower-strided"


def areas(single: dict[str, list[float]]) -> pd.DataFrame:
    """iou_auc of single-6c: areas of each method, a network each."""
    return pd.DataFrame(
        [
            {
                "dataset": "an8flower-single-6c",
                "model": STRIDED,
                "seed": seed,
                "method": m,
                "auc": a,
            }
            for m, values in single.items()
            for seed, a in enumerate(values)
        ]
    )


def paired(low: float, high: float, **keys: str) -> pd.DataFrame:
    row = {"dataset": "an8flower-single-6c", "model": STRIDED, **keys}
    return pd.DataFrame(
        [{**row, "auc_difference": (low + high) / 2, "ci_low": low, "ci_high": high}]
    )


@pytest.mark.parametrize(
    ("vebi", "scenes", "verdict"),
    [
        ([0.30, 0.31, 0.32], (0.05, 0.15), REPRODUCED),
        ([0.30, 0.31, 0.32], (-0.05, 0.25), NOT_REPRODUCED),  # other scenes may turn it round
        ([0.30, 0.31, 0.15], (0.05, 0.15), NOT_REPRODUCED),  # one of three networks does
        ([0.10, 0.11, 0.12], (-0.15, -0.05), NOT_REPRODUCED),
    ],
)
def test_fig8_order_holds_over_scenes_and_over_networks(tmp_path, vebi, scenes, verdict):
    files = write(
        tmp_path,
        iou_auc=areas({"vebi": vebi, "deconv_gb": [0.20, 0.21, 0.22]}),
        iou_paired=paired(*scenes, method="vebi", reference="deconv_gb"),
    )
    row = verdict_of(files, "vebi.fig8.single-6c.vebi-over-deconv_gb")
    assert row["verdict"] == verdict
    assert row["measured"] == pytest.approx(sum(scenes) / 2)
    # Areas of 0.21 on average, 0.22 is among them.
    assert verdict_of(files, "vebi.fig8.single-6c.deconv_gb")["verdict"] == REPRODUCED
    # No table has double-12c.
    assert verdict_of(files, "vebi.fig8.double-12c.vebi")["verdict"] == NOT_TESTED


def test_fig8_order_is_read_from_the_study_of_robustness_in_the_setting_of_the_heatmaps(tmp_path):
    keys = {"comparison": "vebi > deconv_gb", "descriptor": "vebi_text", "n_seeds": 5}
    own = one_row(mu=5.0, nonnegative=False, mean_difference=0.2, ci_low=0.1, ci_high=0.3, **keys)
    others = [
        one_row(mu=mu, nonnegative=sign, mean_difference=-0.2, ci_low=-0.3, ci_high=-0.1, **keys)
        for mu, sign in ((10.0, False), (5.0, True))
    ]
    files = write(
        tmp_path,
        robustness=pd.concat([own, *others]),
        iou_auc=areas({"vebi": [0.1, 0.1, 0.1], "deconv_gb": [0.20, 0.21, 0.22]}),
        iou_paired=paired(-0.15, -0.05, method="vebi", reference="deconv_gb"),
    )
    row = verdict_of(files, "vebi.fig8.single-6c.vebi-over-deconv_gb")
    assert (row["verdict"], row["measured"], row["networks"]) == (REPRODUCED, 0.2, 5)
    assert row["table"].startswith("robustness.csv")


def effect(dataset: str, low: float, scope: str = "all") -> list[dict]:
    row = {"dataset": dataset, "model": "matconvnet", "scope": scope, "mu": 10.0}
    ends = {"difference": low + 0.1, "ci_low": low, "ci_high": low + 0.2}
    return [{**row, **ends, "control": c} for c in ("random", "random_layer_matched")]


def test_features_of_mnist_are_judged_on_mnist_alone(tmp_path):
    config = read_config("mnist")
    facts = facts_of(parse_config(config))
    seeds = [
        {"dataset": "mnist", "model": "matconvnet", "seed": seed, "mu": 10.0} for seed in range(3)
    ]
    selection = [
        {**row, "scope": scope, "n_features": count + row["seed"]}
        for row in seeds
        for scope, count in (("all", 45), ("conv", 30))
    ]
    removed = [
        {
            **row,
            "scope": scope,
            "condition": "selected",
            "repeat": 0,
            "mean_class_accuracy": accuracy,
        }
        for row in seeds
        for scope, accuracy in (("all", 0.4 + 0.01 * row["seed"]), ("conv", 0.6))
    ]
    files = write(
        tmp_path,
        selection=pd.DataFrame(selection),
        ablation_effect=pd.DataFrame(effect("mnist", 0.1) + effect("mnist", -0.1, "conv")),
        ablation=pd.DataFrame(removed),
    )
    table = tabulate(files, facts).set_index("claim_id")
    assert table["verdict"]["vebi.features.mnist.all"] == REPRODUCED  # 45, 46, 47
    assert table["verdict"]["vebi.features.mnist.conv"] == NOT_REPRODUCED  # 30 to 32, printed 28
    assert table["verdict"]["vebi.fig4.mnist.all"] == REPRODUCED
    assert table["verdict"]["vebi.fig4.mnist.conv"] == NOT_REPRODUCED
    assert table["verdict"]["vebi.fig4.mnist.scopes"] == REPRODUCED
    assert table["measured"]["vebi.fig4.mnist.scopes"] == pytest.approx(0.19)
    assert table["verdict"]["vebi.fig4.digits.all"] == NOT_TESTED
    part_of_it = {**facts, "roles": {**facts["roles"], "mnist": "mnist-part"}}
    assert verdict_of(files, "vebi.features.mnist.all", part_of_it)["verdict"] == NOT_TESTED
    assert verdict_of(files, "vebi.fig4.digits.all", part_of_it)["verdict"] == REPRODUCED


def experiment(**columns: object) -> pd.DataFrame:
    """Rows of three networks on single-6c."""
    place = {"dataset": "an8flower-single-6c", "model": STRIDED}
    return pd.concat(
        [pd.DataFrame([{**place, "seed": seed, **columns}]) for seed in range(3)], ignore_index=True
    )


def one_row(**columns: object) -> pd.DataFrame:
    return pd.DataFrame([{"dataset": "an8flower-single-6c", "model": STRIDED, **columns}])


@pytest.mark.parametrize("sign", [1, -1])
def test_less_confidence_under_vebi_s_boxes_and_less_grid_count_for_vebi(tmp_path, sign):
    """The tables hold vebi minus deconv_gb; the claims are about how much less that is."""
    ends = sorted((-0.03 * sign, -0.015 * sign))
    methods = {"method": "vebi", "reference": "deconv_gb"}
    row = {"ci_low": ends[0], "ci_high": ends[1], **methods}
    confidence = {"vebi": 0.5 - 0.02 * sign, "deconv_gb": 0.5}
    curves = [
        experiment(method=m, covered_fraction=f, mean_confidence=c if f else 0.9)
        for m, c in confidence.items()
        for f in (0.0, 0.1, 0.2)
    ]
    scores = [
        experiment(method=m, layer="conv1", grid_artefact_score=c) for m, c in confidence.items()
    ]
    layer = {"layer": "conv1", "layer_number": 1}
    files = write(
        tmp_path,
        occlusion=pd.concat(curves),
        occlusion_paired=one_row(difference=-0.02 * sign, **row),
        artefacts=pd.concat(scores),
        artefacts_paired=one_row(score_difference=-0.02 * sign, **row, **layer),
    )
    table = tabulate(files, FACTS).set_index("claim_id")
    verdict = REPRODUCED if sign == 1 else NOT_REPRODUCED
    for claim_id in ("vebi.occlusion.flowers.order", "vebi.grid.flowers.layer"):
        found = table.loc[claim_id]
        assert found["verdict"] == verdict
        assert found["networks"] == 3
        low, high = sorted((0.015 * sign, 0.03 * sign))
        assert found[["measured", "ci_low", "ci_high"]].tolist() == pytest.approx(
            [0.02 * sign, low, high]
        )


def test_input_resampling_is_judged_by_its_own_perturbation(tmp_path):
    own = {"claim": "correlation_influences", "reference": "precision"}
    good = {"difference": 0.2, "ci_low": 0.1, "ci_high": 0.3, "verdict": "holds"}
    bad = {"difference": -0.2, "ci_low": -0.3, "ci_high": -0.1, "verdict": "reversed"}
    claims = [
        experiment(perturbation="multiplicative_noise", **own, **good),
        experiment(perturbation="affine", **own, **bad),
    ]
    noise = {"perturbation": "multiplicative_noise", "layer": "all", "k": 5}
    similarity = [
        experiment(**noise, epoch=epoch, published=published)
        for epoch, published in ((1, 0.1), (4, 0.5), (8, 0.3))
    ]
    patches = [
        experiment(
            **noise,
            metric=m,
            epoch=epoch,
            patch_accuracy=a,
            patch_ci_low=a - 0.02,
            patch_ci_high=a + 0.02,
        )
        for m, last in (("network", 0.9), ("precision", 0.8), ("correlation", 0.85))
        for epoch, a in ((1, 0.5), (8, last))
    ]
    files = write(
        tmp_path,
        resampling_claims=pd.concat(claims),
        resampling_similarity=pd.concat(similarity),
        resampling=pd.concat(patches),
    )
    table = tabulate(files, FACTS).set_index("claim_id")
    chosen = table.loc["resampling.correlation_influences.precision"]
    assert chosen["verdict"] == REPRODUCED
    assert "holds in 0 of 3 comparisons, reversed in 3" in chosen["note"]
    grows = table.loc["resampling.similarity.grows"]
    assert (grows["measured"], grows["verdict"]) == (pytest.approx(0.2), REPRODUCED)
    first, second = (
        table.loc[f"resampling.patches.{pair}"]
        for pair in ("network-over-precision", "precision-over-correlation")
    )
    assert (first["measured"], first["verdict"]) == (pytest.approx(0.1), REPRODUCED)
    assert second["verdict"] == NOT_REPRODUCED
    assert second["ci_high"] == pytest.approx(-0.05 + 0.02 * 2**0.5)
    # Its own numbers are of its own images.
    assert table["verdict"]["resampling.patches.network"] == NOT_TESTED
    assert table["verdict"]["resampling.similarity.last"] == NOT_TESTED


def test_numbers_of_another_network_are_compared_only_at_its_size(tmp_path):
    """570 filters on other data: compared, and said to be reduced; 40 of 640: not."""
    networks = [
        {"model": m, "seed": seed, "kind": kind, "n_filters": n}
        for m, kind, n in (("matconvnet-digits", "matconvnet", 570), ("keras-digits", "keras", 40))
        for seed in range(3)
    ]
    curves = [
        {
            "model": m,
            "seed": seed,
            "removal": removal,
            "solver": "path",
            "condition": "selected",
            "mu": 10.0,
            "n_removed": 16 + seed,
            "n_filters": 570,
        }
        for m, removal in (("matconvnet-digits", "complete"), ("keras-digits", "partial"))
        for seed in range(3)
    ]
    files = write(
        tmp_path, mcgill_networks=pd.DataFrame(networks), mcgill_curves=pd.DataFrame(curves)
    )
    table = tabulate(files, FACTS).set_index("claim_id")
    found = table.loc["mcgill.matconvnet.mu10.dropped"]
    assert (found["verdict"], found["measured"], found["networks"]) == (REPRODUCED, 17.0, 3)
    assert "reduced: matconvnet-digits on digits" in found["note"]
    assert table["verdict"]["mcgill.keras.mu10.dropped"] == NOT_TESTED


def test_without_dropout_more_filters_must_go(tmp_path):
    """Curves with known crossings of 80 %: after a quarter and after half of the filters."""
    rows = []
    for model, steps in (("keras-32", (10, 0.8)), ("keras-32-no-dropout", (20, 0.8))):
        for seed in range(2):
            row = {"model": model, "seed": seed, "n_filters": 40, "mu": 10.0}
            rows.append(
                {
                    **row,
                    "removal": "none",
                    "solver": "none",
                    "condition": "none",
                    "mu": 0.0,
                    "n_removed": 0,
                    "accuracy": 1.0,
                }
            )
            rows.append(
                {
                    **row,
                    "removal": "partial",
                    "solver": "path",
                    "condition": "selected",
                    "n_removed": steps[0],
                    "accuracy": steps[1],
                }
            )
    facts = facts_of(parse_config(read_config("mcgill")))
    files = write(tmp_path, mcgill_curves=pd.DataFrame(rows))
    row = verdict_of(files, "mcgill.keras.dropout", facts)
    assert row["measured"] == pytest.approx(0.25)
    assert row["verdict"] == REPRODUCED
    assert "reduced" in row["note"]


# A whole run's tables.


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    there = {path.stem: path for path in REFERENCE.glob("*.csv") if path.stem != "claims"}
    return tabulate({n: p for n, p in there.items() if p.is_file()}, FACTS)


def test_the_default_run_tests_most_claims_and_every_verdict_follows_from_its_row(reference):
    assert (reference["verdict"] != NOT_TESTED).sum() >= 25
    tested = reference[reference["verdict"] != NOT_TESTED].to_dict("records")
    for row in tested:
        assert row["ci_low"] <= row["measured"] <= row["ci_high"]
        assert row["table"].split(":")[0].split(" and ")[0].removesuffix(".csv") in STUDY_TABLES
        one = BY_ID[row["claim_id"]]
        if one.rule is ORDER:
            assert (row["verdict"] == REPRODUCED) == (row["ci_low"] > 0)
        elif one.rule is VALUE and row["verdict"] == REPRODUCED:
            assert row["ci_low"] - one.rounding <= one.published <= row["ci_high"] + one.rounding
    untested = reference[reference["verdict"] == NOT_TESTED]
    assert untested["note"].str.contains("needs|no interval").all()


def test_orderings_of_the_mcgill_report_are_those_of_its_own_table(reference):
    own = read_table(REFERENCE / "mcgill_claims.csv", TABLES["mcgill_claims"]).set_index("claim_id")
    rows = reference[reference["table"].str.startswith("mcgill_claims.csv")]
    assert len(rows) >= 5
    for row in rows.to_dict("records"):
        other = own.loc[row["table"].split(": ")[1]]
        assert row["verdict"] == other["verdict"]
        assert row["measured"] == pytest.approx(other["measured"])


def test_the_table_is_written_and_read_as_the_contract_says(reference, tmp_path):
    path = tmp_path / "claims.csv"
    write_table(path, reference, TABLES["claims"])
    again = read_table(path, TABLES["claims"])
    assert list(again.columns)[:8] == [
        *("claim_id", "source", "statement", "published"),
        *("measured", "ci_low", "ci_high", "verdict"),
    ]
    assert again["verdict"].tolist() == reference["verdict"].tolist()


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "config").glob("*.yaml")))
def test_every_configuration_has_facts_and_a_run_without_tables_tests_nothing(name):
    facts = facts_of(parse_config(read_config(name)))
    assert set(tabulate({}, facts)["verdict"]) == {NOT_TESTED}


def test_roles_come_from_the_configuration_and_not_from_names():
    values = read_config("mcgill")
    values["datasets"]["flowers-of-mine"] = {**values["datasets"]["an8flower-single-6c"]}
    roles = facts_of(parse_config(values))["roles"]
    assert roles["flowers-of-mine"] == "single-6c"
    assert roles["mnist"] == "mnist"
    assert roles["mnist-10k"] == "mnist-part"


# Several runs.


def rows_of(networks: int = 3, reduced: str = "", **verdicts: str) -> pd.DataFrame:
    text = dict.fromkeys(TABLES["claims"].columns, "text")
    numbers = {"published": 0.2, "measured": 0.3, "ci_low": 0.1, "ci_high": 0.5}
    row = {**text, **numbers, "networks": networks, "note": "", "reduced": reduced}
    rows = [{**row, "claim_id": key, "verdict": v} for key, v in verdicts.items()]
    return pd.DataFrame(rows, columns=list(row))


def test_a_tested_claim_beats_an_untested_one_and_the_first_of_equal_runs_wins():
    merged = merge(
        [
            ("one", rows_of(a=NOT_TESTED, b=REPRODUCED, c=NOT_TESTED)),
            ("two", rows_of(a=NOT_REPRODUCED, b=NOT_REPRODUCED, c=NOT_TESTED)),
        ]
    ).set_index("claim_id")
    assert merged["run"].to_dict() == {"a": "two", "b": "one", "c": "one"}
    assert merged["verdict"].to_dict() == {"a": NOT_REPRODUCED, "b": REPRODUCED, "c": NOT_TESTED}
    assert "run two: not reproduced" in merged["note"]["b"]
    assert counts(merged) == {REPRODUCED: 1, NOT_REPRODUCED: 1, NOT_TESTED: 1}


@pytest.mark.parametrize("verdicts", [(REPRODUCED, NOT_REPRODUCED), (NOT_REPRODUCED, REPRODUCED)])
def test_the_evidence_and_not_the_verdict_decides_which_run_is_shown(verdicts):
    few, many = rows_of(2, a=verdicts[0]), rows_of(5, a=verdicts[1])
    reduced = rows_of(9, "keras-8 on digits", a=verdicts[0])
    merged = merge([("few", few), ("reduced", reduced), ("many", many)])
    assert merged["run"].tolist() == ["many"]
    assert "run few" in merged["note"][0]
    assert merge([("reduced", reduced), ("few", few)])["run"].tolist() == ["few"]


def test_markdown_has_every_claim_and_counts_that_add_up(reference):
    merged = merge([("default", reference)])
    text = to_markdown(merged)
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    tables = text.split("<details>")
    assert tables[1].count("| **reproduced** |") == counts(reference)[REPRODUCED]
    assert tables[1].count("| **not reproduced**: ") == counts(reference)[NOT_REPRODUCED]
    assert f"**all {len(CLAIMS)}**" in tables[0]
    assert all(line.count("|") == lines[0].count("|") for line in tables[0].splitlines() if line)
    assert all(claim.statement in tables[1] for claim in CLAIMS)


def test_a_folder_without_claims_is_named(tmp_path):
    with pytest.raises(VebiError, match="has no claims"):
        read_claims(tmp_path)


def test_claims_are_found_in_a_run_its_tables_and_the_file_itself(tmp_path):
    write_table(tmp_path / "run" / "tables" / "claims.csv", rows_of(a=REPRODUCED), TABLES["claims"])
    folder = tmp_path / "run"
    for path in (folder, folder / "tables", folder / "tables" / "claims.csv"):
        assert read_claims(path)["claim_id"].tolist() == ["a"]


def test_a_run_of_an_older_version_is_read_from_its_manifest_and_tables(reference, tmp_path):
    config = parse_config(read_config()).model_dump(mode="json")
    (tmp_path / "manifest.json").write_text(json.dumps({"config": config}))
    (tmp_path / "tables").mkdir()
    for name in ("iou_auc", "iou_paired"):
        (tmp_path / "tables" / f"{name}.csv").write_bytes((REFERENCE / f"{name}.csv").read_bytes())
    found = read_claims(tmp_path).set_index("claim_id")["verdict"]
    known = reference.set_index("claim_id")["verdict"]
    fig8 = [claim_id for claim_id in known.index if "fig8" in claim_id]
    assert found[fig8].equals(known[fig8])
    assert set(found.drop(fig8)) == {NOT_TESTED}


def test_facts_stand_in_columns_and_the_sentences_are_of_them(reference):
    for row in reference.to_dict("records"):
        claim_ = BY_ID[row["claim_id"]]
        assert all(name in STUDY_TABLES for name in row["tables"].split())
        named = [word for word in re.findall(r"(\w+)\.csv", row["table"]) if word in STUDY_TABLES]
        assert list(dict.fromkeys(named)) == row["tables"].split()
        if row["reduced"]:
            assert f"reduced: {row['reduced']}" in row["note"]
        if claim_.rule in (ORDER, VALUE):
            assert bool(row["problem"]) == (row["verdict"] == NOT_REPRODUCED)
        assert all(word in PROBLEMS for word in row["problem"].split(", ") if word)
    assert reference["reduced"].any()
    assert reference["problem"].any()


def test_a_problem_names_all_that_is_wrong_once():
    ends = [(0.1, 0.2), (-0.3, -0.1), (-0.1, 0.1), (-0.2, 0.1)]
    said = judge(claim(ORDER), Found(tuple(part(*pair) for pair in ends), ()))
    assert said.problem == "reversed, undecided"
    assert judge(claim(ORDER), Found((part(*ends[0]),), ())).problem == ""
    assert judge(claim(ORDER), Found((part(NAN, NAN),), ())).problem == ""


def test_the_words_of_sources_and_remarks_are_those_of_their_facts():
    sources = (Source(("a", "b"), "x against y"), Source(("b",), "z"))
    found = Found((part(0.1, 0.2),), sources, "more", reduced="m on d", conclusion="gradual")
    assert [source.words for source in sources] == ["a.csv and b.csv: x against y", "b.csv: z"]
    assert found.tables == ("a", "b")
    assert found.remarks == "reduced: m on d; verdict: gradual. more"
    assert Found((), ()).remarks == ""


@pytest.mark.parametrize("markdown", [False, True])
def test_a_table_without_rows_is_one_clear_line(markdown, tmp_path):
    write_table(tmp_path / "claims.csv", rows_of(), TABLES["claims"])
    with pytest.raises(VebiError, match=r"claims\.csv has no claims, expected a row for each"):
        run_claims([tmp_path], markdown)


def test_a_file_without_text_is_one_clear_line(tmp_path):
    (tmp_path / "claims.csv").write_text("")
    with pytest.raises(VebiError, match=r"claims\.csv can't be read"):
        read_claims(tmp_path)


def older(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.drop(columns=list(FACT_COLUMNS)).to_csv(path, index=False)


def test_a_file_of_an_older_version_says_what_to_give_instead(tmp_path):
    older(tmp_path / "claims.csv", rows_of(a=REPRODUCED))
    with pytest.raises(VebiError, match=r"older version of vebi.*folder of its run"):
        read_claims(tmp_path / "claims.csv")


def test_a_run_of_an_older_version_has_its_facts_from_its_tables(reference, tmp_path):
    config = parse_config(read_config()).model_dump(mode="json")
    (tmp_path / "manifest.json").write_text(json.dumps({"config": config}))
    older(tmp_path / "tables" / "claims.csv", rows_of(a=REPRODUCED))
    for name in ("mcgill_claims", "mcgill_networks"):
        (tmp_path / "tables" / f"{name}.csv").write_bytes((REFERENCE / f"{name}.csv").read_bytes())
    found, known = (frame.set_index("claim_id") for frame in (read_claims(tmp_path), reference))
    orders = [
        claim_id for claim_id in known.index if re.fullmatch(r"mcgill\..*mu\d+\.order", claim_id)
    ]
    assert known.loc[orders, "reduced"].any()
    columns = ["verdict", "problem", "reduced", "tables"]
    assert found.loc[orders, columns].equals(known.loc[orders, columns])


def test_claims_survive_the_file(reference, tmp_path):
    """What `vebi claims` shows of a file is what it would show of the table before it was written."""
    write_table(tmp_path / "claims.csv", reference, TABLES["claims"])
    again = to_markdown(merge([("run", read_claims(tmp_path))]))
    assert again == to_markdown(merge([("run", reference)]))
