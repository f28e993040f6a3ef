"""Differences on the same images: hand-made cases, and twins in plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vebi.io.errors import VebiError
from vebi.statistics import (
    check_same_images,
    mean_over_networks,
    over_images,
    over_networks,
    over_networks_and_scenes,
    over_scenes,
    paired_difference,
    scene_means,
    scene_values,
)

NAN = float("nan")
SCORES = arrays(float, (3, 8), elements=st.one_of(st.just(NAN), st.floats(-1, 1)))


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_an_image_counts_the_networks_that_have_it(values):
    found = mean_over_networks(values)
    for image, mean in enumerate(found):
        known = [float(v) for v in values[:, image] if not np.isnan(v)]
        expected = sum(known) / len(known) if known else NAN
        assert mean == pytest.approx(expected, abs=1e-12, nan_ok=True)


# Three scenes of 1, 2 and 4 images; two networks that differ.
UNEQUAL = np.array([7, 3, 3, 9, 9, 9, 9])
TWO = np.array([[0.1, 0.5, 0.3, 0.9, 0.2, 0.4, 0.8], [0.3, 0.6, 0.2, 0.7, 0.5, 0.6, 0.9]])


def test_unequal_scenes_are_a_ratio_estimate():
    """By hand: 4 images of 7 in one scene of 3, so its distance from the mean weighs 12/7."""
    mean = TWO[0].mean()
    expected = [mean + 3 / 7 * n * (m - mean) for n, m in ((2, 0.4), (1, 0.1), (4, 2.3 / 4))]
    found = scene_values(TWO[0], UNEQUAL)
    assert found == pytest.approx(expected)
    assert found.mean() == pytest.approx(mean)
    # The textbook's variance of a ratio: 1 / n (mean size)^2 times that of y_j - R m_j, and n - 1.
    totals, sizes = np.array([0.8, 0.1, 2.3]), np.array([2, 1, 4])
    residual = totals - mean * sizes
    error = np.sqrt((residual**2).sum() / 2 / 3) / sizes.mean()
    assert over_images(TWO[:1], UNEQUAL).standard_error == pytest.approx(error)


@settings(max_examples=60, deadline=None)
@given(SCORES, st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_scenes_give_the_mean_over_images_whatever_is_missing(values, scene):
    scenes = np.array(scene)
    found = scene_values(values, scenes)
    for row, by_scene in zip(values, found, strict=True):
        known = row[~np.isnan(row)]
        there = by_scene[~np.isnan(by_scene)]
        assert len(there) == len(set(scenes[~np.isnan(row)]))
        if len(known):
            assert there.mean() == pytest.approx(known.mean(), abs=1e-12)
    equal = np.repeat(np.arange(4), 2)
    if not np.isnan(values).any():
        assert scene_values(values, equal) == pytest.approx(scene_means(values, equal), abs=1e-12)


def test_what_another_run_draws_again_decides_the_interval():
    apart, shared = np.arange(7), UNEQUAL
    cases = [
        (TWO, apart, "networks", over_networks(TWO.mean(1))),
        (TWO, shared, "networks and scenes", over_networks_and_scenes(scene_values(TWO, shared))),
        (TWO[:1], shared, "scenes", over_scenes(scene_values(TWO[0], shared))),
        (TWO[:1], apart, "scenes", over_scenes(TWO[0])),
    ]
    for values, scene, over, expected in cases:
        found = over_images(values, scene)
        assert found.over == over
        assert found.value == pytest.approx(values.mean())
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    # Student by hand: two means, one degree of freedom.
    means = TWO.mean(1)
    half = 12.706204736 * abs(means[0] - means[1]) / 2
    found = over_images(TWO, apart)
    assert (found.low, found.high) == pytest.approx((means.mean() - half, means.mean() + half))


def test_a_network_without_any_value_is_not_there():
    with_empty = np.vstack([TWO[:1], np.full((1, 7), NAN)])
    found = over_images(with_empty, UNEQUAL)
    assert found.over == "scenes"
    assert found.low == over_images(TWO[:1], UNEQUAL).low


def test_images_of_unequal_scenes_are_covered():
    """Networks and scenes both vary; scenes have 1 to 12 images: 93 to 98 % hold the truth."""
    rng = np.random.default_rng(0)
    runs = 3000
    scene = np.repeat(np.arange(10), rng.integers(1, 13, 10))
    values = (
        rng.normal(0, 0.5, (runs, 5, 1))
        + rng.normal(0, 1, (runs, 1, 10))[..., scene]
        + rng.normal(0, 1, (runs, 5, len(scene)))
    )
    found = over_images(values, scene)
    assert 0.93 < ((found.low < 0) & (found.high > 0)).mean() < 0.98
    # Images taken for independent would be far too sure.
    alone = over_scenes(values[:, 0])
    assert ((alone.low < 0) & (alone.high > 0)).mean() < 0.6


def test_images_without_a_value_do_not_count_and_their_scenes_neither():
    values = np.array([1.0, NAN, 3.0, 5.0, NAN, 7.0])
    scene = np.array([0, 0, 0, 1, 2, 3])
    found = paired_difference("d", [values], scene)
    assert (found["d"], found["n_images"], found["n_scenes"]) == (4.0, 4, 3)
    known = [0, 2, 3, 5]
    alone = paired_difference("d", [values[known]], scene[known])
    assert found == pytest.approx(alone)


def test_nothing_to_count_is_no_number():
    empty = np.full(3, NAN)
    found = paired_difference("d", [empty, empty], np.arange(3))
    assert np.isnan([found["d"], found["ci_low"], found["ci_high"], found["p_value"]]).all()
    assert (found["n_images"], found["n_scenes"]) == (0, 0)


def test_one_scene_has_a_mean_and_no_interval():
    found = paired_difference("d", [np.array([1.0, 2.0])], np.zeros(2, int))
    assert found["d"] == 1.5
    assert np.isnan([found["ci_low"], found["ci_high"], found["p_value"]]).all()
    assert found["over"] == "scenes"


def test_networks_that_contradict_each_other_decide_nothing():
    rng = np.random.default_rng(0)
    values, scene = rng.normal(1, 0.1, 12), np.repeat(np.arange(6), 2)
    alone = paired_difference("d", [values], scene)
    assert alone["ci_low"] > 0
    assert alone["p_value"] < 0.001
    found = paired_difference("d", [values, -values], scene)
    assert found["d"] == pytest.approx(0)
    assert found["ci_low"] < -1 < 1 < found["ci_high"]
    assert found["p_value"] == pytest.approx(1)
    assert (found["n_images"], found["n_scenes"]) == (12, 6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.booleans())
def test_p_value_and_interval_answer_one_question(seed, networks, shared):
    """p is below 0.05 exactly where the 95 % interval leaves zero out."""
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(), 1, (networks, 1)) + rng.normal(0, 0.5, (networks, 12))
    scene = np.repeat(np.arange(4), 3) if shared else np.arange(12)
    found = paired_difference("d", values, scene)
    assert (found["p_value"] < 0.05) == (not found["ci_low"] <= 0 <= found["ci_high"])


def test_swapping_the_methods_turns_the_sign_and_nothing_else():
    rng = np.random.default_rng(4)
    values, scene = list(rng.normal(0.3, 1, (2, 40))), rng.integers(0, 9, 40)
    one = paired_difference("d", values, scene)
    other = paired_difference("d", [-v for v in values], scene)
    assert one["d"] == pytest.approx(-other["d"])
    assert (one["ci_low"], one["ci_high"]) == pytest.approx((-other["ci_high"], -other["ci_low"]))
    assert one["p_value"] == pytest.approx(other["p_value"])


@pytest.mark.parametrize("other", [[0, 1, 3], [2, 1, 0], [0, 1]])
def test_other_images_are_refused(other):
    same = np.arange(3)
    check_same_images("a and b", [same, same.copy(), same])
    with pytest.raises(VebiError, match="a and b were not computed on the same images"):
        check_same_images("a and b", [same, same, np.array(other)])
