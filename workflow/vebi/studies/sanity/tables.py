"""The sanity tables: similarity to the trained network's maps, comparisons, and a verdict.

Intervals and tests of one network are over base scenes, those of several over networks and scenes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.catalogue.methods import pairs_of
from vebi.io.tables import read_rows
from vebi.run.plan import Run as TrainedNetwork
from vebi.statistics import (
    Estimate,
    check_same_images,
    over_images,
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
        frames.append(similarity_table(*measured).assign(**run))
    paired, verdicts = [], []
    for (dataset, model), group in groups.items():
        names = {"dataset": dataset, "model": model}
        paired.append(paired_table(group).assign(**names))
        accuracy = (accuracies or {}).get((dataset, model), np.nan)
        table = verdict_table(group).assign(**names)
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


def similarity_table(items: Mapping[str, Sanity], stages: Sequence[str]) -> pd.DataFrame:
    """Mean rank correlation and SSIM per method and stage, of one network, with intervals over scenes.

    `n_images` counts those whose map has an order of pixels in the trained network. `step` numbers the
    stages in the order in which they were done, from 1. `again_correlation`: each network's own
    prediction explained, by features selected in it.
    """
    rows = []
    for method, item in items.items():
        for step, stage in enumerate(stages):
            values = item.correlation[step]
            found = over_images(values[None], item.scene)
            again = over_images(_again(item)[step][None], item.scene)
            valid = ~np.isnan(values)
            rows.append(
                {
                    "method": method,
                    "randomised_up_to": stage,
                    **found.columns("rank_correlation"),
                    "n_images": int(valid.sum()),
                    "ssim": _mean(item.similarity[step][valid]),
                    "step": step + 1,
                    **again.columns("again_correlation", "again_"),
                    "over": found.over,
                }
            )
    return pd.DataFrame(rows)


def paired_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Rank correlation of a method minus a reference's on the same images, over the networks `runs`.

    Above 0 the method's maps stay more alike: they depend less on what was randomised.
    """
    rows = []
    for method, reference in pairs_of("sanity", runs[0][0]):
        scene = runs[0][0][method].scene
        for stage in _stages(runs):
            ours, theirs = (per_network(runs, name, stage) for name in (method, reference))
            rows.append(
                {
                    "method": method,
                    "reference": reference,
                    "randomised_up_to": stage,
                    **paired_difference("difference", ours - theirs, scene),
                    "n_seeds": len(ours),
                }
            )
    columns = ["method", "reference", "randomised_up_to", "difference", "ci_low", "ci_high"]
    return pd.DataFrame(
        rows, columns=[*columns, "p_value", "n_seeds", "n_images", "n_scenes", "over"]
    )


def verdict_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per method: what its maps owe to the trained weights, by `verdict`, over the networks.

    `correlation_top`: after the class scores' layer alone is randomised, `correlation_all`: after every
    layer is; `lost_at`: the layer, from the top, at which the mean correlation first falls below 0.5;
    `correlation_random_labels`: to a network trained on noise. `again_*`: with each network's own
    prediction explained, by features selected in it.
    """
    down = [s for s in _stages(runs) if s != RANDOM_LABELS and not s.startswith(ONLY)]
    rows = []
    for method in runs[0][0]:
        scene = runs[0][0][method].scene
        found = {
            stage: over_images(per_network(runs, method, stage), scene) for stage in _stages(runs)
        }
        means = {stage: float(one.value) for stage, one in found.items()}
        top, every = found[down[0]], found[down[-1]]
        ends = [per_network(runs, method, stage) for stage in (down[0], down[-1])]
        again_top, again_all = (
            over_images(per_network(runs, method, stage, again=True), scene)
            for stage in (down[0], down[-1])
        )
        rows.append(
            {
                "method": method,
                **top.columns("correlation_top", "top_"),
                **every.columns("correlation_all"),
                "lost_at": next((stage for stage in down if means[stage] < KEPT), "nowhere"),
                "correlation_random_labels": means.get(RANDOM_LABELS, np.nan),
                "n_seeds": len(runs),
                "n_images": int((~np.isnan(ends).any(0)).any(0).sum()),
                "verdict": verdict(top, every),
                **again_top.columns("again_top", "again_top_"),
                **again_all.columns("again_all", "again_all_"),
                "verdict_again": verdict(again_top, again_all),
                "over": every.over,
            }
        )
    return pd.DataFrame(rows)


def verdict(top: Estimate, every: Estimate) -> str:
    """In plain words what the intervals of the correlation mean, with only the class scores' layer
    (`top`) and with `every` layer randomised.

    The first is where guided backpropagation is known to fail: a map that stays as it was when the
    scores are random can't be about the class. The second asks whether training matters at all.
    """
    if np.isnan(every.value):
        return "no map to judge"
    all_weights, scores = (weight_of(*_ends(found)) for found in (every, top))
    return f"all weights {all_weights}; the class scores' {scores}"


def _ends(found: Estimate) -> tuple[float, float]:
    """The interval; of units that are all alike, as where nothing can change, their value."""
    if found.problem == "no variance":
        return float(found.value), float(found.value)
    return float(found.low), float(found.high)


def weight_of(low: float, high: float) -> str:
    """What randomised weights did to a map, from the interval of its correlation to the old one.

    Wholly below 0.3: they matter; wholly from 0.5 on: hardly; no change at all: don't; else in part.
    Without an interval, as of one scene, nothing can be said.
    """
    if np.isnan(low):
        return "can't be told"
    if high < LOST:
        return "matter"
    if low >= 1 - 1e-6:
        return "don't matter"
    return "hardly matter" if low >= KEPT else "matter in part"


def per_network(
    runs: Sequence[Run], method: str, stage: str, again: bool = False
) -> NDArray[np.float64]:
    """Rank correlation (I, N) of a stage in the networks that have it; NaN without a map."""
    check_same_images(f"{method}, all seeds", [items[method].image_index for items, _ in runs])
    return np.array(
        [
            (_again(items[method]) if again else items[method].correlation)[stages.index(stage)]
            for items, stages in runs
            if stage in stages
        ]
    )


def _again(item: Sanity) -> NDArray[np.float64]:
    return np.full(item.correlation.shape, np.nan) if item.again is None else item.again


def _stages(runs: Sequence[Run]) -> list[str]:
    """The stages of any seed, in order."""
    return list(dict.fromkeys(stage for _, stages in runs for stage in stages))


def _mean(values: NDArray[np.float64]) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def tabulate_with_accuracies(
    *,
    paths: Sequence[Path],
    histories: Sequence[Path],
    runs: Sequence[TrainedNetwork],
    random_label_runs: Sequence[TrainedNetwork],
) -> dict[str, pd.DataFrame]:
    """As `tabulate`; `histories` are those of the networks trained on shuffled labels."""
    accuracies = random_label_accuracy(histories, random_label_runs)
    return tabulate(paths, runs, accuracies)
