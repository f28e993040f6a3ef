"""The IoU curve of a heatmap against a mask, exact at every threshold in one pass."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from vebi.compute.compiled import compiled
from vebi.io.errors import VebiError


def get_thresholds(n: int) -> NDArray[np.float64]:
    """`n` equally spaced thresholds from 0 to 1, float64."""
    return np.arange(n) / (n - 1)


def iou_curves(
    heatmaps: NDArray[np.floating], masks: NDArray[np.bool_], n_thresholds: int = 101
) -> NDArray[np.float64]:
    """Intersection over union of `heatmap >= t` and the mask, for every threshold t.

    `heatmaps` float (N, H, W) in [0, 1], `masks` bool (N, H, W); returns float64 (N, n_thresholds).
    Each pixel counts at all thresholds up to its value, so one histogram per image of the last
    threshold that each pixel reaches, split by the mask and summed from the top, holds all of them.
    Raises VebiError for values outside [0, 1], other shapes, or an empty mask, whose IoU means nothing.
    """
    if heatmaps.shape != masks.shape or heatmaps.ndim != 3:
        raise VebiError(
            f"heatmaps {heatmaps.shape} and masks {masks.shape} must both be (N, H, W) of one size."
        )
    flat = heatmaps.reshape(len(heatmaps), -1)
    inside = masks.reshape(len(masks), -1).astype(bool, copy=False)
    # NaN fails both comparisons, so the test is written the positive way round.
    valid = (flat >= 0).all(1) & (flat <= 1).all(1)
    if not valid.all():
        raise VebiError(
            f"heatmaps must lie in [0, 1] without NaN: image {int(np.argmin(valid))} does not."
        )
    area = inside.sum(1)
    if not area.all():
        raise VebiError(f"the mask of image {int(np.argmin(area))} is empty.")

    above = np.zeros((len(flat), 2, n_thresholds), np.int64)
    _count_levels(flat, inside, get_thresholds(n_thresholds), above)
    above = above[:, :, ::-1].cumsum(2)[:, :, ::-1]
    outside_above, intersection = above[:, 0], above[:, 1]
    return intersection / (area[:, None] + outside_above)


@compiled
def _count_levels(flat, inside, thresholds, counts):  # type: ignore[no-untyped-def]
    """Count, per image, the pixels outside and inside the mask by the last threshold they reach."""
    top = len(thresholds) - 1
    for image in range(flat.shape[0]):
        for pixel in range(flat.shape[1]):
            value = flat[image, pixel]
            level = int(value * top)
            # The product rounds: compare with the thresholds themselves, so that the result is exact.
            if thresholds[level] > value:
                level -= 1
            elif level < top and thresholds[level + 1] <= value:
                level += 1
            counts[image, 1 if inside[image, pixel] else 0, level] += 1


def area_under_curve(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Trapezoidal area under IoU curves (..., T) over thresholds in [0, 1]."""
    return np.trapezoid(curves, dx=1 / (curves.shape[-1] - 1), axis=-1)


def rank_normalised(heatmaps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Each map (N, H, W) with every value replaced by the share of the map's other pixels below it.

    float64 in [0, 1]. The threshold t then keeps the pixels above a share t of the map, whatever the
    distribution of its values: curves of two methods differ by the order of pixels only. Equal values
    stay equal, so a flat map is zero everywhere, as a flat signal's map is.
    """
    flat = heatmaps.reshape(len(heatmaps), -1)
    below = rankdata(flat, method="min", axis=1) - 1
    return (below / max(flat.shape[1] - 1, 1)).reshape(heatmaps.shape)
