"""Tables of the study, of all runs together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.io.tables import stack_runs
from vebi.run.plan import Run
from vebi.statistics import check_same_images, over_images, paired_difference
from vebi.studies.identifiability import STUDY
from vebi.studies.identifiability.rankings import RANDOM, RANKINGS, SELECTED, Kind
from vebi.studies.identifiability.rivals_file import Rivals, read_rivals

DROP = "drop"
# Kinds of which there are several rankings, whose mean is compared, too.
AVERAGED: tuple[Kind, ...] = ("predictive", "relevance")


def tabulate(
    stability: Sequence[Path],
    supports: Sequence[Path],
    rivals: Sequence[Path],
    runs: Sequence[Run],
) -> dict[str, pd.DataFrame]:
    """All tables; the files in the order of `runs`. Without masks in any run there is none of maps."""
    parts = {"selection_stability": stability, "selection_supports": supports}
    tables = {name: stack_runs(paths, runs, STUDY.tables[name]) for name, paths in parts.items()}
    measured = [read_rivals(path) for path in rivals]
    keyed = list(zip(runs, measured, strict=True))
    tables["selection_rivals"] = pd.DataFrame(
        [run | row for run, m in keyed for row in _removal(m)]
    )
    maps = [run | row for run, m in keyed for row in _maps(m)]
    if maps:
        tables["selection_rival_maps"] = pd.DataFrame(maps)
    networks: dict[tuple[str, str], list[Rivals]] = {}
    for run, item in keyed:
        networks.setdefault((run["dataset"], run["model"]), []).append(item)
    tables["selection_rival_effects"] = pd.DataFrame(
        [
            {"dataset": dataset, "model": model} | row
            for (dataset, model), group in networks.items()
            for row in effects(group)
        ]
    )
    return tables


def _removal(item: Rivals) -> list[dict[str, Any]]:
    """Rows of selection_rivals of one network."""
    selected = item.removals[SELECTED.name].lost
    return [
        {
            "ranking": name,
            "kind": RANKINGS[name].kind,
            "n_features": removal.n_features,
            "overlap": removal.overlap,
            "drop": removal.lost.mean(),
            **over_images((removal.lost - selected)[None], item.scene).columns("difference"),
            "n_images": len(removal.lost),
        }
        for name, removal in item.removals.items()
    ]


def _maps(item: Rivals) -> list[dict[str, Any]]:
    """Rows of selection_rival_maps of one network."""
    return [
        {
            "ranking": name,
            "method": method,
            "kind": RANKINGS[name].kind,
            "n_features": item.n_drawn,
            "auc": areas.mean(),
            **over_images((areas - by_ranking[SELECTED.name])[None], item.mapped_scene).columns(
                "difference"
            ),
            "n_images": len(areas),
        }
        for method, by_ranking in item.areas.items()
        for name, areas in by_ranking.items()
    ]


def effects(networks: Sequence[Rivals]) -> list[dict[str, Any]]:
    """Rows of selection_rival_effects of the networks of one experiment."""
    lost = [{name: removal.lost for name, removal in m.removals.items()} for m in networks]
    rows = _compared(DROP, lost, [m.scene for m in networks])
    for method in networks[0].areas:
        areas = [m.areas[method] for m in networks]
        rows += _compared(method, areas, [m.mapped_scene for m in networks])
    return rows


def _compared(
    measure: str,
    networks: Sequence[Mapping[str, NDArray[np.float64]]],
    scenes: Sequence[NDArray[np.int64]],
) -> list[dict[str, Any]]:
    """Rankings, and the mean of those of a kind, against others, from scores of the same images."""
    check_same_images(f"rankings by {measure}", scenes)
    kinds = {name: RANKINGS[name].kind for name in networks[0]}
    scores = {name: np.array([of[name] for of in networks]) for name in kinds}
    for kind in AVERAGED:
        own = [scores[name] for name in networks[0] if kinds[name] == kind]
        if own:
            scores[mean_of(kind)], kinds[mean_of(kind)] = np.mean(own, 0), kind
    pairs = [(a, b) for b in (SELECTED.name, RANDOM.name) for a in scores if a != b]
    pairs.append((mean_of("relevance"), mean_of("predictive")))
    return [
        {
            "measure": measure,
            "ranking": name,
            "reference": reference,
            "kind": kinds[name],
            "mean": scores[name].mean(),
            "mean_reference": scores[reference].mean(),
            **paired_difference("difference", scores[name] - scores[reference], scenes[0]),
            "n_seeds": len(networks),
        }
        for name, reference in pairs
        if name in scores and reference in scores
    ]


def mean_of(kind: Kind) -> str:
    """What the mean of the rankings of a kind is called."""
    return f"mean_{kind}"
