"""Verdicts on numbers that are put into the tables, and the printed numbers of the three works."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from vebi.claims import vebi_paper
from vebi.claims.cells import interval_half
from vebi.claims.facts import facts_of
from vebi.claims.merge import ADDED, merge, read_claims
from vebi.claims.print_claims import run_claims
from vebi.claims.rules import ABSENCE, COST, ORDER, QUESTION, VALUE
from vebi.claims.run import SOURCE_TABLES, Run
from vebi.claims.show import counts, reason, to_markdown
from vebi.claims.tabulate import CLAIMS, tabulate
from vebi.config import parse_config
from vebi.io.errors import VebiError
from vebi.io.tables import read_rows, read_table, write_table
from vebi.report.places import TABLES
from vebi.statistics import Comparability, Verdict
from vebi.studies.registry import STUDY_TABLES

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "results" / "reference"
BY_ID = {claim.claim_id: claim for claim in CLAIMS}
NAN = float("nan")


def verdict_of(files: dict[str, Path], claim_id: str, facts: dict) -> pd.Series:
    return tabulate(files, facts).set_index("claim_id").loc[claim_id]


def around(values: list[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval by Student's t."""
    numbers = pd.Series(values)
    half = stats.t.ppf(0.975, len(numbers) - 1) * numbers.std() / len(numbers) ** 0.5
    return numbers.mean(), numbers.mean() - half, numbers.mean() + half


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
    "mcgill.matconvnet.mu10.random": 0.99,
    "mcgill.matconvnet.mu100.random": 0.96,
    "mcgill.matconvnet.mu200.random": 0.32,
    "mcgill.matconvnet.mu10.conv.random": 0.9034,
    "mcgill.keras.mu10.random": 0.9914,
    "mcgill.keras.mu100.random": 0.9908,
    "mcgill.keras.mu500.random": 0.9871,
    "mcgill.keras.mu600.random": 0.9847,
    "mcgill.keras.mu700.random": 0.9873,
    "vebi.fig8.double-12c.vebi-over-deconv_gb.close": 0.01,
    "vebi.fig8.double-12c.vebi-over-upsampled_activation.close": 0.02,
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
    assert len(BY_ID) == len(CLAIMS) >= 100
    sources = ["VEBI", "Ours", "McGill report", "Input resampling"]
    assert list(dict.fromkeys(claim.source for claim in CLAIMS)) == sources
    assert all(claim.rule.words and claim.place and claim.needs for claim in CLAIMS)
    for claim in CLAIMS:
        assert claim.rule is not ABSENCE or claim.margin > 0
        assert claim.rule not in (VALUE, COST) or claim.published is not None


def test_what_no_work_claims_is_marked_as_ours():
    ours = [claim.claim_id for claim in CLAIMS if claim.source == "Ours"]
    assert sorted(ours) == [
        f"vebi.fig4.{data}.{ordering}"
        for data in ("digits", "flowers")
        for ordering in ("all", "conv", "scopes")
    ]


# The committed runs.

RUNS = {"default": "config"} | {
    name: name
    for name in (
        "digits",
        "distractors",
        "flowers",
        "flowers-single",
        "mcgill",
        "mcgill-matconvnet",
        "mnist",
        "photographs",
        "resampling",
        "robustness",
    )
}


@pytest.fixture(scope="module")
def retabulated(facts) -> dict[str, pd.DataFrame]:
    """claims.csv of every committed run, from its tables."""
    found = {}
    for run, configuration in RUNS.items():
        paths = (REFERENCE / run / "tables").glob("*.csv")
        files = {path.stem: path for path in paths if path.stem != "claims"}
        found[run] = tabulate(files, facts(configuration))
    return found


def test_committed_claims_about_time_are_those_of_the_committed_times(facts, tmp_path):
    times = REFERENCE / "bench/explain.csv"
    claims = tabulate({"explain": times}, facts("config"))
    write_table(tmp_path / "claims.csv", claims, TABLES["claims"])
    assert (tmp_path / "claims.csv").read_text() == times.with_name("claims.csv").read_text()
    tested = claims[claims["verdict"] != Verdict.NOT_TESTED]
    assert tested["claim_id"].tolist() == ["vebi.real_time"]
    ours = pd.read_csv(times).query("tool == 'vebi' and method == 'vebi' and batch == 1")
    assert tested["measured"].item() == pytest.approx(1000 / ours["cpu_milliseconds"].max())
    assert tested["networks"].item() == len(ours) == 2


@pytest.fixture(scope="module")
def reference(retabulated) -> pd.DataFrame:
    return retabulated["default"]


