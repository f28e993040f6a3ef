"""The tolerance rule and its file."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vebi.diff.numbers import differences, excesses, interval_excesses
from vebi.diff.tolerances import EXACT, LARGEST_FILE, Tolerance, read_tolerances
from vebi.io.errors import VebiError
from vebi.report.places import TABLES

NUMBERS = st.floats(-1e9, 1e9)
ANY = st.floats(allow_nan=True, allow_infinity=True)
HEADER = "file\tcolumn\tkind\tatol\trtol\twhy\n"
SHIPPED = Path(__file__).parents[3] / "config" / "tolerances.tsv"


def one(function, a, b, *rest):
    return float(function(np.array([a]), np.array([b]), *rest)[0])


@given(ANY, ANY, st.floats(0, 10), st.floats(0, 1))
def test_symmetric_and_zero_only_for_the_same(a, b, atol, rtol):
    tolerance = Tolerance("close", atol, rtol)
    there, back = one(excesses, a, b, tolerance), one(excesses, b, a, tolerance)
    assert there == back
    assert not math.isnan(there)
    same = a == b or (math.isnan(a) and math.isnan(b))
    # Two numbers may be so close that their difference is zero next to a huge tolerance.
    assert there == 0 if same else there >= 0
    assert (one(excesses, a, b, EXACT) == 0) == same


@given(NUMBERS, st.floats(1e-6, 1e6), st.floats(0, 0.99), st.floats(1.01, 100))
def test_absolute_tolerance(a, atol, below, above):
    tolerance = Tolerance("close", atol)
    # The distance that float64 really makes of it.
    inside, outside = a + below * atol, a + above * atol
    assert one(excesses, a, inside, tolerance) <= 1 or abs(inside - a) > atol
    assert one(excesses, a, outside, tolerance) > 1 or abs(outside - a) <= atol + 1e-5 * abs(a)


def test_decimal_rounding_is_no_difference():
    # 0.52 - 0.5 is 0.020000000000000018.
    assert one(excesses, 0.5, 0.52, Tolerance("close", 0.02)) <= 1
    assert one(excesses, 0.5, 0.520001, Tolerance("close", 0.02)) > 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_tolerance_reaches_from_a_number_to_what_is_none(value):
    assert one(excesses, value, 1.0, Tolerance("close", 1e300, 1.0)) == math.inf
    assert one(excesses, value, value, EXACT) == 0
    assert one(differences, value, value) == 0


@given(NUMBERS, NUMBERS, *(st.floats(0, 1e9) for _ in range(4)))
def test_interval_is_membership_both_ways(a, b, a_down, a_up, b_down, b_up):
    ends = (a - a_down, a + a_up, b - b_down, b + b_up)
    excess = one(interval_excesses, a, b, tuple(np.array([end]) for end in ends))
    assert (excess <= 1) == (ends[2] <= a <= ends[3] and ends[0] <= b <= ends[1])
    swapped = tuple(np.array([end]) for end in (*ends[2:], *ends[:2]))
    assert one(interval_excesses, b, a, swapped) == excess


def test_interval_without_ends_is_left_open():
    ends = tuple(np.array([end]) for end in (math.nan, 1.0, 0.0, 1.0))
    assert math.isnan(one(interval_excesses, 0.5, 0.6, ends))


def test_first_match_decides(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text(
        "# why\n\n" + HEADER + "a.csv\tx\tclose\t1\t\t\n*.csv\tx\tclose\t2\t0.5\tbecause\n"
        "data/*.h5\t*\tfollows\n",
        encoding="utf-8",
    )
    tolerances = read_tolerances(path)
    assert tolerances.of("tables/a.csv", "x") == Tolerance("close", 1.0)
    assert tolerances.of("tables/b.csv", "x") == Tolerance("close", 2.0, 0.5)
    assert tolerances.of("data/digits/dataset.h5", "images").mode == "follows"
    assert tolerances.of("models/x.h5", "images") == EXACT
    assert tolerances.of("tables/b.csv", "y") == EXACT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "header is a,b"),
        (HEADER.encode() + b"a.csv\tx\tnearly\t1\t\t\n", "line 2: kind is 'nearly'"),
        (HEADER.encode() + b"a.csv\tx\tclose\t-1\t\t\n", "'-1' is not a tolerance"),
        (HEADER.encode() + b"a.csv\tx\tclose\tnan\t\t\n", "'nan' is not a tolerance"),
        (HEADER.encode() + b"a.csv\tx\tclose\tinf\t\t\n", "'inf' is not a tolerance"),
        (HEADER.encode() + b"a.csv\tx\tclose\tmuch\t\t\n", "'much' is not a tolerance"),
        (HEADER.encode() + b"a.csv\tx\texact\t1\t\t\n", "exact takes no atol"),
        (HEADER.encode() + b"\tx\texact\t\t\t\n", "must not be empty"),
        (HEADER.encode() + b"a\tb\tclose\t1\t\twhy\ts=x\tmore\n", "8 cells, expected 7"),
        (HEADER.encode() + b"a\tb\tclose\t1\t\twhy\tmore\n", "rows is 'more'; expected column="),
        (b"\xff\xfe\x00binary", "can't read the tolerances"),
    ],
)
def test_broken_file(tmp_path, content, message):
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    with pytest.raises(VebiError, match=message):
        read_tolerances(path)


def test_shipped_file_names_columns_that_exist():
    tolerances = read_tolerances(SHIPPED)
    for line in SHIPPED.read_text(encoding="utf-8").splitlines():
        file, column = [*line.split("\t"), ""][:2]
        name = file.removesuffix(".csv")
        if file.endswith(".csv") and name in TABLES and "*" not in column and column[0] != "(":
            assert column in TABLES[name].values, line
    # What a reader takes home is never a matter of tolerance.
    assert tolerances.of("tables/claims.csv", "verdict") == EXACT


def test_what_could_be_read_without_end_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.tsv")
    (tmp_path / "zero.tsv").symlink_to("/dev/zero")
    for name in ("pipe.tsv", "zero.tsv"):
        with pytest.raises(VebiError, match=rf"{name}: not a regular file"):
            read_tolerances(tmp_path / name)


def test_the_largest_file_is_read_and_one_byte_more_is_refused(tmp_path):
    path = tmp_path / "large.tsv"
    text = HEADER + "*\tx\tclose\t1\t\twhy\n#"
    path.write_text(text.ljust(LARGEST_FILE, "#"))
    assert read_tolerances(path).of("any.csv", "x") == Tolerance("close", 1.0)
    path.write_text(text.ljust(LARGEST_FILE + 1, "#"))
    with pytest.raises(VebiError, match="larger than 10,000,000 bytes"):
        read_tolerances(path)
