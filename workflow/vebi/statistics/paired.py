"""Scores of the same images by several networks, and the difference between two methods there."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vebi.io.errors import VebiError
from vebi.statistics.effects import over_images


def check_same_images(what: str, image_indices: Iterable[NDArray[np.integer]]) -> None:
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


def mean_over_networks(
    values: Sequence[NDArray[np.float64]] | NDArray[np.float64],
) -> NDArray[np.float64]:
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


def paired_difference(
    name: str,
    values: Sequence[NDArray[np.float64]] | NDArray[np.float64],
    scene: NDArray[np.integer],
) -> dict[str, Any]:
    """Columns of the difference between two methods on the same images: see `over_images`.

    Args:
        name: of the column of the mean difference.
        values: differences (N) by each network, NaN for an image without any.
        scene: number of the base scene of every image (N).

    Returns:
        `name`, ci_low, ci_high, p_value, n_images and n_scenes (those with a difference in any network),
        and `over`: what interval and p-value are over.
    """
    stacked = np.array(values)
    given = ~np.isnan(stacked).all(0)
    found = over_images(stacked, scene)
    return {
        **found.columns(name),
        "p_value": found.p_value(),
        "n_images": int(given.sum()),
        "n_scenes": len(np.unique(scene[given])),
        "over": found.over,
    }
