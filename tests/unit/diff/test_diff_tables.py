"""Tables are compared by their keys, in any order, to the tolerance and no further."""

import json
import random
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vebi.diff import Outcome, compare
from vebi.diff.folders import compare_files
from vebi.diff.tolerances import Row, Tolerance, Tolerances
from vebi.io.tables import Table

KNOWN = {"t": Table(keys=("name", "mu"), values=("value", "text"), text_values=("text",))}
CLOSE = Tolerances([Row("*", "value", Tolerance("close", 0.01, 0.01))])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=8)

rows_of_table = st.lists(
    st.tuples(TEXT, st.integers(0, 500), st.floats(-1e6, 1e6), TEXT),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[:2],
)


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows, columns=["name", "mu", "value", "text"])
    frame.to_csv(path, index=False, lineterminator="\n")
    return path


def diff(tmp, a, b, tolerances=CLOSE):
    one, other = (write(tmp / side / "t.csv", rows) for side, rows in (("a", a), ("b", b)))
    return compare_files("tables/t.csv", one, other, tolerances, KNOWN)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@given(rows=rows_of_table, seed=st.integers(0, 1000))
def test_clean_under_row_permutation(folder, rows, seed):
    shuffled = random.Random(seed).sample(rows, len(rows))
    result = diff(folder, rows, shuffled, Tolerances([]))
    assert result.error is None
    assert (result.outcome, result.moved) == (Outcome.ALIKE, 0)


@given(rows=rows_of_table, data=st.data())
def test_perturbation_beyond_tolerance_is_found_and_within_it_is_not(folder, rows, data):
    place = data.draw(st.integers(0, len(rows) - 1))
    share = data.draw(st.one_of(st.floats(0.01, 0.98), st.floats(1.05, 100)))
    name, mu, value, text = rows[place]
    changed = value + share * (0.01 + 0.01 * abs(value)) * data.draw(st.sampled_from([-1, 1]))
    other = [*rows]
    other[place] = (name, mu, changed, text)
    beyond = abs(changed - value) > 0.01 + 0.01 * max(abs(changed), abs(value))
    for pair in ((rows, other), (other, rows)):
        result = diff(folder, *pair)
        assert result.different == int(beyond)
        assert result.moved == 1
    if beyond:
        assert result.findings[0].where == f"{name}, {mu}"


@given(rows=rows_of_table, data=st.data())
def test_added_and_missing_rows(folder, rows, data):
    kept = [row for row in rows if data.draw(st.booleans())]
    missing = len(rows) - len(kept)
    result = diff(folder, rows, kept)
    assert result.error is None
    assert (result.rows_only_a, result.rows_only_b, result.different) == (missing, 0, missing)
    back = diff(folder, kept, rows)
    assert (back.rows_only_a, back.rows_only_b, back.different) == (0, missing, missing)


@given(a=rows_of_table, b=rows_of_table)
@settings(max_examples=50)
def test_symmetric(folder, a, b):
    there, back = diff(folder, a, b), diff(folder, b, a)
    assert there.different == back.different
    assert there.moved == back.moved
    assert there.rows_only_a == back.rows_only_b

    def values(result):
        return sorted((f.column, f.excess, f.difference or 0) for f in result.findings)

    assert values(there) == values(back)


@given(rows=rows_of_table)
@settings(max_examples=30)
def test_twin_of_plain_python(folder, rows):
    """The count of differences is that of a loop over dictionaries."""
    rng = random.Random(len(rows))
    other = [
        (n, m, v + rng.choice([0, 0.001, 1e5]), rng.choice([t, t + "!"])) for n, m, v, t in rows
    ]
    left, right = ({row[:2]: row[2:] for row in side} for side in (rows, other))
    expected = 0
    for key, (value, text) in left.items():
        v, t = right[key]
        expected += abs(v - value) > 0.01 + 0.01 * max(abs(v), abs(value))
        expected += t != text
    assert diff(folder, rows, other).different == expected


