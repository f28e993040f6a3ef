"""Any network explained: features selected on a user's own images, then explanations of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

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
from vebi.explanation.explanation import Explanation, Explanations
from vebi.explanation.saved import (
    Saved,
    check_network,
    list_tensors,
    read_saved,
    weights_digest,
    write_saved,
)
from vebi.figures.style import save
from vebi.io.arrays import AnyArray
from vebi.io.errors import VebiError
from vebi.network.batches import map_batches, split_batches
from vebi.network.known_layers import known_layers
from vebi.network.layers import Layer, feature_index
from vebi.network.passes import to_network_input
from vebi.run.checksums import check_files
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
    from matplotlib.figure import Figure

Images = AnyArray | Tensor
Preprocess = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False, repr=False)
class Explainer:
    """A network with the features that the mu-Lasso selected for each of its classes.

    `vebi.fit` makes one, `vebi.load` and `Explainer.load` read one. Made by hand, without a selection, it
    explains by the methods that need none.

    Args:
        model: the network, a module of images (N, C, H, W) that returns class scores (N, classes).
        solution: the selection; None if nothing has been selected, which not every method needs.
        mu: the bound whose weights explain, from 0 to the `mu_max` of the solution.
        classes: names in the order of the network's outputs; none: their numbers.
        descriptor: a name of the catalogue's DESCRIPTORS, on which the features were selected:
            "vebi_text", "vebi_code", "mcgill_matconvnet" or "mcgill_keras".
        preprocess: None, or a function of a batch of pixels, as in `fit`.
        device: where the network runs: "cpu", "cuda", "cuda:1", "mps", or a torch.device.
        batch_size: images at a time, 1 or more.
        input_shape: of an image as the network takes it, (C, H, W); None if that is not known.

    Examples:
        >>> import numpy as np, torch, vebi
        >>> pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
        >>> _ = torch.manual_seed(0)
        >>> conv, head = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(144, 2)
        >>> model = torch.nn.Sequential(conv, torch.nn.ReLU(), torch.nn.Flatten(), head)
        >>> explainer = vebi.Explainer(model, classes=("cat", "dog"))
        >>> explainer
        <Explainer of Sequential: 2 classes, nothing selected>
        >>> explainer.explain(pixels, method="grad_cam")[0].heatmap.shape
        (8, 8)
    """

    model: nn.Module
    solution: Solution | None = None
    mu: float = 10.0
    classes: tuple[str, ...] = ()
    descriptor: str = "vebi_text"
    preprocess: Preprocess | None = None
    device: torch.device | str = "cpu"
    batch_size: int = 32
    input_shape: tuple[int, ...] | None = None

    def __repr__(self) -> str:
        """One line: the network, its classes, and how many features were selected."""
        n = len(self.classes)
        classes = f"{n} class{'es' * (n != 1)}" if n else "classes by number"
        chosen = "nothing selected"
        if self.solution is not None:
            union = (self.solution.weights_at(self.mu) != 0).any(0).sum()
            chosen = f"{union} of {len(self.solution.index)} features at mu = {self.mu:g}"
        return f"<Explainer of {type(self.model).__name__}: {classes}, {chosen}>"

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

    def explain(self, images: Images, method: str = OURS.name, top: int = 3) -> Explanations:
        """Explain images by any heatmap method.

        Args:
            images: in one of the forms that `fit` takes.
            method: a name of the catalogue: "vebi" (the paper's), "deconv_gb", "grad_cam", "lrp" and
                others; an unknown one ends in an error that lists them.
            top: how many features to draw for an image, at most; 0 or more. Methods that explain the
                class as one draw none.

        Returns:
            A list with an `Explanation` for each image; it shows itself in a notebook.

        Raises:
            VebiError: no images, or not of these forms; an unknown method, or one that needs selected
                features where there are none; a negative `top`.
        """
        array = _as_array(images)
        if not len(array):
            raise VebiError("There are no images to explain.")
        network = self.network

        def explain(index: NDArray[np.int64], some: AnyArray) -> list[Explanation]:
            batch, shown = _prepare(some, self.preprocess, self.device)
            return explain_batch(Pictures(batch, shown, index), network, method, top)

        batches = map_batches(split_batches(array, self.batch_size), explain)
        return Explanations(explanation for _, found in batches for explanation in found)

    def panel(
        self,
        images: Images,
        path: str | Path | None = None,
        method: str = OURS.name,
        top: int = 3,
    ) -> Figure:
        """Explain images and draw them as the paper's Fig. 6.

        Args:
            images: in one of the forms that `fit` takes.
            path: where to write the figure as PNG, and as PDF next to it; None: nowhere.
            method: as in `explain`.
            top: as in `explain`.

        Returns:
            A matplotlib figure that pyplot does not know; it shows itself in a notebook.

        Raises:
            VebiError: as `explain`, and where `path` can't be written.
        """
        figure = self.explain(images, method, top).panel()
        if path is not None:
            save(figure, path)
        return figure

    def save(self, path: str | Path) -> None:
        """Write the selection and what tells the network from others, to go on with `Explainer.load`.

        The network and `preprocess` are code, which no data file should hold: they are given again.

        Args:
            path: an HDF5 file, which is also a path.h5 of the pipeline. What is there is replaced.

        Raises:
            VebiError: nothing has been selected, or the file can't be written.
        """
        if self.solution is None:
            raise VebiError(
                "No features have been selected, so there is nothing to save: `vebi.fit` selects some."
            )
        write_saved(
            path,
            Saved(
                self.solution,
                float(self.mu),
                self.classes,
                self.descriptor,
                self.input_shape,
                weights_digest(self.model),
                list_tensors(self.model),
            ),
        )

    @classmethod
    def load(
        cls,
        path: str | Path,
        model: nn.Module,
        *,
        preprocess: Preprocess | None = None,
        device: torch.device | str = "cpu",
        batch_size: int = 32,
    ) -> Self:
        """Read what `save` wrote. Nothing from the file is executed.

        Args:
            path: the file.
            model: the network that the features were selected on, with the same weights.
            preprocess: the function that `fit` was given; None if there was none.
            device: where the network runs, as in `fit`.
            batch_size: images at a time, 1 or more.

        Returns:
            An `Explainer` that explains as the saved one did.

        Raises:
            VebiError: another file, or another network: other parameters, weights, layers or channels.
        """
        check_files(path)
        saved = read_saved(path)
        check_network(path, saved, model)
        get_descriptor(saved.descriptor)
        model = model.to(device)
        explainer = cls(
            model,
            saved.solution,
            saved.mu,
            saved.classes,
            saved.descriptor,
            preprocess,
            device,
            batch_size,
            saved.input_shape,
        )
        selected = explainer.network.selected
        if saved.input_shape is not None and selected is not None:
            # The same weights may be used another way: its layers are looked at, too.
            selected.layers_in(
                known_layers(model, torch.zeros(1, *saved.input_shape, device=device))
            )
        return explainer


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
        model: the network, a module of images (N, C, H, W) that returns class scores (N, classes).
        images: uint8 (N, H, W, C) or (N, H, W), given to the network as float (N, C, H, W) from 0 to 255
            through `preprocess`; or float (N, C, H, W), array or tensor, exactly as the network takes
            them.
        labels: int (N), the classes as places among the network's outputs; None: what it predicts.
        mu: the bound on the sum of the absolute weights of a class, above 0. The paper's is 10.
        classes: a name for each of the network's outputs, in their order; None: their numbers.
        scope: "all", or "conv": only channels of convolutions may be selected.
        nonnegative: whether weights must be 0 or more.
        descriptor: what is measured of a channel, a name of the catalogue's DESCRIPTORS: "vebi_text"
            (the paper's text: the l2 norm of its map), "vebi_code" (its square, as in the authors'
            code), "mcgill_matconvnet" or "mcgill_keras" (those of the McGill report).
        preprocess: a function of float pixels (n, C, H, W) from 0 to 255 that returns what the network
            takes; None: the pixels as they are. Not applied to float images.
        device: where the network runs: "cpu", "cuda", "cuda:1", "mps", or a torch.device.
        batch_size: images at a time, 1 or more.

    Returns:
        The `Explainer`.

    Raises:
        VebiError: layers that can't be handled, by name; images, labels or names that don't fit; an
            unknown scope or descriptor; mu that is not above 0.

    Examples:
        >>> import numpy as np, torch, vebi
        >>> pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
        >>> _ = torch.manual_seed(0)
        >>> conv, head = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(144, 2)
        >>> model = torch.nn.Sequential(conv, torch.nn.ReLU(), torch.nn.Flatten(), head)
        >>> explainer = vebi.fit(model, pixels, mu=1, classes=["cat", "dog"])
        >>> list(explainer.selected)
        ['class', 'layer', 'channel', 'layer_type', 'weight']
        >>> figure = explainer.panel(pixels[:2])  # shows itself in a notebook
        >>> explainer.save("explainer.h5")
        >>> again = vebi.Explainer.load("explainer.h5", model)
        >>> again.selected.equals(explainer.selected)
        True
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
    shape = tuple(example.shape[1:])
    return Explainer(model, solution, mu, names, descriptor, preprocess, device, batch_size, shape)


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
    """An Explainer from files of the pipeline, or of `vebi select` and `vebi explain`.

    Args:
        model: the network that the descriptors are of.
        descriptors: its descriptors.h5.
        selection: the path.h5 that was selected on these.
        mu: the bound whose weights explain, from 0 to where the path ends; any value, since the path is
            exact.
        classes: names in the order of the network's outputs; None: those of the descriptor file.
        preprocess: as in `fit`.
        device: as in `fit`.
        batch_size: images at a time, 1 or more.

    Returns:
        The `Explainer`.

    Raises:
        VebiError: files that can't be read, or are others.

    Examples:
        >>> explainer = vebi.load(model, "descriptors.h5", "path.h5", mu=5)
        >>> explainer
        <Explainer of Sequential: 2 classes, ... of 8 features at mu = 5>
    """
    if not Path(selection).is_file():
        raise VebiError(f"{selection}: no such file; expected a path.h5 of `vebi select`.")
    check_files(descriptors, selection)
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
) -> Explanations:
    """Explain images by features selected before: `load(...).explain(images)` in one call.

    Args:
        model: as in `load`.
        images: in one of the forms that `fit` takes.
        descriptors: as in `load`.
        selection: as in `load`.
        mu: as in `load`.
        method: as in `Explainer.explain`.
        top: as in `Explainer.explain`.
        preprocess: as in `fit`.
        device: as in `fit`.

    Returns:
        A list with an `Explanation` for each image; it shows itself in a notebook.

    Raises:
        VebiError: as `load` and `Explainer.explain`.

    Examples:
        >>> explanations = vebi.explain(model, pixels[:1], "descriptors.h5", "path.h5", mu=5, top=1)
        >>> [len(one.features) for one in explanations]
        [1]
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
