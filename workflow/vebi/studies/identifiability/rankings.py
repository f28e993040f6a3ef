"""Other rankings of a network's features: by what predicts a class, and by what its score owes to them.

Each gives a value per class and feature; a feature's is the largest of its classes. Only the order within
a layer is used, since layers are matched.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from vebi.data.dataset import Dataset
from vebi.heatmaps.relevance import gradients_of
from vebi.network.batches import map_batches
from vebi.network.layers import Layer
from vebi.network.passes import LayerPass, to_network_input
from vebi.network.running import leaf_of, run

PREDICTIVE = ("response", "omp", "elastic_net", "logistic")
CAUSAL = ("taylor",)
# Of the penalty that leaves no feature: most features get a weight, so that each layer has an order.
ELASTIC_NET_SHARE = 0.01


def rank_by_prediction(
    X: NDArray[np.float64], labels: NDArray[np.int64], n_classes: int, n_features: int
) -> dict[str, NDArray[np.float64]]:
    """Values (m) of every predictive ranking, from descriptors X (N, m) and classes (N).

    `response`: the class's mean above that of all images, in standard deviations. `omp`: orthogonal
    matching pursuit with up to `n_features` features a class. `elastic_net`: half of its penalty is l1.
    `logistic`: l1-penalised logistic regression, one class against the rest. Columns are standardised and
    weights are theirs.
    """
    from sklearn.linear_model import ElasticNet, LogisticRegression, orthogonal_mp_gram

    spread = X.std(0)
    standard = (X - X.mean(0)) / np.where(spread > 0, spread, 1.0)
    gram = standard.T @ standard
    # Where nothing tells classes apart, all values are alike.
    found = {name: [np.full(X.shape[1], -np.inf)] for name in PREDICTIVE}
    for label in range(n_classes):
        target = (labels == label).astype(np.float64)
        if target.min() == target.max():
            continue
        centred = target - target.mean()
        cross = standard.T @ centred
        most = float(np.abs(cross).max()) / len(X)
        net = ElasticNet(alpha=2 * ELASTIC_NET_SHARE * most, l1_ratio=0.5, fit_intercept=False)
        probe = LogisticRegression(l1_ratio=1.0, solver="liblinear", random_state=0)
        pursuit = orthogonal_mp_gram(gram, cross, n_nonzero_coefs=min(n_features, *X.shape))
        found["response"].append(standard[labels == label].mean(0))
        found["omp"].append(np.abs(pursuit))
        found["elastic_net"].append(np.abs(net.fit(standard, centred).coef_))
        found["logistic"].append(np.abs(probe.fit(standard, labels == label).coef_[0]))
    return {name: np.max(values, axis=0) for name, values in found.items()}


class _EdgePass(LayerPass):
    """Keeps the responses of layers with their places in the graph."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__(layers)
        self.responses: dict[int, Tensor] = {}
        self.edges: dict[int, GradientEdge] = {}

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        kept = response.detach()
        self.responses[layer.index] = kept.clone() if layer.overwritten else kept
        self.when_recorded(response, lambda maps: self._keep(layer.index, maps))
        return response

    def _keep(self, index: int, maps: Tensor) -> None:
        self.edges[index] = get_gradient_edge(maps)


def rank_by_gradient(
    model: nn.Module,
    dataset: Dataset,
    rows: NDArray[np.int64],
    layers: Sequence[Layer],
    *,
    batch_size: int,
    device: torch.device | str = "cpu",
) -> dict[int, NDArray[np.float64]]:
    """The Taylor criterion (Molchanov et al. 2017, Eq. 8) of every channel, by layer index: (C).

    What removing a channel changes to first order: activation times gradient of the score of the image's
    class, summed over positions. Mean over the images at `rows` of a class; the largest class counts.
    """
    n_classes = len(dataset.classes)
    sums = {layer.index: np.zeros((n_classes, layer.n_channels)) for layer in layers}

    def look(some: NDArray[np.int64], raw: NDArray[np.uint8]) -> dict[int, NDArray[np.float64]]:
        images = leaf_of(to_network_input(raw, device)).contiguous().requires_grad_()
        kept = _EdgePass(layers)
        scores = run(model, images, kept, gradients=True)
        classes = torch.from_numpy(dataset.labels[some]).to(scores.device)
        there = [layer for layer in layers if layer.index in kept.edges]
        gradients = gradients_of(scores, classes, [kept.edges[layer.index] for layer in there])
        return {
            layer.index: _per_channel(kept.responses[layer.index] * gradient, layer)
            for layer, gradient in zip(there, gradients, strict=True)
        }

    for some, values in map_batches(dataset.batches(rows, batch_size), look):
        for index, of_layer in values.items():
            np.add.at(sums[index], dataset.labels[some], of_layer)
    counts = np.bincount(dataset.labels[rows], minlength=n_classes)[:, None]
    return {index: (of / np.maximum(counts, 1)).max(0) for index, of in sums.items()}


def _per_channel(values: Tensor, layer: Layer) -> NDArray[np.float64]:
    """Sums over positions: float64 (N, C)."""
    if values.ndim > 2:
        values = values.movedim(layer.channel_axis, 1).flatten(2).sum(2)
    return values.double().cpu().numpy()


def matched(
    values: NDArray[np.float64], features: NDArray[np.int64], selected: NDArray[np.int64]
) -> NDArray[np.int64]:
    """As many features per layer as are selected, those with the largest values: int64 (n, 2).

    `features` (m, 2) are the layer and channel of each of `values` (m); equal values go by place.
    """
    parts = [np.zeros((0, 2), np.int64)]
    for layer, count in zip(*np.unique(selected[:, 0], return_counts=True), strict=True):
        places = np.flatnonzero(features[:, 0] == layer)
        best = places[np.argsort(-values[places], kind="stable")[:count]]
        parts.append(features[np.sort(best)])
    return np.concatenate(parts)
