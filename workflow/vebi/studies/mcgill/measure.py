"""What is left of the accuracy without the selected filters: every removal, solver and control.

The 2 x 2 x 2 of the audit (removal x solver x control) runs on the report's own labels and rows; the
other labels, rows and images go with it as variants.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from vebi.catalogue.descriptors import DESCRIPTORS
from vebi.config.mcgill import RemovalConfig
from vebi.data.dataset import TEST, TRAIN, Dataset
from vebi.data.subset import spread_over_classes
from vebi.descriptors.layers import measured_layers
from vebi.io.errors import VebiError
from vebi.network.layers import Layer, feature_index, list_layers
from vebi.network.passes import to_network_input
from vebi.statistics import draw_key
from vebi.studies.ablation.measure import draw_control
from vebi.studies.mcgill.removal import predict_without
from vebi.studies.mcgill.report_networks import CONTROLS, REMOVALS, ReportedExperiment

KEYS = ("labels", "rows", "solver", "mu", "removal", "condition", "repeat")
COLUMNS = (*KEYS, "n_removed", "n_filters", "train_agreement", "train", "test")


def run_study(
    model: nn.Module,
    dataset: Dataset,
    features: pd.DataFrame,
    reported: ReportedExperiment,
    settings: RemovalConfig,
    *,
    key: Sequence[int],
    device: torch.device | str = "cpu",
) -> pd.DataFrame:
    """Accuracy with the selected filters removed, and with as many random ones: table COLUMNS.

    `test` and `train` are fractions of right predictions, `train_agreement` the fraction of training
    images whose prediction stays as it was. The row of condition `none` is the whole network. Random
    draws are the same for both removals, so that these differ in nothing else.

    Args:
        model: the whole network.
        dataset: its images.
        features: the tables FEATURES of all solvers, stacked.
        reported: the experiment of the report that is reproduced.
        settings: draws of each control, images of each split that are looked at (None: all).
        key: names the network; part of the key of every draw.
        device: where to compute.
    """
    layers = list_layers(model, to_network_input(next(dataset.batches(np.arange(1), 1))[1], device))
    pools = {rows: _pool(layers, reported, rows) for rows in reported.rows}
    chosen_by_case = {
        case: _selected(features, case, layers) for case in _cases(features, reported)
    }
    cases, conditions = _draw_conditions(chosen_by_case, pools, settings.repeats, key)
    cases["n_filters"] = [
        len(pools[rows]) if rows else len(pools[reported.rows[0]]) for rows in cases["rows"]
    ]
    of_the_report = (cases["labels"] == reported.labels) & (cases["rows"] == reported.rows[0])
    tables = []
    for removal in REMOVALS:
        # Partial removal belongs to the 2 x 2 x 2; the other variants do without it.
        wanted = of_the_report | (removal == "complete")
        chosen = [conditions[i] for i in np.flatnonzero(wanted)]
        predict = partial(
            predict_without,
            model,
            dataset,
            removal=removal,
            layers=layers,
            batch_size=settings.batch_size,
            device=device,
        )
        scored = _score(predict, dataset, reported, chosen, settings.images)
        scored.index = cases.index[wanted]
        table = cases[wanted].join(scored)
        table["removal"] = removal
        table.loc[table["condition"] == "none", "removal"] = ""
        tables.append(table)
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _draw_conditions(
    selected: Mapping[tuple[str, str, float, str], NDArray[np.int64]],
    pools: Mapping[str, NDArray[np.int64]],
    repeats: int,
    key: Sequence[int],
) -> tuple[pd.DataFrame, list[NDArray[np.int64]]]:
    """What is removed, described by KEYS but `removal` and by `n_removed`, and its filters.

    First nothing; then for each (labels, solver, mu, rows) the selected filters, and `repeats` draws of
    each control from the pool of its rows.
    """
    described: list[tuple[str, str, str, float, str, int]] = [("", "", "", 0.0, "none", 0)]
    conditions = [np.zeros((0, 2), np.int64)]
    for (labels, solver, mu, rows), filters in selected.items():
        described.append((labels, rows, solver, mu, "selected", 0))
        conditions.append(filters)
        for control in CONTROLS:
            for repeat in range(repeats):
                purpose = f"mcgill, {labels}, {rows}, {solver}: {control}"
                rng = np.random.default_rng(draw_key(purpose, *key, round(1e6 * mu), repeat))
                described.append((labels, rows, solver, mu, control, repeat))
                conditions.append(draw_control(control, filters, pools[rows], rng))
    cases = pd.DataFrame(described, columns=[k for k in KEYS if k != "removal"])
    return cases.assign(n_removed=[len(condition) for condition in conditions]), conditions


def _cases(
    features: pd.DataFrame, reported: ReportedExperiment
) -> list[tuple[str, str, float, str]]:
    """(labels, solver, mu, rows): the whole sweep for the report's, printed mu for the others."""
    cases = []
    keys = features[["labels", "solver", "mu"]].drop_duplicates()
    for labels, solver, mu in keys.sort_values(["labels", "solver", "mu"]).itertuples(index=False):
        for rows in reported.rows:
            is_first = labels == reported.labels and rows == reported.rows[0]
            if is_first or mu in reported.printed_mu:
                cases.append((str(labels), str(solver), float(mu), rows))
    return cases


