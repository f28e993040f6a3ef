"""The selected features of one mu against controls that are matched in several ways."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from vebi.config.controls import ControlsConfig
from vebi.data.dataset import TEST, TRAIN, Dataset
from vebi.data.scenes import read_scenes
from vebi.descriptors.descriptor_file import DescriptorFile, layers_of
from vebi.network.layers import Layer, list_layers
from vebi.network.passes import to_network_input
from vebi.statistics import draw_key, over_scenes, scene_means
from vebi.studies.ablation.ablate import ablate, class_weights
from vebi.studies.ablation.measure import get_pool, get_selected
from vebi.studies.controls.draws import CONTROLS, Features

# From here on a control is mostly the selection itself.
MOST_OVERLAP = 0.5


def run_study(
    model: nn.Module,
    dataset: Dataset,
    descriptors: DescriptorFile,
    selections: Mapping[str, pd.DataFrame],
    settings: ControlsConfig,
    *,
    mu: float,
    key: Sequence[int],
    device: torch.device | str = "cpu",
) -> pd.DataFrame:
    """One row per scope and control, on the test split; columns as in the table ablation_controls.

    Args:
        model: the whole network.
        dataset: its images.
        descriptors: of the same network, whose means say how much each feature responds.
        selections: a selected_features table by scope.
        settings: draws of each control, images at a time.
        mu: whose selection is removed.
        key: seeds the draws.
        device: where to compute.
    """
    rows = dataset.indices(TEST)
    example = next(dataset.batches(rows[:1], 1))[1]
    layers = list_layers(model, to_network_input(example, device))
    norms = mean_norms(layers, descriptors)
    conditions, groups = [np.zeros((0, 2), np.int64)], []
    for s, (scope, table) in enumerate(sorted(selections.items())):
        pool = get_pool(layers, scope)
        norm = np.array([norms.get(tuple(feature), 0.0) for feature in pool.tolist()])
        features = Features(get_selected(table, mu, layers), pool, norm)
        conditions.append(features.selected)
        selected_row = len(conditions) - 1
        for control, draw in CONTROLS.items():
            drawn = [
                draw(
                    features,
                    layers,
                    np.random.default_rng(draw_key(f"controls: {control}", *key, s, repeat)),
                )
                for repeat in range(settings.repeats)
            ]
            groups.append((scope, control, features, selected_row, len(conditions)))
            conditions += drawn
    labels = dataset.labels[rows]
    predictions = ablate(
        model, dataset, rows, conditions, settings.batch_size, device=device, layers=layers
    )
    hits = class_weights(labels) * (predictions == labels)
    scenes = read_scenes(dataset, rows)
    found = []
    for scope, control, features, selected_row, first in groups:
        drawn = conditions[first : first + settings.repeats]
        row = {"scope": scope, "mu": mu, "control": control}
        row |= describe_draws(features, drawn, layers)
        control_hits = hits[first : first + settings.repeats].mean(0)
        row |= _effect(hits[0], hits[selected_row], control_hits, scenes)
        found.append({**row, "repeats": settings.repeats})
    return pd.DataFrame(found)


def mean_norms(
    layers: Sequence[Layer], descriptors: DescriptorFile
) -> dict[tuple[int, int], float]:
    """Each feature's mean share of its layer's response over the training images, by (layer, channel)."""
    index = np.array([layer.index for layer in layers_of(layers, descriptors)])
    train = np.flatnonzero(descriptors.split == TRAIN)
    mean = descriptors.rows(train).mean(0, dtype=np.float64)
    places = zip(index[descriptors.feature_layer], descriptors.feature_channel, strict=True)
    return {
        (int(layer), int(channel)): float(value)
        for (layer, channel), value in zip(places, mean, strict=True)
    }


def describe_draws(
    features: Features, drawn: Sequence[NDArray[np.int64]], layers: Sequence[Layer]
) -> dict[str, float | str]:
    """How like the selection a control is: means over its draws."""
    width = {layer.index: layer.n_channels for layer in layers}
    norm = dict(zip(map(tuple, features.pool.tolist()), features.norm.tolist(), strict=True))
    chosen = set(map(tuple, features.selected.tolist()))
    overlaps, shares, norms = [], [], []
    for draw in drawn:
        members = list(map(tuple, draw.tolist()))
        overlaps.append(sum(member in chosen for member in members) / max(1, len(members)))
        found, counts = np.unique(draw[:, 0], return_counts=True)
        parts = [n / width[layer] for layer, n in zip(found.tolist(), counts, strict=True)]
        shares.append(max(parts, default=0.0))
        norms.append(sum(norm[member] for member in members))
    overlap = float(np.mean(overlaps))
    return {
        "n_selected": len(chosen),
        "n_control": float(np.mean([len(draw) for draw in drawn])),
        "overlap": overlap,
        "leaves_something": "no" if overlap >= MOST_OVERLAP else "yes",
        "largest_layer_share": float(np.mean(shares)),
        "norm_selected": sum(norm[member] for member in chosen),
        "norm_control": float(np.mean(norms)),
    }


def _effect(
    whole: NDArray[np.float64],
    selected: NDArray[np.float64],
    control: NDArray[np.float64],
    scenes: NDArray[np.int64],
) -> dict[str, float]:
    """Drops of mean class accuracy and their difference, from weighted hits and scenes (N) each."""
    estimate = over_scenes(scene_means(control - selected, scenes))
    return {
        "drop_selected": float((whole - selected).mean()),
        "drop_control": float((whole - control).mean()),
        "difference": float((control - selected).mean()),
        "ci_low": float(estimate.low),
        "ci_high": float(estimate.high),
        "n_images": len(whole),
    }
