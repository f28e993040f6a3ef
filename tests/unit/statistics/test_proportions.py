"""Proportions: scipy's intervals, printed examples, and coverage."""

import numpy as np
import pytest
from scipy import stats

from vebi.io.errors import VebiError
from vebi.statistics import clustered_proportion_interval, stratified_interval, wilson_interval


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (10, 10), (3, 17), (990, 1000)])
def test_wilson_interval_is_scipys(hits: int, total: int):
    expected = stats.binomtest(hits, total).proportion_ci(method="wilson")
    assert wilson_interval(hits, total) == pytest.approx((expected.low, expected.high))
    assert np.isnan(wilson_interval(0, 0)).all()


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


def test_scenes_of_one_image_are_independent_trials_with_students_quantile():
    hits = np.array([1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1])
    low, high = clustered_proportion_interval(hits, np.ones(12))
    # 12/11 is the design effect of independent trials; 4 scenes of misses give 4 degrees of freedom.
    share, trials, t = hits.mean(), 12 * 11 / 12, stats.t.ppf(0.975, 4)
    for end in (low, high):
        # Wilson's ends are where the distance is t standard errors of the end itself.
        assert abs(share - end) == pytest.approx(t * np.sqrt(end * (1 - end) / trials))
    assert low < share < high


def test_scenes_that_are_all_or_nothing_count_as_one_trial_each():
    """Thirty copies of a scene's one outcome tell as much as one, but for the factor J / (J - 1)."""
    outcomes = np.array([1, 1, 0, 1, 1, 1, 0, 1])
    many = clustered_proportion_interval(30 * outcomes, np.full(8, 30))
    assert many == pytest.approx(clustered_proportion_interval(outcomes, np.ones(8)))


def test_without_any_miss_a_scene_counts_as_one_trial():
    low, high = clustered_proportion_interval(np.full(12, 30), np.full(12, 30))
    square = stats.t.ppf(0.975, 11) ** 2
    assert (low, high) == pytest.approx((12 / (12 + square), 1.0))
    low, high = clustered_proportion_interval(np.zeros(12), np.full(12, 30))
    assert (low, high) == pytest.approx((0.0, square / (12 + square)))


def test_the_design_effect_is_the_sandwich_variance_with_leverage():
    hits, totals = np.array([3.0, 38, 7, 25, 18, 1]), np.array([5.0, 40, 12, 30, 20, 9])
    share, n = hits.sum() / totals.sum(), totals.sum()
    # Regression of the images on a constant: HC2 over scenes, by loops.
    variance = (
        sum((h - share * t) ** 2 / (1 - t / n) for h, t in zip(hits, totals, strict=True)) / n**2
    )
    trials, t = share * (1 - share) / variance, stats.t.ppf(0.975, 5)
    for end in clustered_proportion_interval(hits, totals):
        assert abs(share - end) == pytest.approx(t * np.sqrt(end * (1 - end) / trials))


@pytest.mark.parametrize(
    ("hits", "totals", "df"),
    [
        ([3, 5], [5, 6], 1),  # two scenes are enough
        ([5, 5, 4, 5], [5, 5, 5, 5], 1),  # the only scene with a miss
        ([0, 0, 1], [1, 1, 1], 1),  # less than one trial's variance in all
        ([2, 5, 4, 5], [5, 5, 5, 5], 2),
    ],
)
def test_few_scenes_have_the_degrees_of_freedom_of_those_that_tell(hits, totals, df):
    hits, totals = np.array(hits, float), np.array(totals, float)
    n = totals.sum()
    share = hits.sum() / n
    between = ((hits - share * totals) ** 2 / (1 - totals / n)).sum()
    trials = n / max(1.0, between / (n * share * (1 - share)))
    t = stats.t.ppf(0.975, df)
    for end in clustered_proportion_interval(hits, totals):
        assert 0 < end < 1
        assert abs(share - end) == pytest.approx(t * np.sqrt(end * (1 - end) / trials))


def test_clustered_intervals_of_many_rows_are_those_of_each():
    hits, totals = np.random.default_rng(0).integers(0, 9, (4, 6)), np.full(6, 8)
    low, high = clustered_proportion_interval(hits, totals)
    for i in range(4):
        assert (low[i], high[i]) == clustered_proportion_interval(hits[i], totals)


def test_one_scene_tells_nothing_and_impossible_hits_are_refused():
    assert np.isnan(clustered_proportion_interval(np.array([3]), np.array([5]))).all()
    for hits, totals in (([6, 1], [5, 5]), ([-1, 1], [5, 5]), ([0, 0], [0, 5])):
        with pytest.raises(VebiError, match="hits between 0"):
            clustered_proportion_interval(np.array(hits), np.array(totals))


def test_misses_that_cluster_make_the_interval_wider():
    spread = clustered_proportion_interval(np.full(10, 9), np.full(10, 10))
    clustered = clustered_proportion_interval(np.array([0] + [10] * 9), np.full(10, 10))
    assert clustered[1] - clustered[0] > 3 * (spread[1] - spread[0])


def test_a_share_near_zero_is_the_mirror_of_one_near_one():
    """Two scenes of twelve hold a hit: two degrees of freedom, as with two that hold a miss."""
    hits, totals = np.array([3, 1] + [0] * 10), np.full(12, 10)
    low, high = clustered_proportion_interval(hits, totals)
    mirrored = clustered_proportion_interval(totals - hits, totals)
    assert (1 - high, 1 - low) == pytest.approx(mirrored)
    share, t = 4 / 120, stats.t.ppf(0.975, 2)
    variance = ((hits / 10 - share) ** 2).sum() / 11 / 12
    trials = share * (1 - share) / variance
    assert abs(share - high) == pytest.approx(t * np.sqrt(high * (1 - high) / trials))
