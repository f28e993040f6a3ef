"""Heatmap files of a whole split, made in batches."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from vebi.config.stages import HeatmapConfig
from vebi.data.dataset import TEST
from vebi.descriptors.descriptor_file import layers_of
from vebi.heatmaps.draw import Targets, choose_features, get_methods, merged_maps
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.heatmaps.subject import Chosen, Subject, WeightedDescriptors
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5
from vebi.network.batches import map_batches
from vebi.network.layers import Layer, list_layers
from vebi.network.passes import to_network_input


def write_heatmaps(
    network: InterpretedNetwork,
    paths: Mapping[str, Path],
    settings: HeatmapConfig,
    *,
    split: int = TEST,
    seed: int = 0,
) -> None:
    """Explain every image of `split` by every method of `paths`.

    Each file holds `heatmaps` float32 (N, H, W) in [0, 1] and `image_index` int64 (N); if the method
    draws features also `features` int64 (N, k, 2) (position in the descriptor file's `layer_names`,
    channel; -1 for none) and `feature_scores` float64 (N, k).

    Args:
        network: what is explained.
        paths: method name: file to write.
        settings: k features per image (`top`), `ig_steps`, `batch_size`.
        split: which of the data set's.
        seed: root of a source's random draws.

    Raises:
        VebiError: no images in `split`, or an unknown method.
    """
    methods = get_methods(paths)
    dataset, descriptors = network.dataset, network.descriptors
    device, k = network.device, settings.top
    rows = dataset.indices(split)
    if not len(rows):
        raise VebiError(f"{dataset.path} has no images in split {split}.")
    model = network.model.to(device)
    height, width, _ = dataset.image_shape
    example = next(dataset.batches(rows[:1], 1))[1]
    layers = list_layers(model, to_network_input(example, device))
    described = layers_of(layers, descriptors)
    with ExitStack() as stack:
        files = {name: stack.enter_context(create_hdf5(path)) for name, path in paths.items()}
        for name, file in files.items():
            file["image_index"] = rows.astype(np.int64)
            file.create_dataset("heatmaps", (len(rows), height, width), np.float32)
            if methods[name].explains == "features":
                file.create_dataset("features", (len(rows), k, 2), np.int64)
                file.create_dataset("feature_scores", (len(rows), k), np.float64)
        start = 0
        drawn_batches = _draw(network, layers, list(paths), settings, rows=rows, seed=seed)
        for indices, (chosen, merged) in drawn_batches:
            part = slice(start, start + len(indices))
            for name, maps in merged.items():
                files[name]["heatmaps"][part] = maps.cpu().numpy()
                method = methods[name]
                if method.explains == "features":
                    drawn, scores = chosen[method.source]
                    files[name]["features"][part] = _as_positions(drawn, described)
                    files[name]["feature_scores"][part] = scores
            start = part.stop


def _draw(
    network: InterpretedNetwork,
    layers: Sequence[Layer],
    methods: Sequence[str],
    settings: HeatmapConfig,
    *,
    rows: NDArray[np.int64],
    seed: int,
) -> Iterator[tuple[NDArray[np.int64], tuple[dict[str, Chosen], dict[str, Tensor]]]]:
    """Batches of images: their rows, the features chosen by each source, and a map by each method."""
    dataset, descriptors = network.dataset, network.descriptors
    described = layers_of(layers, descriptors)

    def draw(
        indices: NDArray[np.int64], raw: NDArray[np.uint8]
    ) -> tuple[dict[str, Chosen], dict[str, Tensor]]:
        images = to_network_input(raw, network.device)
        subject = Subject(
            model=network.model,
            images=images,
            layers=layers,
            predictions=descriptors.predictions[indices],
            image_index=indices,
            weighted=WeightedDescriptors(described, descriptors.rows(indices), network.weights),
            seed=seed,
            sampling=network.sampling,
        )
        chosen = choose_features(subject, methods, settings.top)
        features = {source: features for source, (features, _) in chosen.items()}
        targets = Targets(subject.predictions, features)
        maps = merged_maps(
            network.model, images, layers, targets, methods, ig_steps=settings.ig_steps
        )
        return chosen, maps

    batches = dataset.batches(rows, settings.batch_size)
    total = -(-len(rows) // settings.batch_size)
    progress = tqdm(batches, "heatmaps", total, unit="batch", disable=None)
    yield from map_batches(progress, draw)


def _as_positions(features: NDArray[np.int64], described: Sequence[Layer]) -> NDArray[np.int64]:
    """Features with their layers counted as in the descriptor file instead of in the network."""
    position = {layer.index: i for i, layer in enumerate(described)} | {-1: -1}
    result = features.copy()
    result[..., 0] = np.vectorize(position.get, otypes=[np.int64])(features[..., 0])
    return result
