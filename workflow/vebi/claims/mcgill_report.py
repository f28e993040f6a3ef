"""The McGill report on reproducing VEBI: every row of its Figs. 3 and 4, and what it says about them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from vebi.claims.cells import Numbers, interval_half, of_interval, of_spread
from vebi.claims.claim import Claim, Found, Source
from vebi.claims.rules import ABSENCE, COST, ORDER, QUESTION, VALUE
from vebi.claims.run import Run
from vebi.statistics import MARGINS, Comparability
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
# Both experiments are on ten digits.
CHANCE = 0.1
CONCLUSIONS = "What it concludes"
# What the words of mcgill_verdict.csv answer.
ANSWERS = {
    "property": "a point of the network's own",
    "quirk": "because of how filters were selected and removed",
    "gradual": "neither: it falls gradually",
    # One network does not tell.
    "undecided": "",
}

Network = Mapping[str, Any]


def _network(run: Run, kind: str) -> dict[str, Any] | None:
    """The network that stands for the report's: with dropout, the report's size if there is one."""
    some = [n for n in run.networks(kind) if n["dropout"] or kind != "keras"]
    return some[0] if some else None


def _peer(run: Run, model: str) -> str:
    """The solver that stands for the report's in this run."""
    row = run.row("mcgill_verdict", model=model)
    return str(row["peer"]) if row else "path"


def _found(network: Network, numbers: tuple[Numbers, ...], source: Source, **about: Any) -> Found:
    same = Comparability.SAME_DESIGN if network["full"] else Comparability.STAND_IN
    reduced = "" if network["full"] else f"{network['model']} on {network['dataset']}"
    return Found(numbers, (source,), **{"comparability": same, "reduced": reduced, **about})


def _is_as_large(run: Run, network: Network) -> bool:
    filters = run.rows("mcgill_networks", model=network["model"])["n_filters"]
    return bool(len(filters)) and set(filters) == {REPORTED[network["kind"]].total}


# Rows of its tables.


def _row(run: Run, kind: str, rows: str, mu: float) -> tuple[dict[str, Any], dict[Any, Any]] | None:
    """The network, and its row of the removal table that was made as the report made its own."""
    network, work = _network(run, kind), REPORTED[kind]
    if network is None:
        return None
    names = (rows, work.labels, work.evaluation, work.removal, CONTROL_NAMES[work.control])
    model, variant = network["model"], "/".join(names)
    row = run.row(f"mcgill_{kind}", model=model, mu=mu, variant=variant, solver=_peer(run, model))
    return None if row is None else (network, row)


def _curve(run: Run, network: Network, condition: str, **which: Any) -> pd.DataFrame:
    """Rows of the network's curve, as the report removed and solved: test accuracy per seed and mu."""
    removal, model = REPORTED[network["kind"]].removal, network["model"]
    keys = {"model": model, "removal": removal, "solver": _peer(run, model), "condition": condition}
    return run.rows("mcgill_curves", **keys, **which)


def _left(run: Run, network: Network, row: Mapping[Any, Any], condition: str) -> pd.Series:
    """Accuracy left per network, or numbers that stand for them.

    The curves have every network's, on test images, for the first kind of rows; else the removal
    table has a mean and an interval, and the spread of single draws.
    """
    work = REPORTED[network["kind"]]
    if work.evaluation == "test":
        drawn = "selected" if condition == "selected" else work.control
        curve = _curve(run, network, drawn, mu=row["mu"]).set_index("seed")["accuracy"]
        if len(curve):
            return curve
    networks = int(row["n_seeds"])
    if condition == "selected":
        half = interval_half(row, "selected_ci_low", "selected_ci_high", networks)
        return of_interval(row["accuracy_selected"], half, networks)
    # The report drew once: its number is that of one network and one draw.
    return of_spread(row["accuracy_random_mean"], row["accuracy_random_std"], networks)


def _words(network: Network, row: Mapping[Any, Any]) -> str:
    return f"{network['model']}, mu {row['mu']:g}, {row['variant']}, {row['solver']}"


def _accuracy(kind: str, rows: str, mu: float, condition: str, run: Run) -> Found | None:
    """Accuracy left without filters, in a network of as many as the report's."""
    found = _row(run, kind, rows, mu)
    if found is None or not _is_as_large(run, found[0]):
        return None
    network, row = found
    numbers = Numbers(network["model"], _left(run, network, row, condition))
    source = Source((f"mcgill_{kind}", "mcgill_curves"), _words(network, row))
    return _found(network, (numbers,), source, **_dead(row))


