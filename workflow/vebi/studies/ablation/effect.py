"""How much more it hurts to remove the selected features than as many random ones."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vebi.io.errors import VebiError
from vebi.statistics import mean_over_networks, nested_interval, scene_test
from vebi.studies.ablation.ablate import class_weights
from vebi.studies.ablation.hits_file import Hits

CONTROLS = ("random", "random_layer_matched")


def compare(
    ablation: pd.DataFrame,
    hits: Mapping[tuple[str, str, int], Hits],
    scenes: Mapping[str, np.ndarray],
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """From the ablation table to `ablation_effect`: one row per data set, model, scope, mu, control.

    `drop_*` is the loss of mean class accuracy against the whole network, averaged over seeds (and,
    for a control, over its draws); `difference` = drop_selected - drop_control. The interval
    resamples seeds, and draws within each seed: what another set of trainings and draws would give.
    `p_value` is of these networks and draws, over images: the sign-flip test of the differences in
    hits (means over seeds and draws), weighted so that classes count alike; images of one base scene
    flip together. `hits` by (dataset, model, seed), their rows in the order that `ablation` has for
    that run; `scenes` by data set, the base scene of every test image.
    """
    row_of_run = ablation.groupby(["dataset", "model", "seed"]).cumcount()
    rows = []
    for key, group in ablation.assign(row=row_of_run).groupby(
        ["dataset", "model", "scope"], sort=True
    ):
        scene = scenes[str(key[0])]
        none = group[group["condition"] == "none"].set_index("seed")["mean_class_accuracy"]
        rest = group[group["condition"] != "none"]
        for mu, at_mu in rest.groupby("mu", sort=True):
            selected = at_mu[at_mu["condition"] == "selected"].set_index("seed")
            for number, control in enumerate(CONTROLS):
                drawn = at_mu[at_mu["condition"] == control]
                draws = drawn.pivot_table(
                    index="seed", columns="repeat", values="mean_class_accuracy"
                )
                per_image = mean_over_networks(
                    [
                        _differences(
                            hits[str(key[0]), str(key[1]), run],
                            drawn[drawn["seed"] == run]["row"],
                            selected["row"][run],
                        )
                        for run in draws.index
                    ]
                )
                rows.append(
                    {
                        **dict(zip(("dataset", "model", "scope"), key, strict=True)),
                        "mu": mu,
                        "control": control,
                        "n_ablated": selected["n_ablated"].mean(),
                        **_drops(none, selected, draws, n_resamples, [seed, number]),
                        **scene_test(per_image, scene, n_resamples, [seed, number]),
                    }
                )
    return pd.DataFrame(rows)


def _drops(
    none: pd.Series,
    selected: pd.DataFrame,
    draws: pd.DataFrame,
    n_resamples: int,
    key: Sequence[int],
) -> dict[str, float]:
    """Losses of mean class accuracy and their difference, with its interval.

    `none` and `selected` by seed, `draws` of the control by seed and draw.
    """
    # Per seed and draw: what the control leaves minus what the selection leaves.
    per_draw = draws.sub(selected["mean_class_accuracy"], axis=0).to_numpy()
    low, high = nested_interval(per_draw, n_resamples, key)
    return {
        "drop_selected": (none - selected["mean_class_accuracy"]).mean(),
        "drop_control": (none - draws.mean(axis=1)).mean(),
        "difference": per_draw.mean(),
        "ci_low": low,
        "ci_high": high,
        "n_seeds": len(per_draw),
    }


def _differences(item: Hits, control: pd.Series, selected: int) -> np.ndarray:
    """Per image, what the mean control keeps right minus what the selection does: float64 (N)."""
    if max(control.max(), selected) >= len(item.hits):
        raise VebiError(
            f"The hits have {len(item.hits)} rows, fewer than the ablation table they belong to. "
            "Delete both and run again."
        )
    difference = item.hits[control.to_numpy()].mean(0) - item.hits[selected]
    return class_weights(item.labels) * difference
