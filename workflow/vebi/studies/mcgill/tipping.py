"""Where accuracy tips over as filters are removed, and which of two causes puts that point there.

A curve is accuracy against the number of removed filters, one point per mu. `share` of the way down
is reached at the first point where accuracy has lost that share of what it can lose (from the whole
network's to chance, 1 / classes), interpolated linearly between points. The tipping point is the half
of the way. 10 % and 90 % say how flat the curve is before and how steep it is there.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.statistics import over_networks
from vebi.studies.mcgill.report_networks import REMOVALS, ReportedExperiment

SHARES = {"filters_at_10": 0.1, "filters_at_50": 0.5, "filters_at_90": 0.9}
TIPPING = (
    *("model", "removal", "solver", "condition", "filters_at_50", "ci_low", "ci_high"),
    *("filters_at_10", "filters_at_90", "largest_removed", "n_filters", "n_seeds"),
    *("n_seeds_reached", "reduced", "over"),
)


def find_crossing(
    removed: NDArray[np.floating],
    accuracy: NDArray[np.floating],
    whole: NDArray[np.floating] | float,
    chance: float,
    share: float,
) -> NDArray[np.float64]:
    """Removed filters at which `accuracy` (..., M) has gone `share` of the way from `whole` to chance.

    removed: (M), ascending; whole: (...). Infinity where the curve never gets there.
    """
    whole = np.asarray(whole, np.float64)[..., None]
    level = whole - share * (whole - chance)
    curve = np.concatenate(
        [np.broadcast_to(whole, (*np.shape(accuracy)[:-1], 1)), accuracy], axis=-1
    )
    counts = np.concatenate([[0.0], removed])
    below = curve <= level
    first = below.argmax(-1)
    after = np.maximum(first, 1)
    high = np.take_along_axis(curve, after[..., None] - 1, -1)
    low = np.take_along_axis(curve, after[..., None], -1)
    part = np.divide(high - level, high - low, out=np.zeros_like(high), where=high > low)[..., 0]
    found = counts[after - 1] + part * (counts[after] - counts[after - 1])
    return np.where(below.any(-1), found, np.inf)


class Curves:
    """The curves of one model, removal, solver and condition.

    removed (S, M), accuracy (S, R, M) of S seeds, R draws and M mu; whole (S).
    """

    def __init__(self, rows: pd.DataFrame, none: pd.DataFrame) -> None:
        seeds = sorted(rows["seed"].unique())
        table = rows.set_index(["seed", "repeat", "mu"]).sort_index()
        repeats, mus = rows["repeat"].nunique(), rows["mu"].nunique()
        shape = (len(seeds), repeats, mus)
        removed = table["n_removed"].to_numpy(float).reshape(shape)[:, 0]
        order = np.argsort(removed, axis=1, kind="stable")
        self.removed = np.take_along_axis(removed, order, 1)
        accuracy = table["test"].to_numpy(float).reshape(shape)
        self.accuracy = np.take_along_axis(accuracy, order[:, None], 2)
        self.whole = none.set_index("seed").loc[seeds, "test"].to_numpy(float)

    def crossings(self, share: float, chance: float) -> NDArray[np.float64]:
        """Per seed, of the mean over its draws: (S)."""
        return np.array(
            [
                find_crossing(removed, accuracy.mean(0), whole, chance, share)
                for removed, accuracy, whole in zip(
                    self.removed, self.accuracy, self.whole, strict=True
                )
            ]
        )


def get_curves(
    study: pd.DataFrame, reported: ReportedExperiment
) -> dict[tuple[str, str, str], Curves]:
    """Curves of one model by (removal, solver, condition): the report's labels and first rows."""
    none = study[study["condition"] == "none"]
    rows = study[(study["labels"] == reported.labels) & (study["rows"] == reported.rows[0])]
    groups = rows.groupby(["removal", "solver", "condition"], sort=True)
    return {tuple(key): Curves(group, none) for key, group in groups}  # type: ignore[misc]


