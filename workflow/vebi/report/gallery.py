"""The report's gallery: some test images of every class, with every method's map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vebi.catalogue.methods import in_order
from vebi.data.dataset import open_dataset
from vebi.figures.images import read_rows
from vebi.figures.names import name_of
from vebi.figures.text import feature_label
from vebi.io.hdf5 import open_hdf5
from vebi.report.pictures import encode_image, encode_map, encode_mask
from vebi.studies.iou.curve import area_under_curve
from vebi.studies.iou.iou_file import read_curves

# Images of one experiment. Of more classes than this, some are taken at equal steps.
LARGEST = 30
MOST_PER_CLASS = 5


@dataclass(frozen=True)
class Explained:
    """Files of one network whose predictions are explained. `iou` is None without masks."""

    dataset: str
    model: str
    seed: int
    images: Path
    descriptors: Path
    heatmaps: Mapping[str, Path]
    iou: Path | None = None


def choose_images(
    labels: NDArray[np.int64], predictions: NDArray[np.int64], largest: int = LARGEST
) -> NDArray[np.int64]:
    """Places of the images to show, by class: at equal steps, and a wrongly predicted one if there is.

    `labels` and `predictions` int64 (N) of the explained images. The same input, the same choice.
    """
    classes = np.unique(labels)
    if len(classes) > largest:
        classes = classes[np.linspace(0, len(classes) - 1, largest).round().astype(int)]
    each = min(MOST_PER_CLASS, max(1, largest // max(1, len(classes))))
    chosen: list[int] = []
    for label in classes:
        rows = np.flatnonzero(labels == label)
        picked = rows[np.linspace(0, len(rows) - 1, min(each, len(rows))).round().astype(int)]
        wrong = rows[predictions[rows] != label]
        if len(wrong) and not np.isin(picked, wrong).any():
            picked[-1] = wrong[0]
        chosen += sorted({int(row) for row in picked})
    return np.array(chosen, dtype=np.int64)


def collect(files: Explained) -> dict[str, Any]:
    """Everything the page needs to show one network's explanations; images are data URIs."""
    dataset = open_dataset(files.images)
    methods = in_order(files.heatmaps)
    with open_hdf5(files.heatmaps[methods[0]]) as file:
        index = file["image_index"][:]
    with open_hdf5(files.descriptors) as file:
        predictions = file["predictions"][:][index]
        layers = [str(name) for name in file["layer_names"].asstr()[:]]
    rows = choose_images(dataset.labels[index], predictions)
    images = dataset.read("images", index[rows])
    masks = dataset.read("masks", index[rows]) if dataset.has_masks else None
    maps = {m: read_rows(files.heatmaps[m], "heatmaps", rows) for m in methods}
    areas = _areas(files.iou, methods, rows)
    features = {m: _features(files.heatmaps[m], rows, layers) for m in methods}
    return {
        "dataset": name_of(files.dataset),
        "model": name_of(files.model),
        "seed": files.seed,
        "classes": list(dataset.classes),
        "shown": sorted({int(dataset.labels[i]) for i in index[rows]}),
        "explained": len(index),
        "methods": methods,
        "pixelated": max(dataset.image_shape[:2]) <= 64,
        "items": [
            {
                "index": int(index[row]),
                "label": int(dataset.labels[index[row]]),
                "predicted": int(predictions[row]),
                "image": encode_image(images[i]),
                "mask": None if masks is None else encode_mask(masks[i]),
                "maps": [encode_map(maps[m][i]) for m in methods],
                "areas": [round(float(areas[m][i]), 3) for m in methods] if areas else None,
                "features": [features[m][i] for m in methods],
            }
            for i, row in enumerate(rows)
        ],
    }


def _areas(
    iou: Path | None, methods: Sequence[str], rows: NDArray[np.integer]
) -> dict[str, NDArray[np.float64]] | None:
    """Area under the IoU curve of each shown map; None without masks."""
    if iou is None:
        return None
    curves = read_curves(iou)
    return {m: area_under_curve(curves[m].curves[rows]) for m in methods}


def _features(path: Path, rows: NDArray[np.integer], layers: Sequence[str]) -> list[list[str]]:
    """Names of the features that each map draws, strongest first; none for maps of the class."""
    with open_hdf5(path) as file:
        if "features" not in file:
            return [[] for _ in rows]
    found = read_rows(path, "features", rows)
    return [
        [feature_label(layers[layer], c) for layer, c in image if layer >= 0] for image in found
    ]
