"""Any network explained: features selected on a user's own images, then explanations of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.catalogue.descriptors import get_descriptor
from vebi.catalogue.methods import OURS
from vebi.descriptors.describe import describe_batch
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.descriptors.layers import measured_layers
from vebi.explanation.classes import checked_classes
from vebi.explanation.explain import Network, Pictures, Selected, explain_batch
from vebi.explanation.explanation import Explanation
from vebi.explanation.panels import draw_panels
from vebi.figures.style import save
from vebi.io.arrays import AnyArray
from vebi.io.errors import VebiError
from vebi.network.batches import map_batches, split_batches
from vebi.network.known_layers import known_layers
from vebi.network.layers import Layer, feature_index
from vebi.network.passes import to_network_input
from vebi.selection.path_file import Solution, over_all_columns, read_solution
from vebi.selection.select import solve
from vebi.selection.statistics import (
    Accumulator,
    FeatureIndex,
    Scope,
    check_scope,
    rows_per_block,
    scope_columns,
)
from vebi.selection.tables import selected_features_table

if TYPE_CHECKING:
    import pandas as pd

Images = AnyArray | Tensor
Preprocess = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Explainer:
    """A network with the features that the mu-Lasso selected for each of its classes.

    Args:
        model: the network.
        solution: the selection; None if nothing has been selected, which not every method needs.
        mu: the bound whose weights explain.
        classes: names in the order of the network's outputs; none: their numbers.
        descriptor: a name of the catalogue's DESCRIPTORS, on which the features were selected.
        preprocess: as in `fit`.
        device: where the network runs.
        batch_size: images at a time.
    """

    model: nn.Module
    solution: Solution | None = None
    mu: float = 10.0
    classes: tuple[str, ...] = ()
    descriptor: str = "vebi_text"
    preprocess: Preprocess | None = None
    device: torch.device | str = "cpu"
    batch_size: int = 32

    @property
    def selected(self) -> pd.DataFrame:
        """The selected features: a row per class and feature, with its layer, channel and weight.

        Raises:
            VebiError: none have been selected.
        """
        if self.solution is None:
            raise VebiError("No features have been selected: `vebi.fit` selects some.")
        table = selected_features_table(self.solution, [self.mu])
        names = [self.classes[label] for label in table["class"]]
        return table.assign(**{"class": names}).drop(columns=["scope", "mu"])

    @property
    def network(self) -> Network:
        """The network on its device, with the weights of the selected features."""
        selected = None
        if self.solution is not None:
            weights, descriptor = self.solution.weights_at(self.mu), get_descriptor(self.descriptor)
            selected = Selected(weights, self.solution.index, descriptor)
        return Network(self.model.to(self.device), self.classes, selected)

    def explain(self, images: Images, method: str = OURS.name, top: int = 3) -> list[Explanation]:
        """Explain images by any heatmap method.

        Args:
            images: as in `fit`.
            method: a name of the catalogue, or a function of the user's.
            top: at most this number of features for each image.

        Returns:
            One explanation per image.

        Raises:
            VebiError: no images, another form of images, or a method that does not fit.
        """
        array = _as_array(images)
        if not len(array):
            raise VebiError("There are no images to explain.")
        network = self.network

        def explain(index: NDArray[np.int64], some: AnyArray) -> list[Explanation]:
            batch, shown = _prepare(some, self.preprocess, self.device)
            return explain_batch(Pictures(batch, shown, index), network, method, top)

        batches = map_batches(split_batches(array, self.batch_size), explain)
        return [explanation for _, found in batches for explanation in found]

    def panel(
        self, images: Images, path: str | Path, method: str = OURS.name, top: int = 3
    ) -> list[Explanation]:
        """Explain images and draw them as the paper's Fig. 6.

        Args:
            images: as in `fit`.
            path: of a PNG; a PDF is written next to it.
            method, top: as for `explain`.

        Returns:
            The explanations that are drawn, one per image.
        """
        explanations = self.explain(images, method, top)
        save(draw_panels(explanations), path)
        return explanations


def fit(
    model: nn.Module,
    images: Images,
    labels: Sequence[int] | NDArray[np.integer] | None = None,
    *,
    mu: float = 10.0,
    classes: Sequence[str] | None = None,
    scope: Scope = "all",
    nonnegative: bool = False,
    descriptor: str = "vebi_text",
    preprocess: Preprocess | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 32,
) -> Explainer:
    """Select the features of `model` that carry each class (VEBI 3.1, Eq. 1), to explain with.

    Neither the images' responses nor their descriptors are kept: memory grows with the features, not
    with N.

    Args:
        model: the network.
        images: uint8 (N, H, W, C) or (N, H, W), given to the network as float (N, C, H, W) from 0 to 255
            through `preprocess`; or float (N, C, H, W) exactly as the network takes them.
        labels: int (N), the classes as places among the network's outputs; None: what it predicts.
        mu: bound of ||w||_1.
        classes: names of the outputs; None: their numbers.
        scope: `all` features, or those of convolutions only (`conv`).
        nonnegative: only weights >= 0.
        descriptor: what is measured of each channel, a name of the catalogue.
        preprocess: from pixels to what the network takes.
        device: where to compute.
        batch_size: images at a time.

    Returns:
        What explains images of the same form.

    Raises:
        VebiError: layers that can't be handled, by name, or labels, names or images that don't fit.
    """
    check_scope(scope)
    measured = get_descriptor(descriptor)
    array = _as_array(images)
    if not len(array):
        raise VebiError("There are no images to select features on.")
    model = model.to(device)
    example, _ = _prepare(array[:1], preprocess, device)
    layers = known_layers(model, example)
    described = measured_layers(measured, layers)

    def describe(_: NDArray[np.int64], some: AnyArray) -> tuple[Tensor, NDArray[np.float32]]:
        batch = _prepare(some, preprocess, device)[0]
        logits, values = describe_batch(model, batch, layers, measured)
        return logits.cpu(), values.cpu().numpy()

    given = None if labels is None else np.asarray(labels)
    batches = map_batches(split_batches(array, batch_size), describe)
    accumulator, n_classes = _accumulate(batches, given, len(array))
    names = tuple(classes) if classes is not None else tuple(map(str, range(n_classes)))
    if len(names) != n_classes:
        raise VebiError(f"{len(names)} names of classes, but the network has {n_classes} outputs.")
    solution = _select(
        accumulator, described, mu, scope, nonnegative=nonnegative, of_predictions=given is None
    )
    return Explainer(model, solution, mu, names, descriptor, preprocess, device, batch_size)


def load(
    model: nn.Module,
    descriptors: str | Path,
    selection: str | Path,
    *,
    mu: float = 10.0,
    classes: Sequence[str] | None = None,
    preprocess: Preprocess | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 32,
) -> Explainer:
    """An Explainer from a selection that was made before.

    Args:
        model: the network.
        descriptors: a descriptor file of it.
        selection: the path.h5 that was selected on that file.
        mu: bound of ||w||_1, up to that of the path.
        classes: names of the outputs; None: those of the descriptor file, else their numbers.
        preprocess, device, batch_size: as for `fit`.

    Returns:
        What explains images.

    Raises:
        VebiError: a file that is not there, or of another kind.
    """
    if not Path(selection).is_file():
        raise VebiError(f"{selection}: no such file; expected a path.h5 of `vebi select`.")
    file, solution = open_descriptors(descriptors), read_solution(selection)
    names = tuple(classes) if classes is not None else file.classes
    if not names:
        names = tuple(map(str, range(len(solution.classes))))
    return Explainer(
        model.to(device), solution, mu, names, file.variant, preprocess, device, batch_size
    )


def explain(
    model: nn.Module,
    images: Images,
    descriptors: str | Path,
    selection: str | Path,
    *,
    mu: float = 10.0,
    method: str = OURS.name,
    top: int = 3,
    preprocess: Preprocess | None = None,
    device: torch.device | str = "cpu",
) -> list[Explanation]:
    """Explain images by features selected before: `load(...).explain(images)` in one call.

    Args:
        model: the network.
        images: as in `fit`.
        descriptors, selection, mu: as for `load`.
        method, top: as for `Explainer.explain`.
        preprocess, device: as for `fit`.

    Returns:
        One explanation per image.
    """
    explainer = load(model, descriptors, selection, mu=mu, preprocess=preprocess, device=device)
    return explainer.explain(images, method, top)


def _accumulate(
    batches: Iterable[tuple[NDArray[np.int64], tuple[Tensor, NDArray[np.float32]]]],
    labels: NDArray[np.integer] | None,
    n_images: int,
) -> tuple[Accumulator, int]:
    """The sums over all images, and the number of the network's classes.

    `batches`: rows with their class scores (n, classes) and descriptors (n, m). `labels` int (N); None:
    the predictions.
    """
    accumulator: Accumulator | None = None
    values: list[NDArray[np.float32]] = []
    truth: list[NDArray[np.int64]] = []
    given: NDArray[np.int64] | None = None
    n_classes = 0
    for rows, (logits, found) in batches:
        if accumulator is None:
            n_classes = logits.shape[1]
            if labels is not None:
                given = checked_classes("labels", labels, ((n_images,),), n_classes)
            accumulator = Accumulator(found.shape[1], n_classes)
        values.append(found)
        truth.append(logits.argmax(1).numpy() if given is None else given[rows])
        # The Gram matrix is large: it is added to in few large blocks.
        if sum(map(len, values)) >= rows_per_block(found.shape[1]):
            accumulator.add(np.concatenate(values), np.concatenate(truth))
            values, truth = [], []
    assert accumulator is not None
    if values:
        accumulator.add(np.concatenate(values), np.concatenate(truth))
    return accumulator, n_classes


def _select(
    accumulator: Accumulator,
    described: Sequence[Layer],
    mu: float,
    scope: Scope,
    *,
    nonnegative: bool,
    of_predictions: bool,
) -> Solution:
    positions, channels = feature_index(described)
    index = FeatureIndex(
        layer=np.array([layer.name for layer in described], np.str_)[positions],
        channel=channels,
        layer_type=np.array([layer.type for layer in described], np.str_)[positions],
    )
    columns = scope_columns(index, scope)
    statistics = accumulator.result()
    if len(columns) < len(index):
        statistics = statistics.restricted(columns)
    paths, objective, gap = solve(statistics, mus=[mu], nonnegative=nonnegative)
    return Solution(
        classes=[over_all_columns(path, columns, len(index)) for path in paths],
        columns=columns,
        index=index,
        mus=np.array([float(mu)]),
        objective=objective,
        relative_gap=gap,
        scope=scope,
        labels="predictions" if of_predictions else "annotations",
        nonnegative=nonnegative,
        solver="path",
        n_samples=statistics.n_samples,
    )


def _as_array(images: Images) -> AnyArray:
    """Images as uint8 (N, H, W, C) or float (N, C, H, W)."""
    array = images.detach().cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)
    is_raw = array.dtype == np.uint8
    if is_raw and array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or not (is_raw or array.dtype.kind == "f"):
        raise VebiError(
            f"images have shape {array.shape} and type {array.dtype}; expected are uint8 (N, H, W, C), "
            "or float (N, C, H, W) as the network takes them."
        )
    return array


def _prepare(
    images: AnyArray, preprocess: Preprocess | None, device: torch.device | str
) -> tuple[Tensor, NDArray[np.uint8]]:
    """A batch as the network takes it (n, C, H, W) and as pictures uint8 (n, H, W, C)."""
    if images.dtype != np.uint8:
        return torch.from_numpy(images).float().to(device), _as_pictures(images)
    batch = to_network_input(images, device)
    shown = images if images.shape[3] in (1, 3) else _as_pictures(batch.cpu().numpy())
    if preprocess is None:
        return batch, shown
    ready = preprocess(batch)
    if ready.shape[2:] != batch.shape[2:]:
        # Cropped or resized: the picture that the maps lie on is the one that the network sees.
        shown = _as_pictures(ready.detach().float().cpu().numpy())
    return ready, shown


def _as_pictures(images: NDArray[np.number]) -> NDArray[np.uint8]:
    """Float images (n, C, H, W) of any range as uint8 (n, H, W, C), each from black to white."""
    low, high = images.min((1, 2, 3), keepdims=True), images.max((1, 2, 3), keepdims=True)
    scaled = (images - low) / np.where(high > low, high - low, 1)
    channels = scaled if images.shape[1] in (1, 3) else scaled.mean(1, keepdims=True)
    return np.rint(channels * 255).astype(np.uint8).transpose(0, 2, 3, 1)
