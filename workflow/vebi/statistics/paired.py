"""Scores of the same images: means over them, and the difference between two methods.

Images of one base scene are alike, so intervals and tests take base scenes, not images, as what another
test set would draw anew.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from vebi.io.errors import VebiError
from vebi.statistics.bootstrap import cluster_interval
from vebi.statistics.sign_flips import cluster_sign_flip_test


def check_same_images(what: str, image_indices: Iterable[np.ndarray]) -> None:
    """Refuse to pair scores that are not of the same images in the same order.

    Args:
        what: whose scores they are, for the error: "vebi and deconv_gb".
        image_indices: the images' rows in the data set (N), of every method and network.

    Raises:
        VebiError: for two that differ.
    """
    first, *others = image_indices
    if not all(np.array_equal(other, first) for other in others):
        raise VebiError(
            f"The scores of {what} were not computed on the same images, so they can't be paired. "
            "Delete the files that they are from and run again."
        )


def mean_over_networks(values: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Mean of each image over the networks (or repeats) that have a value for it: float64 (N).

    Args:
        values: scores of the same images (N) by each network, NaN where it has none.

    Returns:
        NaN for an image without any.
    """
    stacked = np.array(values)
    given = ~np.isnan(stacked)
    total = np.where(given, stacked, 0.0).sum(0)
    return np.where(given.any(0), total / np.maximum(given.sum(0), 1), np.nan)


def mean_over_images(
    values: np.ndarray, scene: np.ndarray, n_resamples: int, key: Sequence[int]
) -> tuple[float, float, float]:
    """Mean over the images that have a value, and both ends of its 95 % interval over scenes.

    Args:
        values: scores (N), NaN where an image has none.
        scene: number of the base scene of every image (N).
        n_resamples: of the bootstrap (`cluster_interval`).
        key: seeds its draw.

    Returns:
        NaN for all three without any value, for the ends with fewer than two scenes.
    """
    given = ~np.isnan(values)
    if not given.any():
        return float("nan"), float("nan"), float("nan")
    low, high = cluster_interval(values[given], scene[given], n_resamples, key)
    return float(values[given].mean()), float(low), float(high)


def scene_test(
    values: np.ndarray, scene: np.ndarray, n_resamples: int, key: Sequence[int]
) -> dict[str, float]:
    """Columns of a test that differences are symmetric about zero: p_value, n_images, n_scenes.

    Arguments as for `mean_over_images`; the signs of whole scenes are flipped.
    """
    given = ~np.isnan(values)
    values, scene = values[given], scene[given]
    return {
        "p_value": cluster_sign_flip_test(values, scene, n_resamples, key),
        "n_images": len(values),
        "n_scenes": len(np.unique(scene)),
    }


def paired_difference(
    name: str,
    values: Sequence[np.ndarray],
    scene: np.ndarray,
    n_resamples: int,
    key: Sequence[int],
) -> dict[str, float]:
    """Columns of the difference between two methods on the same images.

    It is averaged per image over networks, then over images; interval and p-value are over scenes, for
    these networks.

    Args:
        name: of the column of the mean difference.
        values: differences (N) by each network, NaN for an image without any.
        scene: number of the base scene of every image (N).
        n_resamples: of the bootstrap, and of the sign-flip test where it is not exact.
        key: seeds their draws.

    Returns:
        `name`, ci_low, ci_high, p_value, n_images and n_scenes.
    """
    per_image = mean_over_networks(values)
    mean, low, high = mean_over_images(per_image, scene, n_resamples, key)
    tested = scene_test(per_image, scene, n_resamples, key)
    return {name: mean, "ci_low": low, "ci_high": high, **tested}
