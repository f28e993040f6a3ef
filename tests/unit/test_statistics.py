"""Intervals and tests: closed forms, enumeration, and what chance must give."""

import numpy as np
import pytest
from scipy import stats

from vebi.statistics import (
    bootstrap_interval,
    cluster_interval,
    cluster_sign_flip_test,
    crossed_interval,
    nested_interval,
    sign_flip_test,
    stratified_interval,
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


def test_clusters_of_one_are_the_plain_bootstrap():
    values = np.random.default_rng(0).normal(size=300)
    plain = bootstrap_interval(values, 8000, [1])
    assert cluster_interval(values, np.arange(300), 8000, [1]) == pytest.approx(plain, abs=0.01)


def test_clusters_carry_their_own_variance():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(50), 8)
    levels = rng.normal(size=50)
    alike = np.stack([levels[clusters], levels[clusters] + rng.normal(size=400) * 1e-9], 1)
    low, high = cluster_interval(alike, clusters, 8000, [3])
    # Eight copies of a value tell as much as one.
    expected = 2 * 1.96 * levels.std() / np.sqrt(50)
    assert high - low == pytest.approx([expected, expected], rel=0.06)
    # What differs within clusters alone, the same in all of them, has no variance.
    low, high = cluster_interval(np.tile(np.arange(8.0), 50), clusters, 500, [3])
    assert (low, high) == (3.5, 3.5)


def test_clusters_of_unequal_size_by_enumeration():
    values, clusters = np.array([1.0, 2, 3, 10]), np.array([7, 7, 7, 2])
    # Twice the first, twice the second, or one of each: quarter, quarter, half.
    low, high = cluster_interval(values, clusters, 4000, [0], level=0.6)
    assert (low, high) == (2.0, 10.0)
    low, high = cluster_interval(values, clusters, 4000, [0], level=0.4)
    assert (low, high) == (4.0, 4.0)
    for few in (0, 5):  # nothing, and one cluster only
        ends = cluster_interval(np.zeros((few, 2)), np.zeros(few, int), 9, [0])
        assert np.shape(ends) == (2, 2)
        assert np.isnan(ends).all()


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


def test_whole_clusters_change_sign_together():
    values = np.array([1.0, 2, 3, 4, 5])
    assert cluster_sign_flip_test(values, np.arange(5), 10, [0]) == 2 / 32
    # Two clusters: of four sign patterns, the two constant ones reach the sum.
    assert cluster_sign_flip_test(values, np.array([7, 7, 9, 9, 9]), 10, [0]) == 0.5


def test_sign_flips_reject_at_their_level():
    rng = np.random.default_rng(5)
    p = [sign_flip_test(rng.normal(size=20), 400, [i]) for i in range(400)]
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (10, 10), (3, 17), (990, 1000)])
def test_wilson_interval_is_scipys(hits: int, total: int):
    expected = stats.binomtest(hits, total).proportion_ci(method="wilson")
    assert wilson_interval(hits, total) == pytest.approx((expected.low, expected.high))
    assert np.isnan(wilson_interval(0, 0)).all()


def test_crossed_interval_of_one_seed_is_the_bootstrap_of_its_clusters():
    values = np.random.default_rng(1).normal(size=(1, 300))
    low, high = crossed_interval(values, np.arange(300), 4000, [1])
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(300), rel=0.1)
    assert low < values.mean() < high
    clusters = np.arange(300) % 40
    expected = cluster_interval(values[0], clusters, 4000, [2])
    assert crossed_interval(values, clusters, 4000, [1]) == pytest.approx(expected, abs=0.02)


def test_crossed_interval_knows_that_the_images_are_the_same_for_all_seeds():
    """What only the images decide is not averaged out by more seeds, which a nested draw believes."""
    image_effect = np.random.default_rng(2).normal(size=100)
    values = np.tile(image_effect, (20, 1))
    width = 2 * 1.96 * image_effect.std() / 10
    low, high = crossed_interval(values, np.arange(100), 2000, [3])
    assert high - low == pytest.approx(width, rel=0.1)
    low, high = nested_interval(values, 2000, [3])
    assert high - low < width / 3


def test_crossed_interval_covers_the_spread_of_seeds():
    values = np.repeat(np.array([[0.0], [1.0]]), 50, axis=1)
    assert crossed_interval(values, np.arange(50) // 5, 500, [1]) == (0.0, 1.0)


def test_stratified_interval_of_one_stratum_is_wilsons():
    for hits, total in ((0, 10), (10, 10), (3, 17)):
        low, high = stratified_interval(np.array([hits]), np.array([total]))
        assert (low, high) == pytest.approx(wilson_interval(hits, total))


def test_stratified_interval_is_newcombes_hybrid():
    """The difference 56/70 - 48/80 has the interval 0.0524 to 0.3339 (Newcombe 1998, table II, 10).

    The mean of a and 1 - b is (a - b + 1) / 2.
    """
    low, high = stratified_interval(np.array([56, 80 - 48]), np.array([70, 80]))
    assert (2 * low - 1, 2 * high - 1) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_stratified_interval_covers_the_truth():
    truth, totals = np.array([0.99, 0.9, 0.5, 0.05]), np.array([30, 40, 30, 20])
    hits = np.random.default_rng(6).binomial(totals, truth, size=(20_000, 4))
    low, high = stratified_interval(hits, totals)
    covered = ((low <= truth.mean()) & (truth.mean() <= high)).mean()
    assert 0.94 <= covered <= 0.98
    assert (high > low).all()
