"""The McGill report on reproducing VEBI: every row of its Figs. 3 and 4, and what it says beside them."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from vebi.claims.claim import (
    ORDER,
    OTHERWISE,
    REPRODUCED,
    SMALLER,
    VALUE,
    Claim,
    Found,
    Part,
    Rule,
    Source,
)
from vebi.claims.run import Run
from vebi.studies.mcgill.report_networks import PRINTED_KERAS_ACCURACY, REPORTED
from vebi.studies.mcgill.tables import CONTROL_NAMES
from vebi.studies.mcgill.tipping import find_crossing

SOURCE = "McGill report"
FIGURES = {"matconvnet": "Fig. 3: MatConvNet network", "keras": "Fig. 4: Keras network"}
FULL = {
    "matconvnet": "its MatConvNet network with this mu: config/mcgill.yaml",
    "keras": "its Keras network at full width with this mu: config/paper.yaml",
}
# Half a unit of the last digit that each table prints.
ROUNDING = {"matconvnet": 0.005, "keras": 0.00005}
# Filters of the Keras network that had to go until 80 % were left, with and without dropout.
LEVEL, WITH_DROPOUT, WITHOUT_DROPOUT = 0.80, 301, 394

PROPERTY = Rule(
    "mcgill_verdict.csv says `property`: with complete removal and the exact solution a tenth of the way "
    "down comes only after a quarter of the filters is gone, and from there nine tenths come within "
    "another quarter",
    lambda claim, parts: all(part.verdict == REPRODUCED for part in parts),
    lambda claim, part: "" if part.verdict == REPRODUCED else OTHERWISE,
)


MEMORY = Rule(
    "the exact selection of at least one network takes as much memory as is printed, or more",
    lambda claim, parts: any(part.value >= (claim.published or 0) for part in parts),
    lambda claim, part: "" if part.value >= (claim.published or 0) else SMALLER,
)


def _memory(run: Run) -> Found | None:
    """Most memory of any exact selection, GB rounded up, of the network with most filters."""
    rows = run.rows("mcgill_solvers", solver="path")
    if rows.empty:
        return None
    largest = rows[rows["n_features_total"] == rows["n_features_total"].max()]
    model, peak = largest["model"].iloc[0], float(largest["peak_memory_gb"].max())
    network = next(n for n in run.facts["mcgill"] if n["model"] == model)
    source = Source(("mcgill_solvers",), f"{model}, path, largest peak_memory_gb")
    return _found(run, network, Part(model, peak, peak, peak), source)


def _network(run: Run, kind: str) -> dict[str, Any] | None:
    """The network that stands for the report's: with dropout, the report's size if there is one."""
    some = [n for n in run.networks(kind) if n["dropout"] or kind != "keras"]
    return some[0] if some else None


def _peer(run: Run, model: str) -> str:
    """The solver that stands for the report's in this run."""
    peers = run.rows("mcgill_verdict", model=model)["peer"]
    return peers.iloc[0] if len(peers) else "path"


def _found(
    run: Run,
    network: dict[str, Any],
    part: Part,
    source: Source,
    *,
    note: str = "",
    conclusion: str = "",
) -> Found:
    reduced = "" if network["full"] else f"{network['model']} on {network['dataset']}"
    return Found((part,), (source,), note, _count(run, network), reduced, conclusion)


def _row(run: Run, kind: str, rows: str, mu: float) -> tuple[dict[str, Any], dict[Any, Any]] | None:
    """The network, and its row of the removal table that was made as the report made its own."""
    network, work = _network(run, kind), REPORTED[kind]
    if network is None:
        return None
    names = (rows, work.labels, work.evaluation, work.removal, CONTROL_NAMES[work.control])
    model, variant = network["model"], "/".join(names)
    solver = _peer(run, model)
    found = run.rows(f"mcgill_{kind}", model=model, mu=mu, variant=variant, solver=solver)
    return (network, found.to_dict("records")[0]) if len(found) else None


def _count(run: Run, network: dict[str, Any]) -> int:
    """How many networks of this kind were trained."""
    return len(run.rows("mcgill_networks", model=network["model"]))


def _is_as_large(run: Run, network: dict[str, Any]) -> bool:
    filters = run.rows("mcgill_networks", model=network["model"])["n_filters"]
    return bool(len(filters)) and set(filters) == {REPORTED[network["kind"]].total}


