"""Differences on the same images: hand-made cases, and twins in plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vebi.io.errors import VebiError
from vebi.statistics import (
    check_same_images,
    cluster_interval,
    mean_over_images,
    mean_over_networks,
    paired_difference,
    scene_test,
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


def test_images_without_a_value_do_not_count_and_their_scenes_neither():
    values = np.array([1.0, NAN, 3.0, 5.0, NAN, 7.0])
    scene = np.array([0, 0, 0, 1, 2, 3])
    known = [0, 2, 3, 5]
    mean, *ends = mean_over_images(values, scene, 200, [1])
    assert mean == 4.0
    assert ends == [float(e) for e in cluster_interval(values[known], scene[known], 200, [1])]
    tested = scene_test(values, scene, 200, [1])
    # Three scenes of one sign: two of eight patterns.
    assert tested == {"p_value": 2 / 8, "n_images": 4, "n_scenes": 3}


def test_nothing_to_count_is_no_number():
    empty = np.full(3, NAN)
    assert np.isnan(mean_over_images(empty, np.arange(3), 20, [0])).all()
    assert scene_test(empty, np.arange(3), 20, [0]) == {
        "p_value": 1.0,
        "n_images": 0,
        "n_scenes": 0,
    }
    found = paired_difference("d", [empty, empty], np.arange(3), 20, [0])
    assert np.isnan([found["d"], found["ci_low"], found["ci_high"]]).all()


def test_one_scene_has_a_mean_and_no_interval():
    mean, low, high = mean_over_images(np.array([1.0, 2.0]), np.zeros(2, int), 20, [0])
    assert mean == 1.5
    assert np.isnan([low, high]).all()


def test_networks_are_averaged_before_scenes_are_tested():
    """Two networks that contradict each other on every image leave nothing to test."""
    rng = np.random.default_rng(0)
    values, scene = rng.normal(1, 0.1, 12), np.repeat(np.arange(6), 2)
    alone = paired_difference("d", [values], scene, 500, [3])
    assert alone["p_value"] == 2 / 64
    assert alone["ci_low"] < alone["d"] < alone["ci_high"]
    found = paired_difference("d", [values, -values], scene, 500, [3])
    assert (found["d"], found["ci_low"], found["ci_high"], found["p_value"]) == (0, 0, 0, 1)
    assert (found["n_images"], found["n_scenes"]) == (12, 6)


def test_swapping_the_methods_turns_the_sign_and_nothing_else():
    rng = np.random.default_rng(4)
    values, scene = list(rng.normal(0.3, 1, (2, 40))), rng.integers(0, 9, 40)
    one = paired_difference("d", values, scene, 400, [5])
    other = paired_difference("d", [-v for v in values], scene, 400, [5])
    assert one["d"] == -other["d"]
    assert (one["ci_low"], one["ci_high"]) == pytest.approx((-other["ci_high"], -other["ci_low"]))
    assert one["p_value"] == other["p_value"]


@pytest.mark.parametrize("other", [[0, 1, 3], [2, 1, 0], [0, 1]])
def test_other_images_are_refused(other):
    same = np.arange(3)
    check_same_images("a and b", [same, same.copy(), same])
    with pytest.raises(VebiError, match="a and b were not computed on the same images"):
        check_same_images("a and b", [same, same, np.array(other)])
