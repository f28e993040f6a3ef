"""The occlusion tables: curves with intervals, and paired differences between methods (VEBI 4.2).

Images that share a base scene are alike, so intervals and tests take base scenes as what another test
set would draw afresh.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vebi.catalogue.methods import OURS, PEER, pairs_of
from vebi.statistics import (
    check_same_images,
    cluster_interval,
    mean_over_images,
    paired_difference,
)
from vebi.studies.occlusion.occlusion_file import Occlusion, read_occlusion

# VEBI 4.2: "a mean difference of 2 %" in prediction confidence; its sign and averaging are not said.
PUBLISHED = {(OURS.name, PEER.name): 0.02}


def tabulate(
    paths: Sequence[Path], runs: Sequence[Mapping[str, Any]], n_resamples: int, seed: int
) -> dict[str, pd.DataFrame]:
    """The tables occlusion and occlusion_paired of several runs; `paths` in the order of `runs`."""
    curves = []
    groups: dict[tuple[str, str], list[dict[str, Occlusion]]] = {}
    for path, run in zip(paths, runs, strict=True):
        items, fractions = read_occlusion(path)
        groups.setdefault((run["dataset"], run["model"]), []).append(items)
        table = curve_table(items, fractions, n_resamples, [seed, run["seed"]])
        curves.append(table.assign(**run))
    paired = [
        paired_table(group, n_resamples, [seed]).assign(dataset=dataset, model=model)
        for (dataset, model), group in groups.items()
    ]
    return {
        "occlusion": pd.concat(curves, ignore_index=True),
        "occlusion_paired": pd.concat(paired, ignore_index=True),
    }


def curve_table(
    items: Mapping[str, Occlusion], fractions: np.ndarray, n_resamples: int, key: Sequence[int]
) -> pd.DataFrame:
    """Mean confidence per method and covered fraction; the interval resamples scenes.

    `mean_confidence_drop` is against the same images uncovered.
    """
    rows = []
    for method, item in items.items():
        per_image = item.confidence.mean(1)
        low, high = cluster_interval(per_image, item.scene, n_resamples, key)
        for position, fraction in enumerate(fractions):
            values = per_image[:, position]
            rows.append(
                {
                    "method": method,
                    "covered_fraction": fraction,
                    "mean_confidence": values.mean(),
                    "n_images": len(values),
                    "ci_low": low[position],
                    "ci_high": high[position],
                    "mean_confidence_drop": (per_image[:, 0] - values).mean(),
                    "n_draws": item.confidence.shape[1],
                }
            )
    return pd.DataFrame(rows)


def paired_table(
    runs: Sequence[Mapping[str, Occlusion]], n_resamples: int, key: Sequence[int]
) -> pd.DataFrame:
    """Confidence under a method's boxes minus that under a reference's, on the same images.

    All differences are means over the covered fractions above 0. `difference`, with interval and
    p-value, is signed and averaged over draws and seeds per image: below 0 the method's boxes cost
    more confidence than the reference's. `absolute_difference` is the mean size of the difference on a
    single image and network (draws averaged); `curve_difference` is that of the curves' means.
    """
    rows = []
    for method, reference in pairs_of("occlusion", runs[0]):
        per_seed = _differences(runs, method, reference)
        scene = runs[0][method].scene
        values, sizes = per_seed.mean((0, 2)), np.abs(per_seed).mean((0, 2))
        size, size_low, size_high = mean_over_images(sizes, scene, n_resamples, key)
        rows.append(
            {
                "method": method,
                "reference": reference,
                **paired_difference("difference", [values], scene, n_resamples, key),
                "absolute_difference": size,
                "absolute_ci_low": size_low,
                "absolute_ci_high": size_high,
                "curve_difference": np.abs(per_seed.mean((0, 1))).mean(),
                "published_difference": PUBLISHED.get((method, reference), np.nan),
                "n_seeds": len(runs),
            }
        )
    return pd.DataFrame(rows)


def _differences(
    runs: Sequence[Mapping[str, Occlusion]], method: str, reference: str
) -> np.ndarray:
    """Per network, image and covered fraction above 0: (I, N, F - 1), draws averaged."""
    both = [(run[method], run[reference]) for run in runs]
    check_same_images(
        f"{method} and {reference}", [one.image_index for pair in both for one in pair]
    )
    return np.stack([(a.confidence - b.confidence).mean(1)[:, 1:] for a, b in both])
