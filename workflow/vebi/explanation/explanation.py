"""Explanations of single images: what was predicted, from which features, and where they look."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vebi.descriptors.describe import describe_batch
from vebi.descriptors.descriptor_file import DescriptorFile, layers_of
from vebi.descriptors.variants import VARIANTS, Variant
from vebi.heatmaps.methods import FeatureMethod, Targets, feature_maps, get_methods, merged_maps
from vebi.heatmaps.subject import FEATURE_SOURCES, Subject
from vebi.io.errors import VebiError
from vebi.network.layers import Layer, feature_index, list_layers
from vebi.network.passes import to_network_input
from vebi.network.scores import probabilities


@dataclass(frozen=True)
class FeatureExplanation:
    """One feature behind a prediction. `share` is its part of all positive weighted response."""

    layer_number: int
    layer: str
    layer_type: str
    spatial: bool
    channel: int
    weight: float
    response: float
    share: float
    heatmap: np.ndarray


@dataclass(frozen=True)
class ClassScore:
    """A class with the network's output and its probability."""

    name: str
    score: float
    probability: float


@dataclass(frozen=True)
class Explanation:
    """One image (H, W, C), its prediction with its probability, and its features, best first.

    `heatmap` (H, W) in [0, 1] is the maximum over the features' maps, or the only map of a method that
    explains the class as one, which has no features. `method` made it; `scores` are the most probable
    classes, best first.
    """

    image: np.ndarray
    predicted: str
    confidence: float
    features: tuple[FeatureExplanation, ...]
    heatmap: np.ndarray
    method: str = "vebi"
    scores: tuple[ClassScore, ...] = ()


def explain_images(
    model: nn.Module,
    images: np.ndarray,
    descriptors: DescriptorFile,
    weights: np.ndarray,
    classes: list[str],
    top: int = 3,
    method: str = "vebi",
    device: torch.device | str = "cpu",
) -> list[Explanation]:
    """Explain uint8 images (N, H, W, C) by up to `top` features each (VEBI 3.2, Fig. 6).

    `weights` (classes, m) belong to the columns of `descriptors`, the file that says which layers and
    which variant of the descriptor they were selected on.
    """
    batch = to_network_input(images, device)
    if not len(images):
        raise VebiError("There are no images to explain.")
    layers = list_layers(model, batch[:1])
    described = layers_of(layers, descriptors)
    variant = VARIANTS[descriptors.variant]
    return explain_batch(
        model, batch, images, layers, described, weights, variant, classes, top, method
    )


def explain_batch(
    model: nn.Module,
    batch: Tensor,
    shown: np.ndarray,
    layers: Sequence[Layer],
    described: Sequence[Layer],
    weights: np.ndarray,
    variant: Variant,
    classes: Sequence[str],
    top: int = 3,
    method: str = "vebi",
) -> list[Explanation]:
    """Explain a batch (N, C, H, W) as the network takes it; `shown` (N, ...) are the same as pictures.

    `weights` (classes, m) belong to the channels of the layers `described`, with this `variant` of the
    descriptor; `layers` are all of the network's.
    """
    how = get_methods([method])[method]
    if top < 0:
        raise VebiError(f"top is {top}; expected is how many features to draw, 0 or more.")
    logits, values = describe_batch(model, batch, layers, variant)
    scores, probability = logits.double(), probabilities(logits).cpu().numpy()
    if not len(weights) == len(classes) == probability.shape[1]:
        raise VebiError(
            f"The network has {probability.shape[1]} outputs, the selection {len(weights)} classes, "
            f"and there are {len(classes)} names. Do they belong together?"
        )
    predictions = probability.argmax(1)
    x = values.cpu().numpy()
    if isinstance(how, FeatureMethod):
        subject = Subject(
            model, batch, layers, described, x, weights, predictions, np.arange(len(batch))
        )
        features, _ = FEATURE_SOURCES[how.source](subject, min(top, x.shape[1]))
        features = features[:, : int((features[..., 0] >= 0).sum(1).max(initial=0))]
        maps = feature_maps(model, batch, layers, features, [method])[method].cpu().numpy()
        merged = (
            maps.max(1) if maps.shape[1] else np.zeros((len(maps), *batch.shape[2:]), np.float32)
        )
    else:
        features = np.zeros((len(batch), 0, 2), np.int64)
        targets = Targets(predictions, {})
        merged = merged_maps(model, batch, layers, targets, [method])[method].cpu().numpy()
    evidence = np.maximum(weights[predictions] * x, 0).sum(1)
    column = {
        (described[position].index, channel): i
        for i, (position, channel) in enumerate(zip(*feature_index(described), strict=True))
    }
    explanations = []
    for n, image in enumerate(shown):
        parts = []
        for k, (index, channel) in enumerate(features[n]):
            if index < 0:
                continue
            layer, at = layers[index], column[index, channel]
            parts.append(
                FeatureExplanation(
                    layer_number=int(index) + 1,
                    layer=layer.name,
                    layer_type=layer.type,
                    spatial=layer.spatial,
                    channel=int(channel),
                    weight=float(weights[predictions[n], at]),
                    response=float(x[n, at]),
                    share=_share(weights[predictions[n], at] * x[n, at], evidence[n]),
                    heatmap=maps[n, k],
                )
            )
        best = np.argsort(-probability[n], kind="stable")[:5]
        explanations.append(
            Explanation(
                image=image,
                predicted=classes[predictions[n]],
                confidence=float(probability[n].max()),
                features=tuple(parts),
                heatmap=merged[n],
                method=method,
                scores=tuple(
                    ClassScore(classes[j], float(scores[n, j]), float(probability[n, j]))
                    for j in best
                ),
            )
        )
    return explanations


def _share(relevance: float, evidence: float) -> float:
    """Part of the positive relevance; 0 for a feature with none, as other methods may choose."""
    return float(relevance / evidence) if relevance > 0 else 0.0
