import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vebi.data.subset import spread_over_classes


@given(st.lists(st.integers(0, 4), max_size=60), st.integers(0, 70), st.integers(0, 9))
def test_the_choice_is_as_even_as_the_classes_allow(classes, n, seed):
    labels = np.array(classes, np.int64)
    rows = np.flatnonzero(np.random.default_rng(seed).random(len(labels)) < 0.8)
    chosen = spread_over_classes(labels, rows, n)
    assert len(chosen) == min(n, len(rows))
    assert set(chosen) <= set(rows)
    assert (np.diff(chosen) > 0).all()
    taken = np.bincount(labels[chosen], minlength=5)
    there = np.bincount(labels[rows], minlength=5)
    # A class with fewer images than another gave all that it has, but for the last round.
    full = taken == there
    assert (taken[~full] >= taken.max() - 1).all()


def test_within_a_class_images_are_taken_at_equal_steps():
    labels = np.repeat([0, 1], 50)
    assert spread_over_classes(labels, np.arange(100), 10).tolist() == [
        *(5, 15, 25, 35, 45),
        *(55, 65, 75, 85, 95),
    ]


def test_fewer_images_than_classes_takes_classes_at_equal_steps():
    assert spread_over_classes(np.arange(9), np.arange(9), 3).tolist() == [0, 4, 8]
