"""Networks and scenes that are both random: the variance of an effect over them, in one cell or many."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vebi.io.errors import VebiError
from vebi.statistics.estimate import Estimate, make_estimate

# The interval is calibrated where it is read: at 95 %.
_UPPER = 0.975


@dataclass(frozen=True, eq=False)
class Cell:
    """One experiment among several, such as a data set with an architecture.

    Args:
        values: its effects, one per network and scene (..., I, J), or (..., I) where `scenes` is
            None. NaN where one does not apply, at the same places for all leading indices.
        label: its name.
        levels: what it is made of by factor, such as {"dataset": "double-12c", "stride": "1"}.
        networks: name of its set of networks. Cells of one name have the same networks in the same
            order, as when one network is explained in two ways. "" for networks of its own.
        scenes: name of its set of scenes, likewise. "" for scenes of its own, None where they play
            no part.
    """

    values: NDArray[np.float64]
    label: str = ""
    levels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    networks: str = ""
    scenes: str | None = ""

    def estimate(self) -> Estimate:
        """The effect in this cell alone."""
        return contrast([self], [1.0])

    @cached_property
    def _parts(self) -> "_Decomposition":
        return _decompose(self)


def contrast(cells: Sequence[Cell], coefficients: Sequence[float]) -> Estimate:
    """A sum of the cells' effects times `coefficients`, networks and scenes both random.

    Networks add A to the variance of the sum, scenes B, and what neither explains E, each estimated
    by analysis of variance. In one cell of I networks and J scenes they are MS_A / IJ, MS_B / IJ
    and MS_E / IJ, the mean squares of the two-way table. A and B each hold E once, so the variance
    is E + (A - E) + (B - E), where a negative bracket counts as 0. Over several cells, networks
    that they share are summed before their variance is taken, so that pairs count as pairs; scenes
    likewise.

    The half-width of the 95 % interval is the root of t_A^2 (A - E) + t_B^2 (B - E) + t_E^2 E,
    every part with Student's quantile of its own degrees of freedom (Howe 1974), and no less than
    the larger of A and B gives alone; `df` is where Student's quantile gives that half-width.
    Satterthwaite's (1946) one number for all three covers too little with three networks on skewed
    data; it is taken within a part only, over sets of networks or scenes. docs/statistics.md has
    both by simulation.

    The mean of a cell is that of its networks' means, each over the scenes that it has.

    Args:
        cells: one or more, leading axes alike.
        coefficients: one for each cell.

    Raises:
        VebiError: if cells that share networks or scenes have different numbers of them, or values
            are NaN at different places along leading axes.
    """
    parts = [cell._parts.times(c) for cell, c in zip(cells, coefficients, strict=True)]
    networks = [cell.networks or f"own {k}" for k, cell in enumerate(cells)]
    scenes = [None if c.scenes is None else c.scenes or f"own {k}" for k, c in enumerate(cells)]
    both = [None if s is None else (n, s) for n, s in zip(networks, scenes, strict=True)]
    by_network = _grouped(parts, networks)
    by_scene, by_both = _grouped(parts, scenes), _grouped(parts, both)
    between = _add(_between(group, lambda p: p.network, "networks") for group in by_network)
    if by_scene:
        across = _add(_between(group, lambda p: p.scene, "scenes") for group in by_scene)
        between = _combine(between, across, _add(_rest(group) for group in by_both))
    n_networks = [max(int((p.network_given).sum()) for p in group) for group in by_network]
    n_scenes = [max(int((p.scene_given).sum()) for p in group) for group in by_scene]
    return make_estimate(
        sum((part.mean for part in parts), np.zeros(())),
        *between,
        n_networks=sum(n_networks),
        n_scenes=sum(n_scenes),
        reason=_reason(n_networks, n_scenes, by_both),
    )


@dataclass(frozen=True)
class _Decomposition:
    """A cell's mean (...) and what networks (..., I), scenes (..., J), values (..., I, J) add to it.

    Each addend is a deviation times its weight in the mean. `*_given`: which of them have a value.
    """

    mean: NDArray[np.float64]
    network: NDArray[np.float64]
    scene: NDArray[np.float64]
    rest: NDArray[np.float64]
    network_given: NDArray[np.bool_]
    scene_given: NDArray[np.bool_]
    rest_given: NDArray[np.bool_]
    df_rest: int

    def times(self, factor: float) -> "_Decomposition":
        return replace(
            self,
            mean=factor * self.mean,
            network=factor * self.network,
            scene=factor * self.scene,
            rest=factor * self.rest,
        )


# A variance and its degrees of freedom, both (...).
_Part = tuple[NDArray[np.float64], NDArray[np.float64]]


def _decompose(cell: Cell) -> _Decomposition:
    """Least squares of the additive model: value = mean + network + scene + rest."""
    values = np.asarray(cell.values, float)
    if cell.scenes is None:
        values = values[..., None]
    *lead, n_networks, n_scenes = values.shape
    given = ~np.isnan(values).reshape(-1, n_networks, n_scenes)
    if not (given == given[:1]).all():
        raise VebiError(
            f"The effects of cell '{cell.label}' are NaN at different places along the leading axes; "
            "they must be at the same ones. Estimate those of one pattern at a time."
        )
    mask: NDArray[np.bool_] = given[0]
    per_network, per_scene = mask.sum(1), mask.sum(0)
    network_given, scene_given = np.asarray(per_network > 0), np.asarray(per_scene > 0)
    weight = mask / np.maximum(per_network, 1)[:, None] / max(int(network_given.sum()), 1)
    known = np.where(mask, values, 0.0)
    # The normal equations of the additive model: sums over a network's and over a scene's values.
    normal = np.block([[np.diag(per_network), mask], [mask.T, np.diag(per_scene)]])
    sums = np.concatenate([known.sum(-1), known.sum(-2)], axis=-1)
    effects = sums @ np.linalg.pinv(normal, rcond=1e-10, hermitian=True)
    network, scene = np.split(effects, [n_networks], axis=-1)
    rest = np.where(mask, known - network[..., None] - scene[..., None, :], 0.0)
    rank = int(network_given.sum() + scene_given.sum()) - 1
    connected = mask.any() and np.linalg.matrix_rank(normal, hermitian=True) == rank
    return _Decomposition(
        mean=(known * weight).sum((-2, -1)) if mask.any() else np.full(lead, np.nan),
        network=_centred(network, network_given) * weight.sum(1),
        scene=_centred(scene, scene_given) * weight.sum(0),
        rest=rest * weight,
        network_given=network_given,
        scene_given=scene_given,
        rest_given=mask,
        df_rest=int(mask.sum()) - rank if connected else 0,
    )


def _centred(effects: NDArray[np.float64], given: NDArray[np.bool_]) -> NDArray[np.float64]:
    if not given.any():
        return effects
    return np.where(given, effects - effects[..., given].mean(-1, keepdims=True), 0.0)


def _grouped(
    parts: Sequence[_Decomposition], names: Sequence[object]
) -> list[list[_Decomposition]]:
    """The parts of each name together; those without one (None) left out."""
    groups: dict[object, list[_Decomposition]] = {}
    for part, name in zip(parts, names, strict=True):
        if name is not None:
            groups.setdefault(name, []).append(part)
    return list(groups.values())


def _between(
    group: Sequence[_Decomposition],
    axis: Callable[[_Decomposition], NDArray[np.float64]],
    what: str,
) -> _Part:
    """Variance that one set of networks or scenes adds, from the sum of its addends over cells."""
    sizes = {axis(part).shape[-1] for part in group}
    if len(sizes) > 1:
        raise VebiError(
            f"Cells that share their {what} have {sorted(sizes)} of them; they must be the same ones "
            "in the same order, NaN where one does not apply. Give other sets other names."
        )
    masks = [part.network_given if what == "networks" else part.scene_given for part in group]
    count = int(np.any(masks, axis=0).sum())
    total = sum((axis(part) for part in group), np.zeros(()))
    factor = count / (count - 1) if count > 1 else np.nan
    return (total**2).sum(-1) * factor, np.asarray(max(count - 1, 1), float)


def _rest(group: Sequence[_Decomposition]) -> _Part:
    """Variance that neither networks nor scenes explain, where cells share both."""
    df = min(part.df_rest for part in group)
    count = int(np.any([part.rest_given for part in group], axis=0).sum())
    total = sum((part.rest for part in group), np.zeros(()))
    factor = count / df if df > 0 else np.nan
    return (total**2).sum((-2, -1)) * factor, np.asarray(max(df, 1), float)


def _add(parts: Iterable[_Part]) -> _Part:
    """The sum of independent variances with Satterthwaite's (1946) degrees of freedom."""
    pairs = list(parts)
    if len(pairs) == 1:
        return pairs[0]
    total = sum((variance for variance, _ in pairs), np.zeros(()))
    spread = sum((variance**2 / df for variance, df in pairs), np.zeros(()))
    most = sum((df for _, df in pairs), np.zeros(()))
    with np.errstate(invalid="ignore", divide="ignore"):
        return total, np.where(spread > 0, total**2 / spread, most)


