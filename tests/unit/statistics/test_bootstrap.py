"""Percentile bootstraps: closed forms, enumeration, and what chance must give."""

import numpy as np
import pytest

from vebi.statistics import (
    bootstrap_interval,
    cluster_interval,
    crossed_interval,
    nested_interval,
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
