"""Cutting a feature's patches out of its images, and their mean."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.config.average import AverageConfig
from vebi.data.dataset import TRAIN, Dataset
from vebi.descriptors.descriptor_file import layers_of
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5, open_hdf5, read_text_attribute
from vebi.network.layers import Layer, list_layers
from vebi.network.passes import to_network_input
from vebi.network.receptive_field import Axis, continued_fields, receptive_fields
from vebi.studies.average.strongest import ClassFeature, Strongest, choose_features, find_strongest

# Sums and examples of features that are averaged at one time.
AVERAGED_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Average:
    """The mean (h, w, C) of a feature's patches on the scale of pixels, and a few of them, uint8.

    `corner` int64 (n, 2): the image row and column, maybe negative, of each patch's first pixel.
    """

    feature: ClassFeature
    strongest: Strongest
    corner: NDArray[np.int64]
    mean: NDArray[np.float64]
    examples: NDArray[np.uint8]


def crop_patch(
    image: NDArray[np.float64],
    corner: NDArray[np.int64],
    size: tuple[int, int],
    fill: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The part of `image` (H, W, C) of `size` at `corner`, with `fill` (C) beyond the borders."""
    patch = np.broadcast_to(fill, (*size, image.shape[2])).copy()
    top, left = np.maximum(corner, 0)
    bottom, right = np.minimum(corner + size, image.shape[:2])
    if top < bottom and left < right:
        y, x = corner
        patch[top - y : bottom - y, left - x : right - x] = image[top:bottom, left:right]
    return patch


def patch_windows(
    model: nn.Module, example: Tensor, layers: Sequence[Layer], features: Sequence[ClassFeature]
) -> list[tuple[Axis, Axis]]:
    """Vertical and horizontal receptive fields of each feature; the whole image without a map."""
    size = (int(example.shape[-2]), int(example.shape[-1]))
    keys = [(f.layer.index, f.channel) for f in features if f.layer.spatial]
    keys = list(dict.fromkeys(keys))
    fields = {
        key: continued_fields(boxes, size, layers[key[0]].lattices)
        for key, boxes in zip(keys, receptive_fields(model, example, layers, keys), strict=True)
    }
    whole = (Axis(np.zeros(1, np.int64), size[0], 1.0), Axis(np.zeros(1, np.int64), size[1], 1.0))
    return [fields.get((f.layer.index, f.channel), whole) for f in features]


def average_patches(
    dataset: Dataset,
    features: Sequence[ClassFeature],
    strongest: Sequence[Strongest],
    windows: Sequence[tuple[Axis, Axis]],
    fill: NDArray[np.float64],
    *,
    n_examples: int,
    batch_size: int = 64,
) -> list[Average]:
    """Read each image once, in batches, and add its patches to the means of its features."""
    corners = [
        np.stack([axis.start[item.position[:, i]] for i, axis in enumerate(axes)], axis=1)
        for item, axes in zip(strongest, windows, strict=True)
    ]
    sizes = [(vertical.size, horizontal.size) for vertical, horizontal in windows]
    channels = dataset.image_shape[2]
    sums = [np.zeros((*size, channels)) for size in sizes]
    examples = [
        np.zeros((min(n_examples, len(item.image)), *size, channels), np.uint8)
        for item, size in zip(strongest, sizes, strict=True)
    ]
    uses: dict[int, list[tuple[int, int]]] = {}
    for number, item in enumerate(strongest):
        for rank, image in enumerate(item.image.tolist()):
            uses.setdefault(image, []).append((number, rank))
    for chosen, raw in dataset.batches(np.array(sorted(uses), np.int64), batch_size):
        for row, image in zip(chosen.tolist(), raw, strict=True):
            for number, rank in uses[row]:
                patch = crop_patch(
                    image.astype(np.float64), corners[number][rank], sizes[number], fill
                )
                sums[number] += patch
                if rank < len(examples[number]):
                    examples[number][rank] = patch.round().astype(np.uint8)
    return [
        Average(
            feature,
            item,
            corner,
            (total / len(item.image) if len(item.image) else total + fill).astype(np.float32),
            shown,
        )
        for feature, item, corner, total, shown in zip(
            features, strongest, corners, sums, examples, strict=True
        )
    ]


