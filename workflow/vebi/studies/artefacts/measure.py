"""Grid-artefact scores of single features, their overlap with masks, and scores of whole heatmaps."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.config.artefacts import ArtefactScoreConfig
from vebi.data.dataset import TEST, Dataset
from vebi.data.scenes import read_scenes
from vebi.data.subset import spread_over_classes
from vebi.descriptors.descriptor_file import layers_of
from vebi.heatmaps.draw import feature_maps, get_methods
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.io.hdf5 import open_hdf5
from vebi.network.batches import map_batches
from vebi.network.layers import Layer, feature_index, list_layers
from vebi.network.passes import to_network_input
from vebi.network.receptive_field import continued_fields, receptive_fields
from vebi.studies.artefacts.artefacts_file import Artefacts, write_artefacts
from vebi.studies.artefacts.score import grid_artefact_score, is_measurable
from vebi.studies.iou.curve import area_under_curve, iou_curves

# Layers whose maps are in memory at once.
GROUP = 8


def lattices(
    model: nn.Module, example: Tensor, layers: Sequence[Layer], candidates: Sequence[Layer]
) -> list[tuple[Layer, tuple[float, float]]]:
    """The `candidates` whose units stand on a lattice that can be scored, with its periods.

    A layer's period is how far its neighbouring units' receptive fields are apart: the product of all
    strides on the way.
    """
    size = (int(example.shape[-2]), int(example.shape[-1]))
    spatial = [layer for layer in candidates if layer.spatial]
    boxes = receptive_fields(model, example, layers, [(layer.index, 0) for layer in spatial])
    found = []
    for layer, box in zip(spatial, boxes, strict=True):
        vertical, horizontal = continued_fields(box, size, layer.lattices)
        period = (vertical.jump, horizontal.jump)
        if is_measurable(size, period):
            found.append((layer, period))
    return found


def feature_of_each_layer(
    descriptors: NDArray[np.float32],
    weights: NDArray[np.float64],
    predictions: NDArray[np.int64],
    described: Sequence[Layer],
    layers: Sequence[Layer],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """One feature of each of `layers` for each image: int64 (N, L, 2), and whether it was selected.

    The one with the highest positive r = w_j o x of the predicted class j; where the mu-Lasso has taken
    none of the layer for j, the one with the highest response x. `descriptors` (N, m) and `weights`
    (classes, m) over the channels of `described`. Equal values: lowest channel.
    """
    positions, channels = feature_index(described)
    index = np.array([layer.index for layer in described])[positions]
    relevance = weights[predictions] * descriptors
    # A descriptor's entries are shares of their layer, 1 at most, so that any relevance comes first.
    order = np.where(relevance > 0, 2 + relevance, descriptors)
    features, selected = [], []
    for layer in layers:
        mine = np.flatnonzero(index == layer.index)
        best = mine[order[:, mine].argmax(1)]
        features.append(np.stack([index[best], channels[best]], axis=1))
        selected.append(relevance[np.arange(len(best)), best] > 0)
    shape = (len(descriptors), len(layers))
    if not layers:
        return np.zeros((*shape, 2), np.int64), np.zeros(shape, bool)
    return np.stack(features, axis=1), np.stack(selected, axis=1)


def drawing_methods(names: Iterable[str]) -> list[str]:
    """Those of the methods that draw single features, one of each way to draw."""
    functions: dict[str, str] = {}
    for name, method in get_methods(names).items():
        if method.explains == "features":
            functions.setdefault(method.function, name)
    return list(functions.values())


class _Scored(NamedTuple):
    """Of N images, L layers, M methods: features (N, L, 2), selected (N, L), the others (N, L, M)."""

    features: NDArray[np.int64]
    selected: NDArray[np.bool_]
    scores: NDArray[np.float64]
    overlap: NDArray[np.float64]


def measure(
    network: InterpretedNetwork,
    heatmaps: Mapping[str, Path],
    out: Path,
    settings: ArtefactScoreConfig,
) -> None:
    """Score features of every layer, and the finished heatmaps, on some test images.

    Args:
        network: whose features are drawn.
        heatmaps: files by method; methods that draw features also draw one of each layer.
        out: artefacts.h5.
        settings: with more than `settings.layers` layers that have a lattice, as many as that are
            taken at equal steps.

    Raises:
        VebiError: no test images, or heatmaps of other images.
    """
    dataset, device = network.dataset, network.device
    chosen = spread_over_classes(dataset.labels, dataset.indices(TEST), settings.images)
    if not len(chosen):
        raise VebiError(f"{dataset.path} has no test images to score heatmaps of.")
    model = network.model.to(device)
    example = to_network_input(dataset.images_at(chosen[:1]), device)
    layers = list_layers(model, example)
    found = lattices(model, example, layers, layers_of(layers, network.descriptors))
    used, periods = _at_equal_steps(found, settings.layers)
    methods = drawing_methods(heatmaps)
    scored = _score_features(
        network,
        layers,
        chosen,
        used=used,
        periods=periods,
        methods=methods,
        batch_size=settings.batch_size,
    )
    widest = periods.max(0, initial=1.0)
    finished = {
        name: _score_file(path, chosen, (widest[0], widest[1]))
        for name, path in (heatmaps if used else {}).items()
    }
    artefacts = Artefacts(
        image_index=chosen,
        scene=read_scenes(dataset, chosen),
        layer_names=tuple(layer.name for layer in used),
        layer_numbers=np.array([layer.index + 1 for layer in used], np.int64),
        period=periods,
        features=scored.features,
        selected=scored.selected,
        methods=tuple(methods),
        scores=scored.scores,
        overlap=scored.overlap,
        heatmap_methods=tuple(finished),
        heatmap_period=widest,
        heatmap_scores=np.stack(list(finished.values()), axis=1)
        if finished
        else np.zeros((len(chosen), 0)),
    )
    write_artefacts(out, artefacts)


def _at_equal_steps(
    found: Sequence[tuple[Layer, tuple[float, float]]], most: int
) -> tuple[list[Layer], NDArray[np.float64]]:
    """At most `most` (L) of the layers with a lattice, and their periods (L, 2)."""
    steps = np.linspace(0, len(found) - 1, min(len(found), most)).round().astype(int)
    periods = np.array([found[i][1] for i in steps]).reshape(-1, 2)
    return [found[i][0] for i in steps], periods


def _score_features(
    network: InterpretedNetwork,
    layers: Sequence[Layer],
    chosen: NDArray[np.int64],
    *,
    used: Sequence[Layer],
    periods: NDArray[np.float64],
    methods: Sequence[str],
    batch_size: int,
) -> _Scored:
    """Draw one feature of each of the `used` layers for the images at `chosen`, and score its maps."""
    descriptors = network.descriptors
    described = layers_of(layers, descriptors)
    result = _Scored(
        np.zeros((len(chosen), len(used), 2), np.int64),
        np.zeros((len(chosen), len(used)), bool),
        np.zeros((len(chosen), len(used), len(methods))),
        np.full((len(chosen), len(used), len(methods)), np.nan),
    )

    def score(rows: NDArray[np.int64], raw: NDArray[np.uint8]) -> _Scored:
        features, selected = feature_of_each_layer(
            np.concatenate([descriptors.rows(rows[i : i + 1]) for i in range(len(rows))]),
            network.weights,
            descriptors.predictions[rows],
            described,
            used,
        )
        images = to_network_input(raw, network.device)
        scores = np.zeros((len(rows), len(used), len(methods)))
        overlap = np.full(scores.shape, np.nan)
        masks, marked = _masks_of(network.dataset, rows)
        for first in range(0, len(used), GROUP):
            group = range(first, min(first + GROUP, len(used)))
            part = features[:, group.start : group.stop]
            maps = feature_maps(network.model, images, layers, part, methods)
            for m, name in enumerate(methods):
                for slot, layer in enumerate(group):
                    drawn = maps[name][:, slot].cpu().numpy()
                    period = (periods[layer, 0], periods[layer, 1])
                    scores[:, layer, m] = grid_artefact_score(drawn, period)
                    if marked.any():
                        curves = iou_curves(drawn[marked], masks[marked])
                        overlap[marked, layer, m] = area_under_curve(curves)
        return _Scored(features, selected, scores, overlap)

    start = 0
    for rows, done in map_batches(network.dataset.batches(chosen, batch_size), score):
        for whole, part in zip(result, done, strict=True):
            whole[start : start + len(rows)] = part
        start += len(rows)
    return result


def _masks_of(
    dataset: Dataset, rows: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The masks (N, H, W) of some images, and which of them mark anything."""
    if not dataset.has_masks:
        return np.zeros((len(rows), 0, 0), bool), np.zeros(len(rows), bool)
    masks = np.asarray(dataset.read("masks", rows), bool)
    return masks, np.asarray(masks.any((1, 2)))


def _score_file(
    path: Path, images: NDArray[np.int64], period: tuple[float, float]
) -> NDArray[np.float64]:
    """Scores of the heatmaps of some images in a heatmap file."""
    with open_hdf5(path) as file:
        index = file["image_index"][:]
        rows = np.searchsorted(index, images)
        if not np.array_equal(index[rows.clip(0, len(index) - 1)], images):
            raise VebiError(f"{path} has no heatmaps of some test images: it belongs elsewhere.")
        return np.concatenate(
            [grid_artefact_score(file["heatmaps"][int(row)][None], period) for row in rows]
        )
