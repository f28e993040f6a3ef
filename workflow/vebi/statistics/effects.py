"""Effects of one experiment: means over networks, scenes and draws.

Which one fits depends on what another run would draw again. A fixed test set that all networks
share, as MNIST's 10,000 images: `over_networks`. A few rendered scenes that all networks share:
`over_networks_and_scenes`. A control drawn several times per network: `over_networks_and_draws`.
One network: `over_scenes`.
"""

import numpy as np

from vebi.statistics.crossed import Cell, contrast
from vebi.statistics.estimate import Estimate, make_estimate


def over_networks(values: np.ndarray) -> Estimate:
    """Mean over networks with Student's t: what other networks would give on the same test set.

    Args:
        values: one value per network (..., I); NaN where it does not apply to a network.
    """
    return _student(values, "network")


def over_scenes(values: np.ndarray) -> Estimate:
    """Mean over the scenes of one network with Student's t: what it would give on other scenes.

    Args:
        values: one value per scene (..., J), see `scene_means`; NaN where it does not apply to a
            scene.
    """
    return _student(values, "scene")


def over_networks_and_draws(values: np.ndarray) -> Estimate:
    """Mean over networks and a control's draws within each: what other networks and draws would give.

    Each network's mean over its draws is one value. What draws add to the spread is in the spread
    of these means, so Student's t over networks is exact, and more draws make it narrower. Draws of
    one network alone tell nothing about other networks.

    Args:
        values: (..., I, D); NaN where a network has fewer draws.
    """
    return over_networks(_mean(np.asarray(values, float)))


def over_networks_and_scenes(values: np.ndarray) -> Estimate:
    """Mean over networks and scenes, both random: what other networks would give on other scenes.

    Every scene counts alike, however many images it has. `vebi.statistics.crossed.contrast` has the
    rule.

    Args:
        values: one value per network and scene (..., I, J), see `scene_means`; NaN where it does
            not apply, at the same places for all leading indices.
    """
    return contrast([Cell(values)], [1.0])


def scene_means(values: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """One value per scene: the mean over its images.

    Args:
        values: one value per image (..., N); NaN where it does not apply to an image.
        scene: number of the scene of every image (N).

    Returns:
        float64 (..., J), scenes in the order of their numbers; NaN for one without any value.
    """
    _, position = np.unique(scene, return_inverse=True)
    member = np.eye(position.max(initial=-1) + 1)[position]
    given = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return (np.where(given, values, 0.0) @ member) / (given @ member)


def _student(values: np.ndarray, unit: str) -> Estimate:
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


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    given = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(given, values, 0.0).sum(-1) / given.sum(-1)
