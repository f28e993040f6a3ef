"""Maps of a trained network beside the maps of networks that have lost what it learnt."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from vebi.data.dataset import TEST, Dataset
from vebi.data.scenes import read_scenes
from vebi.data.subset import spread_over_classes
from vebi.descriptors.descriptor_file import DescriptorFile, layers_of
from vebi.heatmaps.class_batch import IG_STEPS
from vebi.heatmaps.draw import Targets, choose_targets, merged_maps
from vebi.heatmaps.subject import Subject, WeightedDescriptors
from vebi.io.errors import VebiError
from vebi.network.batches import computed, cut
from vebi.network.layers import list_layers
from vebi.network.passes import to_network_input
from vebi.studies.sanity.randomise import cascade, one_by_one, weighted_stages
from vebi.studies.sanity.sanity_file import ONLY, RANDOM_LABELS, Sanity, write_sanity
from vebi.studies.sanity.similarity import rank_correlation, structural_similarity


def measure(
    model: nn.Module,
    dataset: Dataset,
    descriptors: DescriptorFile,
    weights: np.ndarray,
    out: Path,
    methods: Sequence[str],
    n_images: int,
    key: Sequence[int],
    k: int = 3,
    batch_size: int = 32,
    layers_at_most: int | None = None,
    independent: bool = False,
    random_labels: nn.Module | None = None,
    device: torch.device | str = "cpu",
    ig_steps: int = IG_STEPS,
) -> None:
    """Write to `out` how alike each method's maps stay as the network's layers are randomised.

    What is explained stays as it was: the trained network's prediction for an image and the features
    chosen for it (`weights` as in `write_heatmaps`), also where a randomised network would predict
    another class or rank other features. Networks, in this order: the cascade from the class scores
    down; with `independent` each layer alone; `random_labels`, trained on shuffled labels. `key`
    (root seed first) seeds the new weights, the same for every method and image. `ig_steps` as in
    `merged_maps`.
    """
    chosen = spread_over_classes(dataset.labels, dataset.indices(TEST), n_images)
    if not len(chosen):
        raise VebiError(f"{dataset.path} has no test images to explain.")
    scenes = read_scenes(dataset, chosen)
    model = model.to(device)
    example = to_network_input(next(dataset.batches(chosen[:1], 1))[1], device)
    layers = list_layers(model, example)
    described = layers_of(layers, descriptors)

    def choose(indices: np.ndarray, raw: np.ndarray) -> tuple[Tensor, Targets]:
        subject = Subject(
            model=model,
            images=to_network_input(raw, device),
            layers=layers,
            predictions=descriptors.predictions[indices],
            image_index=indices,
            weighted=WeightedDescriptors(described, descriptors.rows(indices), weights),
            seed=key[0],
        )
        return subject.images, choose_targets(subject, methods, k)

    parts = [part for _, part in computed(dataset.batches(chosen, batch_size), choose)]
    images = torch.cat([some for some, _ in parts])
    targets = Targets.joined([some for _, some in parts])

    def draw(network: nn.Module) -> dict[str, np.ndarray]:
        """Maps (N, H, W) of all images by every method."""
        maps = computed(
            cut(images, batch_size),
            lambda rows, some: merged_maps(
                network, some, layers, targets.at(rows), methods, ig_steps
            ),
        )
        drawn = [{method: one.cpu().numpy() for method, one in of.items()} for _, of in maps]
        return {method: np.concatenate([of[method] for of in drawn]) for method in methods}

    reference = draw(model)
    stages = weighted_stages(model, example)
    networks = _networks(model, stages, key, layers_at_most, independent, random_labels, device)
    names: list[str] = []
    correlations: dict[str, list[np.ndarray]] = {method: [] for method in methods}
    similarities: dict[str, list[np.ndarray]] = {method: [] for method in methods}
    for name, network in tqdm(networks, "sanity", unit="network", disable=None):
        names.append(name)
        maps = draw(network)
        for method in methods:
            pair = reference[method], maps[method]
            correlations[method].append(rank_correlation(*pair))
            similarities[method].append(structural_similarity(*pair))
    items = {
        method: Sanity(
            np.stack(correlations[method]), np.stack(similarities[method]), chosen, scenes
        )
        for method in methods
    }
    write_sanity(out, items, names)


def _networks(
    model: nn.Module,
    stages: Sequence[tuple[str, tuple[str, ...]]],
    key: Sequence[int],
    limit: int | None,
    independent: bool,
    random_labels: nn.Module | None,
    device: torch.device | str,
) -> Iterator[tuple[str, nn.Module]]:
    yield from cascade(model, stages, key, limit)
    if independent:
        for name, network in one_by_one(model, stages, key, limit):
            yield f"{ONLY}{name}", network
    if random_labels is not None:
        yield RANDOM_LABELS, random_labels.to(device)
