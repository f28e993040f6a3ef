"""Images explained by the neurons that stand out when they are perturbed, on any network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from vebi.heatmaps.methods import feature_maps
from vebi.heatmaps.subject import FEATURE_SOURCES, Subject
from vebi.io.errors import VebiError
from vebi.network.layers import list_layers
from vebi.network.passes import to_network_input
from vebi.network.running import run
from vebi.network.scores import probabilities
from vebi.perturbation.choose import METRICS


@dataclass(frozen=True)
class ResampledFeature:
    """A channel that `metric` selects: its `value` (mean |r|, or precision) and its map (H, W)."""

    metric: str
    layer_number: int
    layer: str
    layer_type: str
    channel: int
    value: float
    heatmap: np.ndarray


@dataclass(frozen=True)
class ResampledExplanation:
    """One image (H, W, C), its prediction with the softmax confidence, and each metric's features."""

    image: np.ndarray
    predicted: str
    confidence: float
    features: dict[str, tuple[ResampledFeature, ...]]


def explain_by_resampling(
    model: nn.Module,
    images: np.ndarray,
    classes: Sequence[str],
    top: int = 3,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> list[ResampledExplanation]:
    """Explain uint8 images (N, H, W, C) by up to `top` channels of each metric, in the last layers first.

    Needs nothing but the network: copies are made as in the authors' code (`features_by_metric`), from
    `seed` and the image's place in `images`. `classes` are the names of the network's outputs.
    """
    model = model.to(device)
    batch = to_network_input(images, device)
    layers = list_layers(model, batch[:1])
    probability = probabilities(run(model, batch)).cpu().numpy()
    if probability.shape[1] != len(classes):
        raise VebiError(
            f"The network has {probability.shape[1]} outputs, and there are {len(classes)} names of "
            "classes: as many are expected."
        )
    predictions = probability.argmax(1)
    nothing = np.zeros((len(images), 0))
    subject = Subject(
        model, batch, layers, [], nothing, nothing, predictions, np.arange(len(images)), seed
    )
    found: list[dict[str, tuple[ResampledFeature, ...]]] = [{} for _ in images]
    for metric in METRICS:
        features, values = FEATURE_SOURCES[metric](subject, top)
        method = f"resampling_{metric}"
        maps = feature_maps(model, batch, layers, features, [method])[method].cpu().numpy()
        for n, of_image in enumerate(found):
            of_image[metric] = tuple(
                ResampledFeature(
                    metric=metric,
                    layer_number=int(index) + 1,
                    layer=layers[index].name,
                    layer_type=layers[index].type,
                    channel=int(channel),
                    value=float(values[n, k]),
                    heatmap=maps[n, k],
                )
                for k, (index, channel) in enumerate(features[n])
                if index >= 0
            )
    return [
        ResampledExplanation(
            image=image,
            predicted=classes[prediction],
            confidence=float(row.max()),
            features=features_of,
        )
        for image, prediction, row, features_of in zip(
            images, predictions, probability, found, strict=True
        )
    ]