def _selected(
    features: pd.DataFrame, case: tuple[str, str, float, str], layers: Sequence[Layer]
) -> NDArray[np.int64]:
    """Selected filters of a case as (layer index, channel), int64 (n, 2), ascending."""
    labels, solver, mu, rows = case
    index = {layer.name: layer.index for layer in layers}
    kind = {layer.name: layer.type for layer in layers}
    scope = "conv" if rows == "conv" and (features["scope"] == "conv").any() else "all"
    chosen = features[
        (features["labels"] == labels)
        & (features["solver"] == solver)
        & (features["mu"] == mu)
        & (features["scope"] == scope)
    ]
    unknown = set(chosen["layer"]) - set(index)
    if unknown:
        raise VebiError(
            f"The network has no layer '{min(unknown)}', from which features are selected."
        )
    if rows == "conv_of_all":
        chosen = chosen[chosen["layer"].map(kind) == "conv"]
    pairs = np.column_stack([chosen["layer"].map(index), chosen["channel"]]).astype(np.int64)
    return np.unique(pairs.reshape(-1, 2), axis=0)


def _pool(layers: Sequence[Layer], reported: ReportedExperiment, rows: str) -> NDArray[np.int64]:
    """All filters that can be drawn for a row, as (layer index, channel)."""
    chosen = measured_layers(DESCRIPTORS[reported.descriptor], layers)
    if rows != reported.rows[0]:
        chosen = [layer for layer in chosen if layer.type == "conv"]
    positions, channels = feature_index(chosen)
    return np.column_stack([np.array([layer.index for layer in chosen])[positions], channels])


def _score(
    predict: Callable[[NDArray[np.int64], Sequence[NDArray[np.int64]]], NDArray[np.int64]],
    dataset: Dataset,
    reported: ReportedExperiment,
    conditions: Sequence[NDArray[np.int64]],
    n_images: int | None,
) -> pd.DataFrame:
    """Columns train_agreement, train, test; NaN for images that the experiment does not look at.

    `predict(indices, conditions)`: classes int64 (conditions, N).
    """
    splits = {"test": TEST, "train": TRAIN} if "train" in reported.evaluations else {"test": TEST}
    rows = {name: dataset.indices(split) for name, split in splits.items()}
    if n_images is not None:
        rows = {name: spread_over_classes(dataset.labels, r, n_images) for name, r in rows.items()}
    indices = np.sort(np.concatenate(list(rows.values())))
    # The first condition is the whole network, whose predictions `train_agreement` is measured by.
    whole = np.zeros((0, 2), np.int64)
    predicted = predict(indices, [whole, *conditions])
    hits = predicted == dataset.labels[indices]
    scores = pd.DataFrame(
        {"train_agreement": np.nan, "train": np.nan}, index=range(len(conditions))
    )
    for name, chosen in rows.items():
        here = np.isin(indices, chosen)
        scores[name] = hits[1:, here].mean(1)
        if name == "train":
            scores["train_agreement"] = (predicted[1:] == predicted[0])[:, here].mean(1)
    return scores
