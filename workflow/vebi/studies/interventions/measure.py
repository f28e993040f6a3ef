"""What rendered interventions do to a network, its selected features, and where the maps lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from vebi.catalogue.methods import CHANCE
from vebi.config.interventions import EffectConfig
from vebi.data.dataset import Dataset
from vebi.data.scenes import read_scenes
from vebi.descriptors.descriptor_file import layers_of
from vebi.heatmaps.heatmap_file import read_heatmaps
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.network.batches import map_batches, split_batches
from vebi.network.layers import Layer, feature_index, list_layers
from vebi.network.passes import responses, to_network_input
from vebi.network.scores import probabilities
from vebi.statistics import draw_key
from vebi.studies.interventions.boxes import under_boxes
from vebi.studies.interventions.effects_file import BOXES, Effects, write_effects
from vebi.studies.interventions.interventions_file import (
    Intervened,
    read_changes,
    read_interventions,
)
from vebi.studies.interventions.parts import shares_on_parts
from vebi.studies.occlusion.measure import mean_fill

# Parts that are everywhere: a box around one would be the whole image.
BACKGROUND = ("ground", "sky", "shadow")
BATCH = 32


def measure(
    network: InterpretedNetwork,
    interventions: Path,
    heatmaps: Mapping[str, Path],
    out: Path,
    settings: EffectConfig,
    *,
    seed: int,
) -> None:
    """Write to `out` the effects of all interventions, and how each method's maps lie on the parts.

    The method `random` has maps of independent uniform pixels, whose key is (`seed`, image).

    Args:
        network: the trained one, with the features that were selected in it.
        interventions: the rendered images.
        heatmaps: files by method.
        out: effects.h5.
        settings: how many features of each class are followed.
        seed: root of the random maps.

    Raises:
        VebiError: the interventions are on other images than the data set's, or heatmaps are missing.
    """
    dataset = network.dataset
    pictures, index = _read_pictures(interventions, dataset)
    masks = np.stack([np.stack(list(one.masks.values())) for one in pictures])
    shares = {
        name: shares_on_parts(read_heatmaps(path, index), masks)
        for name, path in sorted(heatmaps.items())
    }
    chance = random_maps(index, dataset.image_shape[:2], seed)
    shares[CHANCE.name] = shares_on_parts(chance, masks)
    effects = _effects(
        _Observer.of(network, settings),
        pictures,
        read_changes(interventions),
        scene=read_scenes(dataset, index),
        fill=mean_fill(dataset, "mean_colour")[:, 0, 0].numpy(),
    )
    mass = {name: mass for name, (mass, _) in shares.items()}
    density = {name: density for name, (_, density) in shares.items()}
    write_effects(out, replace(effects, mass=mass, density=density))


def effects_on(
    model: nn.Module, pictures: Sequence[Intervened], changes: tuple[Sequence[str], Sequence[str]]
) -> Effects:
    """What interventions do to any network that takes these images; no boxes, no features, no maps.

    Args:
        model: gives a score per class, before softmax.
        pictures: images with their interventions.
        changes: part and kind of each, from `read_changes`.
    """
    scene = np.array([one.scene.base for one in pictures], np.int64)
    return _effects(_Observer.without_features(model), pictures, changes, scene=scene, fill=None)


def _effects(
    observed: "_Observer",
    pictures: Sequence[Intervened],
    changes: tuple[Sequence[str], Sequence[str]],
    *,
    scene: NDArray[np.int64],
    fill: NDArray[np.float32] | None,
) -> Effects:
    """The effects on images of these scenes (n), without maps; of boxes too if they have a colour."""
    parts, kinds = changes
    names = list(pictures[0].masks)
    found = [
        _observe(observed, one, parts, kinds, fill)
        for one in tqdm(pictures, "interventions", unit="image", disable=None)
    ]
    columns = {name: np.stack([one[name] for one in found]) for name in found[0]}
    return Effects(
        image_index=np.array([one.index for one in pictures], np.int64),
        scene=scene,
        class_part=np.array([names.index(one.scene.part) for one in pictures]),
        change_parts=np.array(parts),
        change_kinds=np.array(kinds),
        parts=np.array(names),
        area=np.stack([[mask.mean() for mask in one.masks.values()] for one in pictures]),
        features=observed.chosen,
        weights=observed.weights,
        mass={},
        density={},
        **columns,
    )


def _read_pictures(
    interventions: Path, dataset: Dataset
) -> tuple[list[Intervened], NDArray[np.int64]]:
    """The rendered images and their rows in the data set; VebiError if it has others there."""
    images = list(read_interventions(interventions))
    index = np.array([one.index for one in images])
    if not np.array_equal(dataset.images_at(index), np.stack([one.image for one in images])):
        raise VebiError(f"{interventions} has other images than {dataset.path}. Render them again.")
    return images, index


@dataclass(frozen=True)
class _Observer:
    """A network with the features (F) that are watched in it.

    `chosen` int64 (F, 3): class, place in the descriptor file's layers, channel; `places` (F): place of
    the layer in `watched`.
    """

    model: nn.Module
    device: torch.device | str
    layers: Sequence[Layer]
    watched: Sequence[Layer]
    places: NDArray[np.int64]
    chosen: NDArray[np.int64]
    weights: NDArray[np.float64]
    batch_size: int

    @classmethod
    def without_features(cls, model: nn.Module) -> "_Observer":
        """Watch the class scores alone."""
        nothing = np.zeros(0, np.int64)
        return cls(model, "cpu", [], [], nothing, np.zeros((0, 3), np.int64), np.zeros(0), BATCH)

    @classmethod
    def of(cls, network: InterpretedNetwork, settings: EffectConfig) -> "_Observer":
        """Watch the features of each class with the largest positive weights."""
        example = to_network_input(network.dataset.images_at(np.array([0])))
        layers = list_layers(network.model.to(network.device), example.to(network.device))
        described = layers_of(layers, network.descriptors)
        positions, channels = feature_index(described)
        chosen, weights = [], []
        for label, of_class in enumerate(network.weights):
            for column in np.argsort(-of_class, kind="stable")[: settings.features]:
                if of_class[column] > 0:
                    chosen.append((label, positions[column], channels[column]))
                    weights.append(of_class[column])
        table = np.array(chosen, np.int64).reshape(-1, 3)
        used = np.unique(table[:, 1])
        return cls(
            model=network.model,
            device=network.device,
            layers=layers,
            watched=[described[position] for position in used],
            places=np.searchsorted(used, table[:, 1]),
            chosen=table,
            weights=np.array(weights, np.float64),
            batch_size=settings.batch_size,
        )

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Class scores (N, classes) and responses of the features (N, F), of uint8 images."""

        def look(
            _: NDArray[np.int64], raw: NDArray[np.uint8]
        ) -> tuple[Tensor, NDArray[np.float64]]:
            batch = to_network_input(raw, self.device)
            scores, maps = responses(self.model, batch, self.layers, self.watched)
            norms = [
                torch.linalg.vector_norm(
                    response.movedim(layer.channel_axis, 1).flatten(2)
                    if response.ndim > 2
                    else response.unsqueeze(2),
                    dim=2,
                )
                for layer, response in zip(self.watched, maps, strict=True)
            ]
            found = [
                norms[place][:, channel].double().cpu().numpy()
                for place, channel in zip(self.places, self.chosen[:, 2], strict=True)
            ]
            return scores.cpu(), np.stack(found, 1) if found else np.zeros((len(raw), 0))

        done = [one for _, one in map_batches(split_batches(images, self.batch_size), look)]
        scores = torch.cat([scores for scores, _ in done])
        return scores.double().numpy(), np.concatenate([found for _, found in done])