def tipping_points(
    study: pd.DataFrame,
    reported: ReportedExperiment,
    *,
    n_classes: int,
    reduced: bool,
) -> pd.DataFrame:
    """Table TIPPING of one model (its seeds' studies, stacked).

    A number is blank, as is the interval over networks, where not all seeds' curves get there up to
    `largest_removed`, the most filters that were removed (mean over seeds); `n_seeds_reached` counts
    those whose do.
    """
    rows = []
    for key, curves in get_curves(study, reported).items():
        per_share = {name: curves.crossings(share, 1 / n_classes) for name, share in SHARES.items()}
        half = per_share["filters_at_50"]
        mean = over_networks(half if np.isfinite(half).all() else np.full(len(half), np.nan))
        rows.append(
            {
                "model": study["model"].iloc[0],
                **dict(zip(("removal", "solver", "condition"), key, strict=True)),
                **{name: _or_blank(values.mean()) for name, values in per_share.items()},
                "ci_low": mean.low,
                "ci_high": mean.high,
                "largest_removed": curves.removed[:, -1].mean(),
                "n_filters": int(study["n_filters"].max()),
                "n_seeds": len(half),
                "n_seeds_reached": int(np.isfinite(half).sum()),
                "reduced": reduced,
                "over": mean.over,
            }
        )
    return pd.DataFrame(rows)[list(TIPPING)]


def _or_blank(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")


# The verdict's rule, in shares of all filters.
PLATEAU = 0.25
STEEP = 0.25


def judge(
    study: pd.DataFrame,
    reported: ReportedExperiment,
    *,
    n_classes: int,
    peer: str,
) -> dict[str, Any]:
    """What moves the tipping point of the selected filters in one model, and whether it remains.

    `peer`: the solver beside the path. With t(removal, solver) the tipping point as a share of all
    filters (1 where it is never reached: all filters have to go), per seed:

    - `as_in_the_report` = t(partial, peer) for the Keras network, t(complete, peer) for MatConvNet's,
      whose code removes filters altogether; `corrected` = t(complete, path); `shift`: the difference.
    - `by_removal` = [t(partial, path) - t(complete, path) + t(partial, peer) - t(complete, peer)] / 2,
      `by_solver` likewise with the other factor: what each does to the tipping point. The two sum up to
      t(partial, peer) - t(complete, path) (Shapley values).
    - `n_censored` counts the tipping points among these that were never reached.
    - verdict, from the corrected curve and the whole shift over networks: see `_verdict`.

    Intervals are Student's t over networks.
    """
    curves = get_curves(study, reported)
    total = int(study["n_filters"].max())
    chance = 1 / n_classes

    def at(removal: str, solver: str, share: float = 0.5) -> NDArray[np.float64]:
        found = curves[removal, solver, "selected"].crossings(share, chance) / total
        return np.minimum(found, 1.0)

    t = {
        (removal, solver): at(removal, solver) for removal in REMOVALS for solver in ("path", peer)
    }
    shift = t[reported.removal, peer] - t["complete", "path"]
    by_removal = (
        t["partial", "path"] - t["complete", "path"] + t["partial", peer] - t["complete", peer]
    ) / 2
    by_solver = t["partial", peer] - t["complete", "path"] - by_removal
    plateau = float(at("complete", "path", 0.1).mean())
    fall = float((at("complete", "path", 0.9) - at("complete", "path", 0.1)).mean())
    whole_shift = over_networks(shift)
    result: dict[str, Any] = {
        "as_in_the_report": float(t[reported.removal, peer].mean()),
        "corrected": float(t["complete", "path"].mean()),
        **whole_shift.columns("shift", "shift_"),
        "plateau": plateau,
        "fall": fall,
        "verdict": _verdict(plateau, fall, shift),
        "n_censored": int(sum((values >= 1).sum() for values in t.values())),
    }
    for name, values in (("by_removal", by_removal), ("by_solver", by_solver)):
        result |= over_networks(values).columns(name, f"{name}_")
    return result


def _verdict(plateau: float, fall: float, shift: NDArray[np.float64]) -> str:
    """Whether the plateau before the tipping point is a property of the network.

    `quirk`: no plateau is left (10 % of the way down before a share PLATEAU of the filters is gone) and
    the shift (networks) is above 0; `property`: a plateau is left and the fall from 10 % to 90 % takes
    at most a share STEEP; `gradual`: anything else; `undecided`: no plateau is left, and one network
    can't say whether the shift is above 0.
    """
    if plateau >= PLATEAU:
        return "property" if fall <= STEEP else "gradual"
    if len(shift) < 2:
        return "undecided"
    return "quirk" if over_networks(shift).low > 0 else "gradual"
