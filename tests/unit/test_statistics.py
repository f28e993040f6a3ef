"""Intervals and tests: closed forms, enumeration, and what chance must give."""

import numpy as np
import pytest
from scipy import stats

from vebi.statistics import (
    bootstrap_interval,
    nested_interval,
    sign_flip_test,
    wilson_interval,
)


def test_bootstrap_matches_the_normal_interval():
    values = np.random.default_rng(0).normal(3, 1, 400)
    low, high = bootstrap_interval(values, 4000, [1])
    standard_error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * standard_error, abs=0.02)
    assert high == pytest.approx(values.mean() + 1.96 * standard_error, abs=0.02)
    assert (low, high) == bootstrap_interval(values, 4000, [1])


def test_bootstrap_of_nothing_is_nan():
    assert np.isnan(bootstrap_interval(np.zeros(0), 10, [0])).all()


def test_nested_interval_of_one_seed_resamples_draws_only():
    values = np.random.default_rng(1).normal(size=(1, 300))
    low, high = nested_interval(values, 4000, [1])
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(300), rel=0.1)


def test_nested_interval_covers_the_spread_of_seeds():
    values = np.repeat(np.array([[0.0], [1.0]]), 50, axis=1)
    assert nested_interval(values, 500, [1]) == (0.0, 1.0)


def test_sign_flips_of_few_values_are_enumerated():
    # All positive: only the two constant sign patterns reach the sum, of 2^5.
    assert sign_flip_test(np.array([1.0, 2, 3, 4, 5]), 10, [0]) == 2 / 32
    assert sign_flip_test(np.array([1.0, -1.0]), 10, [0]) == 1.0
    assert sign_flip_test(np.zeros(4), 10, [0]) == 1.0


def test_sign_flips_agree_with_scipy():
    values = np.random.default_rng(2).normal(0.25, 1, 60)
    expected = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=3
    ).pvalue
    assert sign_flip_test(values, 20_000, [4]) == pytest.approx(expected, abs=0.01)
    assert sign_flip_test(values, 999, [4]) == sign_flip_test(values, 999, [4])


def test_sign_flips_reject_at_their_level():
    rng = np.random.default_rng(5)
    p = [sign_flip_test(rng.normal(size=20), 400, [i]) for i in range(400)]
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (10, 10), (3, 17), (990, 1000)])
def test_wilson_interval_is_scipys(hits: int, total: int):
    expected = stats.binomtest(hits, total).proportion_ci(method="wilson")
    assert wilson_interval(hits, total) == pytest.approx((expected.low, expected.high))
    assert np.isnan(wilson_interval(0, 0)).all()
