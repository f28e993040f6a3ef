"""How often the channels chosen for one image respond to other images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from vebi.input_resampling.measure import Sets
from vebi.network.layers import Layer
from vebi.network.passes import fast_layout, responses

# A channel fires on another image if it responds there with at least this part of its own response.
FIRING_SHARE = 0.5


@dataclass(frozen=True)
class Firing:
    """Of N images: how often their channels fire on other images of their class, and of other classes.

    Float64 (N), NaN where there is nothing to count.
    """

    same: np.ndarray
    other: np.ndarray


def mean_activations(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    wanted: Sequence[Layer],
    batch_size: int = 32,
) -> dict[int, np.ndarray]:
    """Mean response over positions of every channel, float64 (N, channels), by layer index."""
    parts: dict[int, list[np.ndarray]] = {layer.index: [] for layer in wanted}
    for start in range(0, len(images), batch_size):
        batch = fast_layout(images[start : start + batch_size])
        _, values = responses(model, batch, layers, wanted)
        for layer, value in zip(wanted, values, strict=True):
            channels = value.movedim(layer.channel_axis, 1)
            mean = channels.reshape(*channels.shape[:2], -1).double().mean(2)
            parts[layer.index].append(mean.cpu().numpy())
    return {index: np.concatenate(blocks) for index, blocks in parts.items()}


def measure_firing(
    sets: dict[int, Sets],
    own: dict[int, np.ndarray],
    reference: dict[int, np.ndarray],
    labels: np.ndarray,
    reference_labels: np.ndarray,
    same_image: np.ndarray,
) -> Firing:
    """Share of (chosen channel, other image) pairs in which the channel fires.

    `sets` by layer index, the channels of each of N images; `own` and `reference` their mean responses
    (N, channels) and (M, channels); `same_image` bool (N, M): pairs that are one image, left out. A
    channel that does not respond to its own image (mean <= 0) can't be said to fire elsewhere: left
    out.
    """
    same, other = np.full(len(labels), np.nan), np.full(len(labels), np.nan)
    for n, label in enumerate(labels):
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
            (same, reference_labels == label),
            (other, reference_labels != label),
        ):
            rows = wanted & ~same_image[n]
            if rows.any():
                values[n] = rates[rows].mean()
    return Firing(same, other)
