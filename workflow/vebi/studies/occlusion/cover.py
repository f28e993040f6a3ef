"""Boxes at places drawn from a heatmap, as the order in which they cover the pixels.

The draw without replacement with probabilities proportional to weights w is an exponential race: give
each place the time E / w with independent standard exponential E, and let the places arrive in the
order of their times (Efraimidis and Spirakis 2006). It is exact, needs no loop, and two heatmaps can
race with the same E, so that their curves differ by what they show and not by luck.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

from vebi.io.errors import VebiError


def race(heatmap: NDArray[np.floating], exponentials: NDArray[np.float64]) -> NDArray[np.float64]:
    """Arrival times float64 (..., H, W) of box centres drawn from `heatmap` (H, W), values >= 0.

    `exponentials` (..., H, W): standard exponential draws. Places where the map is zero come after all
    others, uniformly: a map with few positive places says nothing about the rest. So an all-zero map
    gives a uniform draw.
    """
    weights = np.asarray(heatmap, np.float64)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise VebiError("A heatmap must be finite and nowhere negative to draw places from it.")
    positive = weights > 0
    # A sum above 1 cannot matter, a scale that overflows could: the race depends on ratios only.
    scaled = weights / weights.max() if positive.any() else weights
    with np.errstate(divide="ignore"):
        times = exponentials / scaled
    last = np.where(positive, times, 0.0).max((-2, -1), keepdims=True)
    return np.where(positive, times, last + exponentials * (1 + last))


def most_relevant(heatmap: NDArray[np.floating], share: float) -> NDArray[np.floating]:
    """The heatmap (H, W) where it is among the `share` highest of its positive pixels, else zero.

    Pixels that are as high as the last of these stay, too.
    """
    positive = np.sort(heatmap[heatmap > 0])[::-1]
    if not len(positive):
        return np.zeros_like(heatmap)
    # A share such as 0.3 of 10 must be 3 pixels, though the product is above 3 in floats.
    last = positive[max(1, math.ceil(round(share * len(positive), 9))) - 1]
    return np.where(heatmap >= last, heatmap, 0)


def cover_order(times: NDArray[np.float64], side: int) -> NDArray[np.int32]:
    """Position of every pixel in the order of being covered: int32 (..., H, W), 0 is first.

    Boxes of `side` x `side` pixels are laid at the centres (r, c) in the order of `times` (..., H, W),
    over rows r - side // 2 to r - side // 2 + side - 1 and likewise columns, cut at the border. The
    pixels that a box newly covers are ordered by rows. So "the first n pixels" are all boxes laid
    until n pixels are covered, the last one cut to give exactly n: maps whose boxes overlap more are
    compared at the same covered area.
    """
    height, width = times.shape[-2:]
    flat = times.reshape(-1, height, width)
    order = np.empty((len(flat), height * width), np.int32)
    # scipy's window reaches from p - side // 2; the centres whose boxes hold p lie from one further
    # where the side is even.
    origin = 0 if side % 2 else -1
    for number, one in enumerate(flat):
        first = minimum_filter(one, side, mode="constant", cval=np.inf, origin=origin)
        ranked = np.argsort(first, axis=None, kind="stable")
        order[number, ranked] = np.arange(height * width, dtype=np.int32)
    return order.reshape(times.shape)


def box_side(share: float, height: int, width: int) -> int:
    """Side of a box in pixels: `share` of the image's shorter side, at least one."""
    return max(1, round(share * min(height, width)))


def pixel_counts(fractions: NDArray[np.float64], n_pixels: int) -> NDArray[np.int64]:
    """Pixels that each covered fraction of an area of `n_pixels` means, int64."""
    return np.rint(np.asarray(fractions) * n_pixels).astype(np.int64)
