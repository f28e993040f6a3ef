"""How much more it hurts to remove the selected features than as many random ones."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.io.errors import VebiError
from vebi.statistics import paired_difference
from vebi.studies.ablation.ablate import class_weights
from vebi.studies.ablation.controls import CONTROLS
from vebi.studies.ablation.hits_file import Hits


def compare(
    ablation: pd.DataFrame,
    hits: Mapping[tuple[str, str, int], Hits],
    scenes: Mapping[str, NDArray[np.int64]],
) -> pd.DataFrame:
    """From the ablation table to `ablation_effect`: one row per data set, model, scope, mu, control.

    `drop_*` is the loss of mean class accuracy against the whole network, averaged over networks (and,
    for a control, over its draws); `difference` = drop_selected - drop_control. Interval and p-value
    are over networks, and over scenes too where test images share them; over scenes for one network
    (`over_images`, of hits weighted so that classes count alike). What draws add to the spread is in
    that of the networks. `control_sd` is the standard deviation of the accuracy between draws in one
    network.

    Args:
        ablation: the table.
        hits: by (dataset, model, seed), their rows in the order that `ablation` has for that run.
        scenes: by data set, the base scene of every test image.
    """
    row_of_run = ablation.groupby(["dataset", "model", "seed"]).cumcount()
    rows = []
    for key, group in ablation.assign(row=row_of_run).groupby(
        ["dataset", "model", "scope"], sort=True
    ):
        dataset, model, scope = map(str, key)
        none = group[group["condition"] == "none"].set_index("seed")["mean_class_accuracy"]
        rest = group[group["condition"] != "none"]
        for mu, at_mu in rest.groupby("mu", sort=True):
            selected = at_mu[at_mu["condition"] == "selected"].set_index("seed")
            for control in CONTROLS:
                drawn = at_mu[at_mu["condition"] == control]
                draws = drawn.pivot_table(
                    index="seed", columns="repeat", values="mean_class_accuracy"
                )
                per_image = [
                    _differences(
                        hits[dataset, model, run],
                        drawn[drawn["seed"] == run]["row"],
                        selected["row"][run],
                    )
                    for run in draws.index
                ]
                rows.append(
                    {
                        **{"dataset": dataset, "model": model, "scope": scope},
                        "mu": mu,
                        "control": control,
                        "n_ablated": selected["n_ablated"].mean(),
                        "drop_selected": (none - selected["mean_class_accuracy"]).mean(),
                        "drop_control": (none - draws.mean(axis=1)).mean(),
                        **paired_difference("difference", per_image, scenes[dataset]),
                        "n_seeds": len(draws),
                        "n_draws": draws.shape[1],
                        "control_sd": np.sqrt(draws.var(axis=1, ddof=1).mean()),
                    }
                )
    return pd.DataFrame(rows)


def _differences(item: Hits, control: pd.Series, selected: int) -> NDArray[np.float64]:
    """Per image, what the mean control keeps right minus what the selection does: float64 (N)."""
    if max(control.max(), selected) >= len(item.hits):
        raise VebiError(
            f"The hits have {len(item.hits)} rows, fewer than the ablation table they belong to. "
            "Delete both and run again."
        )
    difference = item.hits[control.to_numpy()].mean(0) - item.hits[selected]
    return class_weights(item.labels) * difference
