"""What a change of a part, or a map, says of the parts of an image."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

# Changes of one part alone, by which the effect of that part is measured.
OF_A_PART = ("neutral", "removed")
# Of the largest drop in an image: a part that takes more is used, one that takes less is ignored. What
# lies between is not asked about: which of two weak parts matters more is not certain in one image.
USED, IGNORED = 0.5, 0.05
# With two parts a rank correlation is 1 or -1.
FEWEST_PARTS = 3


def shares_on_parts(
    heatmaps: NDArray[np.floating], masks: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much of each map lies on each part, and how densely.

    Args:
        heatmaps: (n, H, W), none negative.
        masks: bool (n, P, H, W).

    Returns:
        Share of the map's sum on each part, 0 for an empty map; mean of the map over the part's pixels,
        NaN where it has none. Both (n, P).
    """
    on_parts = np.einsum("nhw,nphw->np", heatmaps.astype(np.float64), masks)
    total = heatmaps.sum((1, 2), dtype=np.float64)[:, None]
    pixels = masks.sum((2, 3))
    mass = np.divide(on_parts, total, out=np.zeros_like(on_parts), where=total > 0)
    density = np.divide(on_parts, pixels, out=np.full_like(on_parts, np.nan), where=pixels > 0)
    return mass, density


def effects_of_parts(
    drops: NDArray[np.float64],
    change_parts: Sequence[str],
    change_kinds: Sequence[str],
    parts: Sequence[str],
    kinds: Sequence[str] = OF_A_PART,
) -> NDArray[np.float64]:
    """Effect of each part: the mean drop over those changes of it that an image has.

    Args:
        drops: (n, k), NaN where a change does not apply.
        change_parts, change_kinds: of each change (k).
        parts: names (P).
        kinds: the changes that count.

    Returns:
        (n, P), NaN for a part without any.
    """
    result = np.full((len(drops), len(parts)), np.nan)
    of_kind = np.isin(np.asarray(change_kinds), kinds)
    for place, part in enumerate(parts):
        found = drops[:, of_kind & (np.asarray(change_parts) == part)]
        given = ~np.isnan(found)
        count = given.sum(1)
        total = np.where(given, found, 0.0).sum(1)
        result[count > 0, place] = total[count > 0] / count[count > 0]
    return result


def meaningful(effects: NDArray[np.float64]) -> NDArray[np.float64]:
    """Effects (n, P) with those of ignored parts as 0: which of two weak effects is larger is noise."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(effects) <= IGNORED * _largest(effects), 0.0, effects)


def _largest(effects: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest effect of each image, at least 0: (n, 1)."""
    return np.nanmax(np.where(np.isnan(effects), 0.0, effects), axis=1, initial=0)[:, None]


def rank_correlations(
    relevance: NDArray[np.float64], effects: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spearman's rank correlation over the parts of each image.

    Args:
        relevance, effects: (n, P); a part where either is NaN is left out.

    Returns:
        (n): 0 where all relevances are equal, since such a map ranks nothing; NaN where fewer than
        three parts are left or all effects are equal.
    """
    result = np.full(len(effects), np.nan)
    for row, (a, b) in enumerate(zip(relevance, effects, strict=True)):
        given = ~(np.isnan(a) | np.isnan(b))
        if given.sum() < FEWEST_PARTS or np.ptp(b[given]) == 0:
            continue
        x, y = (rankdata(values[given]) for values in (a, b))
        x, y = x - x.mean(), y - y.mean()
        norm = np.sqrt((x @ x) * (y @ y))
        result[row] = x @ y / norm if norm > 0 else 0.0
    return result


def wrong_order(
    relevance: NDArray[np.float64], effects: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of pairs of a used and an ignored part in which the ignored one has more relevance.

    Equal relevance counts half. Used: its drop is at least USED of the image's largest; ignored: the
    size of its drop is at most IGNORED of that.

    Args:
        relevance, effects: (n, P); a part where either is NaN is left out.

    Returns:
        (n), NaN for an image without such a pair.
    """
    largest = _largest(effects)
    given = ~(np.isnan(relevance) | np.isnan(effects)) & (largest > 0)
    with np.errstate(invalid="ignore"):
        used = given & (effects >= USED * largest)
        ignored = given & (np.abs(effects) <= IGNORED * largest)
    pairs = used[:, :, None] & ignored[:, None, :]
    filled = np.where(given, relevance, 0.0)
    difference = filled[:, None, :] - filled[:, :, None]
    wrong = (difference > 0) + 0.5 * (difference == 0)
    count = pairs.sum((1, 2))
    total = np.where(pairs, wrong, 0.0).sum((1, 2))
    return np.divide(total, count, out=np.full(len(effects), np.nan), where=count > 0)
