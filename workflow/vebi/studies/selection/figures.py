"""The figure of the mu-Lasso's path."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vebi.figures.grid import new_grid, title_panel
from vebi.figures.names import title_of
from vebi.figures.style import CONDITION_COLOURS, SCOPE_NAMES, SMALL, styled
from vebi.selection.path_file import Solution, read_solution


@styled
def draw_selection_path(
    counts: dict[
        tuple[str, str, str],
        dict[int, tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]],
    ],
    n_images: Mapping[tuple[str, str], int],
) -> Figure:
    """Features selected (union over classes) and objective against mu, from the exact path.

    `counts[dataset, model, scope][seed]` = (mu, features, objective per training image);
    `n_images[dataset, model]`: images that the features are selected from.
    """
    experiments = sorted({key[:2] for key in counts})
    figure, axes = new_grid(len(experiments), 2, height=2.5)
    for column, experiment in enumerate(experiments):
        upper, lower = axes[0, column], axes[1, column]
        for (dataset, model, scope), per_seed in counts.items():
            if (dataset, model) != experiment:
                continue
            colour = CONDITION_COLOURS["selected" if scope == "all" else "random_layer_matched"]
            for number, (mu, features, objective) in enumerate(per_seed.values()):
                label = SCOPE_NAMES[scope] if number == 0 else None
                upper.plot(mu, features, color=colour, alpha=0.8, lw=1, label=label)
                lower.plot(mu, objective, color=colour, alpha=0.8, lw=1, label=label)
        for axis in (upper, lower):
            axis.set_xscale("log")
            axis.set_xlabel("mu")
        title_panel(upper, f"{title_of(*experiment)}\n{n_images[experiment]:,} images")
        upper.set_ylabel("features selected")
        lower.set(ylabel="squared error per image")
        upper.legend(fontsize=SMALL, title="a line per seed", title_fontsize=SMALL)
    return figure


@styled
def draw_paths(paths: Sequence[Path], runs: Sequence[Mapping[str, Any]]) -> Figure:
    """The whole path of every run: `paths` in the order of `runs` (dataset, model, seed, scope)."""
    traces: dict[tuple[str, str, str], dict[int, Any]] = {}
    n_images = {}
    for run, path in zip(runs, paths, strict=True):
        key = (run["dataset"], run["model"], run["scope"])
        solution = read_solution(path)
        traces.setdefault(key, {})[run["seed"]] = trace_path(solution)
        n_images[key[:2]] = solution.n_samples
    return draw_selection_path(traces, n_images)


def trace_path(
    solution: Solution, n_points: int = 240
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """The path as lines to draw: mu (P,), features selected by any class (P,), ||X W - L||^2 / N (P,).

    Read off the exact path at `n_points` values of mu, equally spaced in log(mu) over the last four
    decades, or at the solved points where the solver gives no path.
    """
    if solution.classes[0].points is not None:
        mus = solution.mus
    else:
        mus = np.geomspace(solution.mu_max * 1e-4, solution.mu_max, n_points)
        mus[-1] = solution.mu_max
    features = np.array([(solution.weights_at(mu) != 0).any(axis=0).sum() for mu in mus])
    objective = np.array([sum(one.objective_at(mu) for one in solution.classes) for mu in mus])
    return mus, features, objective / solution.n_samples