def test_committed_claims_are_those_of_the_committed_tables(retabulated, tmp_path):
    for run, table in retabulated.items():
        write_table(tmp_path / "claims.csv", table, TABLES["claims"])
        again, committed = (
            pd.read_csv(path, keep_default_na=False)
            for path in (tmp_path / "claims.csv", REFERENCE / run / "tables/claims.csv")
        )
        assert list(again) == list(committed), run
        # Another processor may round what lies between two last digits the other way.
        for column in again:
            texts = again[column].astype(str), committed[column].astype(str)
            numbers = [pd.to_numeric(text, errors="coerce") for text in texts]
            alike = (texts[0] == texts[1]) | ((numbers[0] - numbers[1]).abs() < 1.5e-6)
            assert alike.all(), (run, column, committed[~alike])


def test_every_verdict_follows_from_its_row(retabulated):
    for row in pd.concat(retabulated.values()).to_dict("records"):
        claim = BY_ID[row["claim_id"]]
        word, low, high = row["verdict"], row["ci_low"], row["ci_high"]
        assert all(name in SOURCE_TABLES for name in row["tables"].split())
        named = [name for name in re.findall(r"(\w+)\.csv", row["table"]) if name in SOURCE_TABLES]
        assert list(dict.fromkeys(named)) == row["tables"].split()
        if row["comparability"] in (Comparability.NO_DATA, Comparability.VACUOUS):
            assert word == Verdict.NOT_TESTED
        if row["comparability"] == Comparability.NO_DATA:
            assert row["note"] == f"needs {claim.needs}"
        if word == Verdict.NOT_TESTED:
            assert row["problem"]
            assert pd.isna([row["measured"], low, high]).all()
            continue
        assert row["networks"] > 0
        assert row["tables"]
        assert pd.isna(low) or low <= row["measured"] <= high
        # A factor has an interaction whose interval leaves zero out, and only then.
        assert (word == Verdict.DEPENDS) == bool(row["factor"]) == bool(row["contrast"])
        if word == Verdict.DEPENDS:
            assert row["interaction_ci_low"] > 0 or row["interaction_ci_high"] < 0
        if claim.rule is ORDER and word == Verdict.CONFIRMED:
            assert low > 0
        if claim.rule is ORDER and word == Verdict.CONTRADICTED:
            assert high < 0
        if word == Verdict.NEGLIGIBLE:
            assert abs(row["measured"]) < row["margin"]
        if claim.rule is VALUE and word == Verdict.CONSISTENT:
            assert low - claim.rounding <= claim.published <= high + claim.rounding
            assert high - low <= claim.published / 2
        if claim.rule is VALUE and word == Verdict.DIFFERS:
            assert not low <= claim.published <= high
        assert claim.rule is not QUESTION or word == Verdict.ANSWERED


def test_the_dropout_row_is_an_artefact_no_longer(retabulated):
    """One arm had spgl1 at 1,000 iterations, the other the exact path, whose six curves never fall."""
    row = retabulated["mcgill"].set_index("claim_id").loc["mcgill.keras.dropout"]
    assert (row["verdict"], row["comparability"]) == (Verdict.NOT_TESTED, Comparability.VACUOUS)
    assert row["problem"] == "6 of 6 curves never fall to 80%"
    assert "partial, path" in row["table"]


def test_two_dead_networks_are_no_comparison(retabulated):
    rows = retabulated["mcgill"].set_index("claim_id")
    for mu in (500, 600, 700):
        row = rows.loc[f"mcgill.keras.mu{mu}.order"]
        assert row["comparability"] == Comparability.VACUOUS
        assert "of 160 filters are gone in both arms" in row["problem"]
    assert rows.loc["mcgill.keras.mu100.order", "comparability"] == Comparability.STAND_IN


def test_the_closest_replication_has_rows_of_its_own(retabulated):
    """Of robustness.csv: the inferred network under the code's descriptor, and no other setting."""
    rows = retabulated["robustness"].set_index("claim_id")
    table = read_rows(
        REFERENCE / "robustness/tables/robustness.csv", STUDY_TABLES["robustness"]
    ).set_index(["dataset", "model", "descriptor", "nonnegative", "mu", "comparison"])
    for role in ("single-6c", "double-12c"):
        for pair in ("vebi-over-deconv_gb", "deconv_gb-over-upsampled_activation"):
            keys = ("vebi_code", "False", 5.0, pair.replace("-over-", " > "))
            other = table.loc[(f"an8flower-{role}", "an8flower-inferred", *keys)]
            row = rows.loc[f"vebi.fig8.{role}.{pair}.close"]
            assert row["measured"] == pytest.approx(other["mean_difference"])
            half = interval_half(other, "ci_low", "ci_high", 5)
            assert (row["ci_high"] - row["ci_low"]) / 2 == pytest.approx(half, abs=1e-6)
            assert row["networks"] == 5
            # Alongside it stands the mean over both networks, each with its own number.
            both = rows.loc[f"vebi.fig8.{role}.{pair}"]
            assert both["networks"] == 10
            assert "an8flower-inferred" in both["note"]
            assert "an8flower-strided" in both["note"]


