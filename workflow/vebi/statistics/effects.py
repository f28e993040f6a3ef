"""Effects of one experiment: means over networks, scenes and draws.

Which one fits depends on what another run would draw again. A fixed test set that all networks
share, as MNIST's 10,000 images: `over_networks`. A few rendered scenes that all networks share:
`over_networks_and_scenes`. A control drawn several times per network: `over_networks_and_draws`.
One network: `over_scenes`. `over_images` chooses among them, from one score per network and image.
"""

import numpy as np
from numpy.typing import NDArray

from vebi.statistics.crossed import Cell, contrast
from vebi.statistics.estimate import Estimate, make_estimate


def over_networks(values: NDArray[np.float64]) -> Estimate:
    """Mean over networks with Student's t: what other networks would give on the same test set.

    Args:
        values: one value per network (..., I); NaN where it does not apply to a network.
    """
    return _student(values, "network")


def over_scenes(values: NDArray[np.float64]) -> Estimate:
    """Mean over the scenes of one network with Student's t: what it would give on other scenes.

    Args:
        values: one value per scene (..., J), see `scene_means`; NaN where it does not apply to a
            scene.
    """
    return _student(values, "scene")


def over_networks_and_draws(values: NDArray[np.float64]) -> Estimate:
    """Mean over networks and a control's draws within each: what other networks and draws would give.

    Each network's mean over its draws is one value. What draws add to the spread is in the spread
    of these means, so Student's t over networks is exact, and more draws make it narrower. Draws of
    one network alone tell nothing about other networks.

    Args:
        values: (..., I, D); NaN where a network has fewer draws.
    """
    return over_networks(_mean(np.asarray(values, float)))


def over_networks_and_scenes(values: NDArray[np.float64]) -> Estimate:
    """Mean over networks and scenes, both random: what other networks would give on other scenes.

    Every scene counts alike, however many images it has. `vebi.statistics.crossed.contrast` has the
    rule.

    Args:
        values: one value per network and scene (..., I, J), see `scene_means`; NaN where it does
            not apply, at the same places for all leading indices.
    """
    return contrast([Cell(values)], [1.0])


def over_images(values: NDArray[np.float64], scene: NDArray[np.integer]) -> Estimate:
    """Mean over networks and images, with the interval that fits what another run would draw again.

    Several networks, images that share scenes: networks and scenes. Several networks, every image a
    scene of its own, as in a fixed test set: networks. One network: scenes. `Estimate.over` says
    which. The mean is that of the networks' means over their images, also where scenes are unequal.

    Args:
        values: one score per network and image (..., I, N); NaN where it does not apply, at the same
            places for all leading indices.
        scene: number of the scene of every image (N).
    """
    numbers = np.asarray(values, float)
    pattern = ~np.isnan(numbers.reshape(-1, *numbers.shape[-2:])[0])
    networks = np.flatnonzero(pattern.any(-1))
    if len(networks) > 1 and len(np.unique(scene)) == len(scene):
        return over_networks(_mean(numbers))
    by_scene = scene_values(numbers, scene)
    if len(networks) > 1:
        return over_networks_and_scenes(by_scene)
    return over_scenes(by_scene[..., networks[0] if len(networks) else 0, :])


def scene_values(values: NDArray[np.float64], scene: NDArray[np.integer]) -> NDArray[np.float64]:
    """One value per scene whose mean over scenes is the mean over images, unequal scenes or not.

    m + (n_j / mean n) (mean of scene j - m), with m the mean over images and n_j the images of scene
    j: the linearised ratio estimator of cluster samples (Cochran 1977, 9A.1). Where scenes are equal
    these are the scenes' means.

    Args:
        values: one value per image (..., N); NaN where it does not apply to an image.
        scene: number of the scene of every image (N).

    Returns:
        float64 (..., J), scenes in the order of their numbers; NaN for one without any value.
    """
    mean = _mean(np.asarray(values, float))[..., None]
    total, count = _by_scene(np.asarray(values, float) - mean, scene)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = (count > 0).sum(-1, keepdims=True) / count.sum(-1, keepdims=True)
    return np.where(count > 0, mean + total * part, np.nan)


def scene_means(values: NDArray[np.float64], scene: NDArray[np.integer]) -> NDArray[np.float64]:
    """One value per scene: the mean over its images.

    Args:
        values: one value per image (..., N); NaN where it does not apply to an image.
        scene: number of the scene of every image (N).

    Returns:
        float64 (..., J), scenes in the order of their numbers; NaN for one without any value.
    """
    total, count = _by_scene(np.asarray(values, float), scene)
    with np.errstate(invalid="ignore"):
        return total / count


def _by_scene(
    values: NDArray[np.float64], scene: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of what is not NaN in each scene, and the number of it: (..., J) both."""
    order = np.argsort(scene, kind="stable")
    _, starts = np.unique(scene[order], return_index=True)
    given = ~np.isnan(values)[..., order]
    known = np.where(given, values[..., order], 0.0)
    return np.add.reduceat(known, starts, -1), np.add.reduceat(given.astype(float), starts, -1)


def _student(values: NDArray[np.float64], unit: str) -> Estimate:
    numbers = np.asarray(values, float)
    count = (~np.isnan(numbers)).sum(-1)
    mean = _mean(numbers)
    squares = np.nansum((numbers - mean[..., None]) ** 2, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(count > 1, squares / (count - 1) / count, np.nan)
    most = int(count.max(initial=0))
    sizes = (
        {"n_networks": most}
        if unit == "network"
        else {"n_networks": min(most, 1), "n_scenes": most}
    )
    df = np.maximum(count - 1, 1)
    return make_estimate(mean, variance, df, reason=f"one {unit}" if most == 1 else "", **sizes)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    given = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(given, values, 0.0).sum(-1) / given.sum(-1))
