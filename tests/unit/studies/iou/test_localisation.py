"""Relevance mass and rank, pointing game: by hand, by brute force, and what ties must give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vebi.studies.iou.localisation import mass_shares, pointing, relevance_rank


def test_by_hand():
    heatmap = np.array([[[4.0, 3, 0], [2, 1, 0]]])
    mask = np.array([[[1, 0, 0], [1, 0, 1]]], bool)
    assert mass_shares(heatmap, mask[:, None]).tolist() == [[0.6]]
    # The three highest: 4, 3, 2; two of them on the mask.
    assert relevance_rank(heatmap, mask).tolist() == [pytest.approx(2 / 3)]
    assert pointing(heatmap, mask).tolist() == [1.0]
    assert pointing(heatmap, ~mask).tolist() == [0.0]


def test_perfect_and_inverse_maps():
    mask = np.random.default_rng(0).random((4, 9, 9)) < 0.3
    for values, expected in ((mask, 1.0), (~mask, 0.0)):
        heatmap = values.astype(float)
        assert (mass_shares(heatmap, mask[:, None]) == expected).all()
        assert (pointing(heatmap, mask) == expected).all()
        assert (relevance_rank(heatmap, mask) == expected).all()


def test_a_flat_map_scores_what_chance_does():
    mask = np.random.default_rng(1).random((5, 8, 8)) < 0.4
    area = mask.mean((1, 2))
    for level in (0.0, 0.7):
        heatmap = np.full(mask.shape, level)
        np.testing.assert_allclose(mass_shares(heatmap, mask[:, None])[:, 0], area)
        np.testing.assert_allclose(relevance_rank(heatmap, mask), area)
        np.testing.assert_allclose(pointing(heatmap, mask), area)


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_ties_are_the_mean_over_their_orders(seed: int):
    rng = np.random.default_rng(seed)
    heatmap = rng.integers(0, 3, (1, 4, 5)) / 2
    mask = rng.random((1, 4, 5)) < 0.5
    mask[0, 0, 0] = True
    k, ranks, points = mask.sum(), [], []
    for _ in range(3000):
        # The last key decides; the first breaks ties at random.
        order = np.lexsort((rng.random(20), -heatmap.ravel()))
        ranks.append(mask.ravel()[order[:k]].mean())
        points.append(mask.ravel()[order[0]])
    assert relevance_rank(heatmap, mask)[0] == pytest.approx(np.mean(ranks), abs=0.04)
    assert pointing(heatmap, mask)[0] == pytest.approx(np.mean(points), abs=0.05)


def test_regions_that_part_the_image_share_all_mass():
    rng = np.random.default_rng(2)
    parts = rng.integers(0, 3, (6, 7, 7))
    regions = np.stack([parts == i for i in range(3)], 1)
    heatmap = rng.random((6, 7, 7)).astype(np.float32)
    np.testing.assert_allclose(mass_shares(heatmap, regions).sum(1), 1)