def test_the_table_is_written_and_read_as_the_contract_says(reference, tmp_path):
    path = tmp_path / "claims.csv"
    write_table(path, reference, TABLES["claims"])
    again = read_table(path, TABLES["claims"])
    assert list(again.columns)[:17] == [
        *("claim_id", "source", "statement", "published", "measured", "ci_low", "ci_high"),
        *("verdict", "comparability", "problem", "factor", "margin"),
        *("place", "rule", "table", "note", "networks"),
    ]
    assert again["verdict"].tolist() == reference["verdict"].tolist()
    assert set(again["verdict"]) <= set(Verdict)
    assert set(again["comparability"]) <= set(Comparability)


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "config").glob("*.yaml")))
def test_every_configuration_has_facts_and_a_run_without_tables_tests_nothing(name, facts):
    found = tabulate({}, facts(name))
    assert set(found["verdict"]) == {Verdict.NOT_TESTED}
    assert set(found["comparability"]) == {Comparability.NO_DATA}


def test_roles_come_from_the_configuration_and_not_from_names(configure):
    values = configure("mcgill")
    values["datasets"]["flowers-of-mine"] = {**values["datasets"]["an8flower-single-6c"]}
    roles = facts_of(parse_config(values))["roles"]
    assert roles["flowers-of-mine"] == "single-6c"
    assert roles["mnist"] == "mnist"
    assert roles["mnist-10k"] == "mnist-part"


def test_photographs_may_stand_for_a_set_of_the_work_s_and_are_called_a_stand_in(configure):
    values = configure("paper")
    values["datasets"]["my-cats"] = {
        **values["datasets"]["imagenet-cats"],
        "stands_for": "ilsvrc12",
    }
    experiments = [e for e in values["experiments"] if e["dataset"] == "ilsvrc12"]
    values["experiments"] = [*experiments, {**experiments[0], "dataset": "my-cats"}]
    facts = facts_of(parse_config(values))
    assert (facts["roles"]["ilsvrc12"], facts["roles"]["my-cats"]) == ("ilsvrc12", "ilsvrc12")
    assert facts["stand_ins"] == ["my-cats"]
    run = Run({}, facts)
    places = {place["dataset"]: place for place in run.places(["ilsvrc12"])}
    assert vebi_paper._comparability(run, [places["ilsvrc12"]]) == SAME
    assert vebi_paper._comparability(run, [places["my-cats"]]) == STAND_IN


# Several runs.

SAME, STAND_IN = Comparability.SAME_DESIGN, Comparability.STAND_IN


def rows_of(networks: int = 3, comparability: str = SAME, **verdicts: str) -> pd.DataFrame:
    text = dict.fromkeys(TABLES["claims"].text_values, "")
    numbers = {"published": 0.2, "measured": 0.3, "ci_low": 0.1, "ci_high": 0.5}
    row = {**dict.fromkeys(TABLES["claims"].columns, NAN), **text, **numbers}
    row |= {"statement": "words", "place": "p", "source": "s"}
    row |= {"networks": networks, "comparability": str(comparability)}
    rows = [{**row, "claim_id": key, "verdict": str(v)} for key, v in verdicts.items()]
    return pd.DataFrame(rows, columns=list(row))


def test_a_tested_claim_beats_an_untested_one_and_the_first_of_equal_runs_wins():
    one = rows_of(a=Verdict.NOT_TESTED, b=Verdict.CONFIRMED, c=Verdict.NOT_TESTED)
    two = rows_of(a=Verdict.CONTRADICTED, b=Verdict.CONTRADICTED, c=Verdict.NOT_TESTED)
    merged = merge([("one", one), ("two", two)]).set_index("claim_id")
    assert merged["run"].to_dict() == {"a": "two", "b": "one", "c": "one"}
    assert merged["verdict"].to_dict() == {
        "a": Verdict.CONTRADICTED,
        "b": Verdict.CONFIRMED,
        "c": Verdict.NOT_TESTED,
    }
    assert "run two: contradicted" in merged["note"]["b"]
    there = {verdict: number for verdict, number in counts(merged).items() if number}
    assert there == {Verdict.CONFIRMED: 1, Verdict.CONTRADICTED: 1, Verdict.NOT_TESTED: 1}
    assert set(counts(merged)) == set(Verdict)