def _accuracy(kind: str, rows: str, mu: float, run: Run) -> Found | None:
    """Accuracy left without the selected filters, in a network of as many filters as the report's."""
    found = _row(run, kind, rows, mu)
    if found is None or not _is_as_large(run, found[0]):
        return None
    network, row = found
    ends = (row["selected_ci_low"], row["selected_ci_high"])
    if row["n_seeds"] < 2:
        ends = (np.nan, np.nan)
    part = Part(network["model"], row["accuracy_selected"], *ends)
    rows_used = f"{network['model']}, mu {mu:g}, {row['variant']}, {row['solver']}"
    return _found(run, network, part, Source((f"mcgill_{kind}",), rows_used))


def _dropped(kind: str, mu: float, run: Run) -> Found | None:
    """Number of selected filters per network."""
    network, work = _network(run, kind), REPORTED[kind]
    if network is None or not _is_as_large(run, network):
        return None
    model, solver = network["model"], _peer(run, network["model"])
    counts = run.rows(
        "mcgill_curves",
        model=model,
        removal=work.removal,
        solver=solver,
        condition="selected",
        mu=mu,
    )["n_removed"]
    if counts.empty:
        return None
    part = Part(model, counts.mean(), *run.over_networks(counts))
    rows = f"{model}, {work.removal}, {solver}, selected, mu {mu:g}"
    return _found(run, network, part, Source(("mcgill_curves",), rows))


def _less_than_random(kind: str, mu: float, run: Run) -> Found | None:
    """As mcgill_claims.csv has it: accuracy without random filters minus that without selected ones."""
    network = _network(run, kind)
    if network is None:
        return None
    return _from_claims(run, network, f"mu{mu:g}")


def _from_claims(run: Run, network: dict[str, Any], ending: str, **words: str) -> Found | None:
    key = f"mcgill.{network['model']}.{ending}"
    for row in run.rows("mcgill_claims", claim_id=key).to_dict("records"):
        numbers = (row["measured"], row["ci_low"], row["ci_high"])
        part = Part(network["model"], *numbers, row["verdict"])
        return _found(run, network, part, Source(("mcgill_claims",), key), **words)
    return None


def _conv_less_than_random(run: Run) -> Found | None:
    found = _row(run, "matconvnet", "conv", 10.0)
    if found is None:
        return None
    network, row = found
    ends = (row["difference_ci_low"], row["difference_ci_high"])
    part = Part(network["model"], row["difference"], *ends)
    rows = f"{network['model']}, mu 10, {row['variant']}, {row['solver']}"
    return _found(run, network, part, Source(("mcgill_matconvnet",), rows))


def _tipping(kind: str, run: Run) -> Found | None:
    network = _network(run, kind)
    if network is None:
        return None
    verdicts = run.rows("mcgill_verdict", model=network["model"])["verdict"]
    conclusion = str(verdicts.iloc[0]) if len(verdicts) else ""
    note = "Measured: how far the report's way shifts the point, as a share of all filters"
    return _from_claims(run, network, "tipping_point", note=note, conclusion=conclusion)


def _filters_until(curves: pd.DataFrame, level: float, largest: int, chance: float) -> pd.Series:
    """Share of the filters, per seed, that are gone when accuracy reaches `level`; 1 if it never does."""
    shares = {}
    for seed, rows in curves.groupby("seed"):
        whole = float(rows.loc[rows["condition"] == "none", "accuracy"].iloc[0])
        steps = rows[rows["condition"] == "selected"].sort_values(["n_removed", "mu"])
        removed, accuracy = (steps[c].to_numpy(float) for c in ("n_removed", "accuracy"))
        share = (whole - level) / (whole - chance)
        gone = find_crossing(removed, accuracy, np.float64(whole), chance, share)
        shares[seed] = min(float(gone) / largest, 1.0)
    return pd.Series(shares)


def _dropout(run: Run) -> Found | None:
    """How many more filters, as a share of all, it takes to fall to 80 % without dropout than with it."""
    with_it = _network(run, "keras")
    others = [n for n in run.networks("keras") if not n["dropout"]]
    if with_it is None or not others:
        return None
    shares = []
    for network in (others[0], with_it):
        model = network["model"]
        curves = run.rows("mcgill_curves", model=model)
        as_theirs = (curves["removal"] == "partial") & (curves["solver"] == _peer(run, model))
        rows = curves[(curves["condition"] == "none") | as_theirs]
        if rows.empty:
            return None
        shares.append(_filters_until(rows, LEVEL, int(rows["n_filters"].max()), 0.1))
    difference = (shares[0] - shares[1]).dropna()
    part = Part(with_it["model"], difference.mean(), *run.over_networks(difference))
    rows_used = f"{others[0]['model']} against {with_it['model']}, partial"
    return _found(run, with_it, part, Source(("mcgill_curves",), rows_used))


