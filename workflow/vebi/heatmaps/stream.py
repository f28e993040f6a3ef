"""Heatmap files of a whole split, made in batches."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from vebi.data.store import Dataset
from vebi.descriptors.store import DescriptorFile, layers_of
from vebi.errors import VebiError
from vebi.files import atomic_path
from vebi.heatmaps.methods import METHODS, feature_maps, merge
from vebi.heatmaps.ranking import top_features
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
) -> None:
    """Explain every image of `split` by every method of `paths` (method name: file to write).

    `weights` (classes, m): the mu-Lasso's, one row per class, for the columns of `descriptors`. Each
    file holds `heatmaps` float32 (N, H, W) in [0, 1], `image_index` int64 (N), `features` int64
    (N, k, 2) (position in the descriptor file's `layer_names`, channel; -1 for none) and
    `feature_scores` float64 (N, k).
    """
    unknown = [name for name in paths if name not in METHODS]
    if unknown:
        raise VebiError(f"Unknown heatmap method '{unknown[0]}'; known: {', '.join(METHODS)}.")
    rows = dataset.indices(split)
    if not len(rows):
        raise VebiError(f"{dataset.path} has no images in split {split}.")
    model = model.to(device)
    height, width, _ = dataset.image_shape
    example = next(dataset.batches(rows[:1], 1))[1]
    layers = list_layers(model, to_network_input(example, device))
    described = layers_of(layers, descriptors)
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(h5py.File(stack.enter_context(atomic_path(path)), "w"))
            for name, path in paths.items()
        }
        for file in files.values():
            file["image_index"] = rows.astype(np.int64)
            file.create_dataset("heatmaps", (len(rows), height, width), np.float32)
            file.create_dataset("features", (len(rows), k, 2), np.int64)
            file.create_dataset("feature_scores", (len(rows), k), np.float64)
        batches = dataset.batches(rows, batch_size)
        total = -(-len(rows) // batch_size)
        start = 0
        for chosen, raw in tqdm(batches, "heatmaps", total, unit="batch", disable=None):
            images = to_network_input(raw, device)
            stop = start + len(chosen)
            for spatial_only in (False, True):
                names = [name for name in paths if METHODS[name].spatial_only == spatial_only]
                if not names:
                    continue
                features, scores = top_features(
                    descriptors.rows(chosen),
                    weights,
                    descriptors.predictions[chosen],
                    described,
                    k,
                    spatial_only,
                )
                for name, maps in feature_maps(model, images, layers, features, names).items():
                    files[name]["heatmaps"][start:stop] = merge(maps).cpu().numpy()
                    files[name]["features"][start:stop] = _as_positions(features, described)
                    files[name]["feature_scores"][start:stop] = scores
            start = stop


def _as_positions(features: np.ndarray, described: Sequence[Layer]) -> np.ndarray:
    """Features with their layers counted as in the descriptor file instead of in the network."""
    position = {layer.index: i for i, layer in enumerate(described)} | {-1: -1}
    result = features.copy()
    result[..., 0] = np.vectorize(position.get, otypes=[np.int64])(features[..., 0])
    return result
