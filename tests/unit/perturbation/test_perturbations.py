"""Copies of an image: formulas, seeds, sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vebi.io.errors import VebiError
from vebi.perturbation.perturbations import PERTURBATIONS, perturb, segment

RNG = np.random.default_rng(0)
IMAGE = (RNG.random((3, 20, 24)) * 255).astype(np.float32)
MEAN = np.full((3, 20, 24), 100, np.float32)
STRENGTH = {"additive_noise": 0.2, "affine": 0.1, "blur_regions": 0.1}


def copies(name: str, n: int = 12, key=(0, 5), batch_size: int = 25, image=IMAGE) -> np.ndarray:
    strength = STRENGTH.get(name, 0.3)
    return np.concatenate(
        list(perturb(image, MEAN, name, n, strength, key=key, batch_size=batch_size))
    )


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_all(name: str) -> None:
    made = copies(name)
    assert made.shape == (12, *IMAGE.shape)
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    assert np.array_equal(made, copies(name, batch_size=5)), "depends on the block size"
    assert len(np.unique(made.reshape(12, -1), axis=0)) > 6, "copies hardly differ"
    if name != "boxes_grid":
        assert not np.array_equal(made, copies(name, key=(0, 6))), "the same for another image"


def test_multiplicative_noise_is_the_published_formula() -> None:
    made = copies("multiplicative_noise", n=50)
    assert np.array_equal(made[0], IMAGE)
    noise = (made - MEAN) / (IMAGE - MEAN) - 1
    for i in (1, 7, 49):
        # 1,440 draws: the standard deviation is within 10 % with room to spare.
        assert noise[i].std() == pytest.approx(0.3 * i, rel=0.1)
        assert abs(noise[i].mean()) < 0.15 * 0.3 * i
    # The mean colour is left unchanged, whatever the strength.
    flat = np.concatenate(list(perturb(MEAN, MEAN, "multiplicative_noise", 5, 0.1, key=(0,))))
    assert np.array_equal(flat, np.broadcast_to(MEAN, flat.shape))


@given(st.integers(2, 40), st.floats(0.05, 1.0))
def test_boxes_cover_what_they_say(n: int, strength: float) -> None:
    image = np.zeros((1, 17, 23), np.float32)
    for name in ("boxes_grid", "boxes_random"):
        made = np.concatenate(list(perturb(image, 1.0, name, n, strength, key=(1,))))
        height, width = max(1, round(strength * 17)), max(1, round(strength * 23))
        assert (made.sum((1, 2, 3)) == height * width).all()
        rows, columns = made[:, 0].any(2).sum(1), made[:, 0].any(1).sum(1)
        assert (rows == height).all()
        assert (columns == width).all()


def test_grid_reaches_every_pixel() -> None:
    image = np.zeros((1, 16, 16), np.float32)
    made = np.concatenate(list(perturb(image, 1.0, "boxes_grid", 16, 0.25, key=(0,))))
    assert np.array_equal(made.sum(0), np.ones((1, 16, 16)))


def test_no_strength_leaves_the_image() -> None:
    for name in (
        "multiplicative_noise",
        "additive_noise",
        "superpixels",
        "colour_jitter",
        "affine",
    ):
        made = np.concatenate(list(perturb(IMAGE, MEAN, name, 4, 0.0, key=(0,))))
        np.testing.assert_allclose(made, np.broadcast_to(IMAGE, made.shape), atol=0.01)


def test_superpixels_follow_colour() -> None:
    """Two halves far apart in colour share no segment, and masks are whole segments."""
    image = np.zeros((3, 28, 28), np.float32)
    image[:, :, 14:] = 255
    segments = segment(image)
    assert not set(segments[:, :14].ravel()) & set(segments[:, 14:].ravel())
    assert segments.max() + 1 == len(np.unique(segments)) > 20
    made = np.concatenate(list(perturb(image, 128.0, "superpixels", 30, 0.5, key=(3,))))
    for copy in made:
        masked = (copy == 128).all(0)
        shares = np.bincount(segments.ravel(), masked.ravel()) / np.bincount(segments.ravel())
        assert set(shares) <= {0.0, 1.0}
    assert (made == 128).mean() == pytest.approx(0.5, abs=0.05)


def test_shift_moves_by_whole_pixels() -> None:
    """The grid's axes and signs: with only a shift, a copy is the image moved."""

    class Fixed:
        def uniform(self, low: float, high: float, size: int) -> np.ndarray:
            return np.array([0.0, 0.0, 1.0, 0.5])

    image = np.zeros((1, 20, 20), np.float32)
    image[0, 5, 7] = 1
    moved = list(PERTURBATIONS["affine"].copies(image, image, 2, 0.1, Fixed()))[1]
    assert moved[0, 7, 8] == pytest.approx(1, abs=1e-4)


def test_grey_images() -> None:
    image = (RNG.random((1, 12, 12)) * 255).astype(np.float32)
    for name in PERTURBATIONS:
        assert np.concatenate(list(perturb(image, 50.0, name, 3, 0.2, key=(0,)))).shape == (
            3,
            1,
            12,
            12,
        )


def test_what_can_not_be_asked_for() -> None:
    with pytest.raises(VebiError, match="Unknown perturbation 'snow'"):
        next(perturb(IMAGE, MEAN, "snow", 5, 0.1, key=(0,)))
    with pytest.raises(VebiError, match="at least 2"):
        next(perturb(IMAGE, MEAN, "affine", 1, 0.1, key=(0,)))
