"""The occlusion tables: curves with intervals, and paired differences between methods (VEBI 4.2).

Images that share a base scene are alike, so the interval of one network is over base scenes, that of
several over networks and scenes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.catalogue.methods import OURS, PEER, pairs_of
from vebi.statistics import check_same_images, over_images, paired_difference
from vebi.studies.occlusion.occlusion_file import Occlusion, read_occlusion

# VEBI 4.2: "a mean difference of 2 %" in prediction confidence; its sign and averaging are not said.
PUBLISHED = {(OURS.name, PEER.name): 0.02}


def tabulate(paths: Sequence[Path], runs: Sequence[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """The tables occlusion and occlusion_paired of several runs; `paths` in the order of `runs`."""
    curves = []
    groups: dict[tuple[str, str], list[dict[str, Occlusion]]] = {}
    for path, run in zip(paths, runs, strict=True):
        items, fractions = read_occlusion(path)
        groups.setdefault((run["dataset"], run["model"]), []).append(items)
        curves.append(curve_table(items, fractions).assign(**run))
    paired = [
        paired_table(group).assign(dataset=dataset, model=model)
        for (dataset, model), group in groups.items()
    ]
    return {
        "occlusion": pd.concat(curves, ignore_index=True),
        "occlusion_paired": pd.concat(paired, ignore_index=True),
    }


def curve_table(items: Mapping[str, Occlusion], fractions: NDArray[np.float64]) -> pd.DataFrame:
    """Mean confidence per method and covered fraction, with intervals over scenes.

    `mean_confidence_drop` is against the same images uncovered. `relevant_confidence`: with this
    fraction of the map's positive pixels covered, `relevant_area` of the image, over the
    `n_relevant` images whose map is not empty.
    """
    rows = []
    for method, item in items.items():
        per_image, of_map = item.confidence.mean(1), _of_map(item).mean(1)
        found = over_images(per_image.T[:, None], item.scene)
        relevant = over_images(of_map.T[:, None], item.scene)
        area = np.full(of_map.shape, np.nan) if item.relevant_area is None else item.relevant_area
        n_relevant = int((~np.isnan(of_map[:, 0])).sum())
        columns = {
            "covered_fraction": fractions,
            **found.columns("mean_confidence"),
            "n_images": len(per_image),
            "mean_confidence_drop": (per_image[:, :1] - per_image).mean(0),
            "n_draws": item.confidence.shape[1],
            **relevant.columns("relevant_confidence", "relevant_"),
            "relevant_area": over_images(area.T[:, None], item.scene).value,
            "n_relevant": n_relevant,
            "over": found.over,
        }
        rows.append(pd.DataFrame({"method": method, **columns}))
    return pd.concat(rows, ignore_index=True)


def paired_table(runs: Sequence[Mapping[str, Occlusion]]) -> pd.DataFrame:
    """Confidence under a method's boxes minus that under a reference's, on the same images.

    `runs`: one per network. All differences are means over the covered fractions above 0.
    `difference`, with interval and p-value, is signed and averaged over draws: below 0 the method's
    boxes cost more confidence than the reference's. `absolute_difference` is the mean size of the
    difference on a single image and network (draws averaged); `curve_difference` is that of the curves'
    means. `relevant_difference`: with fractions of each map's positive pixels covered.
    """
    rows = []
    for method, reference in pairs_of("occlusion", runs[0]):
        both = [(run[method], run[reference]) for run in runs]
        check_same_images(
            f"{method} and {reference}", [one.image_index for pair in both for one in pair]
        )
        scene = both[0][0].scene
        per_seed = np.stack([(a.confidence - b.confidence).mean(1)[:, 1:] for a, b in both])
        of_map = np.stack([(_of_map(a) - _of_map(b)).mean(1)[:, 1:].mean(-1) for a, b in both])
        relevant = over_images(of_map, scene)
        rows.append(
            {
                "method": method,
                "reference": reference,
                **paired_difference("difference", per_seed.mean(2), scene),
                **over_images(np.abs(per_seed).mean(2), scene).columns(
                    "absolute_difference", "absolute_"
                ),
                "curve_difference": np.abs(per_seed.mean((0, 1))).mean(),
                "published_difference": PUBLISHED.get((method, reference), np.nan),
                "n_seeds": len(runs),
                **relevant.columns("relevant_difference", "relevant_"),
                "relevant_p_value": relevant.p_value(),
            }
        )
    return pd.DataFrame(rows)


def _of_map(item: Occlusion) -> NDArray[np.float64]:
    """Confidences (N, draws, F) with fractions of the map covered; NaN where they were not measured."""
    return np.full(item.confidence.shape, np.nan) if item.relevant is None else item.relevant
