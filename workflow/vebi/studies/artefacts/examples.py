"""The same feature drawn by every method, low and high in the network (VEBI Figs. 2 and 7)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vebi.data.dataset import Dataset
from vebi.data.subset import spread_over_classes
from vebi.heatmaps.draw import feature_maps
from vebi.network.layers import list_layers
from vebi.network.passes import to_network_input
from vebi.studies.artefacts.artefacts_file import Artefacts


@dataclass(frozen=True)
class DrawnFeature:
    """One feature of one image (H, W, C): its map (H, W) and grid-artefact score by each method.

    `selected`: whether the mu-Lasso gives it a positive weight for the predicted class.
    """

    image: NDArray[np.uint8]
    class_name: str
    layer_number: int
    layer: str
    channel: int
    stride: float
    selected: bool
    maps: dict[str, NDArray[np.float32]]
    scores: dict[str, float]


def draw_features(
    model: nn.Module,
    dataset: Dataset,
    artefacts: Artefacts,
    n_images: int,
    device: torch.device | str = "cpu",
) -> Iterator[DrawnFeature]:
    """Of some scored images the features of the first and of the last layer that has a lattice."""
    if not artefacts.layer_names:
        return
    model = model.to(device)
    ends = sorted({0, len(artefacts.layer_names) - 1})
    for index in spread_over_classes(dataset.labels, artefacts.image_index, n_images):
        row = int(np.searchsorted(artefacts.image_index, index))
        image = dataset.images_at(np.array([index]))
        pixels = to_network_input(image, device)
        features = artefacts.features[row : row + 1, ends]
        layers = list_layers(model, pixels)
        maps = feature_maps(model, pixels, layers, features, artefacts.methods)
        for slot, layer in enumerate(ends):
            yield DrawnFeature(
                image=image[0],
                class_name=dataset.classes[dataset.labels[index]],
                layer_number=int(artefacts.layer_numbers[layer]),
                layer=artefacts.layer_names[layer],
                channel=int(artefacts.features[row, layer, 1]),
                stride=float(artefacts.period[layer].max()),
                selected=bool(artefacts.selected[row, layer]),
                maps={name: drawn[0, slot].cpu().numpy() for name, drawn in maps.items()},
                scores={
                    name: float(artefacts.scores[row, layer, m])
                    for m, name in enumerate(artefacts.methods)
                },
            )
