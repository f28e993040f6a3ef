"""The metrics of some images of a data set, and the channels that each choice takes in each layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from vebi.io.errors import VebiError
from vebi.network.layers import Layer
from vebi.perturbation.choose import CONTROLS, choose
from vebi.perturbation.metrics import Metrics, channel_metrics
from vebi.perturbation.resample import (
    Sampling,
    convolution_responses,
    mean_pixels,
    resample,
)
from vebi.statistics import draw_key

# Channels of a layer, best first, image by image.
Sets = list[NDArray[np.int64]]


@dataclass(frozen=True)
class StudySettings:
    """`images` test images, against `reference` others; top `ks` per layer, the first for the claims."""

    images: int
    reference: int
    ks: tuple[int, ...]
    repeats: int
    batch_size: int = 32


@dataclass(frozen=True)
class Measured:
    """Channel metrics of N images under a perturbation: `metrics[layer.index]` has one entry per image.

    `image_index` int64 (N) are the images' places in their data set; `predicted` int64 (N) classes.
    `key` names the network, for the draws of random channels.
    """

    layers: tuple[Layer, ...]
    image_index: NDArray[np.int64]
    predicted: NDArray[np.int64]
    metrics: dict[int, list[Metrics]]
    perturbation: str = ""
    key: tuple[int, ...] = ()


def layers_to_choose_from(layers: Sequence[Layer]) -> list[Layer]:
    """The responses of a network's convolutions (`convolution_responses`); VebiError if it has none."""
    if wanted := convolution_responses(layers):
        return wanted
    raise VebiError(
        "The network has no convolution with maps: there are no channels to choose from."
    )


def measure_images(
    model: nn.Module,
    images: Tensor,
    image_index: NDArray[np.int64],
    layers: Sequence[Layer],
    *,
    wanted: Sequence[Layer],
    sampling: Sampling,
    seed: int,
    key: Sequence[int],
) -> Measured:
    """Resample every one of `images`, float (N, C, H, W). `seed` and an image's index key its copies.

    So the copies do not depend on which network looks at them, or at which other images. `key` names
    the network, see `Measured`.
    """
    metrics: dict[int, list[Metrics]] = {layer.index: [] for layer in wanted}
    predicted = []
    rows = zip(images, image_index, strict=True)
    for image, index in tqdm(rows, sampling.perturbation, len(images), unit="image", disable=None):
        found = resample(
            model,
            image,
            layers,
            wanted,
            mean=mean_pixels(model, image),
            sampling=sampling,
            key=(seed, int(index)),
        )
        predicted.append(found.predicted)
        for position, moments in found.moments.items():
            metrics[position].append(channel_metrics(moments))
    return Measured(
        tuple(wanted),
        np.asarray(image_index),
        np.array(predicted, np.int64),
        metrics,
        sampling.perturbation,
        tuple(key),
    )


def choose_sets(measured: Measured, choice: str, k: int, repeat: int = 0) -> dict[int, Sets]:
    """The channels that `choice` takes (see `choose`), by layer index, for every image.

    A random choice has its own draw for every network, perturbation, image, layer, k and repeat.
    """
    purpose = f"input resampling, {measured.perturbation}: {choice}"
    return {
        layer.index: [
            choose(
                one,
                choice,
                k,
                np.random.default_rng(
                    draw_key(purpose, *measured.key, index, layer.index, k, repeat)
                ),
            )
            for one, index in zip(measured.metrics[layer.index], measured.image_index, strict=True)
        ]
        for layer in measured.layers
    }


def perturbation_table(rows: Sequence[Mapping[str, object]], perturbation: str) -> pd.DataFrame:
    """Rows of one network and perturbation as a table, without the run's keys."""
    return pd.DataFrame([{"perturbation": perturbation, **row} for row in rows])


def repeats_of(choice: str, repeats: int) -> int:
    """How often a choice is made: random ones `repeats` times, the others once."""
    return repeats if choice in CONTROLS else 1
