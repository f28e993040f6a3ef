"""Confidence in the predicted class along the occlusion, for every method's heatmaps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from vebi.config.occlusion import OcclusionConfig
from vebi.data.dataset import TEST, TRAIN, Dataset
from vebi.data.scenes import read_scenes
from vebi.data.subset import spread_over_classes
from vebi.heatmaps.heatmap_file import read_heatmaps
from vebi.io.errors import VebiError
from vebi.network.batches import map_batches, split_batches
from vebi.network.layers import Layer, list_layers
from vebi.network.passes import fast_layout, responses, to_network_input
from vebi.network.scores import probabilities
from vebi.statistics import draw_key
from vebi.studies.occlusion.cover import (
    box_side,
    cover_order,
    most_relevant,
    pixel_counts,
    race,
)
from vebi.studies.occlusion.occlusion_file import CONTROL, Occlusion, write_occlusion

# The mean of this number of training images is the mean of all of them to a hundredth of a grey level.
MEAN_IMAGES = 10_000


def covered_fractions(settings: OcclusionConfig) -> NDArray[np.float64]:
    """Fractions of the image at which confidence is measured, from 0: float64 (steps + 1)."""
    return np.linspace(0, settings.max_fraction, settings.steps + 1)


def measure(
    model: nn.Module,
    dataset: Dataset,
    heatmaps: Mapping[str, Path],
    out: Path,
    settings: OcclusionConfig,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> None:
    """Write the confidences of some test images under every method's boxes to `out`.

    The group `random` has boxes at uniformly random places. All methods and networks share the random
    numbers of an image and draw, so that their curves differ by what the maps show. Boxes cover up to
    `max_fraction` of the image; and, with `settings.relevant`, centred in that most relevant part of
    the map's positive pixels, as many pixels as this fraction of these (NaN for an empty map).

    Args:
        model: the network whose predictions are watched.
        dataset: its images; boxes are filled with the training images' mean.
        heatmaps: files by method.
        out: occlusion.h5.
        settings: see OcclusionConfig.
        seed: root of the random draws.
        device: where to compute.

    Raises:
        VebiError: no test or training images, heatmaps of other images, or a method with the
            control's name.
    """
    if CONTROL in heatmaps:
        raise VebiError(f"No heatmap method may be called '{CONTROL}': that is the control.")
    chosen = spread_over_classes(dataset.labels, dataset.indices(TEST), settings.images)
    if not len(chosen):
        raise VebiError(f"{dataset.path} has no test images to occlude.")
    scenes = read_scenes(dataset, chosen)
    maps = {name: read_heatmaps(path, chosen) for name, path in sorted(heatmaps.items())}
    maps[CONTROL] = np.ones((len(chosen), *dataset.image_shape[:2]), np.float32)
    confidences, areas = _confidences(
        model.to(device), dataset, list(maps.values()), chosen, settings, seed=seed, device=device
    )
    items = {
        name: Occlusion(
            confidences[:, 0, i],
            chosen,
            scenes,
            confidences[:, 1, i] if settings.relevant else None,
            areas[:, i] if settings.relevant else None,
        )
        for i, name in enumerate(maps)
    }
    write_occlusion(out, items, covered_fractions(settings))


def _confidences(
    model: nn.Module,
    dataset: Dataset,
    maps: Sequence[NDArray[np.float32]],
    chosen: NDArray[np.int64],
    settings: OcclusionConfig,
    *,
    seed: int,
    device: torch.device | str,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confidence along the occlusion of the images at `chosen` (N) by each method's `maps` (N, H, W).

    Returns confidences (N, ways, M, draws, F), with one way to count or two as in `_orders`, and with
    two of them the share of the image that the second covers (N, M, F).
    """
    height, width, _ = dataset.image_shape
    fill = mean_fill(dataset, settings.fill, device)
    fractions, side = covered_fractions(settings), box_side(settings.box, height, width)
    confidences = np.empty(
        (len(chosen), 1 + settings.relevant, len(maps), settings.draws, len(fractions))
    )
    areas = np.full((len(chosen), len(maps), len(fractions)), np.nan)
    layers: list[Layer] | None = None
    images = tqdm(dataset.batches(chosen, 1), "occlusion", len(chosen), unit="image", disable=None)
    for number, (rows, raw) in enumerate(images):
        image = to_network_input(raw, device)[0]
        layers = layers or list_layers(model, image)
        exponentials = _draw_exponentials(seed, int(rows[0]), (settings.draws, height, width))
        orders, counts = _orders(
            [of[number] for of in maps], exponentials, fractions, side, settings.relevant
        )
        confidences[number] = occluded_confidence(
            model,
            image,
            layers,
            orders=orders,
            counts=counts[:, :, None],
            fill=fill,
            batch_size=settings.batch_size,
        )
        if settings.relevant:
            empty = [not of[number].any() for of in maps]
            confidences[number, 1, empty] = np.nan
            areas[number] = np.where(np.array(empty)[:, None], np.nan, counts[1] / (height * width))
    return confidences, areas


