"""A batch of images explained by any method of the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.catalogue.descriptors import Descriptor
from vebi.catalogue.methods import Method, get_method
from vebi.descriptors.describe import describe_batch
from vebi.explanation.explanation import ClassScore, Explanation, FeatureExplanation
from vebi.heatmaps.class_batch import ClassBatch
from vebi.heatmaps.draw import choose_features, class_map, feature_maps
from vebi.heatmaps.maps import merge
from vebi.heatmaps.subject import Subject, WeightedDescriptors
from vebi.io.errors import VebiError
from vebi.network.known_layers import known_layers
from vebi.network.layers import Layer
from vebi.network.running import run
from vebi.network.scores import check_scores, probabilities
from vebi.selection.statistics import FeatureIndex

# Classes that an explanation names.
MOST_SCORES = 5


@dataclass(frozen=True)
class Selected:
    """What the mu-Lasso selected: weights (classes, m) of the m channels that `descriptor` measures.

    `index` says which channels these are.
    """

    weights: NDArray[np.float64]
    index: FeatureIndex
    descriptor: Descriptor

    def layers_in(self, layers: Sequence[Layer]) -> list[Layer]:
        """The network's layers that the m channels belong to; VebiError if it is another network."""
        names = dict.fromkeys(self.index.layer.tolist())
        by_name = {layer.name: layer for layer in layers}
        missing = [name for name in names if name not in by_name]
        if missing:
            raise VebiError(
                f"The features were selected on a network with a layer '{missing[0]}', which this one "
                "does not have. Do they belong together?"
            )
        found = [by_name[name] for name in names]
        for layer in found:
            expected = int((self.index.layer == layer.name).sum())
            if layer.n_channels != expected:
                raise VebiError(
                    f"The features were selected on a network whose layer '{layer.name}' has {expected} "
                    f"channels, this one has {layer.n_channels} there. Do they belong together?"
                )
        return found


@dataclass(frozen=True)
class Network:
    """A network to be explained.

    `classes` are the names of its outputs, none: their numbers. `selected`: None if no features have
    been selected, which not every method needs.
    """

    model: nn.Module
    classes: Sequence[str] = ()
    selected: Selected | None = None


@dataclass(frozen=True)
class Pictures:
    """Images to be explained: `batch` float (N, C, H, W) as the network takes them, `shown` uint8
    (N, H, W, C), and `index` int64 (N), the key of any random draw."""

    batch: Tensor
    shown: NDArray[np.uint8]
    index: NDArray[np.int64]


@dataclass(frozen=True)
class Predicted:
    """Class scores and probabilities, float64 (N, classes); `weighted`: what selected features are
    ranked from, None if there are none."""

    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    weighted: WeightedDescriptors | None = None

    @property
    def classes(self) -> NDArray[np.int64]:
        """The predicted classes, int64 (N)."""
        return self.probabilities.argmax(1)


def explain_batch(
    pictures: Pictures, network: Network, method: str, top: int = 3, seed: int = 0
) -> list[Explanation]:
    """Explain images by a method of the catalogue (VEBI 3.2, Fig. 6), by up to `top` features each.

    Args:
        pictures: N images.
        network: the network whose predictions are explained.
        method: a name of the catalogue's METHODS.
        top: features per image; methods that explain the class as one draw none.
        seed: root of a method's random draws.

    Returns:
        An explanation per image.

    Raises:
        VebiError: no images; a negative `top`; an unknown method; one that needs selected features
            where there are none; a selection, or names of classes, of another network.
    """
    how = get_method(method)
    if top < 0:
        raise VebiError(f"top is {top}; expected is how many features to draw, 0 or more.")
    if not len(pictures.batch):
        raise VebiError("There are no images to explain.")
    layers = known_layers(network.model, pictures.batch[:1])
    features: list[tuple[FeatureExplanation, ...]] = [()] * len(pictures.batch)
    if how.explains == "class":
        # The pass that goes back to the pixels tells the class, too.
        batch = ClassBatch(network.model, pictures.batch, layers)
        maps = class_map(batch, how).cpu().numpy()
        predicted = _predicted(network, batch.scores)
    else:
        predicted = predict(network, pictures.batch, layers, how)
        features, maps = _draw(pictures, network.model, layers, predicted, how, top=top, seed=seed)
    names = list(network.classes) or [str(i) for i in range(predicted.scores.shape[1])]
    explanations = []
    for n, image in enumerate(pictures.shown):
        of_image = predicted.probabilities[n]
        best = np.argsort(-of_image, kind="stable")[:MOST_SCORES]
        explanations.append(
            Explanation(
                image=image,
                predicted=names[predicted.classes[n]],
                confidence=float(of_image.max()),
                features=features[n],
                heatmap=maps[n],
                method=method,
                scores=tuple(
                    ClassScore(names[j], float(predicted.scores[n, j]), float(of_image[j]))
                    for j in best
                ),
            )
        )
    return explanations


