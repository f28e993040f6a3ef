"""How alike two heatmaps of one image are."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata

WINDOW = 7


def rank_correlation(
    reference: NDArray[np.floating], maps: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Spearman's correlation of maps (N, H, W) over the pixels: float64 (N).

    Equal values share their mean rank. A constant map has no order of pixels: 0 where the reference
    has one, NaN where the reference has none either way.
    """
    a, b = (_centred_ranks(item) for item in (reference, maps))
    norms = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (a * b).sum(1) / (norms[0] * norms[1])
    correlation = np.where(norms[1] > 0, np.clip(correlation, -1, 1), 0.0)
    return np.where(norms[0] > 0, correlation, np.nan)


def _centred_ranks(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    return ranks - ranks.mean(1, keepdims=True)


def structural_similarity(
    reference: NDArray[np.floating], maps: NDArray[np.floating]
) -> NDArray[np.float64]:
    """SSIM (Wang et al. 2004) of maps (N, H, W) with values in [0, 1]: float64 (N).

    Windows of 7 x 7 pixels with equal weights that lie wholly inside, constants 0.01 and 0.03, sample
    covariances: scikit-image's default. Smaller maps take the largest odd window that fits.
    """
    side = min(WINDOW, *(n - 1 + n % 2 for n in reference.shape[1:]))
    edge = side // 2
    c1, c2 = 0.01**2, 0.03**2
    unbiased = side**2 / max(1, side**2 - 1)
    x, y = (item.astype(np.float64) for item in (reference, maps))

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return uniform_filter(values, size=(1, side, side))

    mean_x, mean_y = mean(x), mean(y)
    var_x = unbiased * (mean(x * x) - mean_x**2)
    var_y = unbiased * (mean(y * y) - mean_y**2)
    cov = unbiased * (mean(x * y) - mean_x * mean_y)
    value = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    value /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return value[:, edge : value.shape[1] - edge, edge : value.shape[2] - edge].mean((1, 2))
