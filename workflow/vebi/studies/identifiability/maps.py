"""Where the features of each ranking lie in an image: overlap of their maps with its mask (VEBI 4.3)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vebi.heatmaps.draw import feature_maps, get_methods
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.heatmaps.maps import merge
from vebi.network.batches import map_batches
from vebi.network.layers import Layer
from vebi.network.passes import to_network_input
from vebi.studies.identifiability.rivals_file import METHODS
from vebi.studies.iou.curve import area_under_curve, iou_curves

# The features of a ranking in every image: (k, 2) each, layer index and channel.
Chosen = Sequence[NDArray[np.int64]]


def overlaps(
    network: InterpretedNetwork,
    rows: NDArray[np.int64],
    chosen: Mapping[str, Chosen],
    layers: Sequence[Layer],
    *,
    batch_size: int,
    n_thresholds: int,
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Area under the IoU curve of every image, by method and ranking: float64 (N).

    A feature is drawn as in the heatmaps, and an image's features are merged by their maximum. A method
    that only draws maps leaves out features that are single values.

    Args:
        network: whose features they are.
        rows: of the images (N) in its data set, which has masks.
        chosen: by ranking, the features of each of these images.
        layers: all of the network's.
        batch_size: images at a time.
        n_thresholds: of the curve.
    """
    place = {int(row): number for number, row in enumerate(rows)}

    def draw(some: NDArray[np.int64], raw: NDArray[np.uint8]) -> dict[str, dict[str, Tensor]]:
        own = {name: [of[place[int(row)]] for row in some] for name, of in chosen.items()}
        return merged(network, to_network_input(raw, network.device), layers, own)

    found: dict[str, dict[str, list[NDArray[np.float64]]]] = {
        method: {name: [] for name in chosen} for method in METHODS
    }
    for some, maps in map_batches(network.dataset.batches(rows, batch_size), draw):
        masks = network.dataset.read("masks", some)
        for method, by_ranking in maps.items():
            for name, drawn in by_ranking.items():
                curves = iou_curves(drawn.cpu().numpy(), masks, n_thresholds)
                found[method][name].append(area_under_curve(curves))
    return {
        method: {name: np.concatenate(parts) for name, parts in by_ranking.items()}
        for method, by_ranking in found.items()
    }


def merged(
    network: InterpretedNetwork,
    images: Tensor,
    layers: Sequence[Layer],
    chosen: Mapping[str, Chosen],
) -> dict[str, dict[str, Tensor]]:
    """One map per image (N, H, W), by method and ranking; each feature of an image is drawn once.

    `chosen`: by ranking, the features of each image.
    """
    spatial = np.array([layer.spatial for layer in layers] + [True])
    found: dict[str, dict[str, Tensor]] = {}
    features, slots = join(list(chosen.values()))
    for name, method in get_methods(METHODS).items():
        drawable = features.copy()
        if method.spatial_only:
            drawable[~spatial[features[..., 0]]] = -1
        maps = feature_maps(network.model, images, layers, drawable, [name])[name]
        # Behind the last feature an empty map, for slots without any.
        maps = torch.cat([maps, maps.new_zeros(len(maps), 1, *maps.shape[2:])], 1)
        images_at = torch.arange(len(maps), device=maps.device)[:, None]
        found[name] = {
            ranking: merge(maps[images_at, torch.from_numpy(of).to(maps.device)])
            for ranking, of in zip(chosen, slots, strict=True)
        }
    return found


def join(chosen: Sequence[Chosen]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The features of all rankings in each image, each once.

    Args:
        chosen: of R rankings, the features (k, 2) of each of N images.

    Returns:
        Features int64 (N, K, 2), -1 where an image has fewer; and for each ranking which of them are its
        own, int64 (N, k), K where it has fewer.
    """
    distinct, places = [], []
    for of_image in zip(*chosen, strict=True):
        every = np.concatenate([np.zeros((0, 2), np.int64), *of_image])
        once, inverse = np.unique(every, axis=0, return_inverse=True)
        distinct.append(once)
        places.append(np.split(inverse.ravel(), np.cumsum([len(one) for one in of_image])[:-1]))
    most = max((len(one) for one in distinct), default=0)
    features = np.full((len(distinct), most, 2), -1, np.int64)
    for row, once in enumerate(distinct):
        features[row, : len(once)] = once
    slots = []
    for number, of in enumerate(chosen):
        own = np.full((len(distinct), max((len(one) for one in of), default=0)), most, np.int64)
        for row, one in enumerate(of):
            own[row, : len(one)] = places[row][number]
        slots.append(own)
    return features, slots
