"""How often the channels chosen for one image respond to other images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.network.batches import map_batches, split_batches
from vebi.network.layers import Layer
from vebi.network.passes import fast_layout, responses
from vebi.studies.perturbation.chosen_channels import Sets

# A channel fires on another image if it responds there with at least this part of its own response.
FIRING_SHARE = 0.5


@dataclass(frozen=True)
class Activations:
    """Mean responses of channels to N images and to M others, by layer index.

    Attributes:
        own: (N, channels) each.
        reference: (M, channels) each.
        labels: (N), the images' classes.
        reference_labels: (M), the others'.
        same_image: bool (N, M), pairs that are one image.
    """

    own: Mapping[int, NDArray[np.float64]]
    reference: Mapping[int, NDArray[np.float64]]
    labels: NDArray[np.int64]
    reference_labels: NDArray[np.int64]
    same_image: NDArray[np.bool_]


@dataclass(frozen=True)
class Firing:
    """Of N images: how often their channels fire on other images of their class, and of other classes.

    Float64 (N), NaN where there is nothing to count.
    """

    same: NDArray[np.float64]
    other: NDArray[np.float64]


def mean_activations(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    wanted: Sequence[Layer],
    batch_size: int = 32,
) -> dict[int, NDArray[np.float64]]:
    """Mean response over positions of every channel, float64 (N, channels), by layer index."""
    parts: dict[int, list[NDArray[np.float64]]] = {layer.index: [] for layer in wanted}

    def mean_of_each(_: NDArray[np.int64], some: Tensor) -> list[NDArray[np.float64]]:
        values = responses(model, fast_layout(some), layers, wanted)[1]
        channels = [
            value.movedim(layer.channel_axis, 1).reshape(len(some), layer.n_channels, -1)
            for layer, value in zip(wanted, values, strict=True)
        ]
        return [one.double().mean(2).cpu().numpy() for one in channels]

    for _, means in map_batches(split_batches(images, batch_size), mean_of_each):
        for layer, mean in zip(wanted, means, strict=True):
            parts[layer.index].append(mean)
    return {index: np.concatenate(blocks) for index, blocks in parts.items()}


def measure_firing(sets: Mapping[int, Sets], activations: Activations) -> Firing:
    """Share of (chosen channel, other image) pairs in which the channel fires.

    Pairs that are one image are left out. So is a channel that does not respond to its own image (mean
    <= 0): it can't be said to fire elsewhere.

    Args:
        sets: the channels chosen for each of N images, by layer index.
        activations: how these images' channels respond to them and to others.
    """
    own, reference = activations.own, activations.reference
    n_images = len(activations.labels)
    same, other = np.full(n_images, np.nan), np.full(n_images, np.nan)
    for n, label in enumerate(activations.labels):
        fires = [
            reference[index][:, channel] >= FIRING_SHARE * own[index][n, channel]
            for index, of_image in sets.items()
            for channel in of_image[n]
            if own[index][n, channel] > 0
        ]
        if not fires:
            continue
        rates = np.mean(fires, axis=0)
        for values, wanted in (
            (same, activations.reference_labels == label),
            (other, activations.reference_labels != label),
        ):
            rows = wanted & ~activations.same_image[n]
            if rows.any():
                values[n] = rates[rows].mean()
    return Firing(same, other)
