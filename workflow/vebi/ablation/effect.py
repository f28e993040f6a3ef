"""How much more it hurts to remove the selected features than as many random ones."""

import pandas as pd

from vebi.statistics import nested_interval

CONTROLS = ("random", "random_layer_matched")


def compare(ablation: pd.DataFrame, n_resamples: int, seed: int) -> pd.DataFrame:
    """From the ablation table to `ablation_effect`: one row per data set, model, scope, mu, control.

    `drop_*` is the loss of mean class accuracy against the whole network, averaged over seeds (and,
    for a control, over its draws); `difference` = drop_selected - drop_control. The interval
    resamples seeds, and draws within each seed: what another set of trainings and draws would give.
    """
    rows = []
    for key, group in ablation.groupby(["dataset", "model", "scope"], sort=True):
        none = group[group["condition"] == "none"].set_index("seed")["mean_class_accuracy"]
        rest = group[group["condition"] != "none"]
        for mu, at_mu in rest.groupby("mu", sort=True):
            selected = at_mu[at_mu["condition"] == "selected"].set_index("seed")
            for number, control in enumerate(CONTROLS):
                draws = at_mu[at_mu["condition"] == control].pivot_table(
                    index="seed", columns="repeat", values="mean_class_accuracy"
                )
                # Per seed and draw: what the control leaves minus what the selection leaves.
                per_draw = draws.sub(selected["mean_class_accuracy"], axis=0).to_numpy()
                low, high = nested_interval(per_draw, n_resamples, [seed, number])
                rows.append(
                    {
                        **dict(zip(("dataset", "model", "scope"), key, strict=True)),
                        "mu": mu,
                        "control": control,
                        "n_ablated": selected["n_ablated"].mean(),
                        "drop_selected": (none - selected["mean_class_accuracy"]).mean(),
                        "drop_control": (none - draws.mean(axis=1)).mean(),
                        "difference": per_draw.mean(),
                        "ci_low": low,
                        "ci_high": high,
                        "n_seeds": len(per_draw),
                    }
                )
    return pd.DataFrame(rows)
