"""The words of an interval: by hand at every edge, and what must hold for any numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vebi.statistics import ORDERINGS, judge_difference, judge_published

ENDS = st.tuples(st.floats(-1, 1), st.floats(0, 1)).map(lambda pair: (pair[0], sum(pair)))


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.1, 0.2, "holds"),
        (-0.2, -0.1, "reversed"),
        (-0.1, 0.1, "undecided"),
        (0.0, 0.1, "undecided"),
        (-0.1, 0.0, "undecided"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_zero_inside_or_at_an_end_decides_nothing(low, high, word):
    assert judge_difference(low, high) == word


@given(ENDS)
def test_turning_a_difference_round_turns_the_word_round(ends):
    low, high = ends
    opposite = dict(zip(ORDERINGS, reversed(ORDERINGS), strict=True))
    assert judge_difference(-high, -low) == opposite[judge_difference(low, high)]


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.21, 0.24, "agrees"),
        (0.225, 0.24, "agrees"),  # printed 0.22 may stand for 0.225
        (0.226, 0.24, "ours is larger"),
        (0.1, 0.214, "ours is smaller"),
        (0.165, 0.27, "agrees"),
        (0.15, 0.27, "undecided"),  # holds almost anything
    ],
)
def test_a_printed_number_must_lie_in_a_narrow_interval(low, high, word):
    assert judge_published(0.22, low, high, 0.005) == word


@given(st.floats(0.01, 1), ENDS, st.floats(0, 0.1))
def test_more_rounding_never_puts_a_number_outside(published, ends, rounding):
    outside = ("ours is larger", "ours is smaller")
    low, high = ends
    if judge_published(published, low, high) not in outside:
        assert judge_published(published, low, high, rounding) not in outside


@given(st.floats(0.01, 1), ENDS)
def test_a_number_is_compared_as_its_difference_from_ours_is(published, ends):
    low, high = ends
    said = judge_published(published, low, high)
    word = judge_difference(low - published, high - published)
    assert (said == "ours is larger") == (word == "holds")
    assert (said == "ours is smaller") == (word == "reversed")
