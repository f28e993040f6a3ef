"""Sign-flip tests: enumeration, scipy, rounding noise, and their level."""

import itertools

import numpy as np
import pytest
from scipy import stats

from vebi.statistics import cluster_sign_flip_test, sign_flip_test


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


def test_many_clusters_flip_by_the_patterns_of_their_key():
    """Above 30 clusters patterns are drawn: as many as asked for, from the generator of the key."""
    clusters = np.repeat(np.arange(40), 2)
    values = np.random.default_rng(3).normal(0.2, 1, 80)
    totals = values.reshape(40, 2).sum(1)
    for n, key in ((99, [1]), (199, [1]), (199, [2, 3])):
        expected = sign_flip_test(totals, n, key)
        assert cluster_sign_flip_test(values, clusters, n, key) == expected
        assert (expected * (n + 1)) == pytest.approx(round(expected * (n + 1)))
    assert len({sign_flip_test(totals, 199, [i]) for i in range(5)}) > 1


def test_sign_flips_reject_at_their_level():
    rng = np.random.default_rng(5)
    p = [sign_flip_test(rng.normal(size=20), 400, [i]) for i in range(400)]
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize("count", [2, 3, 7, 12])
def test_exact_p_is_that_of_all_sign_patterns(count: int):
    rng = np.random.default_rng(count)
    for values in (rng.normal(0.4, 1, count), rng.integers(-2, 4, count) / 3):
        observed = abs(values.sum()) - 1e-9
        sums = [abs(np.dot(s, values)) for s in itertools.product((1, -1), repeat=count)]
        expected = np.mean(np.array(sums) >= observed)
        assert sign_flip_test(values, 10, [0]) == expected


def test_thirty_scenes_are_exact():
    """Twenty-eight of 30 equal differences are positive: a binomial tail, both sides."""
    values = np.array([1.0] * 28 + [-1.0] * 2)
    expected = stats.binomtest(2, 30).pvalue
    assert sign_flip_test(values, 10, [0]) == pytest.approx(expected, rel=1e-12)
    assert sign_flip_test(values, 10, [0]) == sign_flip_test(values, 99, [7])


def test_effects_that_are_rounding_noise_of_one_sign_are_no_effect():
    """Sums over weighted classes leave about 1e-17 in a difference of networks that are alike."""
    for noise in (
        np.full(6, 1e-17),
        np.arange(1, 7) * 1.1e-16,
        np.full(25, 3e-12),
        np.full(40, 1e-15),
    ):
        assert sign_flip_test(noise, 100, [0]) == 1.0
    clusters = np.arange(60) // 5
    assert cluster_sign_flip_test(np.full(60, 1e-17), clusters, 100, [0]) == 1.0
    # The least that an accuracy over 60,000 images can move is an effect.
    assert sign_flip_test(np.full(6, 1 / 60_000), 10, [0]) == 2 / 64


def test_networks_without_effect_are_not_rejected():
    """Control and selection lose the same weight in every scene; the control's is a mean of ten draws."""
    weights = np.random.default_rng(0).random(300)
    noise = np.array([np.full(10, w).sum() / 10 - w for w in weights])
    assert (noise != 0).sum() > 100
    p = np.array([sign_flip_test(np.full(7, one), 200, [1]) for one in noise])
    assert (p == 1).all()
