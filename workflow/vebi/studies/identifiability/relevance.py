"""Rankings by relevance: what the score of a class owes to the channels of each layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from vebi.catalogue.record import resolve
from vebi.data.dataset import Dataset
from vebi.heatmaps.class_batch import reference_image
from vebi.heatmaps.relevance import gradients_or_none, layer_relevance
from vebi.network.batches import map_batches
from vebi.network.layers import Layer
from vebi.network.passes import LayerPass, to_network_input
from vebi.network.running import leaf_of, run
from vebi.studies.identifiability.rankings import of_kind

# Values of the channels of layers in every image of a batch: (N, channels) by layer index.
ChannelValues = dict[int, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Images with the classes whose scores are shared among channels.

    Attributes:
        model: the network.
        images: float (N, C, H, W).
        classes: int64 (N).
        layers: those that are asked about.
        steps: on a path from the reference image.
    """

    model: nn.Module
    images: Tensor
    classes: Tensor
    layers: Sequence[Layer]
    steps: int


def taylor(batch: LabelledBatch) -> ChannelValues:
    """What removing a channel changes to first order: activation times gradient, summed over positions.

    The Taylor criterion of Molchanov et al. (2017, Eq. 8), with its sign, and a sum for their mean.
    """
    responses, gradients = _responses_and_gradients(batch, batch.images)
    return {
        layer.index: _per_channel(responses[layer.index] * gradients[layer.index], layer)
        for layer in batch.layers
        if layer.index in gradients
    }


def lrp(batch: LabelledBatch) -> ChannelValues:
    """Relevance by LRP, summed over positions: that of a concept in Achtibat et al. (2023)."""
    found = layer_relevance(batch.model, batch.images, batch.classes, batch.layers)
    return {
        layer.index: _per_channel(found[layer.index], layer)
        for layer in batch.layers
        if layer.index in found
    }


def conductance(batch: LabelledBatch) -> ChannelValues:
    """Conductance of neurons (Dhamdhere, Sundararajan & Yan 2019, ICLR), summed over positions.

    Integral of the gradient at a channel over what the channel's response does on the straight way from
    the reference image to the image, by the trapezoidal rule in equal steps. So what a layer's channels
    get adds up to what the score gains on the way, where all of it passes through that layer.
    """
    start = reference_image(batch.model, batch.images)
    total: ChannelValues = {}
    before = None
    for step in range(batch.steps + 1):
        here = _responses_and_gradients(
            batch, start + (step / batch.steps) * (batch.images - start)
        )
        if before is not None:
            for layer in batch.layers:
                index = layer.index
                if index in here[1]:
                    mean = (before[1][index] + here[1][index]) / 2
                    part = _per_channel(mean * (here[0][index] - before[0][index]), layer)
                    total[index] = total.get(index, 0.0) + part
        before = here
    return total


def rank_by_relevance(
    model: nn.Module,
    dataset: Dataset,
    rows: NDArray[np.int64],
    layers: Sequence[Layer],
    *,
    batch_size: int,
    steps: int,
    device: torch.device | str = "cpu",
) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Values (classes, channels) of every ranking by relevance, by its name and layer index.

    The mean over the images of a class of what its score owes to a channel; NaN for a class of no image.
    What the score does not depend on has 0.

    Args:
        model: the network.
        dataset: its images.
        rows: which of them.
        layers: whose channels are ranked.
        batch_size: images at a time.
        steps: on the path of conductance.
        device: where to compute.
    """
    rankings = of_kind("relevance")
    n_classes = len(dataset.classes)
    sums = {
        ranking.name: {layer.index: np.zeros((n_classes, layer.n_channels)) for layer in layers}
        for ranking in rankings
    }

    def look(some: NDArray[np.int64], raw: NDArray[np.uint8]) -> dict[str, ChannelValues]:
        images = to_network_input(raw, device)
        classes = torch.from_numpy(dataset.labels[some]).to(images.device)
        batch = LabelledBatch(model, images, classes, layers, steps)
        return {ranking.name: resolve(ranking.function)(batch) for ranking in rankings}

    for some, found in map_batches(dataset.batches(rows, batch_size), look):
        for name, values in found.items():
            for index, of_layer in values.items():
                np.add.at(sums[name][index], dataset.labels[some], of_layer)
    counts = np.bincount(dataset.labels[rows], minlength=n_classes)[:, None]
    counted = np.where(counts > 0, counts, np.nan)
    return {
        name: {index: total / counted for index, total in of_layers.items()}
        for name, of_layers in sums.items()
    }


class _EdgePass(LayerPass):
    """Keeps the responses of layers with their places in the graph."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__(layers)
        self.responses: dict[int, Tensor] = {}
        self.edges: dict[int, GradientEdge] = {}

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        kept = response.detach()
        self.responses[layer.index] = kept.clone() if layer.overwritten else kept
        self.when_recorded(response, lambda maps: self._keep(layer.index, maps))
        return response

    def _keep(self, index: int, maps: Tensor) -> None:
        self.edges[index] = get_gradient_edge(maps)


def _responses_and_gradients(
    batch: LabelledBatch, images: Tensor
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """By layer index, the responses to images and the gradients of their scores of the batch's classes.

    A layer that the scores do not depend on has no gradient.
    """
    kept = _EdgePass(batch.layers)
    leaf = leaf_of(images).contiguous().requires_grad_()
    scores = run(batch.model, leaf, kept, gradients=True)
    found = gradients_or_none(scores, batch.classes, list(kept.edges.values()))
    gradients = dict(zip(kept.edges, found, strict=True))
    return kept.responses, {
        i: gradient for i, gradient in gradients.items() if gradient is not None
    }


def _per_channel(values: Tensor, layer: Layer) -> NDArray[np.float64]:
    """Sums over positions: float64 (N, C)."""
    if values.ndim > 2:
        values = values.movedim(layer.channel_axis, 1).flatten(2).sum(2)
    return values.double().cpu().numpy()
