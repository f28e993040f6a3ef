"""Ten measures of a method's maps, scene by scene, and what they come to."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.benchmark.bench import Bench, Maps
from vebi.catalogue.measures import MEASURES, names_of
from vebi.io.tables import Table
from vebi.statistics import Estimate, over_networks_and_scenes, over_scenes, scene_means
from vebi.studies.artefacts.score import grid_artefact_score
from vebi.studies.interventions.parts import shares_on_parts
from vebi.studies.interventions.tables import faithfulness_of
from vebi.studies.iou.curve import area_under_curve, iou_curves
from vebi.studies.iou.localisation import mass_shares, pointing, relevance_rank

# Means over the images of each scene, by network and method.
SCORES = Table(
    keys=("model", "seed", "method", "scene"),
    values=("kind", "n_images", *MEASURES, "best_threshold"),
    text_values=("kind",),
    formats=dict.fromkeys((*MEASURES, "best_threshold"), "%.4f"),
)


def score(bench: Bench, maps: Maps, alike: NDArray[np.float64]) -> pd.DataFrame:
    """Every measure of maps, a row per scene.

    Args:
        bench: the network and its images.
        maps: (n, H, W) in [0, 1].
        alike: measure `sanity` of each image (n).

    Returns:
        `scene` (its number), `n_images`, the MEASURES as means over the scene's images, NaN where
        one does not apply, and `best_threshold`: the one threshold, for all images, that `best_iou` is
        at. It is chosen on the images that it is scored on.
    """
    curves = iou_curves(maps, bench.masks)
    best = int(curves.mean(0).argmax())
    mass, density = shares_on_parts(maps, bench.parts)
    faithful = faithfulness_of(bench.effects, mass, density)
    by_image = {
        "auc": area_under_curve(curves),
        "best_iou": curves[:, best],
        "relevance_mass": mass_shares(maps, bench.masks[:, None])[:, 0],
        "relevance_rank": relevance_rank(maps, bench.masks),
        "pointing": pointing(maps, bench.masks),
        **{name: faithful[name] for name in names_of("faithfulness")},
        "grid": _grid(maps, bench.period),
        "sanity": alike,
    }
    scenes, counts = np.unique(bench.effects.scene, return_counts=True)
    means = {name: scene_means(values, bench.effects.scene) for name, values in by_image.items()}
    threshold = best / (curves.shape[1] - 1)
    return pd.DataFrame({"scene": scenes, "n_images": counts, **means, "best_threshold": threshold})


def _grid(maps: Maps, period: tuple[float, float]) -> NDArray[np.float64]:
    """Share of each map's energy (n) that the network's widest lattice makes; NaN without strides."""
    if max(period) <= 1:
        return np.full(len(maps), np.nan)
    return grid_artefact_score(maps, period)


def by_network(scores: pd.DataFrame, measure: str) -> NDArray[np.float64]:
    """A method's scores by one measure as float64 (networks, scenes)."""
    return scores.set_index(["seed", "scene"])[measure].unstack().to_numpy(float)  # noqa: PD010


def estimate(values: NDArray[np.float64]) -> Estimate:
    """Mean over networks and scenes of (networks, scenes); of one network over its scenes."""
    return over_scenes(values[0]) if len(values) == 1 else over_networks_and_scenes(values)


def summarise(
    scores: pd.DataFrame, seconds: Mapping[tuple[str, str], float] | None = None
) -> pd.DataFrame:
    """One row per network's name and method: each measure with its 95 % interval.

    Args:
        scores: as SCORES.
        seconds: per image by network's name and method, of those that were timed.

    Returns:
        `model`, `method`, `kind`; each measure and its `_ci_low` and `_ci_high`, over scenes where
        there is one network, else over networks and scenes; `best_threshold`, `seconds_per_image`,
        `n_networks`, `n_scenes`, `n_images`. The method that follows the true effects best is first.
    """
    rows = []
    for (model, method), found in scores.groupby(["model", "method"], sort=False):
        row = {"model": model, "method": method, "kind": found["kind"].iloc[0]}
        for name in MEASURES:
            row |= estimate(by_network(found, name)).columns(name, f"{name}_")
        networks, scenes = found["seed"].nunique(), found["scene"].nunique()
        row |= {
            "best_threshold": found["best_threshold"].mean(),
            "seconds_per_image": (seconds or {}).get((str(model), str(method)), np.nan),
            "n_networks": networks,
            "n_scenes": scenes,
            "n_images": int(found["n_images"].sum()) // networks,
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    table["place"] = table["model"].map({name: i for i, name in enumerate(table["model"].unique())})
    by = ["place", "rank_correlation"]
    ordered = table.sort_values(by, ascending=[True, False], kind="stable", ignore_index=True)
    return ordered.drop(columns="place")
