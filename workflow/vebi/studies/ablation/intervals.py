"""Intervals of the accuracies in the ablation table."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.statistics import clustered_proportion_interval, stratified_interval
from vebi.studies.ablation.ablate import class_weights
from vebi.studies.ablation.hits_file import Hits


def add_intervals(
    ablation: pd.DataFrame,
    hits: Mapping[tuple[str, str, int], Hits],
    scenes: Mapping[str, NDArray[np.int64]],
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
        low, high = accuracy_intervals(item, scenes[dataset])
        ends = {"accuracy_ci_low": low, "accuracy_ci_high": high}
        parts.append(rows.assign(n_images=len(item.labels), **ends, over="scenes"))
    return pd.concat(parts).loc[ablation.index]


def accuracy_intervals(
    item: Hits, scene: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the 95 % interval of each row's mean class accuracy: two arrays (rows).

    Where every image is a scene of its own, class by class (`stratified_interval`); where images share
    scenes, that of a proportion whose trials come in scenes, each trial with its class's weight. Both
    have a width where every image was predicted right.
    """
    if len(np.unique(scene)) == len(scene):
        classes = np.unique(item.labels)
        members = (item.labels == classes[:, None]).astype(np.int64)
        return stratified_interval(item.hits @ members.T, members.sum(1))
    weight = class_weights(item.labels)
    numbers, position = np.unique(scene, return_inverse=True)
    member = np.eye(len(numbers))[position] * weight[:, None]
    totals = member.sum(0)
    # Sums of weights round: a scene of hits only must not have more hits than trials.
    return clustered_proportion_interval(np.minimum(item.hits @ member, totals), totals)