@pytest.mark.parametrize(
    "verdicts",
    [(Verdict.CONFIRMED, Verdict.CONTRADICTED), (Verdict.INCONCLUSIVE, Verdict.CONFIRMED)],
)
def test_the_evidence_and_not_the_verdict_decides_which_run_is_shown(verdicts):
    for a, b in (verdicts, verdicts[::-1]):
        few, many = rows_of(2, a=a), rows_of(5, a=b)
        reduced = rows_of(9, STAND_IN, a=a)
        merged = merge([("few", few), ("reduced", reduced), ("many", many)])
        assert merged["run"].tolist() == ["many"]
        assert "run few" in merged["note"][0]
        assert merge([("reduced", reduced), ("few", few)])["run"].tolist() == ["few"]


def test_a_vacuous_experiment_says_more_than_none():
    vacuous = rows_of(3, Comparability.VACUOUS, a=Verdict.NOT_TESTED)
    none = rows_of(0, Comparability.NO_DATA, a=Verdict.NOT_TESTED)
    assert merge([("none", none), ("vacuous", vacuous)])["run"].tolist() == ["vacuous"]


def test_markdown_has_every_claim_and_counts_that_add_up(reference):
    text = to_markdown(merge([("default", reference)]))
    tables = text.split("<details>")
    for verdict, number in counts(reference).items():
        bold = tables[1].count(f"| **{verdict}**")
        assert bold == (0 if verdict == Verdict.NOT_TESTED else number)
        assert (f" {verdict} |" in tables[0].splitlines()[0]) == bool(number)
    assert f"**all {len(CLAIMS)}**" in tables[0]
    for table in tables:
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert all(claim.statement in tables[1] for claim in CLAIMS)


def test_the_reason_names_the_factor_its_interaction_and_what_is_wrong():
    row = rows_of(a=Verdict.DEPENDS).to_dict("records")[0]
    assert reason(row) == ""
    row |= {"factor": "network", "contrast": "a minus b", "problem": "other factors change with it"}
    row |= {"interaction": 0.1, "interaction_ci_low": 0.05, "interaction_ci_high": 0.15}
    assert (
        reason(row) == "on network: a minus b 0.100 (0.050 to 0.150); other factors change with it"
    )


def test_a_folder_without_claims_is_named(tmp_path):
    with pytest.raises(VebiError, match="has no claims"):
        read_claims(tmp_path)


def test_claims_are_found_in_a_run_its_tables_and_the_file_itself(tmp_path):
    folder = tmp_path / "run"
    path = folder / "tables" / "claims.csv"
    write_table(path, rows_of(a=Verdict.CONFIRMED), TABLES["claims"])
    for place in (folder, folder / "tables", path):
        assert read_claims(place)["claim_id"].tolist() == ["a"]


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
    frame.drop(columns=list(ADDED)).to_csv(path, index=False)


def test_a_file_of_an_older_version_says_what_to_give_instead(tmp_path):
    older(tmp_path / "claims.csv", rows_of(a="reproduced"))
    with pytest.raises(VebiError, match=r"older version of vebi.*folder of its run"):
        read_claims(tmp_path / "claims.csv")


@pytest.mark.parametrize("has_claims", [False, True])
def test_a_run_of_an_older_version_is_read_from_its_tables(
    has_claims, reference, configure, tmp_path
):
    config = parse_config(configure("config")).model_dump(mode="json")
    (tmp_path / "manifest.json").write_text(json.dumps({"config": config}))
    (tmp_path / "tables").mkdir()
    if has_claims:
        older(tmp_path / "tables" / "claims.csv", rows_of(a="reproduced"))
    for name in ("iou_auc", "iou_paired"):
        source = REFERENCE / "default/tables" / f"{name}.csv"
        (tmp_path / "tables" / f"{name}.csv").write_bytes(source.read_bytes())
    found, known = (frame.set_index("claim_id") for frame in (read_claims(tmp_path), reference))
    fig8 = [claim_id for claim_id in known.index if "fig8" in claim_id]
    assert (known.loc[fig8, "verdict"] != Verdict.NOT_TESTED).sum() == 12
    columns = ["verdict", "comparability", "problem", "factor", "measured", "tables"]
    assert found.loc[fig8, columns].equals(known.loc[fig8, columns])
    assert set(found.drop(fig8)["verdict"]) == {Verdict.NOT_TESTED}


def test_a_table_that_lacks_a_key_is_named(facts, tmp_path):
    (tmp_path / "iou_auc.csv").write_text("dataset,model,method,auc\nd,m,vebi,0.2\n")
    with pytest.raises(VebiError, match=r"not the table iou_auc: it lacks the columns seed"):
        tabulate({"iou_auc": tmp_path / "iou_auc.csv"}, facts("config"))


def test_claims_survive_the_file(reference, tmp_path):
    """What `vebi claims` shows of a file is what it would show of the table before it was written."""
    write_table(tmp_path / "claims.csv", reference, TABLES["claims"])
    again = to_markdown(merge([("run", read_claims(tmp_path))]))
    assert again == to_markdown(merge([("run", reference)]))
