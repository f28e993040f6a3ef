"""One effect over several cells (data sets x architectures): its mean, and what it depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from vebi.io.errors import VebiError
from vebi.statistics.crossed import Cell, contrast
from vebi.statistics.estimate import Estimate
from vebi.statistics.families import holm


@dataclass(frozen=True)
class Interaction:
    """How much an effect differs between two levels of a factor.

    Args:
        factor: such as "stride".
        levels: the two that differ most clearly; the effect in the first minus that in the second.
        difference: with its interval.
        p_value: that no two levels of the factor differ, corrected for their pairs (Holm).
        matched: whether the difference is between cells that are alike in all else. Otherwise it
            may be due to another factor.
    """

    factor: str
    levels: tuple[str, str]
    difference: Estimate
    p_value: float
    matched: bool


@dataclass(frozen=True)
class Pooled:
    """An effect over cells.

    Args:
        effect: the mean over the cells as they were chosen, each counting alike.
        cells: the effect in each, by label.
        levels: the mean over the cells of each level, by factor.
        interactions: by factor; factors with one level are left out.
        q: Cochran's Q, the weighted squares of the cells' distances from their weighted mean.
        i_squared: the share of Q that chance does not explain (Higgins and Thompson 2002), 0 to 1.
        p_heterogeneity: that all cells have one effect, by Welch's (1951) test, which unlike Q's
            chi-square holds for few networks. NaN where a cell has no interval.
    """

    effect: Estimate
    cells: dict[str, Estimate]
    levels: dict[str, dict[str, Estimate]]
    interactions: dict[str, Interaction]
    q: float
    i_squared: float
    p_heterogeneity: float


def pool(cells: Sequence[Cell]) -> Pooled:
    """The mean effect over `cells`, its heterogeneity, and its dependence on each factor.

    The cells are a design and no sample: the mean speaks of them, and its interval of other
    networks and scenes in them.

    Args:
        cells: effects (I) or (I, J) without leading axes, labels different, the same factors in
            all.

    Raises:
        VebiError: for no cells, labels that are not unique, or factors that differ.
    """
    _check(cells)
    estimates = {cell.label: cell.estimate() for cell in cells}
    factors = {
        factor: sorted({cell.levels[factor] for cell in cells}) for factor in cells[0].levels
    }
    return Pooled(
        effect=_mean_of(cells),
        cells=estimates,
        levels={
            factor: {
                name: _mean_of([c for c in cells if c.levels[factor] == name]) for name in names
            }
            for factor, names in factors.items()
        },
        interactions={
            factor: interaction(cells, factor)
            for factor, names in factors.items()
            if len(names) > 1
        },
        **heterogeneity(list(estimates.values())),
    )


def interaction(cells: Sequence[Cell], factor: str) -> Interaction:
    """How the effect depends on `factor`, from cells that differ in nothing else where there are any."""
    names = sorted({cell.levels[factor] for cell in cells})
    found = [(pair, *_difference(cells, factor, pair)) for pair in combinations(names, 2)]
    p = holm([float(difference.p_value()) for _, difference, _ in found])
    best = int(np.nanargmin(p)) if not np.isnan(p).all() else 0
    levels, difference, matched = found[best]
    return Interaction(factor, levels, difference, float(p[best]), matched)


def heterogeneity(estimates: Sequence[Estimate]) -> dict[str, float]:
    """`q`, `i_squared` and `p_heterogeneity` of independent estimates; NaN where one has no interval.

    Estimates of cells that share networks or scenes are alike for that reason, so that the test
    rejects too seldom.
    """
    errors = np.array([e.standard_error for e in estimates], float)
    if len(estimates) < 2 or not (errors > 0).all():
        return dict.fromkeys(("q", "i_squared", "p_heterogeneity"), float("nan"))
    values = np.array([e.value for e in estimates], float)
    df = np.array([e.df for e in estimates], float)
    weight = errors**-2
    centre = np.average(values, weights=weight)
    q, k = float((weight * (values - centre) ** 2).sum()), len(values)
    lack = float(((1 - weight / weight.sum()) ** 2 / df).sum())
    f = q / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * lack)
    return {
        "q": q,
        "i_squared": max(0.0, 1 - (k - 1) / q) if q > 0 else 0.0,
        "p_heterogeneity": float(special.fdtrc(k - 1, (k**2 - 1) / (3 * lack), f)),
    }


def _mean_of(cells: Sequence[Cell]) -> Estimate:
    return contrast(cells, [1 / len(cells)] * len(cells))


def _difference(cells: Sequence[Cell], factor: str, pair: tuple[str, str]) -> tuple[Estimate, bool]:
    """Effect at the first level minus that at the second, and whether all else was alike."""
    first, second = ([c for c in cells if c.levels[factor] == name] for name in pair)
    matches = [(a, b) for a in first for b in second if _without(a, factor) == _without(b, factor)]
    if matches:
        first, second = ([m[side] for m in matches] for side in (0, 1))
    signs = [1 / len(first)] * len(first) + [-1 / len(second)] * len(second)
    return contrast([*first, *second], signs), bool(matches)


def _without(cell: Cell, factor: str) -> Mapping[str, str]:
    return {name: level for name, level in cell.levels.items() if name != factor}


def _check(cells: Sequence[Cell]) -> None:
    if not cells:
        raise VebiError(
            "There are no cells to pool; give at least one, or call the claim not tested."
        )
    labels = [cell.label for cell in cells]
    if len(set(labels)) < len(labels):
        raise VebiError(f"The cells to pool are called {labels}; give each a label of its own.")
    factors = {tuple(sorted(cell.levels)) for cell in cells}
    if len(factors) > 1:
        raise VebiError(
            f"The cells to pool have the factors {sorted(factors)}; give all the same ones."
        )
