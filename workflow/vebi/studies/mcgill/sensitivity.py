"""How many filters of each layer are selected, as mu, the images, the descriptor or the labels change."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.config.mcgill import SensitivityConfig
from vebi.io.hdf5 import open_hdf5
from vebi.selection.statistics import (
    Accumulator,
    Labels,
    Statistics,
    read_feature_index,
    read_statistics,
    read_targets,
    rows_per_block,
)
from vebi.statistics import draw_key
from vebi.studies.mcgill.report_networks import ReportedExperiment
from vebi.studies.mcgill.solve import solve_at

SENSITIVITY = (
    *("model", "seed", "factor", "level", "repeat", "mu", "layer"),
    *("n_selected", "n_features", "n_shared", "n_reference"),
)
POINTS = 41


def read_subsamples(
    descriptors: str | Path, subsets: Sequence[NDArray[np.int64]], labels: Labels
) -> list[Statistics]:
    """Statistics of several subsets of a descriptor file's rows (ascending), read in one pass."""
    with open_hdf5(descriptors) as file:
        X = file["X"]
        targets = file["labels" if labels == "annotations" else "predictions"][:].astype(np.int64)
        n_classes = 1 + int(max(file["labels"][:].max(), file["predictions"][:].max()))
        totals = [Accumulator(X.shape[1], n_classes) for _ in subsets]
        step = rows_per_block(X.shape[1])
        for start in range(0, X.shape[0], step):
            block = X[start : start + step]
            for rows, total in zip(subsets, totals, strict=True):
                first, last = np.searchsorted(rows, (start, start + step))
                if first < last:
                    chosen = rows[first:last]
                    total.add(block[chosen - start], targets[chosen])
    return [total.result() for total in totals]


def _draw_subsets(
    training: NDArray[np.int64], settings: SensitivityConfig, key: Sequence[int]
) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Some of the rows `training` in ascending order, by their number and the draw."""
    return {
        (size, repeat): np.sort(
            np.random.default_rng(draw_key("mcgill: training images", *key, size, repeat)).choice(
                training, size, replace=False
            )
        )
        for size in sorted(settings.sizes)
        if size < len(training)
        for repeat in range(settings.size_repeats)
    }


def vary(
    descriptors: Mapping[str, str | Path],
    reported: ReportedExperiment,
    settings: SensitivityConfig,
    *,
    mu_max: float,
    key: Sequence[int],
) -> pd.DataFrame:
    """Table SENSITIVITY without `model` and `seed`.

    At every one of `settings.compared_mu` the report's descriptor, labels and all training images are
    the reference; `n_shared` counts the features that are selected in it too (where the layer is in
    both). Factor `mu` reads the path at POINTS values up to `mu_max`, at equal ratios.

    Args:
        descriptors: one file per descriptor variant, the report's among them.
        reported: the experiment of the report.
        settings: the mu, and numbers of training images with their draws; larger numbers than there
            are images are left out.
        mu_max: where the path ends.
        key: names the network; part of the key of every draw of training images.
    """
    mus = sorted(settings.compared_mu)
    path = descriptors[reported.descriptor]
    index = read_feature_index(path)
    statistics = read_statistics(path, labels=reported.labels)
    grid = [float(f"{mu:.4g}") for mu in np.geomspace(min(1.0, *mus), mu_max, POINTS)]
    rows = _count(("mu", "", 0), grid, solve_at(statistics, grid, "path").selected, index.layer)

    reference = solve_at(statistics, mus, "path").selected
    known = dict(zip(zip(index.layer, index.channel, strict=True), reference.T, strict=True))

    def add(factor: str, level: str, repeat: int, one: Statistics, file: str | Path) -> None:
        where = read_feature_index(file)
        shared = np.array(
            [
                known.get(place, np.zeros(len(mus), bool))
                for place in zip(where.layer, where.channel, strict=True)
            ]
        ).T
        selected = solve_at(one, mus, "path").selected
        rows.extend(_count((factor, level, repeat), mus, selected, where.layer, shared))

    kinds: tuple[Labels, ...] = ("annotations", "predictions")
    for labels in kinds:
        add("labels", labels, 0, read_statistics(path, labels=labels), path)
    for variant, file in descriptors.items():
        one = read_statistics(file, labels=reported.labels)
        add("descriptor", variant, 0, one, file)
    training = read_targets(path, reported.labels)[0]
    subsets = _draw_subsets(training, settings, key)
    found = read_subsamples(path, list(subsets.values()), reported.labels)
    for (size, repeat), one in zip(subsets, found, strict=True):
        add("n_images", str(size), repeat, one, path)
    add("n_images", str(len(training)), 0, statistics, path)
    return pd.DataFrame(rows, columns=[c for c in SENSITIVITY if c not in ("model", "seed")])


def _count(
    variation: tuple[str, str, int],
    mus: Sequence[float],
    selected: NDArray[np.bool_],
    layer: NDArray[np.str_],
    reference: NDArray[np.bool_] | None = None,
) -> list[dict[str, object]]:
    """A row per mu and layer of a variation (factor, level, repeat).

    `selected` and `reference` are bool (R, m).
    """
    factor, level, repeat = variation
    rows = []
    for r, mu in enumerate(mus):
        for name in np.unique(layer):
            here = layer == name
            both = None if reference is None else int((selected[r] & reference[r])[here].sum())
            rows.append(
                {
                    "factor": factor,
                    "level": level,
                    "repeat": repeat,
                    "mu": float(mu),
                    "layer": str(name),
                    "n_selected": int(selected[r][here].sum()),
                    "n_features": int(here.sum()),
                    "n_shared": both,
                    "n_reference": None if reference is None else int(reference[r][here].sum()),
                }
            )
    return rows
