"""The tables of how heatmaps lie on masks (VEBI 4.3, Figs. 8 and 9, and other benchmarks' measures).

Images that share a base scene are alike, so intervals and tests take base scenes, not images, as what
another test set would draw afresh. Every scene shows every class: the classes stay as they are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vebi.catalogue.methods import pairs_of
from vebi.statistics import (
    check_same_images,
    cluster_interval,
    mean_over_images,
    paired_difference,
)
from vebi.studies.iou.curve import area_under_curve, get_thresholds
from vebi.studies.iou.iou_file import LOCALISATION, Curves, read_curves


def tabulate(
    paths: Sequence[Path], runs: Sequence[Mapping[str, Any]], n_resamples: int, seed: int
) -> dict[str, pd.DataFrame]:
    """The tables of several runs by name; `paths` in the order of `runs`.

    They are iou_curve, iou_auc, iou_paired, localisation, and distractors if a run has any.
    """
    measured = [read_curves(path) for path in paths]
    by_experiment: dict[tuple[str, str], list[dict[str, Curves]]] = {}
    parts: dict[str, list[pd.DataFrame]] = {}
    for run, curves in zip(runs, measured, strict=True):
        by_experiment.setdefault((run["dataset"], run["model"]), []).append(curves)
        key = [seed, run["seed"]]
        tables = {
            "iou_curve": curve_table(curves, n_resamples, key),
            "iou_auc": auc_table(curves, n_resamples, key),
            "localisation": localisation_table(curves, n_resamples, key),
        }
        if all("mass_on_distractors" in item.scores for item in curves.values()):
            tables["distractors"] = distractor_table(curves, n_resamples, key)
        for name, table in tables.items():
            parts.setdefault(name, []).append(table.assign(**run))
    for (dataset, model), group in by_experiment.items():
        # The paper's orderings in Fig. 8, and everything with chance.
        table = paired_table(group, pairs_of("iou", group[0]), n_resamples, [seed])
        parts.setdefault("iou_paired", []).append(table.assign(dataset=dataset, model=model))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def curve_table(curves: Mapping[str, Curves], n_resamples: int, key: Sequence[int]) -> pd.DataFrame:
    """Columns method, threshold, mean_iou (mean over images), and its interval at each threshold."""
    parts = []
    for method, item in curves.items():
        mean = item.curves.mean(0)
        low, high = cluster_interval(item.curves, item.scene, n_resamples, key)
        columns = {"threshold": get_thresholds(len(mean)), "mean_iou": mean}
        columns |= {"ci_low": low, "ci_high": high}
        parts.append(pd.DataFrame({"method": method, **columns}))
    return pd.concat(parts, ignore_index=True)


def auc_table(curves: Mapping[str, Curves], n_resamples: int, key: Sequence[int]) -> pd.DataFrame:
    """One row per method: area under the mean curve with its interval, best IoU, image counts."""
    rows = []
    for method, item in curves.items():
        areas = area_under_curve(item.curves)
        rows.append(
            {
                "method": method,
                **_estimate("auc", areas, item, n_resamples, key),
                "best_iou": item.curves.mean(0).max(),
                "n_images": len(areas),
                "auc_correct_only": areas[item.correct].mean() if item.correct.any() else np.nan,
                "n_correct": int(item.correct.sum()),
            }
        )
    return pd.DataFrame(rows)


def localisation_table(
    curves: Mapping[str, Curves], n_resamples: int, key: Sequence[int]
) -> pd.DataFrame:
    """One row per method: relevance mass, relevance rank and pointing game, means with intervals."""
    rows = []
    for method, item in curves.items():
        row: dict[str, Any] = {"method": method, "n_images": len(item.image_index)}
        for name in LOCALISATION:
            row |= _estimate(name, item.scores[name], item, n_resamples, key)
        rows.append(row)
    return pd.DataFrame(rows)


def distractor_table(
    curves: Mapping[str, Curves], n_resamples: int, key: Sequence[int]
) -> pd.DataFrame:
    """One row per method: where the map's mass lies, and the areas' shares, which chance would give.

    `distractor_auc` is the area under the IoU curve against the distractors' mask, over the images
    that show any.
    """
    rows = []
    for method, item in curves.items():
        scores = {"mass_on_part": item.scores["relevance_mass"], **item.scores}
        row: dict[str, Any] = {"method": method, "n_images": len(item.image_index)}
        for name in ("mass_on_part", "mass_on_distractors", "mass_elsewhere", "distractor_auc"):
            row |= _estimate(name, scores[name], item, n_resamples, key)
        for name in ("area_part", "area_distractors", "area_elsewhere"):
            row[name] = scores[name].mean()
        rows.append(row)
    return pd.DataFrame(rows)


def _estimate(
    name: str, values: np.ndarray, item: Curves, n_resamples: int, key: Sequence[int]
) -> dict[str, float]:
    """Mean of a score over the images that have it, and its interval, as columns."""
    mean, low, high = mean_over_images(values, item.scene, n_resamples, key)
    return {name: mean, f"{name}_ci_low": low, f"{name}_ci_high": high}


def paired_table(
    runs: Sequence[Mapping[str, Curves]],
    pairs: Sequence[tuple[str, str]],
    n_resamples: int,
    key: Sequence[int],
) -> pd.DataFrame:
    """Difference in area of `(method, reference)` pairs on the same images.

    The difference is averaged over `runs` (the seeds' networks) per image, then resampled over base
    scenes; the p-value flips the signs of whole scenes.
    """
    rows = []
    for method, reference in pairs:
        both = [(run[method], run[reference]) for run in runs]
        check_same_images(
            f"{method} and {reference}", [one.image_index for pair in both for one in pair]
        )
        differences = [area_under_curve(a.curves) - area_under_curve(b.curves) for a, b in both]
        scene = both[0][0].scene
        found = paired_difference("auc_difference", differences, scene, n_resamples, key)
        rows.append({"method": method, "reference": reference, **found, "n_seeds": len(runs)})
    return pd.DataFrame(rows)
