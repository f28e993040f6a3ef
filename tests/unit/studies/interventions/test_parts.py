"""Relevance and effects per part, against counts by hand and against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from vebi.studies.interventions.boxes import box_of, under_boxes
from vebi.studies.interventions.parts import (
    IGNORED,
    USED,
    effects_of_parts,
    meaningful,
    rank_correlations,
    shares_on_parts,
    wrong_order,
)

NAN = float("nan")


def test_mass_and_density_of_parts() -> None:
    heatmaps = np.zeros((2, 4, 4))
    heatmaps[0, 0] = 3.0
    heatmaps[0, 1, 0] = 4.0
    masks = np.zeros((2, 3, 4, 4), bool)
    masks[:, 0, 0] = True
    masks[:, 1, 1:] = True
    mass, density = shares_on_parts(heatmaps, masks)
    assert mass[0].tolist() == [0.75, 0.25, 0.0]
    assert density[0, :2].tolist() == [3.0, 4 / 12]
    assert np.isnan(density[:, 2]).all()
    # An empty map lies nowhere.
    assert mass[1].tolist() == [0.0, 0.0, 0.0]
    assert density[1, :2].tolist() == [0.0, 0.0]


def test_the_effect_of_a_part_is_the_mean_of_its_own_changes() -> None:
    parts = ["pot", "pot", "petals", "background", "other"]
    kinds = ["neutral", "removed", "removed", "another", "moved"]
    drops = np.array([[1.0, 3.0, 5.0, 7.0, 9.0], [NAN, 3.0, NAN, 7.0, 9.0]])
    found = effects_of_parts(drops, parts, kinds, ["petals", "pot", "background"])
    np.testing.assert_array_equal(found, [[5.0, 2.0, NAN], [NAN, 3.0, NAN]])
    neutral = effects_of_parts(drops, parts, kinds, ["petals", "pot"], ("neutral",))
    np.testing.assert_array_equal(neutral, [[NAN, 1.0], [NAN, NAN]])


values = st.floats(-4, 4).map(lambda x: round(x))


@settings(max_examples=60)
@given(arrays(float, (2, 6), elements=values), st.integers(3, 6))
def test_rank_correlation_is_scipy_s(both: np.ndarray, n: int) -> None:
    relevance, effects = both[0, :n], both[1, :n]
    [found] = rank_correlations(np.append(relevance, NAN)[None], np.append(effects, 3.0)[None])
    if np.ptp(effects) == 0:
        assert np.isnan(found)
    elif np.ptp(relevance) == 0:
        assert found == 0
    else:
        assert found == pytest.approx(spearmanr(relevance, effects).statistic)


def test_two_parts_have_no_rank_correlation() -> None:
    assert np.isnan(rank_correlations(np.array([[1.0, 2.0, NAN]]), np.array([[1.0, 2.0, 3.0]])))


@settings(max_examples=60)
@given(arrays(float, (2, 5), elements=st.floats(-2, 4)))
def test_wrong_order_counts_pairs(both: np.ndarray) -> None:
    relevance, effects = both
    wrong: list[float] = []
    for used, ignored in ((u, i) for u in range(5) for i in range(5)):
        most = effects.max()
        if most <= 0 or effects[used] < USED * most or abs(effects[ignored]) > IGNORED * most:
            continue
        a, b = relevance[ignored], relevance[used]
        wrong.append(1.0 if a > b else 0.5 if a == b else 0.0)
    [found] = wrong_order(relevance[None], effects[None])
    assert (np.isnan(found) and not wrong) or found == pytest.approx(np.mean(wrong))


def test_parts_that_are_not_there_are_not_compared() -> None:
    relevance = np.array([[0.1, 0.9, NAN, 0.5]])
    effects = np.array([[8.0, 0.1, 0.0, NAN]])
    assert wrong_order(relevance, effects).tolist() == [1.0]
    assert wrong_order(-relevance, effects).tolist() == [0.0]
    assert np.isnan(wrong_order(relevance, np.array([[8.0, 1.0, NAN, NAN]])))


def test_boxes_cover_the_part_s_bounding_box_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (28, 28, 3), np.uint8)
    mask = np.zeros((28, 28), bool)
    mask[4, 9] = mask[11, 6] = True
    box = box_of(mask)
    assert box == (slice(4, 12), slice(6, 10))
    grey, blurred = under_boxes(image, mask, np.array([10.4, 20.0, 30.6]))
    inside = np.zeros((28, 28), bool)
    inside[box] = True
    assert (grey[inside] == [10, 20, 31]).all()
    for covered in (grey, blurred):
        assert (covered[~inside] == image[~inside]).all()
    # Blurring takes contrast away and leaves the mean about where it was.
    assert blurred[inside].std() < 0.3 * image[inside].std()
    assert abs(blurred[inside].mean() - image.mean()) < 12


def test_effects_of_ignored_parts_are_ties() -> None:
    effects = np.array([[10.0, 0.4, -0.5, 0.6, NAN], [-1.0, -2.0, NAN, 0.0, 0.0]])
    found = meaningful(effects)
    np.testing.assert_array_equal(found[0], [10.0, 0.0, 0.0, 0.6, NAN])
    # Where nothing is needed there is no scale to call an effect weak by.
    np.testing.assert_array_equal(found[1], [-1.0, -2.0, NAN, 0.0, 0.0])
