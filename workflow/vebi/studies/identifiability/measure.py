"""One network's selection: how stable it is, and what removing other rankings' features costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from vebi.statistics import draw_key
from vebi.studies.ablation.measure import draw_control
from vebi.studies.identifiability.maps import overlaps
from vebi.studies.identifiability.predictive import rank_by_prediction
from vebi.studies.identifiability.rankings import (
    RANDOM,
    RANKINGS,
    RESPONSE,
    SELECTED,
    matched,
    over_classes,
)
from vebi.studies.identifiability.relevance import rank_by_relevance
from vebi.studies.identifiability.removal import remove
from vebi.studies.identifiability.resampled import Regression, resample, support_row
from vebi.studies.identifiability.rivals_file import Rivals


@dataclass(frozen=True, eq=False)
class Measured:
    """What the study finds in one network; the tables are without the run's keys.

    Attributes:
        stability: of each selected feature.
        supports: of each class.
        rivals: what the features of each ranking do.
    """

    stability: pd.DataFrame
    supports: pd.DataFrame
    rivals: Rivals


def run_study(
    network: InterpretedNetwork,
    settings: IdentifiabilityConfig,
    *,
    columns: NDArray[np.int64],
    mu: float,
    problem: Problem,
    key: Sequence[int],
    n_thresholds: int = 101,
) -> Measured:
    """How stable one network's selection is, and what the features of other rankings do.

    Args:
        network: with its selection at `mu`.
        settings: of the study.
        columns: (k), which of the descriptors' columns are in the scope that was selected from.
        mu: of the selection.
        problem: which form of Eq. 1 was solved: its sign of weights, and what is regressed on.
        key: names the network; part of the key of every draw.
        n_thresholds: of the curves of maps' overlap with masks.
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
    ranked = _rank(
        *(network, regression, settings), layers=layers, features=features[columns], weights=weights
    )
    return Measured(
        _stability(weights, selected, features[columns], layers),
        pd.DataFrame(supports),
        _compare(network, ranked, settings, layers=layers, n_thresholds=n_thresholds, key=key),
    )


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


@dataclass(frozen=True, eq=False)
class _Ranked:
    """The features of a network and every ranking's values of them.

    Sparse rankings give most features no weight: these follow in the order of the mean response.

    Attributes:
        features: layer index and channel, int64 (m, 2).
        values: by ranking, (classes, m); those of the mu-Lasso are its weights.
    """

    features: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]

    @property
    def selected(self) -> NDArray[np.int64]:
        """The features that the mu-Lasso selects for any class: (n, 2), ascending."""
        chosen = self.features[(self.values[SELECTED.name] != 0).any(0)]
        return chosen[np.lexsort(chosen.T[::-1])]

    def for_network(self) -> dict[str, NDArray[np.int64]]:
        """By ranking, as many features per layer as are selected."""
        found = {name: over_classes(of, RANKINGS[name]) for name, of in self.values.items()}
        then = found[RESPONSE.name]
        return {name: matched(of, self.features, self.selected, then) for name, of in found.items()}

    def supporting(self, label: int) -> NDArray[np.int64]:
        """The features that the mu-Lasso gives a weight above 0 for a class: (n, 2)."""
        return self.features[self.values[SELECTED.name][label] > 0]

    def for_class(self, label: int) -> dict[str, NDArray[np.int64]]:
        """By ranking, as many features per layer as support a class, those that support it most."""
        own, then = self.supporting(label), self.values[RESPONSE.name][label]
        return {
            name: matched(of[label], self.features, own, then) for name, of in self.values.items()
        }


def _rank(
    network: InterpretedNetwork,
    regression: Regression,
    settings: IdentifiabilityConfig,
    *,
    layers: Sequence[Layer],
    features: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> _Ranked:
    dataset = network.dataset
    train = spread_over_classes(dataset.labels, dataset.indices(TRAIN), settings.images)
    owed = rank_by_relevance(
        *(network.model, dataset, train),
        [layer for layer in layers if layer.index in set(features[:, 0].tolist())],
        batch_size=settings.batch_size,
        steps=settings.conductance_steps,
        device=network.device,
    )
    values = {SELECTED.name: weights}
    values |= rank_by_prediction(
        *(regression.X, regression.labels, regression.n_classes),
        max(1, int((weights != 0).any(0).sum())),
    )
    for name, of_layers in owed.items():
        values[name] = np.column_stack([of_layers[layer][:, c] for layer, c in features.tolist()])
    return _Ranked(features, values)


def _compare(
    network: InterpretedNetwork,
    ranked: _Ranked,
    settings: IdentifiabilityConfig,
    *,
    layers: Sequence[Layer],
    n_thresholds: int,
    key: Sequence[int],
) -> Rivals:
    """Every ranking's features, as many per layer as are selected: removed, and drawn."""
    dataset = network.dataset
    conditions = {name: [chosen] for name, chosen in ranked.for_network().items()}
    conditions[RANDOM.name] = [
        draw_control(
            RANDOM.name,
            ranked.selected,
            ranked.features,
            np.random.default_rng(draw_key("identifiability: random features", *key, repeat)),
        )
        for repeat in range(settings.repeats)
    ]
    removals = remove(network, conditions, layers, settings.batch_size)
    scene = read_scenes(dataset, dataset.indices(TEST))
    if not dataset.has_masks:
        return Rivals(scene, removals)
    rows = spread_over_classes(dataset.labels, dataset.indices(TEST), settings.map_images)
    labels = network.descriptors.predictions[rows].tolist()
    by_class = {label: ranked.for_class(label) for label in set(labels)}
    chosen = {name: [by_class[label][name] for label in labels] for name in ranked.values}
    chosen[RANDOM.name] = [
        draw_control(
            RANDOM.name,
            ranked.supporting(label),
            ranked.features,
            np.random.default_rng(draw_key("identifiability: map of random features", *key, row)),
        )
        for row, label in zip(rows.tolist(), labels, strict=True)
    ]
    areas = overlaps(
        *(network, rows, chosen, layers),
        batch_size=settings.batch_size,
        n_thresholds=n_thresholds,
    )
    drawn = float(np.mean([len(one) for one in chosen[SELECTED.name]]))
    return Rivals(scene, removals, read_scenes(dataset, rows), drawn, areas)
