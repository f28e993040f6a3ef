"""The grid-artefact score: how much of a heatmap is a lattice with the network's stride (VEBI Fig. 2)."""

import numpy as np
from numpy.typing import NDArray

# A lattice of fewer points has no peaks in its spectrum that a window could tell from their surroundings.
MIN_PERIODS = 6


def is_measurable(size: tuple[int, int], period: tuple[float, float]) -> bool:
    """Whether maps of `size` hold enough of a lattice with `period` to be scored."""
    strided = max(period) > 1
    return strided and all(n >= MIN_PERIODS * p for n, p in zip(size, period, strict=True))


def grid_artefact_score(
    maps: NDArray[np.floating], period: tuple[float, float]
) -> NDArray[np.float64]:
    """Share of each map's energy that a lattice of `period` (vertical, horizontal) pixels makes.

    `maps` (..., H, W). With P the power spectrum of a map under a Hann window, its weighted mean taken
    off: a pattern that repeats every S pixels has its energy at the multiples of 1/S. These cut the
    spectrum into cells of side 1/S around them. In every cell but the one around zero, which holds
    what a map without any grid can show, the inner quarter of the area (closer than 1/(4S) along both
    axes) is compared with the rest:

        score = sum over the cells (P inner - P outer * area inner / area outer) / P total

    1 for a lattice and nothing else, 0 on average for white noise, about 0 or a little below for smooth
    maps, whose spectrum falls off (a convex decay puts more into the cells' outer parts). It does not
    change if a map is multiplied or shifted by a constant. Constant maps score 0, a period of 1 too.
    Holes that stand at irregular places, as where max pooling picks its pixels, are not a lattice: they
    score only as far as their mean over the map is one.
    """
    size = (maps.shape[-2], maps.shape[-1])
    inner, outer = _cells(size, period)
    if not inner.any() or not outer.any():
        return np.zeros(maps.shape[:-2])
    maps = maps.astype(np.float64)
    flat = np.ptp(maps, axis=(-2, -1)) == 0
    window = np.outer(*(np.hanning(n + 1)[:-1] for n in size))
    mean = (maps * window).sum((-2, -1), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2((maps - mean) * window)) ** 2
    excess = power[..., inner].sum(-1) - power[..., outer].sum(-1) * inner.sum() / outer.sum()
    return np.divide(excess, power.sum((-2, -1)), out=np.zeros_like(excess), where=~flat)


def _cells(
    size: tuple[int, int], period: tuple[float, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which frequencies (H, W) are in the inner and in the outer parts of the lattice's cells."""
    offsets, zeroth = [], []
    for n, p in zip(size, period, strict=True):
        place = np.fft.fftfreq(n) * p
        nearest = np.round(place)
        offsets.append(np.abs(place - nearest))
        zeroth.append(nearest == 0)
    inside = (offsets[0][:, None] < 0.25) & (offsets[1][None] < 0.25)
    centre = zeroth[0][:, None] & zeroth[1][None]
    return inside & ~centre, ~inside & ~centre
