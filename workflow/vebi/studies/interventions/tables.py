"""The tables of what rendered interventions show.

Images of one base scene are alike, so intervals take base scenes as what another test set would draw
again, and over several networks both networks and scenes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.descriptors.descriptor_file import open_descriptors
from vebi.statistics import (
    check_same_images,
    over_networks_and_scenes,
    over_scenes,
    scene_means,
)
from vebi.studies.interventions.effects_file import BOXES, Effects, read_effects
from vebi.studies.interventions.parts import (
    IGNORED,
    OF_A_PART,
    effects_of_parts,
    meaningful,
    rank_correlations,
    wrong_order,
)

CLASS_PART = "class part"
# What faithfulness is measured by; for the last two less is better.
MEASURES = (
    "rank_correlation",
    "rank_correlation_total",
    "single_deletion",
    "wrong_order",
    "wrong_order_total",
)


def tabulate(
    paths: Sequence[Path], descriptors: Sequence[Path], runs: Sequence[Mapping[str, Any]]
) -> dict[str, pd.DataFrame]:
    """The tables of several runs by name; `paths` and `descriptors` in the order of `runs`."""
    effects = [read_effects(path) for path in paths]
    tables: dict[str, list[pd.DataFrame]] = {}
    groups: dict[tuple[str, str], list[Effects]] = {}
    for run, one, described in zip(runs, effects, descriptors, strict=True):
        groups.setdefault((run["dataset"], run["model"]), []).append(one)
        layers = open_descriptors(described).layer_names
        for name, table in {
            "interventions": change_table(one),
            "faithfulness": faithfulness_table(one),
            "box_effects": box_table(one),
            "feature_parts": feature_table(one, layers),
        }.items():
            tables.setdefault(name, []).append(table.assign(**run))
    for (dataset, model), group in groups.items():
        pooled = pooled_table(group).assign(dataset=dataset, model=model)
        tables.setdefault("faithfulness_networks", []).append(pooled)
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def _estimate(
    name: str, values: NDArray[np.float64], scene: NDArray[np.int64], prefix: str
) -> dict[str, float]:
    """Mean over scenes and its interval, as columns `name`, `prefix`ci_low, `prefix`ci_high."""
    found = over_scenes(scene_means(values, scene))
    return {
        name: float(found.value),
        f"{prefix}ci_low": float(found.low),
        f"{prefix}ci_high": float(found.high),
    }


def change_table(effects: Effects) -> pd.DataFrame:
    """One row per part and change: what it does to score and probability of the predicted class.

    The part CLASS_PART is, in each image, the one that carries its class.
    """
    rows = []
    for part, kind, drop, probability, changed in _changes(effects):
        given = ~np.isnan(drop)
        if not given.any():
            continue
        rows.append(
            {
                "part": part,
                "change": kind,
                **_estimate("score_change", -drop, effects.scene, ""),
                **_estimate("probability_change", -probability, effects.scene, "probability_"),
                "changed_class": float(changed[given].mean()),
                "n_images": int(given.sum()),
                "n_scenes": len(np.unique(effects.scene[given])),
            }
        )
    return pd.DataFrame(rows)


def _changes(
    effects: Effects,
) -> list[tuple[str, str, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Part, kind, drops of score and probability, and whether the class changes, each (n)."""
    values = (effects.score_drop, effects.probability_drop, effects.changed_class)
    found = [
        (str(part), str(kind), *(value[:, column] for value in values))
        for column, (part, kind) in enumerate(
            zip(effects.change_parts, effects.change_kinds, strict=True)
        )
    ]
    carrier = effects.parts[effects.class_part]
    for kind in OF_A_PART:
        # In each image the column of the part that carries its class; NaN where it has none.
        at = (effects.change_kinds == kind)[None] & (effects.change_parts[None] == carrier[:, None])
        picked = [np.where(at.any(1), np.where(at, value, 0.0).sum(1), np.nan) for value in values]
        found.append((CLASS_PART, kind, *picked))
    return found  # type: ignore[return-value]


def faithfulness(effects: Effects, method: str) -> dict[str, NDArray[np.float64]]:
    """Every measure of a method, image by image (n): how its maps follow the true effects."""
    return faithfulness_of(effects, effects.mass[method], effects.density[method])


