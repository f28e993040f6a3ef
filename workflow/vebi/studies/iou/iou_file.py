"""What was measured on each image of one network, for all methods: `iou.h5`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.catalogue.methods import CHANCE
from vebi.data.dataset import Dataset, open_dataset
from vebi.io.hdf5 import create_hdf5, open_hdf5
from vebi.statistics import draw_key
from vebi.studies.iou.curve import area_under_curve, iou_curves, rank_normalised
from vebi.studies.iou.localisation import mass_shares, pointing, relevance_rank

BATCH = 64
LOCALISATION = ("relevance_mass", "relevance_rank", "pointing")
# Only of data sets whose images hold distractors.
DISTRACTORS = (
    *("mass_on_distractors", "mass_elsewhere", "area_part", "area_distractors", "area_elsewhere"),
    "distractor_auc",
)
# Whether there was any feature to draw (1 or 0), and the area of the rank-normalised map.
HAS_MAP, RANKED = "has_map", "ranked_auc"
SCORES = (*LOCALISATION, *DISTRACTORS, HAS_MAP, RANKED)


@dataclass(frozen=True)
class Curves:
    """What one method got on N images.

    IoU `curves` (N, T); the images' places in the data set; which were predicted right; `scene` int64
    (N): images of one number share a base scene and are not independent evidence; `scores`: further
    measures, each float64 (N), NaN where it means nothing.
    """

    curves: NDArray[np.float64]
    image_index: NDArray[np.int64]
    correct: NDArray[np.bool_]
    scene: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def areas(self) -> NDArray[np.float64]:
        """Area under each image's curve: (N)."""
        return area_under_curve(self.curves)

    @property
    def areas_with_map(self) -> NDArray[np.float64]:
        """The same, NaN for an image in which none of the selected features could be drawn."""
        has_map = self.scores.get(HAS_MAP, np.ones(len(self.curves)))
        return np.where(has_map > 0, self.areas, np.nan)

    @property
    def ranked_areas(self) -> NDArray[np.float64]:
        """Areas of the rank-normalised maps; NaN where these were not measured."""
        return self.scores.get(RANKED, np.full(len(self.curves), np.nan))


@dataclass(frozen=True)
class _Truth:
    """Masks bool (N, H, W) of some images, and where their distractors are, if they can have any."""

    image_index: NDArray[np.int64]
    masks: NDArray[np.bool_]
    distractors: NDArray[np.bool_] | None


def measure(
    dataset_path: Path,
    descriptors_path: Path,
    heatmap_paths: Mapping[str, Path],
    out: Path,
    *,
    n_thresholds: int,
    seed: int,
    ranked: bool = False,
) -> None:
    """Write the IoU curve and the other scores of every image and method to `out`: a group per method.

    The group `random` is what chance gives: maps of independent uniform pixels, drawn for each image
    from `seed`, for the same images. `ranked`: also the areas of the rank-normalised maps.
    """
    dataset = open_dataset(dataset_path)
    with open_hdf5(descriptors_path) as file:
        correct = file["predictions"][:] == dataset.labels
    with open_hdf5(dataset_path) as file:
        has_distractors = "distractor_masks" in file
        scene = file["base_scene"][:] if "base_scene" in file else np.arange(len(dataset))
    with create_hdf5(out) as target:
        for method, path in sorted(heatmap_paths.items()):
            with open_hdf5(path) as source:
                index, parts = source["image_index"][:], []
                for start, truth in enumerate(_truths(dataset, index, has_distractors)):
                    rows = slice(start * BATCH, start * BATCH + len(truth.masks))
                    found = _scores(source["heatmaps"][rows], truth, n_thresholds, ranked)
                    found[HAS_MAP] = _has_map(source, rows)
                    parts.append(found)
            _write(target.create_group(method), parts, index, correct, scene)
        parts = [
            _scores(_chance(truth, seed), truth, n_thresholds, ranked)
            for truth in _truths(dataset, index, has_distractors)
        ]
        _write(target.create_group(CHANCE.name), parts, index, correct, scene)


def _truths(dataset: Dataset, index: NDArray[np.int64], has_distractors: bool) -> Iterator[_Truth]:
    masks = dataset.batches(index, BATCH, "masks")
    if not has_distractors:
        yield from (_Truth(rows, truth, None) for rows, truth in masks)
        return
    others = dataset.batches(index, BATCH, "distractor_masks")
    for (rows, truth), (_, distractors) in zip(masks, others, strict=True):
        yield _Truth(rows, truth, distractors)


def _has_map(source: h5py.File, rows: slice) -> NDArray[np.float64]:
    """Which images had a feature to draw. A map that is flat all the same is a map."""
    if "features" not in source:
        return np.ones(len(source["heatmaps"][rows]))
    return (source["features"][rows][:, :, 0] >= 0).any(1).astype(float)


def _chance(truth: _Truth, seed: int) -> NDArray[np.float64]:
    shape = truth.masks.shape[1:]
    keys = [draw_key("iou: map of chance", seed, i) for i in truth.image_index]
    return np.stack([np.random.default_rng(key).random(shape) for key in keys])


def _scores(
    heatmaps: NDArray[np.floating], truth: _Truth, n_thresholds: int, ranked: bool
) -> dict[str, NDArray[np.float64]]:
    """Everything that is measured on some images, by name."""
    found = {"curves": iou_curves(heatmaps, truth.masks, n_thresholds)}
    if ranked:
        curves = iou_curves(rank_normalised(heatmaps), truth.masks, n_thresholds)
        found[RANKED] = area_under_curve(curves)
    regions = [truth.masks]
    if truth.distractors is not None:
        regions.append(truth.distractors)
        regions.append(~(truth.masks | truth.distractors))
    parts = np.stack(regions, 1)
    shares = mass_shares(heatmaps, parts)
    found["relevance_mass"] = shares[:, 0]
    found["relevance_rank"] = relevance_rank(heatmaps, truth.masks)
    found["pointing"] = pointing(heatmaps, truth.masks)
    if truth.distractors is None:
        return found
    areas = parts.mean((2, 3))
    found["mass_on_distractors"], found["mass_elsewhere"] = shares[:, 1], shares[:, 2]
    for column, name in enumerate(("area_part", "area_distractors", "area_elsewhere")):
        found[name] = areas[:, column]
    # A distractor can be hidden behind something: no overlap to speak of then.
    seen = truth.distractors.any((1, 2))
    found["distractor_auc"] = np.full(len(heatmaps), np.nan)
    if seen.any():
        curves = iou_curves(heatmaps[seen], truth.distractors[seen], n_thresholds)
        found["distractor_auc"][seen] = area_under_curve(curves)
    return found


def _write(
    group: h5py.Group,
    parts: list[dict[str, NDArray[np.float64]]],
    index: NDArray[np.int64],
    correct: NDArray[np.bool_],
    scene: NDArray[np.int64],
) -> None:
    group["image_index"], group["correct"], group["scene"] = index, correct[index], scene[index]
    for name in parts[0]:
        group[name] = np.concatenate([part[name] for part in parts])


def read_curves(path: Path) -> dict[str, Curves]:
    """All methods of an `iou.h5`."""
    with open_hdf5(path) as file:
        return {method: _read(file[method]) for method in file}


def _read(group: h5py.Group) -> Curves:
    return Curves(
        group["curves"][:],
        group["image_index"][:],
        group["correct"][:],
        group["scene"][:],
        {name: group[name][:] for name in SCORES if name in group},
    )
