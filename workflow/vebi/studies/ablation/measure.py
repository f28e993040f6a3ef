"""The ablation study of VEBI 4.1: the selected features against as many random ones, over mu."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from vebi.config.stages import AblationConfig
from vebi.data.dataset import TEST, Dataset
from vebi.io.errors import VebiError
from vebi.network.layers import Layer, feature_index, list_layers
from vebi.network.passes import to_network_input
from vebi.statistics import draw_key
from vebi.studies.ablation.ablate import ablate, mean_class_accuracy
from vebi.studies.ablation.controls import CONTROLS


def get_selected(table: pd.DataFrame, mu: float, layers: Sequence[Layer]) -> NDArray[np.int64]:
    """Union over the classes of the features that `table` (selected_features) selects at `mu`.

    Returns int64 (n, 2): layer index and channel, each once, ascending.
    """
    index = {layer.name: layer.index for layer in layers}
    rows = table[table["mu"] == mu]
    unknown = set(rows["layer"]) - set(index)
    if unknown:
        raise VebiError(
            f"The network has no layer '{min(unknown)}', from which features are selected."
        )
    pairs = np.column_stack([rows["layer"].map(index), rows["channel"]]).astype(np.int64)
    return np.unique(pairs.reshape(-1, 2), axis=0)


def get_pool(layers: Sequence[Layer], scope: str) -> NDArray[np.int64]:
    """Every feature of a scope: int64 (p, 2), layer index and channel, ascending."""
    in_scope = [layer for layer in layers if scope == "all" or layer.type == "conv"]
    positions, channels = feature_index(in_scope)
    indices = np.array([layer.index for layer in in_scope], np.int64)
    return np.column_stack([indices[positions], channels])


def draw_control(
    control: str, selected: NDArray[np.int64], pool: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """As many features of `pool` (p, 2) as there are in `selected` (n, 2), without replacement.

    `random` draws from the whole pool; `random_selected_layers` from the layers that have any selected
    feature; `random_layer_matched` as many per layer as are selected there.

    Raises:
        ValueError: another control.
    """
    if control not in ("random", "random_selected_layers", "random_layer_matched"):
        raise ValueError(f"There is no control '{control}'.")
    if control == "random_selected_layers":
        pool = pool[np.isin(pool[:, 0], selected[:, 0])]
    if control != "random_layer_matched":
        return pool[np.sort(rng.choice(len(pool), len(selected), replace=False))]
    parts = [np.zeros((0, 2), np.int64)]
    for layer, count in zip(*np.unique(selected[:, 0], return_counts=True), strict=True):
        candidates = pool[pool[:, 0] == layer]
        parts.append(candidates[np.sort(rng.choice(len(candidates), count, replace=False))])
    return np.concatenate(parts)


def run_study(
    model: nn.Module,
    dataset: Dataset,
    selections: Mapping[str, pd.DataFrame],
    settings: AblationConfig,
    *,
    mus: Sequence[float],
    key: Sequence[int],
    device: torch.device | str = "cpu",
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Mean class accuracy on the test split for every scope, mu, condition and repeat.

    Args:
        model: the whole network.
        dataset: its images.
        selections: a selected_features table by scope.
        settings: draws of each control, images at a time.
        mus: the mu whose selection is removed.
        key: names the network; part of the key of every draw of the controls.
        device: where to compute.

    Returns:
        The table with columns scope, mu, condition, repeat, n_ablated, mean_class_accuracy, where the
        whole network (`none`) stands once per scope, at mu 0; and which images each row's network gets
        right, bool (rows, N).
    """
    rows = dataset.indices(TEST)
    example = next(dataset.batches(rows[:1], 1))[1]
    layers = list_layers(model, to_network_input(example, device))
    described: list[tuple[str, float, str, int]] = []
    conditions: list[NDArray[np.int64]] = []
    for scope, table in sorted(selections.items()):
        pool = get_pool(layers, scope)
        described.append((scope, 0.0, "none", 0))
        conditions.append(np.zeros((0, 2), np.int64))
        for mu in mus:
            selected = get_selected(table, mu, layers)
            described.append((scope, mu, "selected", 0))
            conditions.append(selected)
            for control in CONTROLS:
                for repeat in range(settings.repeats):
                    # mu has up to six decimals.
                    numbers = (*key, round(1e6 * mu), repeat)
                    rng = np.random.default_rng(draw_key(f"ablation, {scope}: {control}", *numbers))
                    described.append((scope, mu, control, repeat))
                    conditions.append(draw_control(control, selected, pool, rng))
    labels = dataset.labels[rows]
    predictions = ablate(
        model, dataset, rows, conditions, settings.batch_size, device=device, layers=layers
    )
    result = pd.DataFrame(described, columns=["scope", "mu", "condition", "repeat"])
    result["n_ablated"] = [len(condition) for condition in conditions]
    result["mean_class_accuracy"] = mean_class_accuracy(predictions, labels)
    return result, predictions == labels
