"""The tables of the robustness study: every ordering in every setting, and in how many it holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.data.dataset import open_datasets
from vebi.data.scenes import read_scenes
from vebi.io.errors import VebiError
from vebi.run.plan import Run
from vebi.statistics import (
    ORDERINGS,
    check_same_images,
    judge_difference,
    over_networks,
    paired_difference,
)
from vebi.studies.robustness.comparisons import COMPARISONS
from vebi.studies.robustness.robustness_file import Findings, read_findings

FACTORS = ("dataset", "model", "descriptor", "nonnegative", "mu")


def tabulate(
    paths: Sequence[Path],
    runs: Sequence[Mapping[str, Any]],
    scenes: Mapping[str, NDArray[np.int64]],
) -> dict[str, pd.DataFrame]:
    """The tables robustness and robustness_summary of several runs; `paths` in the order of `runs`.

    `scenes` by data set: the base scene of every image.
    """
    groups: dict[tuple[str, str], list[Findings]] = {}
    for path, run in zip(paths, runs, strict=True):
        groups.setdefault((run["dataset"], run["model"]), []).append(read_findings(path))
    parts = [
        compare(findings, scenes[dataset][findings[0].image_index]).assign(
            dataset=dataset, model=model
        )
        for (dataset, model), findings in groups.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    return {"robustness": table, "robustness_summary": summarise(table)}


def compare(findings: Sequence[Findings], scene: NDArray[np.int64]) -> pd.DataFrame:
    """One row per setting and comparison, over the networks (seeds) of one experiment.

    `scene` int64 (N) of the test images. `arm` and `reference_arm` are the means of both sides: areas
    under the IoU curve, or drops in accuracy; `mean_difference` is theirs. Interval and p-value are over
    networks and scenes (`over_images`); `p_value_seeds` is over networks alone, on these scenes.
    `seeds_agree` networks of `n_seeds` have the ordering on average over the images.
    """
    first = findings[0]
    check_same_images("the networks of one experiment", [one.image_index for one in findings])
    if any(other.settings != first.settings for other in findings):
        raise VebiError(
            "The networks of one experiment were studied in other settings. "
            "Delete their robustness.h5 and run again."
        )
    rows = []
    for v, setting in enumerate(first.settings):
        for name, arms in COMPARISONS.items():
            ours, theirs = (np.array([arm(one, v) for one in findings]) for arm in arms)
            per_seed = (ours - theirs).mean(1)
            found = paired_difference("mean_difference", ours - theirs, scene)
            rows.append(
                {
                    "descriptor": setting.descriptor,
                    "nonnegative": setting.nonnegative,
                    "mu": setting.mu,
                    "comparison": name,
                    **found,
                    "p_value_seeds": over_networks(per_seed).p_value(),
                    "seeds_agree": int((per_seed > 0).sum()),
                    "n_seeds": len(findings),
                    "verdict": judge_difference(found["ci_low"], found["ci_high"]),
                    "arm": ours.mean(),
                    "reference_arm": theirs.mean(),
                }
            )
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """In how many settings each comparison holds: over all of them, and per level of every factor."""
    rows = []
    for name, group in table.groupby("comparison", sort=False):
        parts = [("all", "all", group)]
        for factor in FACTORS:
            parts += [(factor, _text(level), part) for level, part in group.groupby(factor)]
        for factor, level, part in parts:
            counts = part["verdict"].value_counts().reindex(ORDERINGS, fill_value=0)
            rows.append(
                {
                    "comparison": name,
                    "factor": factor,
                    "level": level,
                    "n_settings": len(part),
                    **{f"n_{verdict}": int(counts[verdict]) for verdict in ORDERINGS},
                    "difference_smallest": part["mean_difference"].min(),
                    "difference_median": part["mean_difference"].median(),
                    "difference_largest": part["mean_difference"].max(),
                    "statement": _sentence(str(name), counts, len(part)),
                }
            )
    return pd.DataFrame(rows)


def _text(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _sentence(name: str, counts: pd.Series, total: int) -> str:
    return (
        f"{name} holds in {counts['holds']} of {total} settings (95 % interval above zero), "
        f"is undecided in {counts['undecided']} (interval holds zero), "
        f"reversed in {counts['reversed']} (interval below zero)"
    )


def tabulate_with_scenes(
    *,
    paths: Sequence[Path],
    datasets: Sequence[Path],
    runs: Sequence[Run],
    names: Sequence[str],
) -> dict[str, pd.DataFrame]:
    """As `tabulate`; `datasets`, in the order of `names`, tell the scenes."""
    scenes = {name: read_scenes(data) for name, data in open_datasets(datasets, names).items()}
    return tabulate(paths, runs, scenes)
