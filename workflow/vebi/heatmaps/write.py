"""Heatmap files of a whole split, made in batches."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from vebi.data.dataset import Dataset
from vebi.descriptors.descriptor_file import DescriptorFile, layers_of
from vebi.heatmaps.class_batch import IG_STEPS
from vebi.heatmaps.draw import Targets, choose_features, get_methods, merged_maps
from vebi.heatmaps.subject import Chosen, Subject, WeightedDescriptors
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5
from vebi.network.batches import computed
from vebi.network.layers import Layer, list_layers
from vebi.network.passes import to_network_input


def write_heatmaps(
    model: nn.Module,
    dataset: Dataset,
    descriptors: DescriptorFile,
    weights: np.ndarray,
    paths: Mapping[str, Path],
    split: int,
    k: int = 3,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    seed: int = 0,
    ig_steps: int = IG_STEPS,
) -> None:
    """Explain every image of `split` by every method of `paths` (method name: file to write).

    `weights` (classes, m): the mu-Lasso's, one row per class, for the columns of `descriptors`. Each
    file holds `heatmaps` float32 (N, H, W) in [0, 1] and `image_index` int64 (N); if the method draws
    features also `features` int64 (N, k, 2) (position in the descriptor file's `layer_names`, channel;
    -1 for none) and `feature_scores` float64 (N, k). `seed`: root of a source's random draws;
    `ig_steps` as in `merged_maps`.
    """
    methods = get_methods(paths)
    rows = dataset.indices(split)
    if not len(rows):
        raise VebiError(f"{dataset.path} has no images in split {split}.")
    model = model.to(device)
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
        batches = dataset.batches(rows, batch_size)
        total = -(-len(rows) // batch_size)

        def explain(
            indices: np.ndarray, raw: np.ndarray
        ) -> tuple[dict[str, Chosen], dict[str, Tensor]]:
            images = to_network_input(raw, device)
            subject = Subject(
                model=model,
                images=images,
                layers=layers,
                predictions=descriptors.predictions[indices],
                image_index=indices,
                weighted=WeightedDescriptors(described, descriptors.rows(indices), weights),
                seed=seed,
            )
            chosen = choose_features(subject, paths, k)
            features = {source: features for source, (features, _) in chosen.items()}
            targets = Targets(subject.predictions, features)
            return chosen, merged_maps(model, images, layers, targets, paths, ig_steps)

        start = 0
        progress = tqdm(batches, "heatmaps", total, unit="batch", disable=None)
        for indices, (chosen, merged) in computed(progress, explain):
            part = slice(start, start + len(indices))
            for name, maps in merged.items():
                files[name]["heatmaps"][part] = maps.cpu().numpy()
                method = methods[name]
                if method.explains == "features":
                    drawn, scores = chosen[method.source]
                    files[name]["features"][part] = _as_positions(drawn, described)
                    files[name]["feature_scores"][part] = scores
            start = part.stop


def _as_positions(features: np.ndarray, described: Sequence[Layer]) -> np.ndarray:
    """Features with their layers counted as in the descriptor file instead of in the network."""
    position = {layer.index: i for i, layer in enumerate(described)} | {-1: -1}
    result = features.copy()
    result[..., 0] = np.vectorize(position.get, otypes=[np.int64])(features[..., 0])
    return result