def _predicted(
    network: Network, logits: Tensor, weighted: WeightedDescriptors | None = None
) -> Predicted:
    check_scores(logits)
    selected = network.selected
    n_outputs, n_names = logits.shape[1], len(network.classes) or logits.shape[1]
    if selected is not None and not len(selected.weights) == n_names == n_outputs:
        raise VebiError(
            f"The network has {n_outputs} outputs, the selection {len(selected.weights)} classes, "
            f"and there are {n_names} names. Do they belong together?"
        )
    if n_names != n_outputs:
        raise VebiError(
            f"The network has {n_outputs} outputs, and there are {n_names} names of classes: as many "
            "are expected."
        )
    scores, likely = logits.double(), probabilities(logits)
    return Predicted(scores.cpu().numpy(), likely.cpu().numpy(), weighted)


def predict(network: Network, batch: Tensor, layers: Sequence[Layer], method: Method) -> Predicted:
    """What the network says of a batch (N, C, H, W), and what its selected features are ranked from."""
    selected = network.selected
    if selected is None:
        return _predicted(network, run(network.model, batch))
    described = selected.layers_in(layers)
    needed = None
    if method.metric == "relevance":
        # A layer without weights has no say.
        is_used = selected.weights.any(0)
        ends = np.cumsum([layer.n_channels for layer in described])
        parts = np.split(is_used, ends[:-1])
        needed = {layer.index for layer, used in zip(described, parts, strict=True) if used.any()}
    logits, values = describe_batch(network.model, batch, layers, selected.descriptor, needed)
    weighted = WeightedDescriptors(described, values.cpu().numpy(), selected.weights)
    return _predicted(network, logits, weighted)


def _draw(
    pictures: Pictures,
    model: nn.Module,
    layers: Sequence[Layer],
    predicted: Predicted,
    method: Method,
    *,
    top: int,
    seed: int,
) -> tuple[list[tuple[FeatureExplanation, ...]], NDArray[np.float32]]:
    """The features of every image, and one map for each, float32 (N, H, W)."""
    batch, name = pictures.batch, method.name
    subject = Subject(
        model, batch, layers, predicted.classes, pictures.index, predicted.weighted, seed
    )
    most = min(top, sum(layer.n_channels for layer in layers))
    features, values = choose_features(subject, [name], most)[method.source]
    # Slots that no image fills would cost a backward pass each.
    n_slots = int((features[..., 0] >= 0).sum(1).max())
    features, values = features[:, :n_slots], values[:, :n_slots]
    maps = feature_maps(model, batch, layers, features, [name])[name]
    drawn = maps.cpu().numpy()
    weighing = _weighing(predicted)
    explained = [
        tuple(
            FeatureExplanation(
                layer_number=int(index) + 1,
                layer=layers[index].name,
                layer_type=layers[index].type,
                spatial=layers[index].spatial,
                channel=int(channel),
                heatmap=drawn[n, k],
                metric=method.metric,
                value=float(values[n, k]),
                **weighing[n].of(int(index), int(channel)),
            )
            for k, (index, channel) in enumerate(features[n])
            if index >= 0
        )
        for n in range(len(batch))
    ]
    return explained, merge(maps).cpu().numpy()


@dataclass(frozen=True)
class _Weighing:
    """Weights of an image's predicted class and its descriptor (m), with each layer's first column."""

    weights: NDArray[np.float64]
    values: NDArray[np.floating]
    first_columns: dict[int, int]

    def of(self, layer: int, channel: int) -> dict[str, float]:
        """Weight, response and share of a feature, none for one that has no column."""
        first = self.first_columns.get(layer)
        if first is None:
            return {}
        weight, response = self.weights[first + channel], self.values[first + channel]
        relevance = weight * response
        # 0 without relevance, which features of other methods' choice may lack.
        evidence = np.maximum(self.weights * self.values, 0).sum()
        share = float(relevance / evidence) if relevance > 0 else 0.0
        return {"weight": float(weight), "response": float(response), "share": share}


def _weighing(predicted: Predicted) -> list[_Weighing]:
    weighted = predicted.weighted
    if weighted is None:
        nothing = np.zeros(0)
        return [_Weighing(nothing, nothing, {})] * len(predicted.scores)
    sizes = [layer.n_channels for layer in weighted.layers]
    firsts = (np.cumsum(sizes) - sizes).tolist()
    columns = {layer.index: at for layer, at in zip(weighted.layers, firsts, strict=True)}
    weights = weighted.weights[predicted.classes]
    return [
        _Weighing(of_class, values, columns)
        for of_class, values in zip(weights, weighted.descriptors, strict=True)
    ]
