"""Descriptors of a data set, computed in one pass and written batch by batch."""

from collections.abc import Collection, Sequence
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from vebi.catalogue.descriptors import Descriptor, get_descriptor
from vebi.catalogue.record import resolve
from vebi.data.dataset import Dataset
from vebi.descriptors.layers import measured_layers
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5
from vebi.network.batches import map_batches
from vebi.network.layers import Layer, feature_index, list_layers
from vebi.network.passes import LayerPass, to_network_input
from vebi.network.running import run
from vebi.network.scores import check_scores

_SHORT = (torch.float16, torch.bfloat16)


class _DescriptorPass(LayerPass):
    """Reduces each response to its statistic as it appears, so that none has to be kept."""

    def __init__(self, layers: Sequence[Layer], chosen: Sequence[Layer], statistic: str) -> None:
        super().__init__(layers)
        self._chosen = {layer.index for layer in chosen}
        self._statistic = resolve(statistic)
        self.parts: list[Tensor] = []

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        if layer.index in self._chosen:
            # Squares soon leave the range of short formats.
            values = response.float() if response.dtype in _SHORT else response
            self.parts.append(self._statistic(values.movedim(layer.channel_axis, 1)))
        return response


def describe_batch(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    descriptor: Descriptor,
    needed: Collection[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Class scores (N, classes) and descriptors float32 (N, m) of images (N, C, H, W).

    `layers` from `list_layers`; `needed`: indices of the layers to measure, the columns of others are
    zero; None: all that the descriptor measures.

    The statistics of each layer are divided by their sum (L1 norm); a layer without any response
    stays zero. Raises VebiError naming the first layer whose response holds NaN or infinity, and for
    class scores that are NaN.
    """
    chosen = measured_layers(descriptor, layers)
    measured = [layer for layer in chosen if needed is None or layer.index in needed]
    described = _DescriptorPass(layers, measured, descriptor.statistic)
    logits = run(model, images, described)
    for layer, part in zip(measured, described.parts, strict=True):
        if not bool(part.isfinite().all()):
            raise VebiError(
                f"Layer '{layer.name}' responds with NaN or infinity to an image. Check the "
                "network's weights and that it takes pixels from 0 to 255."
            )
    check_scores(logits)
    parts = dict(zip((layer.index for layer in measured), described.parts, strict=True))
    normalised = []
    for layer in chosen:
        if layer.index not in parts:
            normalised.append(logits.new_zeros((len(logits), layer.n_channels), dtype=torch.float))
            continue
        part = parts[layer.index]
        total = part.sum(1, keepdim=True)
        normalised.append(torch.where(total > 0, part / total, 0.0))
    return logits, torch.cat(normalised, 1).float()


def describe(
    model: nn.Module,
    dataset: Dataset,
    path: str | Path,
    variant: str = "vebi_text",
    *,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
) -> None:
    """Write the descriptor file of all images of `dataset`, in memory that does not grow with N.

    `X` float32 (N, m), `labels`, `predictions` int64 (N), `split` (N), `feature_layer` and
    `feature_channel` int64 (m), `layer_names`, `layer_types`, `layer_spatial` (L); attributes
    `descriptor` (the variant) and `classes`.
    """
    descriptor = get_descriptor(variant)
    if not len(dataset):
        raise VebiError(f"{dataset.path} has no images.")
    model = model.to(device)
    indices = np.arange(len(dataset))
    example = next(dataset.batches(indices[:1], 1))[1]
    layers = list_layers(model, to_network_input(example, device))
    chosen = measured_layers(descriptor, layers)
    if not chosen:
        raise VebiError(f"The network has no layer that descriptor '{variant}' is made of.")
    feature_layer, feature_channel = feature_index(chosen)
    text = h5py.string_dtype()
    with create_hdf5(path) as file:
        file["labels"], file["split"] = dataset.labels, dataset.split
        file["feature_layer"], file["feature_channel"] = feature_layer, feature_channel
        file.create_dataset("layer_names", data=[layer.name for layer in chosen], dtype=text)
        file.create_dataset("layer_types", data=[layer.type for layer in chosen], dtype=text)
        file["layer_spatial"] = np.array([layer.spatial for layer in chosen])
        file.attrs["descriptor"], file.attrs["classes"] = variant, list(dataset.classes)
        x = file.create_dataset("X", (len(dataset), len(feature_layer)), np.float32)
        predictions = np.empty(len(dataset), np.int64)
        batches = dataset.batches(indices, batch_size)
        total = -(-len(dataset) // batch_size)

        def compute(_: NDArray[np.int64], raw: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
            images = to_network_input(raw, device)
            return describe_batch(model, images, layers, descriptor)

        progress = tqdm(batches, "descriptors", total, unit="batch", disable=None)
        for rows, (logits, values) in map_batches(progress, compute):
            x[rows[0] : rows[-1] + 1] = values.cpu().numpy()
            predictions[rows] = logits.argmax(1).cpu().numpy()
        file["predictions"] = predictions
