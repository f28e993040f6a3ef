"""Explanations of single images: what was predicted, from which features, and where they look."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from vebi.descriptors.describe import describe_batch
from vebi.descriptors.store import DescriptorFile, layers_of
from vebi.descriptors.variants import VARIANTS
from vebi.heatmaps.methods import feature_maps
from vebi.heatmaps.ranking import top_features
from vebi.network.layers import list_layers
from vebi.network.passes import to_network_input


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
class Explanation:
    """One image (H, W, C), its prediction with the softmax confidence, and its features, best first."""

    image: np.ndarray
    predicted: str
    confidence: float
    features: tuple[FeatureExplanation, ...]
    heatmap: np.ndarray


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
    layers = list_layers(model, batch[:1])
    described = layers_of(layers, descriptors)
    logits, values = describe_batch(model, batch, layers, VARIANTS[descriptors.variant])
    probabilities = torch.softmax(logits.double(), 1).cpu().numpy()
    predictions = probabilities.argmax(1)
    x = values.cpu().numpy()
    features, scores = top_features(x, weights, predictions, described, top)
    maps = feature_maps(model, batch, layers, features, [method])[method].cpu().numpy()
    evidence = np.maximum(weights[predictions] * x, 0).sum(1)
    column = {
        (described[layer].index, channel): i
        for i, (layer, channel) in enumerate(
            zip(descriptors.feature_layer, descriptors.feature_channel, strict=True)
        )
    }
    explanations = []
    for n, image in enumerate(images):
        parts = []
        for k in range(top):
            index, channel = features[n, k]
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
                    share=float(scores[n, k] / evidence[n]),
                    heatmap=maps[n, k],
                )
            )
        explanations.append(
            Explanation(
                image=image,
                predicted=classes[predictions[n]],
                confidence=float(probabilities[n].max()),
                features=tuple(parts),
                heatmap=maps[n].max(0) if top else np.zeros(image.shape[:2], np.float32),
            )
        )
    return explanations
