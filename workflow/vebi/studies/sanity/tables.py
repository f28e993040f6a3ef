"""The sanity tables: similarity to the trained network's maps, comparisons, and a verdict.

Intervals and tests take base scenes as what another test set would draw afresh, as those of the IoU do.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vebi.catalogue.methods import pairs_of
from vebi.io.tables import read_rows
from vebi.run.plan import Run as TrainedNetwork
from vebi.statistics import (
    check_same_images,
    cluster_interval,
    mean_over_images,
    mean_over_networks,
    paired_difference,
)
from vebi.studies.sanity.sanity_file import ONLY, RANDOM_LABELS, Sanity, read_sanity

# Cohen's (1988) cut points for a correlation, chosen before the first result was seen: below a medium
# one a map counts as lost, from a large one on as kept.
LOST, KEPT = 0.3, 0.5

Run = tuple[Mapping[str, Sanity], list[str]]


def tabulate(
    paths: Sequence[Path],
    runs: Sequence[Mapping[str, Any]],
    n_resamples: int,
    seed: int,
    accuracies: Mapping[tuple[str, str], float] | None = None,
) -> dict[str, pd.DataFrame]:
    """The tables sanity, sanity_paired and sanity_verdict; `paths` in the order of `runs`.

    `accuracies[dataset, model]`: training accuracy on the shuffled labels, as far as there is any.
    """
    frames = []
    groups: dict[tuple[str, str], list[Run]] = {}
    for path, run in zip(paths, runs, strict=True):
        measured = read_sanity(path)
        groups.setdefault((run["dataset"], run["model"]), []).append(measured)
        frames.append(similarity_table(*measured, n_resamples, [seed, run["seed"]]).assign(**run))
    paired, verdicts = [], []
    for (dataset, model), group in groups.items():
        names = {"dataset": dataset, "model": model}
        paired.append(paired_table(group, n_resamples, [seed]).assign(**names))
        accuracy = (accuracies or {}).get((dataset, model), np.nan)
        table = verdict_table(group, n_resamples, [seed]).assign(**names)
        verdicts.append(table.assign(random_label_accuracy=accuracy))
    return {
        "sanity": pd.concat(frames, ignore_index=True),
        "sanity_paired": pd.concat(paired, ignore_index=True),
        "sanity_verdict": pd.concat(verdicts, ignore_index=True),
    }


def random_label_accuracy(
    histories: Sequence[str | Path], runs: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], float]:
    """Last training accuracy on shuffled labels, mean over seeds; `histories` in the order of `runs`."""
    found: dict[tuple[str, str], list[float]] = {}
    for path, run in zip(histories, runs, strict=True):
        accuracy = float(read_rows(path)["train_accuracy"].iloc[-1])
        found.setdefault((run["dataset"], run["model"]), []).append(accuracy)
    return {key: float(np.mean(values)) for key, values in found.items()}


def similarity_table(
    items: Mapping[str, Sanity], stages: Sequence[str], n_resamples: int, key: Sequence[int]
) -> pd.DataFrame:
    """Mean rank correlation and SSIM per method and stage; the interval resamples scenes.

    `n_images` counts those whose map has an order of pixels in the trained network. `step` numbers the
    stages in the order in which they were done, from 1.
    """
    rows = []
    for method, item in items.items():
        for step, stage in enumerate(stages):
            values = item.correlation[step]
            mean, low, high = mean_over_images(values, item.scene, n_resamples, key)
            valid = ~np.isnan(values)
            rows.append(
                {
                    "method": method,
                    "randomised_up_to": stage,
                    "rank_correlation": mean,
                    "ci_low": low,
                    "ci_high": high,
                    "n_images": int(valid.sum()),
                    "ssim": _mean(item.similarity[step][valid]),
                    "step": step + 1,
                }
            )
    return pd.DataFrame(rows)


def paired_table(runs: Sequence[Run], n_resamples: int, key: Sequence[int]) -> pd.DataFrame:
    """Rank correlation of a method minus a reference's on the same images, seeds averaged.

    Above 0 the method's maps stay more alike: they depend less on what was randomised.
    """
    rows = []
    for method, reference in pairs_of("sanity", runs[0][0]):
        scene = runs[0][0][method].scene
        for stage in _stages(runs):
            # Seeds are averaged before the difference: not all of them have random labels.
            ours, theirs = (per_image(runs, name, stage) for name in (method, reference))
            rows.append(
                {
                    "method": method,
                    "reference": reference,
                    "randomised_up_to": stage,
                    **paired_difference("difference", [ours - theirs], scene, n_resamples, key),
                    "n_seeds": sum(stage in names for _, names in runs),
                }
            )
    columns = ["method", "reference", "randomised_up_to", "difference", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*columns, "p_value", "n_seeds", "n_images", "n_scenes"])


def verdict_table(runs: Sequence[Run], n_resamples: int, key: Sequence[int]) -> pd.DataFrame:
    """One row per method: what its maps owe to the trained weights, by `verdict`.

    `correlation_top`: after the class scores' layer alone is randomised, `correlation_all`: after every
    layer is, both with intervals over scenes; `lost_at`: the layer, from the top, at which the mean
    correlation first falls below 0.5; `correlation_random_labels`: to a network trained on noise.
    """
    down = [s for s in _stages(runs) if s != RANDOM_LABELS and not s.startswith(ONLY)]
    rows = []
    for method in runs[0][0]:
        means = {stage: _mean(per_image(runs, method, stage)) for stage in _stages(runs)}
        ends = np.column_stack([per_image(runs, method, stage) for stage in (down[0], down[-1])])
        valid = ~np.isnan(ends).any(1)
        scene = runs[0][0][method].scene[valid]
        low, high = cluster_interval(ends[valid], scene, n_resamples, key)
        rows.append(
            {
                "method": method,
                "correlation_top": means[down[0]],
                "top_ci_low": low[0],
                "top_ci_high": high[0],
                "correlation_all": means[down[-1]],
                "ci_low": low[1],
                "ci_high": high[1],
                "lost_at": next((stage for stage in down if means[stage] < KEPT), "nowhere"),
                "correlation_random_labels": means.get(RANDOM_LABELS, np.nan),
                "n_seeds": len(runs),
                "n_images": int(valid.sum()),
                "verdict": verdict((low[0], high[0]), (low[1], high[1])),
            }
        )
    return pd.DataFrame(rows)


def verdict(top: tuple[float, float], every: tuple[float, float]) -> str:
    """In plain words what the intervals of the correlation mean, with only the class scores' layer
    (`top`) and with `every` layer randomised.

    The first is where guided backpropagation is known to fail: a map that stays as it was when the
    scores are random can't be about the class. The second asks whether training matters at all.
    """
    if np.isnan(every[0]):
        return "no map to judge"
    return f"all weights {weight_of(*every)}; the class scores' {weight_of(*top)}"


def weight_of(low: float, high: float) -> str:
    """What randomised weights did to a map, from the interval of its correlation to the old one.

    Wholly below 0.3: they matter; wholly from 0.5 on: hardly; no change at all: don't; else in part.
    """
    if high < LOST:
        return "matter"
    if low >= 1 - 1e-6:
        return "don't matter"
    return "hardly matter" if low >= KEPT else "matter in part"


def per_image(runs: Sequence[Run], method: str, stage: str) -> np.ndarray:
    """Rank correlation (N) of a stage, mean over the seeds that have it and a map for the image."""
    check_same_images(f"{method}, all seeds", [items[method].image_index for items, _ in runs])
    return mean_over_networks(
        [
            items[method].correlation[stages.index(stage)]
            for items, stages in runs
            if stage in stages
        ]
    )


def _stages(runs: Sequence[Run]) -> list[str]:
    """The stages of any seed, in order."""
    return list(dict.fromkeys(stage for _, stages in runs for stage in stages))


def _mean(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def tabulate_with_accuracies(
    *,
    paths: Sequence[Path],
    histories: Sequence[Path],
    runs: Sequence[TrainedNetwork],
    random_label_runs: Sequence[TrainedNetwork],
    n_resamples: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """As `tabulate`; `histories` are those of the networks trained on shuffled labels."""
    accuracies = random_label_accuracy(histories, random_label_runs)
    return tabulate(paths, runs, n_resamples, seed, accuracies)