def _orders(
    heatmaps: Sequence[NDArray[np.float32]],
    exponentials: NDArray[np.float64],
    fractions: NDArray[np.float64],
    side: int,
    relevant: bool,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Orders of covering (ways, maps, draws, H, W) of one image's maps, and pixels (ways, maps, F).

    Ways: fractions of the image; then, if `relevant`, of each map's positive pixels.
    """
    orders = [[cover_order(race(one, exponentials), side) for one in heatmaps]]
    counts = [[pixel_counts(fractions, one.size) for one in heatmaps]]
    if relevant:
        parts = [most_relevant(one, fractions[-1]) for one in heatmaps]
        orders.append([cover_order(race(one, exponentials), side) for one in parts])
        counts.append([pixel_counts(fractions, int((one > 0).sum())) for one in heatmaps])
    return np.array(orders), np.array(counts)


def _draw_exponentials(seed: int, image: int, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Exponentially distributed numbers of `shape` (draws, H, W): each draw has its own key."""
    keys = [draw_key("occlusion: places of boxes", seed, image, draw) for draw in range(shape[0])]
    return np.stack([np.random.default_rng(k).standard_exponential(shape[1:]) for k in keys])


def occluded_confidence(
    model: nn.Module,
    image: Tensor,
    layers: list[Layer],
    *,
    orders: NDArray[np.int32],
    counts: NDArray[np.int64],
    fill: Tensor,
    batch_size: int,
) -> NDArray[np.float64]:
    """Softmax of the class predicted for the whole `image` (C, H, W): float64 (..., F).

    `orders` int (..., H, W): each pixel's place in an order of covering; the first `counts` (..., F)
    pixels of it, broadcast to all orders, get the values of `fill` (C, H, W).
    """
    device = image.device
    flat = torch.from_numpy(orders.reshape(-1, 1, *orders.shape[-2:])).to(device)
    steps = counts.shape[-1]
    each = np.broadcast_to(counts, (*orders.shape[:-2], steps)).reshape(-1)
    limits = torch.from_numpy(each.astype(np.int32)).to(device)
    sequence = np.arange(len(each)) // steps
    # The whole image is looked at once, not once per method and draw.
    needed = np.flatnonzero(each > 0)
    scores = responses(model, fast_layout(image[None]), layers, [])[0]
    target = int(scores.argmax())
    result = np.full(len(each), probabilities(scores[:1])[0, target].item())

    def confidence(_: NDArray[np.int64], part: NDArray[np.int64]) -> NDArray[np.float64]:
        hidden = flat[sequence[part]] < limits[part].reshape(-1, 1, 1, 1)
        batch = fast_layout(torch.where(hidden, fill, image))
        scores = responses(model, batch, layers, [])[0]
        return probabilities(scores)[:, target].cpu().numpy()

    for rows, found in map_batches(split_batches(needed, batch_size), confidence):
        result[needed[rows]] = found
    return result.reshape(*orders.shape[:-2], steps)


def mean_fill(
    dataset: Dataset, kind: Literal["mean_image", "mean_colour"], device: torch.device | str = "cpu"
) -> Tensor:
    """Mean of the training images, float32 (C, H, W), or its mean colour at every pixel.

    Of more than 10,000 training images, 10,000 at equal steps are averaged.
    """
    rows = dataset.indices(TRAIN)
    if not len(rows):
        raise VebiError(f"{dataset.path} has no training images whose mean could fill the boxes.")
    if len(rows) > MEAN_IMAGES:
        rows = rows[np.linspace(0, len(rows) - 1, MEAN_IMAGES).astype(int)]
    total = np.zeros(dataset.image_shape)
    for _, images in dataset.batches(rows, 128):
        total += images.sum(0, dtype=np.float64)
    mean = total / len(rows)
    if kind == "mean_colour":
        mean = np.broadcast_to(mean.mean((0, 1)), mean.shape)
    return torch.from_numpy(mean.transpose(2, 0, 1).astype(np.float32)).to(device)
