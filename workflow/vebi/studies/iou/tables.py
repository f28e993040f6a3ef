"""The tables of how heatmaps lie on masks (VEBI 4.3, Figs. 8 and 9, and other benchmarks' measures).

Images that share a base scene are alike, so the interval of one network is over base scenes, that of
several over networks and scenes. Every scene shows every class: the classes stay as they are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.catalogue.methods import pairs_of
from vebi.statistics import (
    Estimate,
    check_same_images,
    clustered_proportion_interval,
    over_images,
    paired_difference,
)
from vebi.studies.iou.curve import get_thresholds
from vebi.studies.iou.iou_file import LOCALISATION, Curves, read_curves


def tabulate(paths: Sequence[Path], runs: Sequence[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """The tables of several runs by name; `paths` in the order of `runs`.

    They are iou_curve, iou_auc, iou_paired, localisation, and distractors if a run has any.
    """
    measured = [read_curves(path) for path in paths]
    by_experiment: dict[tuple[str, str], list[dict[str, Curves]]] = {}
    parts: dict[str, list[pd.DataFrame]] = {}
    for run, curves in zip(runs, measured, strict=True):
        by_experiment.setdefault((run["dataset"], run["model"]), []).append(curves)
        tables = {
            "iou_curve": curve_table(curves),
            "iou_auc": auc_table(curves),
            "localisation": localisation_table(curves),
        }
        if all("mass_on_distractors" in item.scores for item in curves.values()):
            tables["distractors"] = distractor_table(curves)
        for name, table in tables.items():
            parts.setdefault(name, []).append(table.assign(**run))
    for (dataset, model), group in by_experiment.items():
        # The paper's orderings in Fig. 8, and everything with chance.
        table = paired_table(group, pairs_of("iou", group[0]))
        parts.setdefault("iou_paired", []).append(table.assign(dataset=dataset, model=model))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def curve_table(curves: Mapping[str, Curves]) -> pd.DataFrame:
    """Columns method, threshold, mean_iou (mean over images), and its interval at each threshold."""
    parts = []
    for method, item in curves.items():
        mean = over_images(item.curves.T[:, None], item.scene)
        thresholds = get_thresholds(item.curves.shape[1])
        columns = {"threshold": thresholds, **mean.columns("mean_iou"), "over": mean.over}
        parts.append(pd.DataFrame({"method": method, **columns}))
    return pd.concat(parts, ignore_index=True)


def auc_table(curves: Mapping[str, Curves]) -> pd.DataFrame:
    """One row per method: area under the mean curve with its interval, best IoU, image counts.

    An image without any feature to draw counts as the empty map's area in `auc`; `share_without_map`
    is how many there are, `auc_with_map` leaves them out. `auc_ranked`: of rank-normalised maps.
    """
    rows = []
    for method, item in curves.items():
        areas, with_map = item.areas, item.areas_with_map
        found = _over_scenes(areas, item)
        rows.append(
            {
                "method": method,
                **found.columns("auc", "auc_"),
                "best_iou": item.curves.mean(0).max(),
                "n_images": len(areas),
                "auc_correct_only": areas[item.correct].mean() if item.correct.any() else np.nan,
                "n_correct": int(item.correct.sum()),
                "share_without_map": np.isnan(with_map).mean(),
                **_over_scenes(with_map, item).columns("auc_with_map", "with_map_"),
                **_over_scenes(item.ranked_areas, item).columns("auc_ranked", "ranked_"),
                "n_scenes": len(np.unique(item.scene)),
                "over": found.over,
            }
        )
    return pd.DataFrame(rows)


def localisation_table(curves: Mapping[str, Curves]) -> pd.DataFrame:
    """One row per method: relevance mass, relevance rank and pointing game, means with intervals.

    The pointing game is a share of hits, so its interval is one of proportions.
    """
    rows = []
    for method, item in curves.items():
        row: dict[str, Any] = {"method": method, "n_images": len(item.image_index)}
        for name in LOCALISATION:
            found = _over_scenes(item.scores[name], item)
            row |= found.columns(name, f"{name}_")
        _, position, totals = np.unique(item.scene, return_inverse=True, return_counts=True)
        hits = np.bincount(position, item.scores["pointing"])
        low, high = clustered_proportion_interval(hits, totals)
        row |= {"pointing_ci_low": float(low), "pointing_ci_high": float(high)}
        rows.append({**row, "over": found.over})
    return pd.DataFrame(rows)


def distractor_table(curves: Mapping[str, Curves]) -> pd.DataFrame:
    """One row per method: where the map's mass lies, and the areas' shares, which chance would give.

    `distractor_auc` is the area under the IoU curve against the distractors' mask, over the images
    that show any.
    """
    rows = []
    for method, item in curves.items():
        scores = {"mass_on_part": item.scores["relevance_mass"], **item.scores}
        row: dict[str, Any] = {"method": method, "n_images": len(item.image_index)}
        for name in ("mass_on_part", "mass_on_distractors", "mass_elsewhere", "distractor_auc"):
            row |= _over_scenes(scores[name], item).columns(name, f"{name}_")
        for name in ("area_part", "area_distractors", "area_elsewhere"):
            row[name] = scores[name].mean()
        rows.append({**row, "over": "scenes"})
    return pd.DataFrame(rows)


def _over_scenes(values: NDArray[np.float64], item: Curves) -> Estimate:
    """Mean of one network's score (N) over the images that have it, with its interval over scenes."""
    return over_images(values[None], item.scene)


def paired_table(
    runs: Sequence[Mapping[str, Curves]], pairs: Sequence[tuple[str, str]]
) -> pd.DataFrame:
    """Difference in area of `(method, reference)` pairs on the same images, over `runs`: networks.

    Next to it the areas themselves; the difference over the images in which both have something to draw
    (`with_map_difference`; `share_without_map`: the others, mean over networks); and that of
    rank-normalised maps.
    """
    rows = []
    for method, reference in pairs:
        both = [(run[method], run[reference]) for run in runs]
        check_same_images(
            f"{method} and {reference}", [one.image_index for pair in both for one in pair]
        )
        scene = both[0][0].scene
        areas = np.array([[one.areas for one in pair] for pair in both])
        with_map = np.array([a.areas_with_map - b.areas_with_map for a, b in both])
        ranked = np.array([a.ranked_areas - b.ranked_areas for a, b in both])
        rows.append(
            {
                "method": method,
                "reference": reference,
                **paired_difference("auc_difference", areas[:, 0] - areas[:, 1], scene),
                "n_seeds": len(runs),
                "auc_method": areas[:, 0].mean(),
                "auc_reference": areas[:, 1].mean(),
                "share_without_map": np.isnan(with_map).mean(),
                **over_images(with_map, scene).columns("with_map_difference", "with_map_"),
                **over_images(ranked, scene).columns("ranked_difference", "ranked_"),
            }
        )
    return pd.DataFrame(rows)
