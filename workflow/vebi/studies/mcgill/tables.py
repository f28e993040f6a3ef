"""From the studies of single networks to the tables of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.io.tables import read_rows
from vebi.statistics import (
    Estimate,
    Verdict,
    judge_interval,
    over_networks,
    over_networks_and_draws,
)
from vebi.studies.mcgill import STUDY
from vebi.studies.mcgill.report_networks import (
    CONTROLS,
    PRINTED_KERAS_ACCURACY,
    REPORTED,
    Printed,
    ReportedExperiment,
)
from vebi.studies.mcgill.tipping import judge, tipping_points

CONTROL_NAMES = {"random": "uniform", "random_layer_matched": "layer_matched"}
# What the cause of a tipping point says of the claim that it is the network's own.
TIPPING_VERDICTS = {
    "property": Verdict.CONFIRMED,
    "quirk": Verdict.CONTRADICTED,
    "gradual": Verdict.CONTRADICTED,
    "undecided": Verdict.INCONCLUSIVE,
}
CURVES = ("model", "seed", "removal", "solver", "condition", "mu")


@dataclass(frozen=True)
class Network:
    """What the tables need to know of one examined network.

    kind: a name of REPORTED. peer: the solver that stands for the report's. full: whether data, width and
    epochs are those of the report; otherwise its rows are marked as reduced.
    """

    model: str
    kind: str
    dataset: str
    n_classes: int
    peer: str
    full: bool

    @property
    def reported(self) -> ReportedExperiment:
        return REPORTED[self.kind]


def tabulate_removal(
    study: pd.DataFrame,
    solutions: pd.DataFrame,
    network: Network,
) -> pd.DataFrame:
    """Rows of mcgill_matconvnet or mcgill_keras for one model, all seeds stacked.

    variant = rows / labels / images / removal / control. Accuracies are means over seeds (and draws);
    `accuracy_random_std` is the standard deviation over all draws of all seeds. Intervals are Student's
    t over networks; of one network, over its draws. `difference` is random minus selected.
    `relative_gap` is the largest of any seed and class. Printed numbers stand at the rows they belong
    to, whatever the variant.
    """
    reported = network.reported
    gap = solutions.groupby(["labels", "scope", "solver", "mu"])["relative_gap"].max()
    rows = []
    keys = ["rows", "labels", "removal", "solver", "mu"]
    groups = study[study["condition"] != "none"].groupby(keys, sort=True)
    key: Any
    for key, group in groups:
        which, labels, removal, solver, mu = key
        scope = "conv" if which == "conv" and "conv" in reported.scopes else "all"
        printed = reported.printed[which].get(mu, Printed())
        selected = group[group["condition"] == "selected"].set_index("seed").sort_index()
        for images in reported.evaluations:
            for control in CONTROLS:
                draws = group[group["condition"] == control].pivot_table(
                    index="seed", columns="repeat", values=images
                )
                left, right = selected[[images]].to_numpy(), draws.to_numpy()
                row: dict[str, object] = {
                    "model": network.model,
                    "mu": mu,
                    "variant": f"{which}/{labels}/{images}/{removal}/{CONTROL_NAMES[control]}",
                    "solver": solver,
                    "filters_dropped": selected["n_removed"].mean(),
                    "accuracy_selected": left.mean(),
                    "accuracy_random_mean": right.mean(),
                    "accuracy_random_std": right.std(ddof=1) if right.size > 1 else 0.0,
                }
                arms = {"selected": left, "random": right, "difference": right - left}
                for name, values in arms.items():
                    row |= _over_networks(values).columns(name, f"{name}_")
                del row["selected"], row["random"]
                row |= {
                    "filters": int(selected["n_filters"].iloc[0]),
                    "n_seeds": len(left),
                    "n_draws": right.shape[1],
                    "relative_gap": gap.loc[(labels, scope, solver, mu)],
                    "reduced": not network.full,
                    "published_dropped": _number(printed.dropped),
                    "published_filters": _number(
                        reported.total if printed.dropped is not None else None
                    ),
                    "published_selected": _number(printed.selected),
                    "published_random": _number(printed.random),
                    "over": "networks" if len(left) > 1 else "draws",
                }
                rows.append(row)
    return pd.DataFrame(rows)


def _over_networks(values: NDArray[np.float64]) -> Estimate:
    """Mean of `values` (networks, draws) over networks; of one network, over its draws."""
    return over_networks_and_draws(values) if len(values) > 1 else over_networks(values[0])


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def tabulate_curves(study: pd.DataFrame, network: Network) -> pd.DataFrame:
    """mcgill_curves: test accuracy per seed and mu, mean over draws; the whole network at mu 0."""
    reported = network.reported
    rows = study[(study["labels"] == reported.labels) & (study["rows"] == reported.rows[0])]
    parts = [rows, study[study["condition"] == "none"].assign(removal="none", solver="none")]
    grouped = pd.concat(parts).groupby(list(CURVES), sort=True)
    table = grouped.agg(
        n_removed=("n_removed", "first"),
        accuracy=("test", "mean"),
        accuracy_low=("test", "min"),
        accuracy_high=("test", "max"),
        n_filters=("n_filters", "first"),
    )
    return table.reset_index().assign(reduced=not network.full)


def tabulate_tipping(study: pd.DataFrame, network: Network) -> pd.DataFrame:
    """mcgill_tipping_point of one model; the rule is in vebi.studies.mcgill.tipping."""
    return tipping_points(
        study,
        network.reported,
        n_classes=network.n_classes,
        reduced=not network.full,
    )


def tabulate_verdict(study: pd.DataFrame, network: Network) -> pd.DataFrame:
    """mcgill_verdict of one model: the two causes, their shares, and the conclusion in words."""
    found = judge(
        study,
        network.reported,
        n_classes=network.n_classes,
        peer=network.peer,
    )
    row = {"model": network.model, "peer": network.peer, **found}
    row["conclusion"] = conclude({**found, "peer": network.peer})
    return pd.DataFrame([{**row, "n_seeds": study["seed"].nunique(), "reduced": not network.full}])


def conclude(found: Mapping[str, float | str]) -> str:
    """The verdict of `judge` in one sentence."""

    def gone(key: str) -> str:
        share = float(found[key])
        return "never" if share >= 1 else f"after {100 * share:.0f} % of the filters"

    solver = "" if found["peer"] == "path" else " and solver"
    moved = (
        f"with the report's removal{solver} half of the accuracy is gone {gone('as_in_the_report')}, "
        f"with complete removal and the exact solution {gone('corrected')}"
    )
    plateau = f"{100 * float(found['plateau']):.0f} % of them"
    return {
        "quirk": f"A quirk of the implementation: {moved}, and the fall begins at {plateau}.",
        "property": f"A property of the network: {moved}; the plateau of {plateau} stays.",
        "undecided": f"Not decided by one network: {moved}; the fall begins at {plateau}.",
        "gradual": f"No tipping point of its own, a gradual fall: {moved}; it begins at {plateau}.",
    }[str(found["verdict"])]


def tabulate_networks(
    histories: Mapping[int, pd.DataFrame], study: pd.DataFrame, network: Network
) -> pd.DataFrame:
    """mcgill_networks: how well each network was trained."""
    filters = int(study["n_filters"].max())
    rows = [
        {
            "model": network.model,
            "seed": seed,
            "kind": network.kind,
            "dataset": network.dataset,
            "epochs": int(history["epoch"].iloc[-1]),
            "train_accuracy": float(history["train_accuracy"].iloc[-1]),
            "test_accuracy": float(history["test_accuracy"].iloc[-1]),
            "n_filters": filters,
            "published_filters": network.reported.total,
            "published_accuracy": _number(
                PRINTED_KERAS_ACCURACY if network.kind == "keras" else None
            ),
            "reduced": not network.full,
        }
        for seed, history in histories.items()
    ]
    return pd.DataFrame(rows)


def tabulate_claims(
    removal: Mapping[str, pd.DataFrame],
    verdicts: pd.DataFrame,
    networks: Sequence[Network],
) -> pd.DataFrame:
    """mcgill_claims: the report's claims, in the columns of claims.csv.

    Verdicts are those of the differences' intervals, one by one (`judge_interval`). Reduced networks say
    so in the statement.
    """
    rows = []
    for network in networks:
        label = f"{network.model}{'' if network.full else ' (reduced)'}"
        reported, table = network.reported, removal[network.model]
        peer = table[table["solver"] == network.peer]
        name = "/".join(
            (
                reported.rows[0],
                reported.labels,
                reported.evaluation,
                reported.removal,
                CONTROL_NAMES[reported.control],
            )
        )
        at = peer[(peer["variant"] == name) & peer["published_selected"].notna()]
        for row in at.to_dict("records"):
            low, high = row["difference_ci_low"], row["difference_ci_high"]
            rows.append(
                {
                    "claim_id": f"mcgill.{network.model}.mu{row['mu']:g}",
                    "source": "McGill report, "
                    + ("Fig. 3" if network.kind != "keras" else "Fig. 4"),
                    "statement": f"{label}, mu = {row['mu']:g}: removing the selected filters leaves "
                    "less accuracy than removing as many random ones (difference of accuracies)",
                    "published": row["published_random"] - row["published_selected"],
                    "measured": row["difference"],
                    "ci_low": low,
                    "ci_high": high,
                    "verdict": str(judge_interval(low, high).verdict),
                }
            )
        for found in verdicts[verdicts["model"] == network.model].to_dict("records"):
            rows.append(
                {
                    "claim_id": f"mcgill.{network.model}.tipping_point",
                    "source": "McGill report, open question",
                    "statement": f"{label}: the tipping point is a property of the network. "
                    f"{found['conclusion']} (Measured: shift of the tipping point by the "
                    "implementation, as a share of all filters.)",
                    "published": float("nan"),
                    "measured": found["shift"],
                    "ci_low": found["shift_ci_low"],
                    "ci_high": found["shift_ci_high"],
                    "verdict": str(TIPPING_VERDICTS[found["verdict"]]),
                }
            )
    return pd.DataFrame(rows)


def make_tables(
    networks: Sequence[Network],
    *,
    histories: Mapping[tuple[str, int], pd.DataFrame],
    studies: Mapping[tuple[str, int], pd.DataFrame],
    solutions: Sequence[tuple[tuple[str, int], pd.DataFrame]],
    invariance: Mapping[str, pd.DataFrame],
    sensitivity: Mapping[tuple[str, int], pd.DataFrame],
) -> dict[str, pd.DataFrame]:
    """Every table by name, from files by (model, seed); `invariance` by model."""
    solvers = _stack(solutions)
    removal, parts = {}, {}
    for network in networks:
        name = network.model
        study = _stack([(key, table) for key, table in studies.items() if key[0] == name])
        of_model = {key[1]: table for key, table in histories.items() if key[0] == name}
        solved = solvers[solvers["model"] == name]
        removal[name] = tabulate_removal(study, solved, network)
        parts[name] = {
            "networks": tabulate_networks(of_model, study, network),
            "curves": tabulate_curves(study, network),
            "tipping_point": tabulate_tipping(study, network),
            "verdict": tabulate_verdict(study, network),
        }
    names = ("networks", "curves", "tipping_point", "verdict")
    tables = {name: pd.concat([part[name] for part in parts.values()]) for name in names}
    for kind in dict.fromkeys(network.kind for network in networks):
        tables[kind] = pd.concat([removal[n.model] for n in networks if n.kind == kind])
    tables["solvers"] = solvers
    tables["claims"] = tabulate_claims(removal, tables["verdict"], networks)
    if invariance:
        tables["invariance"] = pd.concat(
            [table.assign(model=name) for name, table in invariance.items()]
        )
        tables["sensitivity"] = _stack(list(sensitivity.items()))
    return {f"mcgill_{name}": table for name, table in tables.items()}


def _stack(tables: Sequence[tuple[tuple[str, int], pd.DataFrame]]) -> pd.DataFrame:
    """Tables by (model, seed) as one, with these as columns; missing texts become empty."""
    stacked = pd.concat(
        [table.assign(model=model, seed=seed) for (model, seed), table in tables],
        ignore_index=True,
    )
    names = [c for c in ("labels", "rows", "solver", "removal", "level") if c in stacked]
    stacked[names] = stacked[names].astype(object).where(stacked[names].notna(), "")
    return stacked


def tabulate(
    *,
    networks: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    solved: Sequence[tuple[str, int]],
    audited: Sequence[str],
    **files: Sequence[Path],
) -> dict[str, pd.DataFrame]:
    """Every table of the report, from the files of all networks.

    Args:
        networks: the facts of each, see `Network`.
        seeds: those of every network.
        solved: (model, seed) of each file of solutions.
        audited: models of the files of invariance.
        files: histories, studies and, of audited networks, sensitivity in the order of models and seeds;
            solutions; invariance.
    """
    facts = [Network(**network) for network in networks]
    places = [(network.model, number) for network in facts for number in seeds]
    audits = [(model, number) for model in audited for number in seeds]

    def read(
        paths: Sequence[Path], keys: Sequence[tuple[str, int]]
    ) -> list[tuple[tuple[str, int], pd.DataFrame]]:
        tables = (read_rows(path, *STUDY.tables.values()) for path in paths)
        return [((key[0], key[1]), table) for key, table in zip(keys, tables, strict=True)]

    return make_tables(
        facts,
        histories=dict(read(files["histories"], places)),
        studies=dict(read(files["studies"], places)),
        solutions=read(files["solutions"], solved),
        invariance={
            model: read_rows(path, STUDY.tables["mcgill_invariance"])
            for model, path in zip(audited, files["invariance"], strict=True)
        },
        sensitivity=dict(read(files["sensitivity"], audits)),
    )
