"""What it costs to remove the features of each ranking, image by image."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vebi.data.dataset import TEST
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.network.layers import Layer
from vebi.studies.ablation.ablate import ablate, class_weights
from vebi.studies.identifiability.rankings import SELECTED
from vebi.studies.identifiability.rivals_file import Removal


def remove(
    network: InterpretedNetwork,
    conditions: Mapping[str, Sequence[NDArray[np.int64]]],
    layers: Sequence[Layer],
    batch_size: int,
) -> dict[str, Removal]:
    """Remove features on the test images.

    Args:
        network: whose features they are.
        conditions: by ranking, sets of features (n, 2), layer index and channel: one, or several draws.
        layers: all of the network's.
        batch_size: images at a time.
    """
    dataset = network.dataset
    rows = dataset.indices(TEST)
    labels = dataset.labels[rows]
    sets = [np.zeros((0, 2), np.int64), *(one for drawn in conditions.values() for one in drawn)]
    predictions = ablate(
        *(network.model, dataset, rows, sets, batch_size), device=network.device, layers=layers
    )
    hits = class_weights(labels) * (predictions == labels)
    members = set(map(tuple, conditions[SELECTED.name][0].tolist()))
    first, found = 1, {}
    for name, drawn in conditions.items():
        left = hits[first : first + len(drawn)].mean(0)
        first += len(drawn)
        common = [sum(tuple(feature) in members for feature in one.tolist()) for one in drawn]
        count = float(np.mean([len(one) for one in drawn]))
        overlap = float(np.mean(common)) / count if count else 0.0
        found[name] = Removal(hits[0] - left, count, overlap)
    return found
