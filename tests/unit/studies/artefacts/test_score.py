"""The grid-artefact score: closed forms, its formula by loops, what it must not depend on."""

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vebi.studies.artefacts.score import grid_artefact_score, is_measurable


def lattice(size: int, period: int, seed: int) -> np.ndarray:
    tile = np.random.default_rng(seed).random((period, period))
    return np.tile(tile, (-(-size // period),) * 2)[:size, :size]


def score(maps: np.ndarray, period: float) -> np.ndarray:
    return grid_artefact_score(maps, (period, period))


@given(st.integers(2, 8), st.integers(6, 14), st.integers(0, 1000))
def test_a_lattice_and_nothing_else_scores_one(period: int, repeats: int, seed: int) -> None:
    assert score(lattice(period * repeats, period, seed), period) == pytest.approx(1, abs=1e-9)


@given(st.integers(2, 9), st.integers(0, 1000))
def test_a_lattice_that_the_image_cuts_scores_nearly_one(period: int, seed: int) -> None:
    assert float(score(lattice(100, period, seed), period)) > 0.99


@pytest.mark.parametrize("period", [2, 3, 4, 8])
def test_white_noise_scores_zero(period: int) -> None:
    maps = np.random.default_rng(period).random((400, 64, 64))
    assert abs(score(maps, period).mean()) < 4 * score(maps, period).std() / 20 < 0.02


@given(st.integers(2, 8), st.floats(0.6, 3), st.tuples(st.floats(30, 70), st.floats(30, 70)))
def test_smooth_blobs_score_zero(period: int, width: float, centre: tuple[float, float]) -> None:
    y, x = np.mgrid[:100, :100]
    blob = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * (width * period) ** 2))
    assert abs(float(score(blob, period))) < 0.01


@pytest.mark.parametrize("exponent", [1, 1.5, 2])
@pytest.mark.parametrize("period", [2, 4, 8])
def test_natural_spectra_score_about_zero(exponent: float, period: int) -> None:
    """Amplitudes that fall like a power of the frequency, as photographs' do: never much above 0."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(112), np.fft.fftfreq(112)))
    frequency[0, 0] = 1
    maps = np.fft.ifft2(np.fft.fft2(rng.normal(size=(40, 112, 112))) / frequency**exponent).real
    assert -0.03 < score(maps, period).mean() < 0.003


@given(st.floats(0.1, 10), st.integers(2, 4), st.integers(0, 100))
def test_a_mixture_scores_the_lattice_s_share(ratio: float, period: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid, noise = lattice(96, period, seed), rng.normal(size=(30, 96, 96))
    mixed = (grid - grid.mean()) / grid.std() * math.sqrt(ratio) + noise
    assert score(mixed, period).mean() == pytest.approx(ratio / (ratio + 1), abs=0.02)


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.floats(-100, 100), st.integers(2, 5))
def test_scale_and_shift_do_not_matter(seed: int, scale: float, shift: float, period: int) -> None:
    maps = np.random.default_rng(seed).random((2, 40, 48)) ** 3
    expected = score(maps, period)
    np.testing.assert_allclose(score(maps * scale + shift, period), expected, rtol=1e-6, atol=1e-6)
    swapped = grid_artefact_score(maps.swapaxes(1, 2), (2, period))
    np.testing.assert_allclose(swapped, grid_artefact_score(maps, (period, 2)), atol=1e-12)


def by_loops(image: np.ndarray, period: tuple[float, float]) -> float:
    """The definition, one frequency and pixel at a time."""
    height, width = image.shape
    window = [
        [
            math.sin(math.pi * y / height) ** 2 * math.sin(math.pi * x / width) ** 2
            for x in range(width)
        ]
        for y in range(height)
    ]
    total_weight = sum(map(sum, window))
    mean = (
        sum(window[y][x] * image[y, x] for y in range(height) for x in range(width)) / total_weight
    )
    inner, outer, everything = [], [], 0.0
    for v in range(height):
        for u in range(width):
            value = sum(
                window[y][x]
                * (image[y, x] - mean)
                * cmath.exp(-2j * math.pi * (v * y / height + u * x / width))
                for y in range(height)
                for x in range(width)
            )
            power = abs(value) ** 2
            everything += power
            # From -1/2 to 1/2; distances to the nearest multiple of 1 / period, in units of it.
            places = [
                (k - n if 2 * k >= n else k) / n * p
                for k, n, p in zip((v, u), (height, width), period, strict=True)
            ]
            if all(abs(place) <= 0.5 for place in places):
                continue
            near = all(abs(place - round(place)) < 0.25 for place in places)
            (inner if near else outer).append(power)
    return (sum(inner) - sum(outer) * len(inner) / len(outer)) / everything


@pytest.mark.parametrize("period", [(2.0, 2.0), (3.0, 2.0), (2.5, 2.0)])
def test_the_formula_by_loops(period: tuple[float, float]) -> None:
    image = np.random.default_rng(1).random((15, 14))
    assert float(grid_artefact_score(image, period)) == pytest.approx(by_loops(image, period))


def test_nothing_to_score() -> None:
    assert score(np.full((3, 20, 20), 0.7), 2).tolist() == [0, 0, 0]
    assert score(np.zeros((20, 20)), 4) == 0
    assert score(np.random.default_rng(0).random((20, 20)), 1) == 0


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(1, 9))
def test_what_is_measurable(height: int, width: int, vertical: int, horizontal: int) -> None:
    expected = (vertical > 1 or horizontal > 1) and height // vertical >= 6 <= width // horizontal
    assert is_measurable((height, width), (vertical, horizontal)) == expected