@pytest.mark.parametrize(
    ("a", "b", "different"),
    [
        ("1.0", "1.00", 0),
        ("1e3", "1000", 0),
        ("-0.0", "0", 0),
        ("", "nan", 0),
        ("", "0", 1),
        ("nan", "1", 1),
        ("inf", "inf", 0),
        ("inf", "-inf", 1),
        ("1", "one", 1),
        ("True", "1", 1),
        # Whole numbers that share a float64.
        ("9007199254740993", "9007199254740992", 1),
        ("18446744073709551617", "18446744073709551616", 1),
        ("9007199254740993", "9007199254740993.0", 0),
    ],
)
def test_cells(tmp_path, a, b, different):
    result = diff(tmp_path, [("x", 1, a, "t")], [("x", 1, b, "t")], Tolerances([]))
    assert result.error is None
    assert result.different == different


def test_numeric_keys_match_by_value(tmp_path):
    result = diff(tmp_path, [("x", "10", 1, "t"), ("x", "5", 2, "t")], [("x", "10.0", 1, "t")])
    assert (result.rows_only_a, result.rows_only_b) == (1, 0)


def test_names_of_digits_stay_names(tmp_path):
    rows = [("01", 1, 1.0, "t"), ("1", 1, 2.0, "t"), ("12345678901234567890", 1, 3.0, "t")]
    other = [*rows[:2], ("12345678901234567891", 1, 3.0, "t")]
    assert diff(tmp_path, rows, rows).outcome is Outcome.ALIKE
    result = diff(tmp_path, rows, other)
    assert (result.rows_only_a, result.rows_only_b, result.different) == (1, 1, 2)


@pytest.mark.parametrize(
    ("a", "b"), [("007", "7"), ("12e5", "1200000"), ("0.1", "0.10"), ("", "nan"), ("1", "1.0")]
)
def test_declared_text_is_text_whatever_it_looks_like(tmp_path, a, b):
    """However wide the tolerance of numbers, as a value and as a key."""
    wide = Tolerances([Row("*", "*", Tolerance("close", 1e9, 1.0))])
    result = diff(tmp_path, [("x", 1, 1.0, a)], [("x", 1, 1.0, b)], wide)
    assert (result.different, result.findings[0].column) == (1, "text")
    assert (result.findings[0].a, result.findings[0].b) == (a, b)
    result = diff(tmp_path, [(a, 1, 1.0, "t")], [(b, 1, 1.0, "t")], Tolerances([]))
    assert (result.rows_only_a, result.rows_only_b) == (1, 1)
    result = diff(
        tmp_path, [(a, 1, 1.0, "t"), (b, 1, 2.0, "t")], [(b, 1, 2.0, "t"), (a, 1, 1.0, "t")]
    )
    assert (result.error, result.outcome) == (None, Outcome.ALIKE)


@pytest.mark.parametrize(
    ("column", "a", "b", "different"),
    [
        ("id", "007", "7", 2),
        ("id", "12e5", "1200000", 2),
        ("id", "0.1", "0.10", 2),
        ("v", "007", "7", 1),
        ("v", "-01", "-1", 1),
        ("v", "00.5", "0.5", 1),
        ("v", "0.5", "0.50", 0),
        ("v", "0", "0.0", 0),
        ("v", "12e5", "1200000", 0),
        ("v", "", "nan", 0),
    ],
)
def test_tables_without_a_record_keep_the_text_of_keys_and_of_leading_zeros(
    tmp_path, column, a, b, different
):
    one, other = (",".join({"id": "x", "v": "1", column: cell}.values()) for cell in (a, b))
    result = text_diff(tmp_path, f"id,v\n{one}\n", f"id,v\n{other}\n", "tables/unknown.csv")
    assert result.error is None
    assert result.different == different


def text_diff(tmp_path, a, b, name="tables/t.csv", tolerances=CLOSE):
    for side, text in (("a.csv", a), ("b.csv", b)):
        (tmp_path / side).write_bytes(text if isinstance(text, bytes) else text.encode())
    return compare_files(name, tmp_path / "a.csv", tmp_path / "b.csv", tolerances, KNOWN)[0]