def write_average(network: InterpretedNetwork, path: str | Path, settings: AverageConfig) -> None:
    """Average images of every class's best features over its training images (VEBI Fig. 5).

    Images of features, the large part, are in memory for some classes at a time (AVERAGED_BYTES), of all
    features only which images they respond to.

    The file has a group `class_<j>` per class and in it `feature_<k>` per feature, best first: `mean`
    float32 (h, w, C) on the scale of pixels, `examples` uint8 (up to `settings.examples`, h, w, C), and
    of each patch `image_index` int64 (n), `response` float32 (n), `position` (row and column of the
    map) and `corner` (of the image, may be negative), int64 (n, 2); attributes `layer_number`, `layer`,
    `layer_type`, `spatial`, `channel`, `weight`. Attributes of the file: `classes`, `fill` (the mean
    colour).

    Args:
        network: whose features are averaged.
        path: average.h5.
        settings: features per class, patches behind each mean, examples next to it.

    Raises:
        VebiError: the data set has no training images.
    """
    dataset, device = network.dataset, network.device
    rows = dataset.indices(TRAIN)
    if not len(rows):
        raise VebiError(f"{dataset.path} has no training images to average.")
    model = network.model.to(device)
    example = to_network_input(next(dataset.batches(rows[:1], 1))[1], device)
    layers = list_layers(model, example)
    chosen = choose_features(
        network.weights, layers_of(layers, network.descriptors), settings.features
    )
    features = [feature for group in chosen for feature in group]
    strongest, fill = find_strongest(
        model,
        dataset,
        rows,
        layers,
        features,
        n_patches=settings.patches,
        batch_size=settings.batch_size,
        device=device,
    )
    windows = patch_windows(model, example, layers, features)
    with create_hdf5(path) as file:
        file.attrs["classes"], file.attrs["fill"] = list(dataset.classes), fill
        groups = [file.create_group(f"class_{label}") for label in range(len(network.weights))]
        for part in _parts(features, windows, dataset.image_shape[2], settings.examples):
            averages = average_patches(
                dataset,
                features[part],
                strongest[part],
                windows[part],
                fill,
                n_examples=settings.examples,
                batch_size=settings.batch_size,
            )
            for average in averages:
                group = groups[average.feature.label]
                _write(group.create_group(f"feature_{len(group)}"), average)


def _parts(
    features: Sequence[ClassFeature],
    windows: Sequence[tuple[Axis, Axis]],
    channels: int,
    n_examples: int,
) -> Iterator[slice]:
    """Features, in their order by class, in parts of up to AVERAGED_BYTES that no class is split by.

    A feature's images are of its class, so that each is read for one part only.
    """
    start, size = 0, 0
    for stop, feature in enumerate(features):
        vertical, horizontal = windows[stop]
        is_next_class = stop > 0 and feature.label != features[stop - 1].label
        if is_next_class and size > AVERAGED_BYTES:
            yield slice(start, stop)
            start, size = stop, 0
        # A sum and a mean in float64, the examples in bytes.
        size += vertical.size * horizontal.size * channels * (16 + n_examples)
    yield slice(start, len(features))


def _write(group: h5py.Group, average: Average) -> None:
    feature, strongest = average.feature, average.strongest
    group["mean"], group["examples"] = average.mean, average.examples
    group["image_index"], group["position"] = strongest.image, strongest.position
    group["response"], group["corner"] = strongest.response.astype(np.float32), average.corner
    group.attrs["layer_number"], group.attrs["layer"] = feature.layer.index + 1, feature.layer.name
    group.attrs["layer_type"], group.attrs["spatial"] = feature.layer.type, feature.layer.spatial
    group.attrs["channel"], group.attrs["weight"] = feature.channel, feature.weight


@dataclass(frozen=True)
class Tile:
    """One feature of one class as it is drawn: see `write_average`."""

    layer_number: int
    layer: str
    layer_type: str
    spatial: bool
    channel: int
    weight: float
    n_patches: int
    mean: NDArray[np.float64]
    examples: NDArray[np.uint8]


def read_average(
    path: str | Path, most: int | None = None
) -> Iterator[tuple[int, str, list[Tile]]]:
    """Yield every class's number and name, and its features, best first.

    Of more than `most` classes, that many are taken at equal steps. One class is in memory at a time.
    """
    with open_hdf5(path) as file:
        classes = read_text_attribute(file, "classes")
        n = len(classes) if most is None else min(most, len(classes))
        for label in np.linspace(0, len(classes) - 1, n).round().astype(int).tolist():
            group = file[f"class_{label}"]
            items = [group[f"feature_{rank}"] for rank in range(len(group))]
            yield label, classes[label], [_read(item) for item in items]


def _read(item: h5py.Group) -> Tile:
    return Tile(
        mean=item["mean"][:],
        examples=item["examples"][:],
        n_patches=len(item["image_index"]),
        layer_number=int(item.attrs["layer_number"]),
        layer=str(item.attrs["layer"]),
        layer_type=str(item.attrs["layer_type"]),
        spatial=bool(item.attrs["spatial"]),
        channel=int(item.attrs["channel"]),
        weight=float(item.attrs["weight"]),
    )