def _combine(network: _Part, scene: _Part, rest: _Part) -> _Part:
    """Variance of the mean, and the degrees of freedom that its 95 % interval has: see `contrast`."""
    (a, df_a), (b, df_b), (e, df_e) = network, scene, rest
    t_a, t_b, t_e = (special.stdtrit(df, _UPPER) ** 2 for df in (df_a, df_b, df_e))
    from_networks, from_scenes = np.maximum(a - e, 0), np.maximum(b - e, 0)
    variance = e + from_networks + from_scenes
    alone = np.where(a >= b, t_a * a, t_b * b)
    half = np.maximum(t_a * from_networks + t_b * from_scenes + t_e * e, alone)
    with np.errstate(invalid="ignore", divide="ignore"):
        quantile = np.sqrt(np.where(variance > 0, half / variance, t_a))
    return variance, special.stdtridf(_UPPER, quantile)


def _reason(
    n_networks: Sequence[int],
    n_scenes: Sequence[int],
    by_both: Sequence[Sequence[_Decomposition]],
) -> str:
    """Why the variance can't be estimated, "" where it can."""
    if min(n_networks) < 2:
        return "one network"
    if min(n_scenes, default=2) < 2:
        return "one scene"
    unknown = any(part.df_rest < 1 for group in by_both for part in group)
    return "too few networks share scenes" if unknown else ""
