"""The two selections over the epochs of the network's training, and how useful their patches are.

For each epoch that was kept: select the top k channels per layer of some training and test images, cut
their patches out, train a small classifier on the training images reduced to them, and score it on the
test images reduced the same way (the authors' test of usefulness).
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from vebi.compute.determinism import derived_seed
from vebi.data.dataset import TEST, TRAIN, Dataset, Images, open_dataset, write_dataset
from vebi.data.scenes import read_scenes
from vebi.data.subset import spread_over_classes
from vebi.models.model_file import load_model
from vebi.models.train import TrainingSettings, predict, to_batch, train
from vebi.network.layers import list_layers
from vebi.network.passes import to_network_input
from vebi.perturbation.choose import METRICS, RELATIVE, similarity
from vebi.perturbation.resample import Sampling, mean_pixels
from vebi.statistics import clustered_proportion_interval, draw_key
from vebi.studies.perturbation.chosen_channels import (
    Measured,
    choose_sets,
    layers_to_choose_from,
    measure_images,
    perturbation_table,
)
from vebi.studies.perturbation.influence import ALL_LAYERS
from vebi.studies.perturbation.overlap import measure_overlap
from vebi.studies.perturbation.patches import as_features, patches, reduce_images

PATCH_CHOICES = (*METRICS, "random_active", RELATIVE)
# Besides them: the small classifier on whole images, and the main network itself.
WHOLE_IMAGE, NETWORK = "whole_image", "network"


@dataclass(frozen=True)
class EpochSettings:
    """`train_images` and `test_images` spread over the classes; top `k`; epochs of the classifier."""

    train_images: int
    test_images: int
    k: int
    classifier_epochs: int


def follow_epochs(
    checkpoints: Mapping[int, Path],
    dataset: Dataset,
    sampling: Sampling,
    settings: EpochSettings,
    *,
    seed: int,
    key: Sequence[int],
    device: torch.device,
    factories: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Follow a network through the epochs of its training.

    Args:
        checkpoints: model files by epoch.
        dataset: the images that it was trained and is tested on.
        sampling: how they are perturbed.
        settings: how many images and channels, and how long the classifier of patches is trained.
        seed: root of the draws of perturbed copies, which all networks share.
        key: names the network; part of the key of every other draw.
        device: where to compute.
        factories: the user's code that the model files may name.

    Returns:
        Rows of resampling.csv (patch_accuracy with its interval, patch_area: the mean share of the image
        that is left) and of resampling_similarity.csv, without the run's keys.
    """
    rows, data = _images_of(dataset, settings)
    images = to_network_input(data.images, device)
    is_test = data.split == TEST
    scenes = read_scenes(dataset, rows[is_test])

    def classify(reduced: NDArray[np.uint8], number: int) -> NDArray[np.bool_]:
        start = derived_seed(*draw_key("input resampling: classifier of patches", *key, number))
        return _classifier_hits(replace(data, images=reduced), settings, start, device)

    whole = classify(data.images, 0)
    found, similarities = [], []
    for epoch, path in sorted(checkpoints.items()):
        model, _ = load_model(path, device, factories)
        layers = list_layers(model, images[:1])
        measured = measure_images(
            *(model, images, rows, layers),
            wanted=layers_to_choose_from(layers),
            sampling=sampling,
            seed=seed,
            key=(*key, epoch),
        )
        right = predict(model, to_batch(data.images[is_test]), device) == data.labels[is_test]
        fill = _as_image(mean_pixels(model, images[0]), data.images.shape[1:])
        scores = {WHOLE_IMAGE: (whole, 1.0), NETWORK: (right, 1.0)}
        for number, choice in enumerate(PATCH_CHOICES, start=1):
            features = as_features(choose_sets(measured, choice, settings.k), len(rows), settings.k)
            masks = patches(model, images, layers, features)
            reduced = reduce_images(data.images, masks, fill)
            scores[choice] = classify(reduced, number), float(masks.mean())
        found += _patch_rows(scores, settings.k, epoch, scenes)
        similarities += _similarity_rows(measured, settings.k, epoch)
    name = sampling.perturbation
    return perturbation_table(found, name), perturbation_table(similarities, name)


def _images_of(dataset: Dataset, settings: EpochSettings) -> tuple[NDArray[np.int64], Images]:
    """Rows (N) of the training images and then the test images that are looked at, and their content."""
    parts = [
        spread_over_classes(dataset.labels, dataset.indices(split), count)
        for split, count in ((TRAIN, settings.train_images), (TEST, settings.test_images))
    ]
    rows = np.concatenate(parts)
    split = np.repeat([TRAIN, TEST], [len(part) for part in parts])
    return rows, Images(dataset.read("images", rows), dataset.labels[rows], split, dataset.classes)


def _patch_rows(
    scores: Mapping[str, tuple[NDArray[np.bool_], float]],
    k: int,
    epoch: int,
    scenes: NDArray[np.int64],
) -> list[dict[str, object]]:
    """Rows of resampling.csv of one epoch: by choice, which images (N) are right, and the share left.

    `scenes` (N): the interval is one of a proportion whose trials come in scenes.
    """
    _, position, totals = np.unique(scenes, return_inverse=True, return_counts=True)
    rows: list[dict[str, object]] = []
    for metric, (right, area) in scores.items():
        low, high = clustered_proportion_interval(np.bincount(position, right), totals)
        rows.append(
            {
                "layer": ALL_LAYERS,
                "metric": metric,
                "k": k,
                "epoch": epoch,
                "patch_accuracy": right.mean(),
                "patch_ci_low": float(low),
                "patch_ci_high": float(high),
                "patch_area": area,
                "n_patch_images": len(right),
            }
        )
    return rows


def _similarity_rows(measured: Measured, k: int, epoch: int) -> list[dict[str, object]]:
    first, second = (choose_sets(measured, metric, k) for metric in METRICS)
    groups = {layer.name: [layer] for layer in measured.layers} | {ALL_LAYERS: measured.layers}
    rows: list[dict[str, object]] = []
    for name, layers in groups.items():
        pairs = [
            pair
            for layer in layers
            for pair in zip(first[layer.index], second[layer.index], strict=True)
        ]
        expected = sum(
            measure_overlap(
                first[layer.index], second[layer.index], layer.n_channels
            ).expected.sum()
            for layer in layers
        )
        sizes = sum(len(a) + len(b) for a, b in pairs)
        rows.append(
            {
                "layer": name,
                "k": k,
                "epoch": epoch,
                **similarity(pairs),
                "published_null": expected / sizes if sizes else 0.0,
                "n_images": len(measured.image_index),
            }
        )
    return rows


def _classifier_hits(
    data: Images, settings: EpochSettings, seed: int, device: torch.device
) -> NDArray[np.bool_]:
    """Which test images a small network, trained on these images, gets right: bool (N)."""
    training = TrainingSettings(
        epochs=settings.classifier_epochs,
        batch_size=16,
        optimiser="adam",
        learning_rate=0.003,
        final_learning_rate_factor=0.1,
        scale=64.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reduced.h5"
        write_dataset(path, data)
        net, _, _ = train(open_dataset(path), "patch_cnn", training, seed, device)
    tested = data.split == TEST
    return predict(net, to_batch(data.images[tested]), device) == data.labels[tested]


def _as_image(mean: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Pixels (C, H, W) or a colour (C, 1, 1) as an image (H, W, C)."""
    return np.broadcast_to(mean.transpose(1, 2, 0), shape)
