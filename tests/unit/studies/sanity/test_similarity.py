"""Rank correlation against scipy's, SSIM against its definition written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vebi.studies.sanity.similarity import rank_correlation, structural_similarity


@given(st.integers(0, 500), st.integers(2, 6))
def test_rank_correlation_is_scipys(seed, levels):
    # Few levels: ties are the rule, as in maps that are zero nearly everywhere.
    a, b = np.random.default_rng(seed).integers(0, levels, (2, 3, 4, 5)) / levels
    got = rank_correlation(a, b)
    for n in range(3):
        if np.ptp(a[n]) and np.ptp(b[n]):
            expected = stats.spearmanr(a[n].ravel(), b[n].ravel()).statistic
            assert got[n] == pytest.approx(expected, abs=1e-12)


def test_rank_correlation_ignores_any_growing_function():
    a = np.random.default_rng(0).random((4, 6, 6))
    assert rank_correlation(a, np.exp(5 * a)) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)


def test_constant_maps():
    some, flat = np.random.default_rng(0).random((2, 5, 5)), np.zeros((2, 5, 5))
    assert rank_correlation(some, flat).tolist() == [0, 0]
    assert np.isnan(rank_correlation(flat, some)).all()


def ssim_by_hand(x, y, side):
    """Wang et al. 2004, Eq. 13, window by window."""
    values = []
    for r in range(x.shape[0] - side + 1):
        for c in range(x.shape[1] - side + 1):
            a, b = (m[r : r + side, c : c + side].ravel() for m in (x, y))
            (va, cab), (_, vb) = np.cov(a, b)
            top = (2 * a.mean() * b.mean() + 1e-4) * (2 * cab + 9e-4)
            values.append(top / ((a.mean() ** 2 + b.mean() ** 2 + 1e-4) * (va + vb + 9e-4)))
    return np.mean(values)


@pytest.mark.parametrize(("shape", "side"), [((12, 9), 7), ((7, 7), 7), ((5, 8), 5), ((6, 4), 3)])
def test_ssim_is_its_definition(shape, side):
    x, y = np.random.default_rng(1).random((2, 3, *shape))
    got = structural_similarity(x, y)
    assert got == pytest.approx([ssim_by_hand(a, b, side) for a, b in zip(x, y, strict=True)])


def test_ssim_of_equal_and_of_constant_maps():
    x = np.random.default_rng(2).random((2, 10, 10))
    assert structural_similarity(x, x) == pytest.approx(1)
    # Without variance only the luminance term is left.
    low, high = np.full((1, 8, 8), 0.2), np.full((1, 8, 8), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert structural_similarity(low, high) == pytest.approx(expected)
