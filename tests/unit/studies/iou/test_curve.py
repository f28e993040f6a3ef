import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vebi.io.errors import VebiError
from vebi.studies.iou.curve import area_under_curve, get_thresholds, iou_curves


def by_loop(heatmaps, masks, n):
    """The definition, one threshold at a time."""
    result = np.empty((len(heatmaps), n))
    for i, (heatmap, mask) in enumerate(zip(heatmaps, masks, strict=True)):
        for k, threshold in enumerate(get_thresholds(n)):
            above = heatmap >= threshold
            result[i, k] = (above & mask).sum() / (above | mask).sum()
    return result


@st.composite
def maps_and_masks(draw):
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=6))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    # Values on the thresholds themselves are the hard ones.
    exact = st.sampled_from([dtype(k / 100) for k in range(101)])
    free = st.floats(0, 1, width=32 if dtype is np.float32 else 64)
    heatmaps = draw(hnp.arrays(dtype, shape, elements=exact | free))
    masks = draw(hnp.arrays(bool, shape))
    masks[:, 0, 0] = True
    return heatmaps, masks


@given(maps_and_masks(), st.sampled_from([2, 3, 11, 101, 256]))
@settings(max_examples=300, deadline=None)
def test_one_pass_equals_the_loop_exactly(pair, n):
    heatmaps, masks = pair
    assert np.array_equal(iou_curves(heatmaps, masks, n), by_loop(heatmaps, masks, n))


def test_perfect_heatmap():
    mask = np.zeros((1, 4, 4), bool)
    mask[0, 1:3, 1:3] = True
    curve = iou_curves(mask.astype(np.float32), mask, 11)[0]
    assert curve[0] == 4 / 16
    assert (curve[1:] == 1).all()


def test_area_of_a_straight_line():
    assert area_under_curve(np.linspace(0, 1, 101)) == pytest.approx(0.5)


@pytest.mark.parametrize("bad", [-0.1, 1.5, np.nan, np.inf])
def test_values_outside_are_refused(bad):
    heatmaps = np.zeros((2, 3, 3))
    heatmaps[1, 0, 0] = bad
    with pytest.raises(VebiError, match="image 1"):
        iou_curves(heatmaps, np.ones((2, 3, 3), bool))


def test_empty_mask_is_refused():
    masks = np.ones((3, 2, 2), bool)
    masks[2] = False
    with pytest.raises(VebiError, match="image 2"):
        iou_curves(np.zeros((3, 2, 2)), masks)


def test_other_shapes_are_refused():
    with pytest.raises(VebiError, match="one size"):
        iou_curves(np.zeros((1, 2, 2)), np.ones((1, 3, 2), bool))
