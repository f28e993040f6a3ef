"""The tables artefacts and artefacts_paired: scores with intervals, and methods compared.

With the score of each layer's features: how far the same maps lie on the mask.

Images of one base scene are alike, so the interval of one network is over base scenes, that of several
over networks and scenes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vebi.catalogue.methods import pairs_of
from vebi.statistics import check_same_images, over_images, paired_difference
from vebi.studies.artefacts import STUDY
from vebi.studies.artefacts.artefacts_file import Artefacts, read_artefacts

# The row of finished heatmaps, besides the layers' own names.
HEATMAP = "heatmap"


def tabulate(paths: Sequence[Path], runs: Sequence[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Both tables of several runs; `paths` in the order of `runs`."""
    singles: list[pd.DataFrame] = []
    pairs: list[pd.DataFrame] = []
    groups: dict[tuple[str, str], list[Artefacts]] = {}
    for path, run in zip(paths, runs, strict=True):
        item = read_artefacts(path)
        groups.setdefault((run["dataset"], run["model"]), []).append(item)
        singles.append(score_table(item).assign(**run))
    for (dataset, model), group in groups.items():
        pairs.append(paired_table(group).assign(dataset=dataset, model=model))
    tables = {"artefacts": singles, "artefacts_paired": pairs}
    return {
        name: pd.concat(frames, ignore_index=True)[STUDY.tables[name].columns]
        for name, frames in tables.items()
    }


def score_table(item: Artefacts) -> pd.DataFrame:
    """One row per layer, and for finished heatmaps, and method: mean score with its interval."""
    rows = []
    for place in _places(item):
        for method, values in place["scores"].items():
            found = over_images(values[None], item.scene)
            overlap = over_images(place["overlap"][method][None], item.scene)
            rows.append(
                {
                    "method": method,
                    "layer": place["layer"],
                    "cumulative_stride": place["stride"],
                    **found.columns("grid_artefact_score"),
                    "n_images": len(values),
                    "layer_number": place["number"],
                    "share_selected": place["selected"],
                    "over": found.over,
                    **overlap.columns("mask_overlap", "mask_overlap_"),
                }
            )
    columns = [
        c for c in STUDY.tables["artefacts"].columns if c not in ("dataset", "model", "seed")
    ]
    return pd.DataFrame(rows, columns=columns)


def paired_table(items: Sequence[Artefacts]) -> pd.DataFrame:
    """Difference in score of each method and each reference on the same images, over the networks.

    `items`: one per network. Below 0 the method shows less of the grid than the reference.
    """
    check_same_images("the seeds' networks", [item.image_index for item in items])
    scene = items[0].scene
    rows = []
    for places in zip(*(_places(item) for item in items), strict=True):
        for method, reference in pairs_of("artefacts", places[0]["scores"]):
            differences, overlaps = (
                [place[what][method] - place[what][reference] for place in places]
                for what in ("scores", "overlap")
            )
            overlap = over_images(np.array(overlaps), scene)
            rows.append(
                {
                    "layer": places[0]["layer"],
                    "method": method,
                    "reference": reference,
                    **paired_difference("score_difference", differences, scene),
                    "n_seeds": len(items),
                    "cumulative_stride": places[0]["stride"],
                    "layer_number": places[0]["number"],
                    **overlap.columns("overlap_difference", "overlap_"),
                    "overlap_p_value": overlap.p_value(),
                }
            )
    columns = [c for c in STUDY.tables["artefacts_paired"].columns if c not in ("dataset", "model")]
    return pd.DataFrame(rows, columns=columns)


def _places(item: Artefacts) -> Iterator[dict[str, Any]]:
    """Every layer and then the finished heatmaps, with the scores and overlaps (N) of each method.

    The overlap of finished heatmaps is another study's, and NaN here. A stride that differs between the
    axes is given by its larger value.
    """
    for number, name in enumerate(item.layer_names):
        yield {
            "layer": name,
            "number": int(item.layer_numbers[number]),
            "stride": float(item.period[number].max()),
            "selected": float(item.selected[:, number].mean()),
            "scores": {m: item.scores[:, number, i] for i, m in enumerate(item.methods)},
            "overlap": {m: item.overlap[:, number, i] for i, m in enumerate(item.methods)},
        }
    if item.heatmap_methods:
        yield {
            "layer": HEATMAP,
            "number": 0,
            "stride": float(item.heatmap_period.max()),
            "selected": float("nan"),
            "scores": {m: item.heatmap_scores[:, i] for i, m in enumerate(item.heatmap_methods)},
            "overlap": dict.fromkeys(item.heatmap_methods, np.full(len(item.image_index), np.nan)),
        }
