"""The IoU tables: curves, areas with intervals, paired differences (VEBI 4.3, Figs. 8 and 9)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vebi.errors import VebiError
from vebi.iou.curve import area_under_curve, get_thresholds
from vebi.iou.store import CHANCE, Curves, read_curves
from vebi.statistics import bootstrap_interval

# What is compared on the same images: the paper's orderings in Fig. 8, and everything with chance.
REFERENCES = ("deconv_gb", "upsampled_activation", CHANCE)


def tabulate(
    paths: Sequence[Path], runs: Sequence[Mapping[str, Any]], n_resamples: int, seed: int
) -> dict[str, pd.DataFrame]:
    """The tables iou_curve, iou_auc and iou_paired of several runs; `paths` in the order of `runs`."""
    measured = [read_curves(path) for path in paths]
    by_experiment: dict[tuple[str, str], list[dict[str, Curves]]] = {}
    parts: dict[str, list[pd.DataFrame]] = {"iou_curve": [], "iou_auc": [], "iou_paired": []}
    for run, curves in zip(runs, measured, strict=True):
        by_experiment.setdefault((run["dataset"], run["model"]), []).append(curves)
        parts["iou_curve"].append(curve_table(curves).assign(**run))
        parts["iou_auc"].append(auc_table(curves, n_resamples, [seed, run["seed"]]).assign(**run))
    for (dataset, model), group in by_experiment.items():
        methods = list(group[0])
        pairs = [(m, r) for r in REFERENCES if r in methods for m in methods if m != r]
        table = paired_table(group, pairs, n_resamples, [seed])
        parts["iou_paired"].append(table.assign(dataset=dataset, model=model))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def curve_table(curves: Mapping[str, Curves]) -> pd.DataFrame:
    """Columns method, threshold, mean_iou (mean over images)."""
    parts = []
    for method, item in curves.items():
        mean = item.curves.mean(0)
        parts.append(
            pd.DataFrame(
                {"method": method, "threshold": get_thresholds(len(mean)), "mean_iou": mean}
            )
        )
    return pd.concat(parts, ignore_index=True)


def auc_table(curves: Mapping[str, Curves], n_resamples: int, key: Sequence[int]) -> pd.DataFrame:
    """One row per method: area under the mean curve with its interval, best IoU, image counts."""
    rows = []
    for method, item in curves.items():
        areas = area_under_curve(item.curves)
        low, high = bootstrap_interval(areas, n_resamples, key)
        rows.append(
            {
                "method": method,
                "auc": areas.mean(),
                "auc_ci_low": low,
                "auc_ci_high": high,
                "best_iou": item.curves.mean(0).max(),
                "n_images": len(areas),
                "auc_correct_only": areas[item.correct].mean() if item.correct.any() else np.nan,
                "n_correct": int(item.correct.sum()),
            }
        )
    return pd.DataFrame(rows)


def paired_table(
    runs: Sequence[Mapping[str, Curves]],
    pairs: Sequence[tuple[str, str]],
    n_resamples: int,
    key: Sequence[int],
) -> pd.DataFrame:
    """Difference in area of `(method, reference)` pairs on the same images.

    The difference is averaged over `runs` (the seeds' networks) per image, then resampled over images.
    """
    rows = []
    for method, reference in pairs:
        differences = []
        for run in runs:
            a, b = run[method], run[reference]
            if not np.array_equal(a.image_index, b.image_index):
                raise VebiError(f"{method} and {reference} were not computed on the same images.")
            differences.append(area_under_curve(a.curves) - area_under_curve(b.curves))
        per_image = np.mean(differences, axis=0)
        low, high = bootstrap_interval(per_image, n_resamples, key)
        rows.append(
            {
                "method": method,
                "reference": reference,
                "auc_difference": per_image.mean(),
                "ci_low": low,
                "ci_high": high,
                "n_seeds": len(runs),
                "n_images": len(per_image),
            }
        )
    return pd.DataFrame(rows)
