import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.data.scenes import read_scenes
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
        *(2, 12, 22, 32, 42),
        *(57, 67, 77, 87, 97),
    ]


def test_scenes_that_all_classes_share_are_covered():
    # As the rendered flowers are: image i shows class i mod 12 and scene (i // 12) // 5.
    index = np.arange(360)
    chosen = spread_over_classes(index % 12, index, 36)
    assert np.bincount(chosen // 60).tolist() == [6] * 6


def test_scenes_are_the_data_sets_own_or_the_images(tmp_path):
    images, zeros = np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4)
    write_dataset(
        tmp_path / "a.h5", Images(images, zeros, zeros, "a", {"base_scene": [7, 7, 8, 9]})
    )
    write_dataset(tmp_path / "b.h5", Images(images, zeros, zeros, "a"))
    rows = np.array([0, 1, 3])
    assert read_scenes(open_dataset(tmp_path / "a.h5"), rows).tolist() == [7, 7, 9]
    assert read_scenes(open_dataset(tmp_path / "b.h5"), rows).tolist() == [0, 1, 3]


def test_fewer_images_than_classes_takes_classes_at_equal_steps():
    assert spread_over_classes(np.arange(9), np.arange(9), 3).tolist() == [0, 4, 8]