GOOD = "name,mu,value,text\nx,1,2.0,t\n"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "empty file"),
        ("\n \n", "empty file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "binary data"),
        (b"name,mu,value\n\xff\xfe\xfd,1,2\n", "not UTF-8"),
        ("name,value\nx,1\n", "no key column 'mu'"),
        ("a,b\n1,2\n", "no column in common|no key column 'name'"),
        ("name,mu,mu\nx,1,2\n", "column 'mu' appears twice"),
        ("name,mu,,text\nx,1,2,t\n", "column without a name"),
        (GOOD + "x,1,3.0,t\n", r"1 rows repeat a key, the first is \(x, 1\)"),
        (GOOD + "x,1.0,3.0,t\n", "repeat a key"),
        (GOOD + "y,2\n", "line 3: 2 cells, but the header has 4"),
        (GOOD + "y,2,3,4,5\n", "line 3: 5 cells"),
        # One cell too few and one too many must not cancel out.
        (GOOD + "y,2,3\nz,2,3,4,5\n", "line 3: 3 cells"),
        (GOOD + 'y,2,3,"open\n', "not CSV"),
        (GOOD + 'y,2,3,"a"b\n', "not CSV"),
        ('"open\n', "no CSV header"),
    ],
)
def test_broken_tables(tmp_path, bad, message):
    for pair in ((GOOD, bad), (bad, GOOD), (bad, bad)):
        result = text_diff(tmp_path, *pair)
        assert result.outcome is Outcome.FAILED
        assert re.search(message, result.error)


def test_header_only_tables_are_alike_and_lose_all_rows(tmp_path):
    header = "name,mu,value,text\n"
    assert text_diff(tmp_path, header, header).outcome is Outcome.ALIKE
    assert text_diff(tmp_path, GOOD, header).rows_only_a == 1


@pytest.mark.parametrize("ends", ["\r\n", "\n\n"])
def test_line_ends_and_blank_lines_mean_nothing(tmp_path, ends):
    assert text_diff(tmp_path, GOOD, GOOD.replace("\n", ends)).outcome is Outcome.ALIKE
    assert text_diff(tmp_path, GOOD, "\ufeff" + GOOD.rstrip()).outcome is Outcome.ALIKE


def test_columns_may_be_gained_at_the_end_and_nowhere_else(tmp_path):
    gained = "name,mu,value,text,more\nx,1,2.0,t,9\n"
    assert text_diff(tmp_path, GOOD, gained).listed == 1
    middle = "name,mu,more,value,text\nx,1,9,2.0,t\n"
    for pair in ((GOOD, middle), (middle, GOOD)):
        assert text_diff(tmp_path, *pair).different == 1
    renamed = GOOD.replace("text", "words")
    assert text_diff(tmp_path, GOOD, renamed).different == 2


def test_undeclared_table_finds_its_keys(tmp_path):
    a = "epoch,loss\n1,0.5\n2,0.4\n"
    b = "epoch,loss\n2,0.4\n1,0.7\n"
    result = text_diff(tmp_path, a, b, name="models/history.csv")
    assert (result.keys, result.different, result.rows_only_a) == (["epoch"], 1, 0)
    repeated = "same\n1\n1\n"
    result = text_diff(tmp_path, repeated, repeated + "1\n", name="models/history.csv")
    assert (result.keys, result.rows_only_b) == ([], 1)


def test_interval_uses_the_tables_bounds(tmp_path):
    tolerances = Tolerances(
        [Row("*", "auc", Tolerance("interval", 0.001)), Row("*", "*", Tolerance("show"))]
    )
    head = "name,mu,auc,auc_ci_low,auc_ci_high\n"
    a = head + "x,1,0.50,0.45,0.55\ny,1,0.50,,\n"
    b = head + "x,1,0.54,0.49,0.59\ny,1,0.52,,\n"
    result = text_diff(tmp_path, a, b, tolerances=tolerances)
    # x is inside; y has no interval, so its atol decides.
    assert [(f.where, f.column) for f in result.findings if f.mode == "counted"] == [
        ("y, 1", "auc")
    ]
    c = head + "x,1,0.56,0.49,0.63\ny,1,0.50,,\n"
    assert text_diff(tmp_path, a, c, tolerances=tolerances).findings[0].where == "x, 1"