def _observe(
    observer: _Observer,
    one: Intervened,
    parts: Sequence[str],
    kinds: Sequence[str],
    fill: NDArray[np.float32] | None,
) -> dict[str, NDArray[np.float64]]:
    """The fields of `Effects` that one image has; `fill` is the colour of boxes, None: there are none."""
    k = len(parts)
    boxed, covered = _under_boxes(one, parts, kinds, fill)
    scores, responded = observer.look(np.concatenate([one.image[None], one.changed, *covered]))
    label = int(scores[0].argmax())
    likely = probabilities(torch.from_numpy(scores))[:, label].numpy()
    drop = np.where(one.applies, scores[0, label] - scores[1 : k + 1, label], np.nan)
    box_drop = np.full((k, len(BOXES)), np.nan)
    box_drop[boxed] = scores[0, label] - scores[k + 1 :, label].reshape(-1, len(BOXES))
    before, after = responded[0], responded[1 : k + 1]
    lost = np.divide(before - after, before, out=np.zeros_like(after), where=before > 0)
    return {
        "score": np.array(scores[0, label]),
        "score_drop": drop,
        "probability_drop": np.where(one.applies, likely[0] - likely[1 : k + 1], np.nan),
        "changed_class": np.where(one.applies, scores[1 : k + 1].argmax(1) != label, np.nan),
        "box_drop": box_drop,
        "response": before,
        "response_drop": np.where(one.applies[:, None], lost, np.nan),
    }


def _under_boxes(
    one: Intervened,
    parts: Sequence[str],
    kinds: Sequence[str],
    fill: NDArray[np.float32] | None,
) -> tuple[list[int], list[NDArray[np.uint8]]]:
    """Numbers of the removals that boxes can stand in for, and for each the image under BOXES."""
    if fill is None:
        return [], []
    boxed = [
        change
        for change, (part, kind) in enumerate(zip(parts, kinds, strict=True))
        if kind == "removed" and part not in BACKGROUND and one.applies[change]
        if one.masks[part].any()
    ]
    return boxed, [under_boxes(one.image, one.masks[parts[change]], fill) for change in boxed]


def random_maps(index: NDArray[np.integer], shape: Sequence[int], seed: int) -> NDArray[np.float64]:
    """Maps (n, H, W) of independent uniform pixels, keyed by seed and the images' rows (n)."""
    keys = [draw_key("interventions: random map", seed, i) for i in index]
    return np.stack([np.random.default_rng(key).random(shape) for key in keys])
