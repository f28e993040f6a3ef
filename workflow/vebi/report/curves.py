"""Numbers behind the report's interactive curves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.catalogue.methods import CHANCE, DRAWN, in_order
from vebi.figures.names import name_of
from vebi.figures.text import feature_label
from vebi.selection.path import ClassPath
from vebi.selection.path_file import read_solution

FEATURES = 10
MOST_CLASSES = 30
GRID_POINTS = 80
# The grid of mu begins where hardly a feature has a weight.
GRID_START = 1 / 400


def iou_curves(table: pd.DataFrame) -> list[dict[str, Any]]:
    """IoU curves of each experiment: mean over its networks, and the range they span.

    One network has its 95 % interval over scenes in place of a range.
    """
    plots = []
    for (dataset, model), part in table.groupby(["dataset", "model"], sort=True):
        seeds = part["seed"].nunique()
        series = []
        for method in in_order(part["method"]):
            by_threshold = part[part["method"] == method].groupby("threshold", sort=True)
            low, high = ("mean_iou", "mean_iou") if seeds > 1 else ("ci_low", "ci_high")
            means = by_threshold["mean_iou"].mean()
            series.append(
                {
                    "name": DRAWN[method].label,
                    "colour": DRAWN[method].colour,
                    "dash": DRAWN[method].line != "-",
                    "shown": DRAWN[method].paper or method == CHANCE.name,
                    "y": _rounded(means),
                    "low": _rounded(by_threshold[low].min()),
                    "high": _rounded(by_threshold[high].max()),
                    "area": round(float(np.trapezoid(means, means.index)), 3),
                }
            )
        plots.append(
            {
                "dataset": name_of(str(dataset)),
                "model": name_of(str(model)),
                "networks": seeds,
                "x": _rounded(part["threshold"].drop_duplicates().sort_values(), 4),
                "series": series,
            }
        )
    return plots


@dataclass(frozen=True)
class Selected:
    """A network's path file, the names of its classes, and the mu that its explanations use."""

    dataset: str
    model: str
    seed: int
    path: Path
    classes: tuple[str, ...]
    mu: float


def weight_paths(files: Selected) -> dict[str, Any]:
    """Weights of each class's strongest features along the mu-Lasso path, and how many there are.

    The features are those with the largest weights at the explanations' mu, then those that get the
    largest weights anywhere. Of many classes, `MOST_CLASSES` are taken at equal steps.
    """
    solution = read_solution(files.path)
    labels = [
        feature_label(layer, c)
        for layer, c in zip(solution.index.layer, solution.index.channel, strict=True)
    ]
    numbers = np.arange(len(solution.classes))
    if len(numbers) > MOST_CLASSES:
        numbers = numbers[np.linspace(0, len(numbers) - 1, MOST_CLASSES).round().astype(int)]
    grid = _grid(solution.classes[0], solution.mu_max)
    classes = []
    for number in numbers:
        path = solution.classes[number]
        weights = np.stack([path.weights_at(float(mu)) for mu in grid])
        at_mu = np.abs(path.weights_at(min(files.mu, solution.mu_max)))
        largest = np.abs(weights).max(0)
        # Sorted by index where equal, so that the choice is one.
        order = np.lexsort((np.arange(len(largest)), -largest, -at_mu))
        chosen = [int(i) for i in order[:FEATURES] if largest[i] > 0]
        classes.append(
            {
                "name": files.classes[number] if number < len(files.classes) else str(number),
                "features": [{"name": labels[i], "y": _rounded(weights[:, i], 4)} for i in chosen],
                "count": [int(n) for n in (weights != 0).sum(1)],
            }
        )
    return {
        "dataset": name_of(files.dataset),
        "model": name_of(files.model),
        "seed": files.seed,
        "scope": solution.scope,
        "mu": files.mu,
        "x": _rounded(grid, 4),
        "total": len(solution.columns),
        "classes": classes,
        "n_classes": len(solution.classes),
    }


def _grid(path: ClassPath, mu_max: float) -> NDArray[np.float64]:
    """Values of mu to draw: spread evenly in their logarithm, or those that were solved for."""
    if path.points is not None:
        return np.asarray(path.points[path.points > 0])
    return np.geomspace(mu_max * GRID_START, mu_max, GRID_POINTS)


def _rounded(values: Any, digits: int = 3) -> list[float | None]:
    """Plain numbers for JSON; what is not a number becomes null."""
    return [
        round(float(v), digits) if np.isfinite(v) else None for v in np.asarray(values, np.float64)
    ]
