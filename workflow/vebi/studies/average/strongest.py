"""The images to which features respond most, found in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.data.dataset import Dataset
from vebi.network.batches import map_batches
from vebi.network.layers import Layer
from vebi.network.passes import responses, to_network_input


@dataclass(frozen=True)
class ClassFeature:
    """A feature that explains class `label`, with its mu-Lasso weight."""

    label: int
    layer: Layer
    channel: int
    weight: float


def choose_features(
    weights: NDArray[np.float64], layers: Sequence[Layer], top: int
) -> list[list[ClassFeature]]:
    """Of each class up to `top` features with the highest positive weight, best first.

    `weights` (classes, m) over the channels of `layers`, in order. Equal weights: lowest index first.
    """
    features = [(layer, channel) for layer in layers for channel in range(layer.n_channels)]
    return [
        [
            ClassFeature(label, features[i][0], features[i][1], float(row[i]))
            for i in np.argsort(-row, kind="stable")[:top]
            if row[i] > 0
        ]
        for label, row in enumerate(weights)
    ]


@dataclass
class Strongest:
    """The `n` highest positive responses seen so far: of which image, at which position of the map."""

    n: int
    response: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    image: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    position: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    def see(self, images: NDArray[np.int64], maps: NDArray[np.float32]) -> None:
        """Take in the maps (N, h, w) of a feature for some `images`; of equals the first image stays."""
        if not len(maps):
            return
        places = maps.reshape(len(maps), -1).argmax(1)
        here = np.stack(np.unravel_index(places, maps.shape[1:]), axis=1)
        response = np.concatenate([self.response, maps.reshape(len(maps), -1).max(1)])
        image = np.concatenate([self.image, images])
        order = np.lexsort((image, -response))[: self.n]
        order = order[response[order] > 0]
        self.response, self.image = response[order], image[order]
        self.position = np.concatenate([self.position, here])[order]


def find_strongest(
    model: nn.Module,
    dataset: Dataset,
    rows: NDArray[np.integer],
    layers: Sequence[Layer],
    features: Sequence[ClassFeature],
    *,
    n_patches: int,
    batch_size: int = 64,
    device: torch.device | str = "cpu",
) -> tuple[list[Strongest], NDArray[np.float64]]:
    """For each feature the images of its class, among `rows`, that contain its highest responses.

    An image's response is the maximum of the feature's map, since that place is what is cut out. Memory
    is that of one batch and `n_patches` numbers per feature, the number of images that are found. Also
    returns the mean colour of all `rows` (C).
    """
    strongest = [Strongest(n_patches) for _ in features]
    used = sorted({feature.layer.index for feature in features})
    total = np.zeros(dataset.image_shape[2], np.int64)
    wanted = [layers[index] for index in used]

    def compute(
        _: NDArray[np.int64], raw: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], list[Tensor]]:
        found = responses(model, to_network_input(raw, device), layers, wanted)[1]
        return raw.sum((0, 1, 2), dtype=np.int64), found

    of_class: dict[int, list[tuple[ClassFeature, Strongest]]] = {}
    for feature, item in zip(features, strongest, strict=True):
        of_class.setdefault(feature.label, []).append((feature, item))
    for chosen, (colours, found) in map_batches(dataset.batches(rows, batch_size), compute):
        total += colours
        arrived = dict(zip(used, found, strict=True))
        labels = dataset.labels[chosen]
        here = [pair for label in np.unique(labels).tolist() for pair in of_class.get(label, [])]
        for feature, item in here:
            mine = np.flatnonzero(labels == feature.label)
            channel = arrived[feature.layer.index].select(
                feature.layer.channel_axis, feature.channel
            )
            mine_here = channel[torch.from_numpy(mine).to(channel.device)]
            item.see(chosen[mine], feature.layer.layout.maps(mine_here).cpu().numpy())
    height, width, _ = dataset.image_shape
    return strongest, total / max(1, len(rows) * height * width)
