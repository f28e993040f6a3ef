"""One network's selection: how stable it is, and what removing other rankings' features costs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.config.identifiability import IdentifiabilityConfig
from vebi.data.dataset import TEST, TRAIN
from vebi.data.scenes import read_scenes
from vebi.data.subset import spread_over_classes
from vebi.descriptors.descriptor_file import layers_of
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.network.layers import Layer, list_layers
from vebi.network.passes import to_network_input
from vebi.selection.select import Problem
from vebi.statistics import draw_key, over_images
from vebi.studies.ablation.ablate import ablate, class_weights
from vebi.studies.ablation.measure import draw_control
from vebi.studies.identifiability.rankings import (
    CAUSAL,
    PREDICTIVE,
    matched,
    rank_by_gradient,
    rank_by_prediction,
)
from vebi.studies.identifiability.resampled import Regression, resample, support_row

SELECTED, RANDOM = "selected", "random_layer_matched"
KINDS = {
    SELECTED: "selected",
    **dict.fromkeys(PREDICTIVE, "predictive"),
    **dict.fromkeys(CAUSAL, "gradient"),
    RANDOM: "random",
}


def run_study(
    network: InterpretedNetwork,
    settings: IdentifiabilityConfig,
    *,
    columns: NDArray[np.int64],
    mu: float,
    problem: Problem,
    key: Sequence[int],
) -> dict[str, pd.DataFrame]:
    """The tables of one network without the run's keys: stability, supports, rivals.

    Args:
        network: with its selection at `mu`.
        settings: of the study.
        columns: (k), which of the descriptors' columns are in the scope that was selected from.
        mu: of the selection.
        problem: which form of Eq. 1 was solved: its sign of weights, and what is regressed on.
        key: names the network; part of the key of every draw.
    """
    descriptors, dataset = network.descriptors, network.dataset
    train = dataset.indices(TRAIN)
    train = np.sort(spread_over_classes(dataset.labels, train, settings.training_images))
    targets = descriptors.predictions if problem.labels == "predictions" else dataset.labels
    regression = Regression(
        descriptors.rows(train)[:, columns].astype(np.float64),
        targets[train],
        len(dataset.classes),
        mu,
        problem.nonnegative,
    )
    purpose = "identifiability: bootstrap of the selection"
    keys = [draw_key(purpose, *key, number) for number in range(settings.resamples)]
    selected = resample(regression, read_scenes(dataset, train), keys)
    weights = network.weights[:, columns]
    model = network.model.to(network.device)
    example = to_network_input(dataset.images_at(train[:1]), network.device)
    layers = list_layers(model, example)
    described = layers_of(layers, descriptors)
    index = np.array([layer.index for layer in described], np.int64)
    features = np.column_stack([index[descriptors.feature_layer], descriptors.feature_channel])
    supports = [
        {"class_index": label}
        | support_row(
            regression, label, weights[label] != 0, selected[:, label], settings.tolerance
        )
        for label in range(len(weights))
    ]
    return {
        "stability": _stability(weights, selected, features[columns], layers),
        "supports": pd.DataFrame(supports),
        "rivals": _rivals(
            *(network, regression, settings),
            layers=layers,
            features=features[columns],
            weights=weights,
            key=key,
        ),
    }


def _stability(
    weights: NDArray[np.float64],
    selected: NDArray[np.bool_],
    features: NDArray[np.int64],
    layers: Sequence[Layer],
) -> pd.DataFrame:
    names = {layer.index: layer.name for layer in layers}
    share = selected.mean(0)
    return pd.DataFrame(
        [
            {
                "class_index": int(label),
                "layer": names[int(features[column, 0])],
                "channel": int(features[column, 1]),
                "weight": weights[label, column],
                "selected_share": share[label, column],
                "n_resamples": len(selected),
            }
            for label, column in np.argwhere(weights != 0)
        ],
        columns=["class_index", "layer", "channel", "weight", "selected_share", "n_resamples"],
    )


def _rivals(
    network: InterpretedNetwork,
    regression: Regression,
    settings: IdentifiabilityConfig,
    *,
    layers: Sequence[Layer],
    features: NDArray[np.int64],
    weights: NDArray[np.float64],
    key: Sequence[int],
) -> pd.DataFrame:
    """Every ranking's features, as many per layer as are selected, removed on the test images."""
    dataset, model = network.dataset, network.model
    chosen = features[(weights != 0).any(0)]
    chosen = chosen[np.lexsort(chosen.T[::-1])]
    train = spread_over_classes(dataset.labels, dataset.indices(TRAIN), settings.images)
    used = [layer for layer in layers if layer.index in set(features[:, 0].tolist())]
    taylor = rank_by_gradient(
        *(model, dataset, train, used), batch_size=settings.batch_size, device=network.device
    )
    values = rank_by_prediction(
        regression.X, regression.labels, regression.n_classes, max(1, len(chosen))
    )
    values["taylor"] = np.array([taylor[layer][channel] for layer, channel in features.tolist()])
    conditions = {SELECTED: [chosen]}
    conditions |= {name: [matched(one, features, chosen)] for name, one in values.items()}
    conditions[RANDOM] = [
        draw_control(
            RANDOM,
            chosen,
            features,
            np.random.default_rng(draw_key("identifiability: random features", *key, repeat)),
        )
        for repeat in range(settings.repeats)
    ]
    return _costs(network, conditions, settings.batch_size, layers)


def _costs(
    network: InterpretedNetwork,
    conditions: Mapping[str, Sequence[NDArray[np.int64]]],
    batch_size: int,
    layers: Sequence[Layer],
) -> pd.DataFrame:
    dataset = network.dataset
    rows = dataset.indices(TEST)
    labels, scenes = dataset.labels[rows], read_scenes(dataset, rows)
    whole = np.zeros((0, 2), np.int64)
    flat = [whole, *(one for drawn in conditions.values() for one in drawn)]
    predictions = ablate(
        *(network.model, dataset, rows, flat, batch_size), device=network.device, layers=layers
    )
    hits = class_weights(labels) * (predictions == labels)
    first, found = 1, {}
    for name, drawn in conditions.items():
        found[name] = hits[first : first + len(drawn)].mean(0)
        first += len(drawn)
    members = set(map(tuple, conditions[SELECTED][0].tolist()))
    table = []
    for name, left in found.items():
        effect = over_images((found[SELECTED] - left)[None], scenes)
        common = [sum(tuple(f) in members for f in one.tolist()) for one in conditions[name]]
        count = float(np.mean([len(one) for one in conditions[name]]))
        table.append(
            {
                "ranking": name,
                "kind": KINDS[name],
                "n_features": count,
                "overlap": float(np.mean(common)) / count if count else 0.0,
                "drop": float((hits[0] - left).mean()),
                **effect.columns("difference"),
                "n_images": len(rows),
            }
        )
    return pd.DataFrame(table)
