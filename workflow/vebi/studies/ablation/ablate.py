"""Predictions of a network some of whose features are set to zero, for many sets of features."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from vebi.data.dataset import Dataset
from vebi.io.errors import VebiError
from vebi.network.batches import map_batches
from vebi.network.call import Call
from vebi.network.layers import Layer, list_layers
from vebi.network.operations import returns_indices
from vebi.network.passes import LayerPass, fast_layout, to_network_input
from vebi.network.running import evaluating, run

Ablation = tuple[tuple[int, tuple[int, ...]], ...]


class _AblatedPass(LayerPass):
    """A forward pass that zeroes channels and takes over what an earlier pass has computed.

    `kept` holds responses of the earlier pass by layer index, before any zeroing. They are valid up to
    and with layer `shared`, the first at which the two passes zero different channels. This pass
    leaves there what the next one shares: responses up to layer `wanted`.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        ablation: Ablation,
        kept: dict[int, Tensor],
        shared: float,
        wanted: float,
    ) -> None:
        super().__init__(layers)
        self._channels = dict(ablation)
        self._kept, self._shared, self._wanted = kept, shared, wanted

    def compute(self, layer: Layer, call: Call) -> Any:
        # An operation that writes into its input must run, or others would read the old input.
        # One that returns indices besides its response must run as well: only responses are kept.
        if layer.index > self._shared or layer.inplace or returns_indices(call):
            return call.run()
        return layer.layout.together(self._kept[layer.index])

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        keep = layer.index <= self._wanted and not layer.inplace
        if keep:
            self._kept[layer.index] = response
        else:
            self._kept.pop(layer.index, None)
        channels = self._channels.get(layer.index)
        if keep and (channels is not None or layer.overwritten):
            response = response.clone()
        if channels is None:
            return response
        response.movedim(layer.channel_axis, 1)[:, list(channels)] = 0
        return response


def ablate_batch(
    model: nn.Module, images: Tensor, layers: Sequence[Layer], ablations: Sequence[Ablation]
) -> Tensor:
    """Class scores (conditions, N, classes) of one batch of images (N, C, H, W).

    Conditions run in an order that lets each start where it first differs from the one before.
    """
    order = sorted(range(len(ablations)), key=lambda i: _sorting_key(ablations[i], len(layers)))
    shared = [-1, *(_first_difference(ablations[a], ablations[b]) for a, b in pairwise(order)), -1]
    images = fast_layout(images)
    kept: dict[int, Tensor] = {}
    scores: dict[int, Tensor] = {}
    # Changed to evaluation mode once, not for every condition.
    with evaluating(model):
        for n, i in enumerate(order):
            if shared[n] >= len(layers):
                scores[i] = scores[order[n - 1]]
                continue
            # Equal conditions compute nothing: what they pass on is what the next one shares.
            after = next(s for s in shared[n + 1 :] if s < len(layers))
            scores[i] = run(
                model, images, _AblatedPass(layers, ablations[i], kept, shared[n], after)
            )
    return torch.stack([scores[i] for i in range(len(ablations))])


def _sorting_key(ablation: Ablation, n_layers: int) -> list[tuple[int, tuple[int, ...]]]:
    # As in a dictionary of words, one letter per layer: neighbours share the longest beginnings.
    return [(n_layers - layer, channels) for layer, channels in ablation]


def _first_difference(first: Ablation, second: Ablation) -> float:
    """The first layer at which two ablations differ, infinity if they are equal."""
    return min((layer for layer, _ in set(first) ^ set(second)), default=math.inf)


def as_ablation(condition: Any, layers: Sequence[Layer]) -> Ablation:
    """A condition, an array (n, 2) of (layer index, channel), sorted and grouped by layer."""
    pairs = np.asarray(condition, np.int64).reshape(-1, 2)
    channels: dict[int, set[int]] = {}
    for layer, channel in pairs.tolist():
        if not 0 <= layer < len(layers) or not 0 <= channel < layers[layer].n_channels:
            raise VebiError(
                f"The network has no feature (layer {layer}, channel {channel}) to remove: it has "
                f"{len(layers)} layers here. Do features and network belong together?"
            )
        channels.setdefault(layer, set()).add(channel)
    return tuple((layer, tuple(sorted(channels[layer]))) for layer in sorted(channels))


def ablate(
    model: nn.Module,
    dataset: Dataset,
    indices: NDArray[np.integer],
    conditions: Sequence[NDArray[np.integer]],
    batch_size: int = 128,
    *,
    device: torch.device | str = "cpu",
    layers: Sequence[Layer] | None = None,
) -> NDArray[np.int64]:
    """Predicted classes int64 (conditions, N) of the images at `indices` of `dataset`.

    A condition is an integer array (n, 2) of features (layer index as in `list_layers`, channel)
    whose responses are set to zero; an empty one leaves the network as it is. For a convolution this
    equals zeroing the filter's weights and bias. Images are read in batches; every condition sees a
    batch before the next is read, and takes over the responses that removal does not change.
    """
    model = model.to(device)
    if not len(indices):
        raise VebiError("There are no images to measure ablation on.")
    if layers is None:
        example = next(dataset.batches(indices[:1], 1))[1]
        layers = list_layers(model, to_network_input(example, device))
    ablations = [as_ablation(condition, layers) for condition in conditions]
    predictions = np.empty((len(conditions), len(indices)), np.int64)
    batches = dataset.batches(indices, batch_size)
    total = -(-len(indices) // batch_size)

    def compute(_: NDArray[np.int64], raw: NDArray[np.uint8]) -> Tensor:
        return ablate_batch(model, to_network_input(raw, device), layers, ablations)

    start = 0
    progress = tqdm(batches, "ablation", total, unit="batch", disable=None)
    for rows, scores in map_batches(progress, compute):
        predictions[:, start : start + len(rows)] = scores.argmax(2).cpu().numpy()
        start += len(rows)
    return predictions


def mean_class_accuracy(
    predictions: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean over the classes that occur of the fraction of their images predicted right.

    `predictions` (..., N), `labels` (N); returns (...).
    """
    hits = predictions == labels
    return np.mean([hits[..., labels == label].mean(-1) for label in np.unique(labels)], axis=0)


def class_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """A weight per image, so that the mean of weight x hit is the mean class accuracy: (N), mean 1."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return len(labels) / (len(counts) * counts[inverse])
