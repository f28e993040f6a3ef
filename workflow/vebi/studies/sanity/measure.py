"""Maps of a trained network beside the maps of networks that have lost what it learnt."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from vebi.config.sanity import RandomisationConfig
from vebi.config.stages import HeatmapConfig
from vebi.data.dataset import TEST
from vebi.data.scenes import read_scenes
from vebi.data.subset import spread_over_classes
from vebi.descriptors.descriptor_file import layers_of
from vebi.heatmaps.draw import Targets, choose_targets, merged_maps
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.heatmaps.subject import Subject, WeightedDescriptors
from vebi.io.errors import VebiError
from vebi.network.batches import map_batches, split_batches
from vebi.network.layers import Layer, list_layers
from vebi.network.passes import to_network_input
from vebi.studies.sanity.randomise import cascade, one_by_one, weighted_stages
from vebi.studies.sanity.sanity_file import ONLY, RANDOM_LABELS, Sanity, write_sanity
from vebi.studies.sanity.similarity import rank_correlation, structural_similarity

# Maps of the images that are compared at one time.
MAPS_BYTES = 512 * 2**20


def measure(
    network: InterpretedNetwork,
    out: Path,
    settings: RandomisationConfig,
    maps: HeatmapConfig,
    *,
    key: Sequence[int],
    random_labels: nn.Module | None = None,
) -> None:
    """Write to `out` how alike each method's maps stay as the network's layers are randomised.

    What is explained stays as it was: the trained network's prediction for an image and the features
    chosen for it, also where a randomised network would predict another class or rank other features.
    Networks, in this order: the cascade from the class scores down; with `settings.independent` each
    layer alone; `random_labels`.

    Args:
        network: the trained one.
        out: sanity.h5.
        settings: how many images, and which layers are randomised.
        maps: the methods, and how their maps are made.
        key: seeds the new weights, root seed first; the same for every method and image.
        random_labels: the same network trained on shuffled labels, if there is one.

    Raises:
        VebiError: the data set has no test images.
    """
    dataset, device = network.dataset, network.device
    methods: list[str] = [*maps.methods]
    chosen = spread_over_classes(dataset.labels, dataset.indices(TEST), settings.images)
    if not len(chosen):
        raise VebiError(f"{dataset.path} has no test images to explain.")
    scenes = read_scenes(dataset, chosen)
    model = network.model.to(device)
    example = to_network_input(next(dataset.batches(chosen[:1], 1))[1], device)
    layers = list_layers(model, example)
    stages = weighted_stages(model, example)
    if random_labels is not None:
        random_labels = random_labels.to(device)
    names: list[str] = []
    parts = []
    for some in _parts(chosen, len(methods), dataset.image_shape, maps.batch_size):
        networks = _networks(model, stages, settings, key, random_labels)
        names, measured = _measure_images(network, layers, some, maps, networks, seed=key[0])
        parts.append(measured)
    items = {}
    for method in methods:
        correlation, similarity = np.concatenate([part[method] for part in parts], axis=2)
        items[method] = Sanity(correlation, similarity, chosen, scenes)
    write_sanity(out, items, names)


def _parts(
    chosen: np.ndarray, n_methods: int, shape: tuple[int, int, int], batch_size: int
) -> Iterator[np.ndarray]:
    """Images whose maps by all methods, of the trained network and of one other, fit MAPS_BYTES."""
    batch_bytes = batch_size * n_methods * shape[0] * shape[1] * 2 * 4
    size = batch_size * max(1, MAPS_BYTES // batch_bytes)
    for start in range(0, len(chosen), size):
        yield chosen[start : start + size]


def _measure_images(
    network: InterpretedNetwork,
    layers: Sequence[Layer],
    chosen: np.ndarray,
    maps: HeatmapConfig,
    networks: Iterator[tuple[str, nn.Module]],
    *,
    seed: int,
) -> tuple[list[str], dict[str, np.ndarray]]:
    """The names of `networks`, and of each method rank correlation and SSIM: (2, networks, N)."""
    methods: list[str] = [*maps.methods]
    images, targets = _targets(network, layers, chosen, maps, seed=seed)

    def draw(randomised: nn.Module) -> dict[str, np.ndarray]:
        """Maps (N, H, W) of all images by every method."""
        parts = map_batches(
            split_batches(images, maps.batch_size),
            lambda rows, some: merged_maps(
                randomised, some, layers, targets.at(rows), methods, ig_steps=maps.ig_steps
            ),
        )
        drawn = [{method: one.cpu().numpy() for method, one in of.items()} for _, of in parts]
        return {method: np.concatenate([of[method] for of in drawn]) for method in methods}

    reference = draw(network.model)
    names, measured = [], []
    for name, randomised in tqdm(networks, "sanity", unit="network", disable=None):
        names.append(name)
        measured.append(_compare(reference, draw(randomised)))
    stacked = {method: np.stack([one[method] for one in measured], axis=1) for method in methods}
    return names, stacked


def _compare(
    reference: Mapping[str, np.ndarray], drawn: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Rank correlation and SSIM of each method's maps (N, H, W) with the reference's: (2, N)."""
    return {
        method: np.stack(
            [rank_correlation(maps, drawn[method]), structural_similarity(maps, drawn[method])]
        )
        for method, maps in reference.items()
    }


def _targets(
    network: InterpretedNetwork,
    layers: Sequence[Layer],
    chosen: np.ndarray,
    maps: HeatmapConfig,
    *,
    seed: int,
) -> tuple[Tensor, Targets]:
    """The images at `chosen`, float (N, C, H, W), and what is explained of each."""
    descriptors = network.descriptors
    described = layers_of(layers, descriptors)

    def choose(indices: np.ndarray, raw: np.ndarray) -> tuple[Tensor, Targets]:
        subject = Subject(
            model=network.model,
            images=to_network_input(raw, network.device),
            layers=layers,
            predictions=descriptors.predictions[indices],
            image_index=indices,
            weighted=WeightedDescriptors(described, descriptors.rows(indices), network.weights),
            seed=seed,
        )
        return subject.images, choose_targets(subject, maps.methods, maps.top)

    batches = network.dataset.batches(chosen, maps.batch_size)
    parts = [part for _, part in map_batches(batches, choose)]
    return torch.cat([some for some, _ in parts]), Targets.joined([some for _, some in parts])


def _networks(
    model: nn.Module,
    stages: Sequence[tuple[str, tuple[str, ...]]],
    settings: RandomisationConfig,
    key: Sequence[int],
    random_labels: nn.Module | None,
) -> Iterator[tuple[str, nn.Module]]:
    yield from cascade(model, stages, key, settings.layers)
    if settings.independent:
        for name, network in one_by_one(model, stages, key, settings.layers):
            yield f"{ONLY}{name}", network
    if random_labels is not None:
        yield RANDOM_LABELS, random_labels
