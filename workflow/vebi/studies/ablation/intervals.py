"""Intervals of the accuracies in the ablation table."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vebi.statistics import cluster_interval, stratified_interval
from vebi.studies.ablation.ablate import class_weights
from vebi.studies.ablation.hits_file import Hits


def add_intervals(
    ablation: pd.DataFrame,
    hits: Mapping[tuple[str, str, int], Hits],
    scenes: Mapping[str, np.ndarray],
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """The ablation table with `n_images` and the ends of each accuracy's 95 % interval.

    `hits` by (dataset, model, seed), rows as `ablation` has them for that run; `scenes` by data set, the
    base scene of every test image. The interval is about test images, for this network and this draw.
    """
    parts = []
    for run, item in hits.items():
        dataset, model, number = run
        mine = (ablation["dataset"] == dataset) & (ablation["model"] == model)
        rows = ablation[mine & (ablation["seed"] == number)]
        low, high = accuracy_intervals(item, scenes[dataset], n_resamples, [seed, number])
        ends = {"accuracy_ci_low": low, "accuracy_ci_high": high}
        parts.append(rows.assign(n_images=len(item.labels), **ends))
    return pd.concat(parts).loc[ablation.index]


def accuracy_intervals(
    item: Hits, scene: np.ndarray, n_resamples: int, key: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % interval of each row's mean class accuracy: two arrays (rows).

    Where images share scenes, the wider end of two: Wilson's per class (`stratified_interval`), which
    takes images as independent but never has width zero, and the bootstrap of whole scenes.
    """
    classes = np.unique(item.labels)
    members = (item.labels == classes[:, None]).astype(np.int64)
    low, high = stratified_interval(item.hits @ members.T, members.sum(1))
    if len(np.unique(scene)) < len(scene):
        weighted = class_weights(item.labels)[:, None] * item.hits.T
        ends = cluster_interval(weighted, scene, n_resamples, key)
        low, high = np.minimum(low, ends[0]), np.minimum(np.maximum(high, ends[1]), 1.0)
    return low, high
