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
from vebi.studies.identifiability.rankings import RANDOM, RANKINGS, SELECTED
from vebi.studies.identifiability.rivals_file import Rivals, read_rivals

DROP = "drop"


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
            for row in _effects(group)
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


def _effects(networks: Sequence[Rivals]) -> list[dict[str, Any]]:
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
    """Every ranking against the mu-Lasso and against random features, from scores of the same images."""
    check_same_images(f"rankings by {measure}", scenes)
    rows = []
    for reference in (SELECTED.name, RANDOM.name):
        for name in networks[0]:
            if name == reference:
                continue
            values = np.array([[of[name], of[reference]] for of in networks])
            rows.append(
                {
                    "measure": measure,
                    "ranking": name,
                    "reference": reference,
                    "kind": RANKINGS[name].kind,
                    "mean": values[:, 0].mean(),
                    "mean_reference": values[:, 1].mean(),
                    **paired_difference("difference", values[:, 0] - values[:, 1], scenes[0]),
                    "n_seeds": len(networks),
                }
            )
    return rows
