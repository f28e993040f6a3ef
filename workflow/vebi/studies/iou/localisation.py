"""How much of a heatmap lies on its mask, by the measures of other benchmarks with masks.

All are exact and per image. Where values tie, the tied pixels count with the share of them that lies
on the mask: what drawing one at random gives on average. So a map that is zero everywhere scores what
chance does, the mask's share of the image, in every measure.
"""

import numpy as np
from numpy.typing import NDArray


def mass_shares(heatmaps: NDArray[np.floating], regions: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of each heatmap's sum that lies in each region: float64 (N, R).

    `heatmaps` float (N, H, W) >= 0, `regions` bool (N, R, H, W). With the mask as region this is the
    relevance mass accuracy of Arras et al. (2022, Eq. 6).
    """
    flat = heatmaps.reshape(len(heatmaps), -1).astype(np.float64)
    inside = regions.reshape(*regions.shape[:2], -1)
    total = flat.sum(1, keepdims=True)
    found = np.einsum("np,nrp->nr", flat, inside)
    return np.where(total > 0, found / np.where(total > 0, total, 1), inside.mean(2))


def relevance_rank(heatmaps: NDArray[np.floating], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Relevance rank accuracy (Arras et al. 2022, Eq. 7): float64 (N).

    Of the K highest pixels of a heatmap (N, H, W) the share that lies on its mask of K pixels.
    """
    flat, inside = heatmaps.reshape(len(heatmaps), -1), masks.reshape(len(masks), -1)
    k = inside.sum(1)
    lowest = np.take_along_axis(np.sort(flat, 1), (flat.shape[1] - k)[:, None], 1)
    above, tied = flat > lowest, flat == lowest
    share = (tied & inside).sum(1) / tied.sum(1)
    return ((above & inside).sum(1) + (k - above.sum(1)) * share) / k


def pointing(heatmaps: NDArray[np.floating], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Pointing game (Zhang et al. 2016): 1 where the highest pixel lies on the mask, float64 (N).

    Without the 15 pixels of tolerance that they grant on photographs: these masks are exact.
    """
    flat, inside = heatmaps.reshape(len(heatmaps), -1), masks.reshape(len(masks), -1)
    highest = flat == flat.max(1, keepdims=True)
    return (highest & inside).sum(1) / highest.sum(1)
