"""Numbers per network: what stands for them where a table has an interval, and what scenes add."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vebi.claims.cells import (
    Numbers,
    count_networks,
    include_scenes,
    interval_half,
    of_interval,
    of_spread,
    spread_to,
    to_cells,
)
from vebi.statistics import over_networks, pool, predict


def half(values: pd.Series) -> float:
    """By the textbook: t s / sqrt(n)."""
    n = len(values)
    return float(stats.t.ppf(0.975, n - 1) * values.std() / n**0.5)


@given(st.floats(-5, 5), st.floats(1e-3, 5), st.integers(2, 20))
def test_numbers_that_stand_for_an_interval_have_this_mean_and_interval(mean, width, n):
    values = of_interval(mean, width, n)
    assert len(values) == n
    assert values.mean() == pytest.approx(mean, abs=1e-9)
    assert half(values) == pytest.approx(width)
    low, high = over_networks(values.to_numpy()).interval()
    assert (low, high) == pytest.approx((mean - width, mean + width))


def test_one_network_has_a_number_and_no_interval():
    assert of_interval(0.3, 0.1, 1).tolist() == [0.3]
    assert of_interval(0.3, np.nan, 5).tolist() == [0.3]
    assert over_networks(of_interval(0.3, 0.1, 1).to_numpy()).problem == "one network"


def test_the_prediction_from_a_mean_and_a_spread_is_the_one_of_such_numbers():
    """Mean 0.8, standard deviation 0.1, four networks: 0.8 +- t(3) 0.1 sqrt(1 + 1/4)."""
    found = predict(of_spread(0.8, 0.1, 4).to_numpy())
    width = stats.t.ppf(0.975, 3) * 0.1 * 1.25**0.5
    assert (found.low, found.high) == pytest.approx((0.8 - width, 0.8 + width))


def test_numbers_are_moved_apart_around_their_mean_and_keep_their_pattern():
    values = pd.Series([1.0, 2.0, 4.0], index=[7, 3, 5])
    moved = spread_to(values, 3 * half(values))
    assert moved.index.tolist() == [7, 3, 5]
    mean = 7 / 3
    assert moved.tolist() == pytest.approx([mean + 3 * (x - mean) for x in (1.0, 2.0, 4.0)])


ROW = {"ci_low": 0.1, "ci_high": 0.3, "n_scenes": 6}


def test_the_interval_of_an_earlier_version_is_widened_to_student_s():
    """0.1 = 1.96 s sqrt(5 / 6) / sqrt(6) of six scenes, so Student's is t(5) s / sqrt(6)."""
    spread = 0.1 / stats.norm.ppf(0.975) * (6 / 5) ** 0.5
    expected = stats.t.ppf(0.975, 5) * spread
    assert interval_half(ROW, "ci_low", "ci_high", 6) == pytest.approx(expected)
    assert expected > 0.14
    # A table that says over what its interval ranges has Student's already.
    assert interval_half({**ROW, "over": "networks"}, "ci_low", "ci_high", 6) == pytest.approx(0.1)
    # NaN is how pandas reads an empty column.
    assert interval_half({**ROW, "over": np.nan}, "ci_low", "ci_high", 6) > 0.14


def test_the_widened_bootstrap_is_student_s_interval():
    """Of a sample of five, by its own percentile bootstrap: within 5 %."""
    rng = np.random.default_rng(0)
    values = pd.Series(rng.normal(size=5))
    means = values.to_numpy()[rng.integers(5, size=(20_000, 5))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert interval_half({"l": low, "h": high}, "l", "h", 5) == pytest.approx(
        half(values), rel=0.05
    )


def test_scenes_widen_what_networks_give():
    values = pd.Series([0.1, 0.2, 0.3])
    scenes = interval_half(ROW, "ci_low", "ci_high", 6)
    assert half(include_scenes(values, ROW)) == pytest.approx(np.hypot(half(values), scenes))
    assert include_scenes(values, None).tolist() == values.tolist()
    # One network says nothing about others, however many scenes it has seen.
    assert include_scenes(values[:1], ROW).tolist() == [0.1]


def test_an_interval_over_networks_and_scenes_is_taken_as_it_is():
    values = pd.Series([0.19, 0.20, 0.21])
    both = {**ROW, "over": "networks and scenes"}
    assert half(include_scenes(values, both)) == pytest.approx(0.1)
    assert half(include_scenes(values, {**ROW, "over": "networks"})) == pytest.approx(half(values))
    # It is never narrower than what the networks alone give.
    apart = pd.Series([0.0, 0.2, 0.4])
    assert half(include_scenes(apart, both)) == pytest.approx(half(apart))


def test_equal_networks_on_different_scenes_have_the_interval_of_the_scenes():
    values = include_scenes(pd.Series([0.2] * 3), ROW)
    assert values.mean() == pytest.approx(0.2)
    assert half(values) == pytest.approx(interval_half(ROW, "ci_low", "ci_high", 6))
    nothing = {"ci_low": np.nan, "ci_high": np.nan, "n_scenes": 1}
    assert include_scenes(pd.Series([0.2, 0.3]), nothing).tolist() == [0.2, 0.3]


def test_numbers_of_the_same_networks_are_pairs_whatever_their_order_and_gaps():
    a = Numbers("a", pd.Series([1.0, 2.0, 4.0], index=[0, 1, 2]), {}, "net")
    b = Numbers("b", pd.Series([4.5, 2.5, 1.5], index=[2, 1, 0]), {}, "net")
    difference = pool(to_cells([a, b]))
    # They differ by 0.5 in each network: the mean has the spread of one of them.
    assert difference.effect.value == pytest.approx(7 / 3 + 0.25)
    assert difference.effect.high - difference.effect.value == pytest.approx(half(a.values))
    c = Numbers("c", pd.Series([3.0], index=[5]), {}, "net")
    assert [cell.values.tolist() for cell in to_cells([c, a])] == [
        pytest.approx([np.nan, np.nan, np.nan, 3.0], nan_ok=True),
        pytest.approx([1.0, 2.0, 4.0, np.nan], nan_ok=True),
    ]
    assert count_networks([a, b, c]) == 4
    assert count_networks([a, Numbers("d", b.values)]) == 6
