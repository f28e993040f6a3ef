"""Predictions of a network without some filters: removed altogether, or as the McGill code does it."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from tqdm import tqdm

from vebi.data.dataset import Dataset
from vebi.io.errors import VebiError
from vebi.network.batches import map_batches
from vebi.network.layers import Layer
from vebi.network.operations import WEIGHTED
from vebi.network.passes import to_network_input
from vebi.network.running import evaluating
from vebi.studies.ablation.ablate import Ablation, ablate, as_ablation


def weighted_layers(layers: Sequence[Layer]) -> dict[int, str]:
    """For each layer index the name of the module whose filters make its channels.

    That is the layer's own module for a convolution or a fully connected layer, and the last one
    before it for an activation or a pooling.
    """
    modules, last = {}, ""
    for layer in layers:
        if layer.kind in WEIGHTED:
            last = layer.name
        if last:
            modules[layer.index] = last
    return modules


def without_first_input(
    model: nn.Module, ablation: Ablation, layers: Sequence[Layer]
) -> dict[str, Tensor]:
    """The parameters that change if only the first input of each filter is cut, and its bias.

    The McGill code's `kernel[:, :, 0, filter] = 0; bias[filter] = 0` on Keras' kernels (height, width,
    inputs, filters); here weight (filters, inputs, height, width). A filter that has one input only is
    removed altogether.
    """
    modules = weighted_layers(layers)
    changed: dict[str, Tensor] = {}
    for index, channels in ablation:
        if index not in modules:
            raise VebiError(
                f"Layer '{layers[index].name}' has no weights before it to set to zero."
            )
        name = modules[index]
        module = model.get_submodule(name)
        for part, value in module.named_parameters(recurse=False):
            key = f"{name}.{part}"
            changed.setdefault(key, value.detach().clone())
            place = (list(channels), 0) if part == "weight" else (list(channels),)
            changed[key][place] = 0
    return changed


def predict_without(
    model: nn.Module,
    dataset: Dataset,
    indices: NDArray[np.integer],
    conditions: Sequence[NDArray[np.integer]],
    *,
    removal: str,
    layers: Sequence[Layer],
    batch_size: int = 128,
    device: torch.device | str = "cpu",
) -> NDArray[np.int64]:
    """Predicted classes int64 (conditions, N) of the images at ascending `indices`.

    A condition is an integer array (n, 2) of (layer index, channel), as in `ablate`.
    `removal`: `complete` sets the channels to zero, `partial` does `without_first_input`.
    """
    if removal == "complete":
        return ablate(model, dataset, indices, conditions, batch_size, device=device, layers=layers)
    ablations = [as_ablation(condition, layers) for condition in conditions]
    predictions = np.empty((len(conditions), len(indices)), np.int64)
    model = model.to(device)
    total = -(-len(indices) // batch_size)
    batches = dataset.batches(indices, batch_size)

    def compute(_: NDArray[np.int64], raw: NDArray[np.uint8]) -> list[NDArray[np.int64]]:
        images = to_network_input(raw, device)
        changed = (without_first_input(model, ablation, layers) for ablation in ablations)
        scores = (functional_call(model, weights, (images.clone(),)) for weights in changed)
        return [one.argmax(1).cpu().numpy() for one in scores]

    start = 0
    with evaluating(model), torch.no_grad():
        progress = tqdm(batches, "partial removal", total, unit="batch", disable=None)
        for rows, predicted in map_batches(progress, compute):
            for number, classes in enumerate(predicted):
                predictions[number, start : start + len(rows)] = classes
            start += len(rows)
    return predictions
