"""Drawing boxes: against the draw by hand, the covering by hand, and closed forms."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vebi.io.errors import VebiError
from vebi.studies.occlusion.cover import box_side, cover_order, most_relevant, pixel_counts, race


def exponentials(*shape, seed=0):
    return np.random.default_rng(seed).standard_exponential(shape)


def arrivals(heatmap, draws, seed=0):
    """Places of a map in the order of their arrival: int (draws, places)."""
    times = race(heatmap, exponentials(draws, *heatmap.shape, seed=seed))
    return np.argsort(times.reshape(draws, -1), axis=1)


def sequence_probability(weights, order):
    """Of drawing places in `order` without replacement, each with p proportional to its weight."""
    left, probability = weights.sum(), 1.0
    for place in order:
        probability *= weights[place] / left
        left -= weights[place]
    return probability


def test_orders_have_the_probabilities_of_drawing_without_replacement():
    weights = np.array([0.1, 0.4, 0.2, 1.0])
    draws = 20_000
    seen, counts = np.unique(arrivals(weights.reshape(2, 2), draws), axis=0, return_counts=True)
    observed = dict(zip(map(tuple, seen.tolist()), counts.tolist(), strict=True))
    orders = list(permutations(range(4)))
    expected = [draws * sequence_probability(weights, order) for order in orders]
    test = stats.chisquare([observed.get(order, 0) for order in orders], expected)
    assert test.pvalue > 0.01


def test_the_draw_agrees_with_numpys_own():
    # Efraimidis and Spirakis' race and numpy's sequential draw are two ways to one distribution.
    weights = np.random.default_rng(3).random(12)
    draws, taken = 4000, 4
    ours = arrivals(weights.reshape(3, 4), draws)[:, :taken]
    rng = np.random.default_rng(4)
    p = weights / weights.sum()
    theirs = np.stack([rng.choice(12, taken, replace=False, p=p) for _ in range(draws)])
    counts = [np.bincount(sample.ravel(), minlength=12) for sample in (ours, theirs)]
    assert stats.chi2_contingency(counts).pvalue > 0.01


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_map_draws_uniformly(value):
    draws, taken = 6000, 5
    first = arrivals(np.full((4, 5), value), draws)[:, :taken]
    inclusion = np.bincount(first.ravel(), minlength=20) / draws
    assert inclusion == pytest.approx(np.full(20, taken / 20), abs=0.03)


def test_a_single_positive_place_always_comes_first_and_the_rest_is_uniform():
    heatmap = np.zeros((3, 4))
    heatmap[1, 2] = 1e-30
    order = arrivals(heatmap, 6000)
    assert (order[:, 0] == 6).all()
    rest = np.bincount(order[:, 1], minlength=12) / 6000
    assert np.delete(rest, 6) == pytest.approx(np.full(11, 1 / 11), abs=0.02)


@given(st.integers(0, 999), st.floats(1e-30, 1e30))
def test_only_ratios_of_a_map_matter(seed, scale):
    heatmap = np.random.default_rng(seed).random((4, 4)) * (np.arange(16).reshape(4, 4) % 3 > 0)
    draws = exponentials(2, 4, 4, seed=seed + 1000)
    one, other = (race(m, draws).reshape(2, -1).argsort(1) for m in (heatmap, heatmap * scale))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("wrong", [-0.1, np.nan, np.inf])
def test_a_map_that_is_no_weight_is_refused(wrong):
    with pytest.raises(VebiError, match="finite"):
        race(np.array([[0.5, wrong]]), exponentials(1, 2))


def cover_by_hand(times, side):
    """Lay the boxes one by one; pixels in the order in which they are covered."""
    height, width = times.shape
    covered, order = np.zeros((height, width), bool), []
    for place in np.argsort(times, axis=None):
        r, c = np.unravel_index(place, times.shape)
        for i in range(max(0, r - side // 2), min(height, r - side // 2 + side)):
            for j in range(max(0, c - side // 2), min(width, c - side // 2 + side)):
                if not covered[i, j]:
                    covered[i, j] = True
                    order.append((i, j))
    return order


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 11), st.integers(0, 99))
def test_covering_is_laying_boxes_one_by_one(height, width, side, seed):
    times = np.random.default_rng(seed).random((height, width))
    order = cover_order(times, side)
    by_hand = cover_by_hand(times, side)
    assert [order[place] for place in by_hand] == list(range(height * width))


def test_first_n_pixels_are_n_pixels_and_nested():
    order = cover_order(exponentials(3, 2, 14, 14), 3)
    counts = pixel_counts(np.linspace(0, 0.3, 7), 14 * 14)
    masks = order[..., None] < counts
    assert np.array_equal(masks.sum((2, 3)), np.broadcast_to(counts, (3, 2, 7)))
    assert (masks[..., :-1] <= masks[..., 1:]).all()


def test_sizes_in_pixels():
    # The share that our networks' sizes divide: VEBI's input is 224, ours 112 and 28.
    assert [box_side(3 / 28, n, n) for n in (28, 112, 224)] == [3, 12, 24]
    assert box_side(3 / 28, 28, 100) == 3
    assert box_side(0.01, 8, 8) == 1
    assert pixel_counts(np.array([0, 0.05, 1]), 28 * 28).tolist() == [0, 39, 784]


def test_the_most_relevant_part_is_of_the_positive_pixels():
    heatmap = np.array([[0.0, 0.9, 0.1], [0.2, 0.0, 0.3], [0.4, 0.5, 0.3]])
    # Seven are positive: 30 % of them are 2.1, so three pixels.
    assert most_relevant(heatmap, 0.3).tolist() == [[0, 0.9, 0], [0, 0, 0], [0.4, 0.5, 0]]
    # The fourth and fifth are equal: both or none.
    assert (most_relevant(heatmap, 4 / 7) > 0).sum() == 5
    assert np.array_equal(most_relevant(heatmap, 1.0), heatmap)
    assert not most_relevant(np.zeros((3, 3)), 0.3).any()
    ten = np.arange(1, 11).reshape(2, 5) / 10
    # 0.3 x 10 is 3.0000000000000004 or less than 3 in floats, and three pixels.
    assert (most_relevant(ten, 0.1 + 0.2) > 0).sum() == 3
    assert (most_relevant(ten, 0.3) > 0).sum() == 3


@given(st.integers(3, 9), st.integers(1, 5), st.floats(0.05, 1), st.integers(0, 99))
def test_boxes_in_the_most_relevant_part_suffice_to_cover_as_many_pixels(size, side, share, seed):
    """So no place outside that part is ever needed: all centres come from inside."""
    rng = np.random.default_rng(seed)
    heatmap = np.maximum(rng.normal(size=(size, size)), 0)
    part = most_relevant(heatmap, share)
    n_centres, wanted = (part > 0).sum(), int(np.rint(share * (heatmap > 0).sum()))
    times = race(part, rng.standard_exponential((size, size)))
    laid = np.zeros((size, size), bool)
    for place in np.argsort(times, axis=None)[:n_centres]:
        r, c = np.unravel_index(place, times.shape)
        top, left = r - side // 2, c - side // 2
        laid[max(0, top) : top + side, max(0, left) : left + side] = True
    assert laid.sum() >= wanted
