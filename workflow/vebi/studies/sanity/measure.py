"""Maps of a trained network compared with the maps of networks that have lost what it learnt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from vebi.config.sanity import RandomisationConfig
from vebi.config.stages import HeatmapConfig
from vebi.data.dataset import TEST, Dataset
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
from vebi.perturbation.resample import Sampling
from vebi.studies.sanity.randomise import (
    Networks,
    Stages,
    cascade,
    one_by_one,
    weighted_stages,
)
from vebi.studies.sanity.reselect import Reselection
from vebi.studies.sanity.sanity_file import ONLY, RANDOM_LABELS, Sanity, write_sanity
from vebi.studies.sanity.similarity import rank_correlation, structural_similarity

# Maps (N, H, W) by method.
Maps = dict[str, NDArray[np.float32]]


def measure(
    network: InterpretedNetwork,
    out: Path,
    settings: RandomisationConfig,
    maps: HeatmapConfig,
    *,
    key: Sequence[int],
    seed: int,
    random_labels: nn.Module | None = None,
    reselection: Reselection | None = None,
) -> None:
    """Write to `out` how alike each method's maps stay as the network's layers are randomised.

    What is explained stays as it was: the trained network's prediction for an image and the features
    chosen for it, also where a randomised network would predict another class or rank other features.
    With a `reselection` every network also has its own prediction explained, by features selected in
    it, and is compared with the trained network treated in the same way: VEBI as a whole.
    Networks, in this order: the cascade from the class scores down; with `settings.independent` each
    layer alone; `random_labels`.

    Args:
        network: the trained one.
        out: sanity.h5.
        settings: how many images, and which layers are randomised.
        maps: the methods, and how their maps are made.
        key: names the network; part of the key of its new weights, which are the same for every method
            and image.
        seed: root of a source's random draws, as for heatmaps.
        random_labels: the same network trained on shuffled labels, if there is one.
        reselection: how features are selected again.

    Raises:
        VebiError: the data set has no test images.
    """
    dataset, model = network.dataset, network.model.to(network.device)
    chosen = spread_over_classes(dataset.labels, dataset.indices(TEST), settings.images)
    if not len(chosen):
        raise VebiError(f"{dataset.path} has no test images to explain.")
    explained = _Explained.of(network, chosen, maps, seed)
    targets = explained.trained_targets(network)
    reference = explained.draw(model, targets)
    reference_again = explained.draw_again(model, dataset, reselection) if reselection else {}
    stages = weighted_stages(model, explained.images[:1])
    if random_labels is not None:
        random_labels = random_labels.to(network.device)
    networks = _networks(model, stages, settings, key, random_labels)
    names, measured, again = [], [], []
    for name, randomised in tqdm(networks, "sanity", unit="network", disable=None):
        names.append(name)
        measured.append(_compare(reference, explained.draw(randomised, targets)))
        if reselection:
            drawn = explained.draw_again(randomised, dataset, reselection)
            again.append(_compare(reference_again, drawn))
    scenes = read_scenes(dataset, chosen)
    items = {}
    for method in maps.names:
        correlation, similarity = np.stack([one[method] for one in measured], axis=1)
        whole = np.stack([one[method][0] for one in again]) if again else None
        items[method] = Sanity(correlation, similarity, chosen, scenes, whole)
    write_sanity(out, items, names)


@dataclass(frozen=True, eq=False)
class _Explained:
    """The images (N, C, H, W) at `chosen`, and how their maps are made."""

    images: Tensor
    chosen: NDArray[np.int64]
    layers: list[Layer]
    maps: HeatmapConfig
    sampling: Sampling
    seed: int

    @classmethod
    def of(
        cls,
        network: InterpretedNetwork,
        chosen: NDArray[np.int64],
        maps: HeatmapConfig,
        seed: int,
    ) -> "_Explained":
        """The images at `chosen` (N) of the network's data set."""
        images = to_network_input(network.dataset.read("images", chosen), network.device)
        layers = list_layers(network.model, images[:1])
        return cls(images, chosen, layers, maps, network.sampling, seed)

    def trained_targets(self, network: InterpretedNetwork) -> Targets:
        """What is explained of the trained network: its predictions and its selected features."""
        found = network.descriptors
        described = layers_of(self.layers, found)
        weighted = WeightedDescriptors(described, found.rows(self.chosen), network.weights)
        return self.targets(network.model, found.predictions[self.chosen], weighted)

    def targets(
        self, model: nn.Module, predictions: NDArray[np.int64], weighted: WeightedDescriptors
    ) -> Targets:
        """What is explained of each image: the classes `predictions` (N), features by `weighted`."""

        def choose(rows: NDArray[np.int64], some: Tensor) -> Targets:
            subject = Subject(
                model=model,
                images=some,
                layers=self.layers,
                predictions=predictions[rows],
                image_index=self.chosen[rows],
                weighted=WeightedDescriptors(
                    weighted.layers, weighted.descriptors[rows], weighted.weights
                ),
                seed=self.seed,
                sampling=self.sampling,
            )
            return choose_targets(subject, self.maps.names, self.maps.top)

        batches = split_batches(self.images, self.maps.batch_size)
        return Targets.joined([part for _, part in map_batches(batches, choose)])

    def draw(self, model: nn.Module, targets: Targets) -> Maps:
        """Maps of all images by every method."""
        methods: list[str] = [*self.maps.names]
        parts = map_batches(
            split_batches(self.images, self.maps.batch_size),
            lambda rows, some: merged_maps(
                model, some, self.layers, targets.at(rows), methods, ig_steps=self.maps.ig_steps
            ),
        )
        drawn = [{method: one.cpu().numpy() for method, one in of.items()} for _, of in parts]
        return {method: np.concatenate([of[method] for of in drawn]) for method in methods}

    def draw_again(self, model: nn.Module, dataset: Dataset, reselection: Reselection) -> Maps:
        """Maps of what `model` itself predicts, by features that are selected in it."""
        found = reselection.of(model, dataset, self.layers, self.chosen, self.images.device)
        return self.draw(model, self.targets(model, *found))


def _compare(
    reference: Mapping[str, NDArray[np.float32]], drawn: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float64]]:
    """Rank correlation and SSIM of each method's maps (N, H, W) with the reference's: (2, N)."""
    return {
        method: np.stack(
            [rank_correlation(maps, drawn[method]), structural_similarity(maps, drawn[method])]
        )
        for method, maps in reference.items()
    }


def _networks(
    model: nn.Module,
    stages: Stages,
    settings: RandomisationConfig,
    key: Sequence[int],
    random_labels: nn.Module | None,
) -> Networks:
    yield from cascade(model, stages, key, settings.layers)
    if settings.independent:
        for name, network in one_by_one(model, stages, key, settings.layers):
            yield f"{ONLY}{name}", network
    if random_labels is not None:
        yield RANDOM_LABELS, random_labels