def _dropped(kind: str, mu: float, run: Run) -> Found | None:
    """Number of selected filters per network."""
    network = _network(run, kind)
    if network is None or not _is_as_large(run, network):
        return None
    counts = _curve(run, network, "selected", mu=mu).set_index("seed")["n_removed"]
    if counts.empty:
        return None
    work = REPORTED[kind]
    rows = (
        f"{network['model']}, {work.removal}, {_peer(run, network['model'])}, selected, mu {mu:g}"
    )
    numbers = Numbers(network["model"], counts.astype(float))
    return _found(network, (numbers,), Source(("mcgill_curves",), rows))


def _dead(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What is said of a row without filters or without anything learnt in both arms: it is vacuous."""
    left = max(row["accuracy_selected"], row["accuracy_random_mean"])
    if left > CHANCE + MARGINS["accuracy"].size and row["filters_dropped"] < row["filters"]:
        return {}
    problem = (
        f"{row['filters_dropped']:g} of {row['filters']:g} filters are gone in both arms, which are left "
        f"with an accuracy of at most {left:.2f}"
    )
    return {"comparability": Comparability.VACUOUS, "problem": problem}


def _difference(run: Run, network: Network, row: Mapping[Any, Any]) -> pd.Series:
    """Accuracy without random filters minus that without selected ones, per network."""
    if REPORTED[network["kind"]].evaluation == "test":
        return _left(run, network, row, "random") - _left(run, network, row, "selected")
    networks = int(row["n_seeds"])
    half = interval_half(row, "difference_ci_low", "difference_ci_high", networks)
    return of_interval(row["difference"], half, networks)


def _less_than_random(kind: str, rows: str, mu: float, run: Run) -> Found | None:
    found = _row(run, kind, rows, mu)
    if found is None:
        return None
    network, row = found
    numbers = Numbers(network["model"], _difference(run, network, row).dropna())
    source = Source((f"mcgill_{kind}", "mcgill_curves"), _words(network, row))
    return _found(network, (numbers,), source, **_dead(row))


# What it says about them.


def _consistent(run: Run) -> Found | None:
    """Selected against random over every printed mu of the MatConvNet network."""
    parts = []
    for mu in REPORTED["matconvnet"].printed_mu:
        found = _row(run, "matconvnet", "conv_dense", mu)
        if found is not None and not _dead(found[1]):
            parts.append((found, Numbers(f"mu {mu:g}", _difference(run, *found))))
    if not parts:
        return None
    network = parts[0][0][0]
    numbers = tuple(Numbers(n.label, n.values, {}, network["model"]) for _, n in parts)
    source = Source(("mcgill_matconvnet",), f"{network['model']}, conv_dense, every printed mu")
    return _found(network, numbers, source)


def _before_the_fall(run: Run) -> Found | None:
    """Selected against random at the printed mu that come before a tenth of the way down."""
    network = _network(run, "keras")
    if network is None:
        return None
    model, removal = network["model"], REPORTED["keras"].removal
    keys = {"removal": removal, "solver": _peer(run, model), "condition": "selected"}
    tip = run.row("mcgill_tipping_point", model=model, **keys)
    if tip is None:
        return None
    # A curve that never gets there has no such number: all of its points come before.
    end = tip["filters_at_10"] if np.isfinite(tip["filters_at_10"]) else np.inf
    numbers = []
    for mu in REPORTED["keras"].printed_mu:
        found = _row(run, "keras", REPORTED["keras"].rows[0], mu)
        if found is None or found[1]["filters_dropped"] >= end or _dead(found[1]):
            continue
        levels = {"mu": f"{mu:g}"}
        values = _difference(run, network, found[1]).dropna()
        numbers.append(Numbers(f"mu {mu:g}", values, levels, model))
    if not numbers:
        return None
    source = Source(("mcgill_curves", "mcgill_tipping_point"), f"{model}, before filters_at_10")
    return _found(network, tuple(numbers), source)


def _tipping(kind: str, run: Run) -> Found | None:
    """How far the report's way shifts the tipping point of the network, and the table's verdict."""
    network = _network(run, kind)
    row = None if network is None else run.row("mcgill_verdict", model=network["model"])
    if network is None or row is None:
        return None
    networks = int(row["n_seeds"])
    half = interval_half(row, "shift_ci_low", "shift_ci_high", networks)
    numbers = Numbers(network["model"], of_interval(row["shift"], half, networks))
    note = "Measured: how far the report's way shifts the point, as a share of all filters"
    problem = ""
    if not network["full"]:
        problem = (
            "a smaller network: its curve is not the report's, and its tipping point is another"
        )
    source = Source(("mcgill_verdict",), network["model"])
    return _found(
        network, (numbers,), source, note=note, problem=problem, answer=ANSWERS[row["verdict"]]
    )


def _filters_until(curves: pd.DataFrame, level: float) -> pd.Series:
    """Share of the filters that are gone when accuracy reaches `level`, per seed; inf if never."""
    shares = {}
    for seed, rows in curves.groupby("seed"):
        whole = float(rows.loc[rows["condition"] == "none", "accuracy"].iloc[0])
        steps = rows[rows["condition"] == "selected"].sort_values(["n_removed", "mu"])
        removed, accuracy = (steps[c].to_numpy(float) for c in ("n_removed", "accuracy"))
        share = (whole - level) / (whole - CHANCE)
        gone = find_crossing(removed, accuracy, np.float64(whole), CHANCE, share)
        shares[seed] = float(gone) / float(rows["n_filters"].max())
    return pd.Series(shares, dtype=float)


def _common_solver(run: Run, models: tuple[str, str]) -> str | None:
    """The report's solver where both networks were solved with it, else another that both have."""
    solvers = [
        set(run.rows("mcgill_curves", model=m, condition="selected")["solver"]) for m in models
    ]
    both = set.intersection(*solvers)
    peers = [solver for solver in (_peer(run, model) for model in models) if solver in both]
    return next(iter([*peers, *sorted(both)]), None)


def _dropout(run: Run) -> Found | None:
    """How many more filters, as a share of all, it takes to fall to 80 % without dropout than with it.

    Both arms are of one solver. Where a curve never falls that far, its share is not a number but a
    bound, and the difference is not tested.
    """
    with_it = _network(run, "keras")
    others = [n for n in run.networks("keras") if not n["dropout"]]
    if with_it is None or not others:
        return None
    models = (others[0]["model"], with_it["model"])
    solver = _common_solver(run, models)
    removal = REPORTED["keras"].removal
    shares = []
    for model in models:
        curves = run.rows("mcgill_curves", model=model)
        as_theirs = (curves["removal"] == removal) & (curves["solver"] == solver)
        rows = curves[(curves["condition"] == "none") | as_theirs]
        if not as_theirs.any() or not (rows["condition"] == "none").any():
            return None
        shares.append(_filters_until(rows, LEVEL))
    source = Source(("mcgill_curves",), f"{models[0]} against {models[1]}, {removal}, {solver}")
    never = [int(np.isinf(share).sum()) for share in shares]
    about: dict[str, Any] = {}
    if any(never):
        total = len(shares[0]) + len(shares[1])
        about["problem"] = f"{sum(never)} of {total} curves never fall to {LEVEL:.0%}"
        if sum(never) == total:
            about["comparability"] = Comparability.VACUOUS
        return _found(with_it, (), source, **about)
    difference = (shares[0] - shares[1]).dropna()
    return _found(with_it, (Numbers(models[1], difference),), source)


def _test_accuracy(run: Run) -> Found | None:
    network = _network(run, "keras")
    if network is None or not network["full"]:
        return None
    rows = run.rows("mcgill_networks", model=network["model"]).set_index("seed")
    if rows.empty:
        return None
    numbers = Numbers(network["model"], rows["test_accuracy"])
    return _found(network, (numbers,), Source(("mcgill_networks",), network["model"]))


def _memory(run: Run) -> Found | None:
    """Most memory of any exact selection, GB rounded up, of the network with most filters."""
    rows = run.rows("mcgill_solvers", solver="path")
    if rows.empty:
        return None
    largest = rows[rows["n_features_total"] == rows["n_features_total"].max()]
    model = largest["model"].iloc[0]
    network = next(n for n in run.facts["mcgill"] if n["model"] == model)
    peaks = largest[largest["model"] == model].groupby("seed")["peak_memory_gb"].max()
    source = Source(("mcgill_solvers",), f"{model}, path, largest peak_memory_gb")
    return _found(network, (Numbers(model, peaks.astype(float)),), source)


def _accuracy_claims(kind: str, mu: float) -> list[Claim]:
    """The printed accuracies without selected and without random filters."""
    rows = REPORTED[kind].rows[0]
    printed = REPORTED[kind].printed[rows][mu]
    draws = "one draw" if kind == "matconvnet" else "mean of five draws"
    return [
        Claim(
            f"mcgill.{kind}.mu{mu:g}.{ending}",
            SOURCE,
            FIGURES[kind],
            f"mu = {mu:g}: accuracy left without {words}",
            number,
            VALUE,
            partial(_accuracy, kind, rows, mu, condition),
            FULL[kind],
            rounding=ROUNDING[kind],
            decimals=3 if kind == "matconvnet" else 4,
            score="accuracy",
        )
        for ending, condition, words, number in (
            ("accuracy", "selected", "the selected filters", printed.selected),
            ("random", "random", f"as many random filters ({draws})", printed.random),
        )
    ]


def _row_claims(kind: str) -> list[Claim]:
    claims = []
    work, digits = REPORTED[kind], 3 if kind == "matconvnet" else 4
    rows = work.rows[0]
    for mu, printed in work.printed[rows].items():
        name, place = f"mcgill.{kind}.mu{mu:g}", FIGURES[kind]
        assert printed.selected is not None
        assert printed.random is not None
        claims += [
            Claim(
                f"{name}.dropped",
                SOURCE,
                place,
                f"mu = {mu:g}: {printed.dropped} of {work.total} filters are selected",
                printed.dropped,
                VALUE,
                partial(_dropped, kind, mu),
                FULL[kind],
                decimals=1,
                score="count",
            ),
            *_accuracy_claims(kind, mu),
            Claim(
                f"{name}.order",
                SOURCE,
                place,
                f"mu = {mu:g}: removing selected filters costs more accuracy than as many random ones",
                round(printed.random - printed.selected, 4),
                ORDER,
                partial(_less_than_random, kind, rows, mu),
                FULL[kind],
                decimals=digits,
                score="accuracy",
            ),
        ]
    return claims


def _conv_claims() -> list[Claim]:
    printed = REPORTED["matconvnet"].printed["conv"][10.0]
    assert printed.selected is not None
    assert printed.random is not None
    name, place = "mcgill.matconvnet.mu10.conv", FIGURES["matconvnet"]
    values = (
        ("accuracy", "selected", "the selected filters", printed.selected, 0.0005),
        ("random", "random", "as many random filters (one draw)", printed.random, 0.00005),
    )
    return [
        *(
            Claim(
                f"{name}.{ending}",
                SOURCE,
                place,
                f"mu = 10, convolutions only: accuracy left without {words}",
                number,
                VALUE,
                partial(_accuracy, "matconvnet", "conv", 10.0, condition),
                FULL["matconvnet"],
                rounding=rounding,
                score="accuracy",
            )
            for ending, condition, words, number, rounding in values
        ),
        Claim(
            f"{name}.order",
            SOURCE,
            place,
            "mu = 10, convolutions only: selected filters cost more accuracy than random ones",
            round(printed.random - printed.selected, 4),
            ORDER,
            partial(_less_than_random, "matconvnet", "conv", 10.0),
            FULL["matconvnet"],
            score="accuracy",
        ),
    ]


TIPPING = tuple(
    Claim(
        f"mcgill.{kind}.tipping_point",
        SOURCE,
        "Open question: the tipping point",
        f"{FIGURES[kind].split(': ')[1]}: does accuracy tip over at a point of the network's own, or "
        "because of how filters were selected and removed?",
        None,
        QUESTION,
        partial(_tipping, kind),
        FULL[kind],
    )
    for kind in FIGURES
)
# What it says besides its tables.
FURTHER: tuple[Claim, ...] = (
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
        score="accuracy",
    ),
    Claim(
        "mcgill.consistent",
        SOURCE,
        CONCLUSIONS,
        "Its results are consistent with the authors': selected filters cost more accuracy than "
        "random ones (MatConvNet network, over its values of mu)",
        None,
        ORDER,
        _consistent,
        FULL["matconvnet"],
        score="accuracy",
    ),
    Claim(
        "mcgill.keras.before_tipping",
        SOURCE,
        CONCLUSIONS,
        "Below the tipping point it makes no difference whether filters are selected or random "
        "(Keras network)",
        None,
        ABSENCE,
        _before_the_fall,
        FULL["keras"],
        score="accuracy",
    ),
    Claim(
        "mcgill.memory",
        SOURCE,
        "Resources",
        "The mu-Lasso takes over 50 GB of memory",
        50,
        COST,
        _memory,
        "a McGill network: config/mcgill.yaml",
        decimals=0,
    ),
)

CLAIMS: tuple[Claim, ...] = (
    *_row_claims("matconvnet"),
    *_conv_claims(),
    *_row_claims("keras"),
    *TIPPING,
    *FURTHER,
)