def faithfulness_of(
    effects: Effects, mass: NDArray[np.float64], density: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """The same of any maps, from their mass and density on the parts (n, P)."""
    shown = np.where(effects.area > 0, 0.0, np.nan)
    both = effects_of_parts(
        effects.score_drop,
        list(effects.change_parts),
        list(effects.change_kinds),
        list(effects.parts),
    )
    removed = effects_of_parts(
        effects.score_drop,
        list(effects.change_parts),
        list(effects.change_kinds),
        list(effects.parts),
        ("removed",),
    )
    mass = mass + shown
    return {
        "rank_correlation": rank_correlations(density, meaningful(both)),
        "rank_correlation_total": rank_correlations(mass, meaningful(both)),
        "single_deletion": rank_correlations(mass, meaningful(removed)),
        "wrong_order": wrong_order(density, both),
        "wrong_order_total": wrong_order(mass, both),
    }


def faithfulness_table(effects: Effects) -> pd.DataFrame:
    """One row per method: its measures for one network, with intervals over scenes."""
    rows = []
    for method in effects.mass:
        row: dict[str, Any] = {"method": method}
        for name, values in faithfulness(effects, method).items():
            prefix = "" if name == "rank_correlation" else f"{name}_"
            row |= _estimate(name, values, effects.scene, prefix)
        row["n_images"] = len(effects.image_index)
        row["n_scenes"] = len(np.unique(effects.scene))
        rows.append(row)
    return pd.DataFrame(rows)


def pooled_table(networks: Sequence[Effects]) -> pd.DataFrame:
    """One row per method and measure: over networks and scenes, both random."""
    check_same_images("all networks", [one.image_index for one in networks])
    scene = networks[0].scene
    rows = []
    for method in networks[0].mass:
        found = [faithfulness(one, method) for one in networks]
        for name in MEASURES:
            values = np.stack([scene_means(one[name], scene) for one in found])
            estimate = over_networks_and_scenes(values)
            rows.append(
                {
                    "method": method,
                    "measure": name,
                    "value": float(estimate.value),
                    "ci_low": float(estimate.low),
                    "ci_high": float(estimate.high),
                    "n_networks": len(networks),
                    "n_scenes": len(np.unique(scene)),
                }
            )
    return pd.DataFrame(rows)


def box_table(effects: Effects) -> pd.DataFrame:
    """One row per kind of box: how far a box over a part differs from the part's true removal."""
    removals = ~np.isnan(effects.box_drop).all((0, 2))
    true = effects.score_drop[:, removals]
    rows = []
    for place, box in enumerate(BOXES):
        boxed = effects.box_drop[:, removals, place]
        both = np.where(np.isnan(boxed), np.nan, true)
        distance = np.abs(boxed - both)
        given = ~np.isnan(distance)
        # Only one of both says that the part matters, or they say that it does in opposite directions.
        limit = IGNORED * np.nanmax(np.where(given, both, 0.0), axis=1, initial=0)[:, None]
        said = [np.where(np.abs(drop) <= limit, 0.0, np.sign(drop)) for drop in (boxed, both)]
        differ = np.where(given, said[0] != said[1], np.nan)
        rows.append(
            {
                "box": box,
                **_estimate(
                    "rank_correlation",
                    rank_correlations(boxed, meaningful(both)),
                    effects.scene,
                    "",
                ),
                "true_drop": _mean(both),
                "box_drop": _mean(boxed),
                **_estimate("distance", _row_means(distance), effects.scene, "distance_"),
                "disagreement": _mean(differ),
                "n_images": len(effects.image_index),
                "n_removals": int(given.sum()),
            }
        )
    return pd.DataFrame(rows)


def feature_table(effects: Effects, layer_names: Sequence[str]) -> pd.DataFrame:
    """One row per selected feature and part: the share of its response that a change of the part takes.

    The mean over the half of the images to which the feature responds most. A feature that is selected
    for several classes has a row for each. `rank`: 1 for the part with the largest mean size.
    """
    rows = []
    for place, (label, layer, channel) in enumerate(effects.features):
        response = effects.response[:, place]
        strongest = response >= np.median(response)
        lost = effects_of_parts(
            np.abs(effects.response_drop[strongest, :, place]),
            list(effects.change_parts),
            list(effects.change_kinds),
            list(effects.parts),
        )
        lost = np.where(effects.area[strongest] > 0, lost, np.nan)
        means = np.array([_mean(column) for column in lost.T])
        order = np.argsort(np.argsort(-np.nan_to_num(means, nan=-1.0), kind="stable"))
        for part in np.flatnonzero(~np.isnan(means)):
            rows.append(
                {
                    "class": int(label),
                    "layer": layer_names[layer],
                    "channel": int(channel),
                    "part": str(effects.parts[part]),
                    **_estimate("change", lost[:, part], effects.scene[strongest], ""),
                    "rank": int(order[part]) + 1,
                    "weight": float(effects.weights[place]),
                    "n_images": int((~np.isnan(lost[:, part])).sum()),
                }
            )
    columns = [*("class", "layer", "channel", "part", "change", "ci_low", "ci_high")]
    return pd.DataFrame(rows, columns=[*columns, "rank", "weight", "n_images"])


def shares_of_parts(
    effects: Path, descriptors: Path
) -> dict[int, dict[tuple[str, int], dict[str, float]]]:
    """`change` of `feature_table` for a network: by class, by layer and channel, by part."""
    table = feature_table(read_effects(effects), open_descriptors(descriptors).layer_names)
    shares: dict[int, dict[tuple[str, int], dict[str, float]]] = {}
    for row in table.itertuples(index=False):
        label, layer, channel, part, change = row[:5]
        shares.setdefault(label, {}).setdefault((layer, channel), {})[part] = change
    return shares


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what is not NaN; NaN for nothing."""
    given = values[~np.isnan(values)]
    return float(given.mean()) if len(given) else float("nan")


def _row_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([_mean(row) for row in values])
