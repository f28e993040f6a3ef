"""What removing the chosen channels does to the prediction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.network.batches import map_batches, split_batches
from vebi.network.layers import Layer
from vebi.perturbation.choose import CHOICES
from vebi.studies.perturbation.chosen_channels import (
    Measured,
    StudySettings,
    choose_sets,
    repeats_of,
)
from vebi.studies.perturbation.removal import Removal, scores_without

ALL_LAYERS = "all"


@dataclass(frozen=True)
class Drop:
    """Losses of N images without the channels of one choice, averaged over its repeats.

    `layer` is a layer's name, or "all": its share of every layer at once. `score` float64 (N): softmax of
    the predicted class before minus after; `hit` float64 (N): right before minus right after;
    `removed`: mean number of channels.
    """

    layer: str
    choice: str
    k: int
    score: NDArray[np.float64]
    hit: NDArray[np.float64]
    removed: float


def measure_drops(
    model: nn.Module,
    images: Tensor,
    labels: NDArray[np.int64],
    layers: Sequence[Layer],
    measured: Measured,
    *,
    settings: StudySettings,
) -> list[Drop]:
    """Remove every choice's channels from each layer alone and from all: see `Drop`.

    Args:
        model: the whole network.
        images: float (N, C, H, W), those of `measured`.
        labels: (N), their classes.
        layers: all of the network's.
        measured: the channels' metrics.
        settings: how many channels are removed, how often random ones are drawn.
    """
    described: list[tuple[str, str, int, int]] = []
    removals: list[dict[int, Tensor]] = []
    for choice in CHOICES:
        for k in settings.ks:
            for repeat in range(repeats_of(choice, settings.repeats)):
                sets = choose_sets(measured, choice, k, repeat)
                masks = {
                    layer.index: _mask(sets[layer.index], layer.n_channels)
                    for layer in measured.layers
                }
                for layer in measured.layers:
                    described.append((layer.name, choice, k, repeat))
                    removals.append({layer.index: masks[layer.index]})
                described.append((ALL_LAYERS, choice, k, repeat))
                removals.append(masks)
    before, after = _scores(model, images, layers, removals, settings.batch_size)
    rows = np.arange(len(labels))
    confidence = before[rows, measured.predicted]
    hits = before.argmax(1) == labels
    losses = confidence - after[:, rows, measured.predicted]
    hit_losses = hits.astype(float) - (after.argmax(2) == labels)
    drops = []
    for layer_name, choice, k in dict.fromkeys(key[:3] for key in described):
        at = [i for i, key in enumerate(described) if key[:3] == (layer_name, choice, k)]
        counts = [sum(float(mask.sum()) for mask in removals[i].values()) for i in at]
        drops.append(
            Drop(
                layer=layer_name,
                choice=choice,
                k=k,
                score=losses[at].mean(0),
                hit=hit_losses[at].mean(0),
                removed=float(np.mean(counts)) / len(labels),
            )
        )
    return drops


def _mask(sets: Sequence[NDArray[np.int64]], n_channels: int) -> Tensor:
    mask = torch.zeros(len(sets), n_channels, dtype=torch.bool)
    for row, channels in enumerate(sets):
        mask[row, torch.from_numpy(channels)] = True
    return mask


def _scores(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    removals: Sequence[Removal],
    batch_size: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Softmax before (N, classes) and after (conditions, N, classes)."""

    def remove(rows: NDArray[np.int64], some: Tensor) -> tuple[Tensor, Tensor]:
        of_some = [
            {index: mask[rows].to(images.device) for index, mask in removal.items()}
            for removal in removals
        ]
        return scores_without(model, some, layers, of_some)

    parts = [scores for _, scores in map_batches(split_batches(images, batch_size), remove)]
    before = torch.cat([whole for whole, _ in parts])
    after = torch.cat([scores for _, scores in parts], 1)
    whole, without = (torch.softmax(s.double(), -1).cpu().numpy() for s in (before, after))
    return whole, without
