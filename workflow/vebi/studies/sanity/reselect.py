"""VEBI as a whole on another network: what the mu-Lasso selects there, and which classes it predicts."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vebi.catalogue.descriptors import get_descriptor
from vebi.data.dataset import TRAIN, Dataset
from vebi.data.subset import spread_over_classes
from vebi.descriptors.describe import describe_batch
from vebi.descriptors.layers import measured_layers
from vebi.heatmaps.subject import WeightedDescriptors
from vebi.network.batches import map_batches
from vebi.network.layers import Layer, feature_index
from vebi.network.passes import to_network_input
from vebi.selection.path_file import over_all_columns
from vebi.selection.select import Problem, solve
from vebi.selection.statistics import statistics_of

_BATCH = 128


@dataclass(frozen=True)
class Reselection:
    """How features are selected again in a network that has forgotten something: as in the main line.

    Attributes:
        mu: the one whose features explain.
        problem: scope, labels, sign of W and solver.
        variant: the descriptor.
        images: training images to select from, spread over the classes; None: all.
    """

    mu: float
    problem: Problem
    variant: str
    images: int | None = None

    def of(
        self,
        model: nn.Module,
        dataset: Dataset,
        layers: list[Layer],
        chosen: NDArray[np.int64],
        device: torch.device | str = "cpu",
    ) -> tuple[NDArray[np.int64], WeightedDescriptors]:
        """What `model` predicts of the images at `chosen`, int64 (N), and what explains it there.

        Descriptors of the training images are computed, Eq. 1 is solved, and the descriptors of the
        images at `chosen` go with its weights.
        """
        rows = dataset.indices(TRAIN)
        if self.images is not None:
            rows = spread_over_classes(dataset.labels, rows, self.images)
        descriptor = get_descriptor(self.variant)

        def describe(indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            parts = map_batches(
                dataset.batches(indices, _BATCH),
                lambda _, raw: describe_batch(
                    model, to_network_input(raw, device), layers, descriptor
                ),
            )
            found = [(scores.argmax(1).cpu().numpy(), x.cpu().numpy()) for _, (scores, x) in parts]
            return np.concatenate([p for p, _ in found]), np.concatenate([x for _, x in found])

        described = measured_layers(descriptor, layers)
        (seen, trained), (predictions, tested) = describe(rows), describe(chosen)
        labels = dataset.labels[rows] if self.problem.labels == "annotations" else seen
        n_classes = max(len(dataset.classes), 1 + int(predictions.max()), 1 + int(labels.max()))
        positions, _ = feature_index(described)
        is_conv = np.array([layer.type == "conv" for layer in described])[positions]
        columns = np.flatnonzero(is_conv | (self.problem.scope == "all"))
        paths, _, _ = solve(
            statistics_of(trained[:, columns], labels, n_classes),
            mus=[self.mu],
            nonnegative=self.problem.nonnegative,
            solver=self.problem.solver,
        )
        weights = [
            over_all_columns(path, columns, trained.shape[1]).weights_at(self.mu) for path in paths
        ]
        return predictions, WeightedDescriptors(described, tested, np.stack(weights))