def _test_accuracy(run: Run) -> Found | None:
    network = _network(run, "keras")
    if network is None or not network["full"]:
        return None
    values = run.rows("mcgill_networks", model=network["model"])["test_accuracy"]
    part = Part(network["model"], values.mean(), *run.over_networks(values))
    return _found(run, network, part, Source(("mcgill_networks",), network["model"]))


def _row_claims(kind: str) -> list[Claim]:
    claims = []
    digits = 3 if kind == "matconvnet" else 4
    for mu, printed in REPORTED[kind].printed[REPORTED[kind].rows[0]].items():
        name, place = f"mcgill.{kind}.mu{mu:g}", FIGURES[kind]
        assert printed.selected is not None
        assert printed.random is not None
        claims += [
            Claim(
                f"{name}.dropped",
                SOURCE,
                place,
                f"mu = {mu:g}: {printed.dropped} of {REPORTED[kind].total} filters are selected",
                printed.dropped,
                VALUE,
                partial(_dropped, kind, mu),
                FULL[kind],
                decimals=1,
            ),
            Claim(
                f"{name}.accuracy",
                SOURCE,
                place,
                f"mu = {mu:g}: accuracy left without the selected filters",
                printed.selected,
                VALUE,
                partial(_accuracy, kind, REPORTED[kind].rows[0], mu),
                FULL[kind],
                rounding=ROUNDING[kind],
                decimals=digits,
            ),
            Claim(
                f"{name}.order",
                SOURCE,
                place,
                f"mu = {mu:g}: removing selected filters costs more accuracy than as many random ones",
                round(printed.random - printed.selected, 4),
                ORDER,
                partial(_less_than_random, kind, mu),
                FULL[kind],
                decimals=digits,
            ),
        ]
    return claims


def _conv_claims() -> list[Claim]:
    printed = REPORTED["matconvnet"].printed["conv"][10.0]
    assert printed.selected is not None
    assert printed.random is not None
    name, place = "mcgill.matconvnet.mu10.conv", FIGURES["matconvnet"]
    return [
        Claim(
            f"{name}.accuracy",
            SOURCE,
            place,
            "mu = 10, convolutions only: accuracy left without the selected filters",
            printed.selected,
            VALUE,
            partial(_accuracy, "matconvnet", "conv", 10.0),
            FULL["matconvnet"],
            rounding=0.0005,
        ),
        Claim(
            f"{name}.order",
            SOURCE,
            place,
            "mu = 10, convolutions only: selected filters cost more accuracy than random ones",
            round(printed.random - printed.selected, 4),
            ORDER,
            _conv_less_than_random,
            FULL["matconvnet"],
        ),
    ]


def _further_claims() -> list[Claim]:
    tipping = [
        Claim(
            f"mcgill.{kind}.tipping_point",
            SOURCE,
            "Open question: the tipping point",
            f"{FIGURES[kind].split(': ')[1]}: accuracy tips over at a point of the network's own, not "
            "because of how filters were selected and removed",
            None,
            PROPERTY,
            partial(_tipping, kind),
            FULL[kind],
        )
        for kind in FIGURES
    ]
    return [
        *tipping,
        Claim(
            "mcgill.keras.dropout",
            SOURCE,
            FIGURES["keras"],
            "Without dropout more filters must go until 80 % accuracy are left (share of all filters)",
            round((WITHOUT_DROPOUT - WITH_DROPOUT) / REPORTED["keras"].total, 3),
            ORDER,
            _dropout,
            "its Keras network with and without dropout: config/mcgill.yaml",
        ),
        Claim(
            "mcgill.keras.test_accuracy",
            SOURCE,
            FIGURES["keras"],
            "Test accuracy of the whole network",
            PRINTED_KERAS_ACCURACY,
            VALUE,
            _test_accuracy,
            "its Keras network at full width: config/paper.yaml",
            rounding=0.00005,
            decimals=4,
        ),
        Claim(
            "mcgill.memory",
            SOURCE,
            "Resources",
            "The mu-Lasso takes over 50 GB of memory",
            50,
            MEMORY,
            _memory,
            "a McGill network: config/mcgill.yaml",
            decimals=0,
        ),
    ]


CLAIMS: tuple[Claim, ...] = (
    *_row_claims("matconvnet"),
    *_conv_claims(),
    *_row_claims("keras"),
    *_further_claims(),
)