def test_rows_have_a_tolerance_of_their_own(tmp_path):
    one_more = GOOD + "y,1,2.0,t\n"
    allowed = Tolerances([Row("*", "(rows)", Tolerance("close", 1))])
    result = text_diff(tmp_path, GOOD, one_more, tolerances=allowed)
    assert (result.different, result.listed) == (0, 1)


def test_changed_verdicts_are_named(tmp_path):
    head = "claim_id,source,statement,published,measured,ci_low,ci_high,verdict\n"
    for side, verdict in (("a", "reproduced"), ("b", "not reproduced")):
        (tmp_path / side / "tables").mkdir(parents=True)
        line = f"V1,VEBI,more is more,0.2,0.3,0.1,0.4,{verdict}\n"
        (tmp_path / side / "tables" / "claims.csv").write_text(head + line)
    report = compare(tmp_path / "a", tmp_path / "b")
    assert report.exit_code == 1
    [found] = report.verdicts
    assert (found.claim, found.a, found.b) == ("V1", "reproduced", "not reproduced")
    json.dumps(report.to_json(), allow_nan=False)


def test_verdicts_of_every_table_are_named_also_where_they_are_no_difference(tmp_path):
    head = "dataset,model,method,correlation_top,verdict\n"
    for side, verdict in (("a", "depends"), ("b", "does not")):
        (tmp_path / side / "tables").mkdir(parents=True)
        lines = f"digits,net,vebi,0.1,{verdict}\ndigits,net,lrp,0.2,depends\n"
        (tmp_path / side / "tables" / "sanity_verdict.csv").write_text(head + lines)
    rules = tmp_path / "tolerances.tsv"
    rules.write_text("file\tcolumn\tkind\tatol\trtol\twhy\n*\tverdict\tshow\t\t\t\n")
    report = compare(tmp_path / "a", tmp_path / "b", rules)
    assert report.exit_code == 0
    [found] = report.verdicts
    assert found.claim == "sanity_verdict: digits, net, vebi"
    assert (found.a, found.b) == ("depends", "does not")


@given(a=st.binary(max_size=80), b=st.binary(max_size=80))
@settings(max_examples=300)
def test_any_bytes_give_a_result(folder, a, b):
    result = text_diff(folder, a, b)
    back = text_diff(folder, b, a)
    assert result.outcome == back.outcome
    assert result.error is None or "t.csv" in result.error


@given(
    a=st.text(st.sampled_from('name,mu1"\n\r \t'), max_size=60),
    b=st.text(st.sampled_from('name,mu1"\n\r \t'), max_size=60),
)
@settings(max_examples=300)
def test_any_text_gives_a_result(folder, a, b):
    head = "name,mu,value\n"
    assert text_diff(folder, head + a, head + b).outcome in list(Outcome)


def test_a_tolerance_of_some_rows(tmp_path):
    wide = Row("*", "value", Tolerance("close", atol=5.0), "name=sp*")
    elsewhere = Row("*", "value", Tolerance("close", atol=100.0), "solver=*")
    tolerances = Tolerances([elsewhere, wide, *CLOSE.rows])
    a = [("path", 1, 1.0, "t"), ("spgl1", 1, 1.0, "t"), ("spgl1", 2, 1.0, "t")]
    b = [("path", 1, 3.0, "t"), ("spgl1", 1, 3.0, "t"), ("spgl1", 2, 7.0, "t")]
    result = diff(tmp_path, a, b, tolerances)
    assert {finding.where for finding in result.findings} == {"spgl1, 2", "path, 1"}
    # What is not of every row is of no array and no picture.
    assert tolerances.of("t.csv", "value") == CLOSE.of("t.csv", "value")
