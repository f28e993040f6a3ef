"""Training of a classifier, the same weights for the same seed."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from vebi.catalogue.architectures import ARCHITECTURES, TORCHVISION
from vebi.compute.determinism import derived_seed
from vebi.config.models import is_weights_name
from vebi.data.dataset import TEST, TRAIN, Dataset
from vebi.io.errors import VebiError
from vebi.models.named_weights import read_named_weights
from vebi.models.nets import NetSpec, build_for_classes, initialise
from vebi.models.torchvision_nets import MEAN, SCALE
from vebi.models.weights import Weights, apply_weights, last_layer, read_weights
from vebi.models.weights_places import find_weights
from vebi.network.batches import map_batches
from vebi.network.deterministic import InFixedOrder
from vebi.network.passes import fast_layout
from vebi.network.running import scores_in
from vebi.run.checkpoint import Checkpoint

log = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16"]
# Pixels of a data set up to this size are kept in memory while it is trained on.
MEMORY_BYTES = 2**30
OWN_SCALE = 64.0


class Task(Protocol):
    """What a network is for: images of a shape (H, W, C), and classes in the order of its outputs.

    `class_ids` are what the classes are called where the images come from. A `Dataset` is one.
    """

    @property
    def image_shape(self) -> tuple[int, int, int]: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def class_ids(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class ImageTask:
    """A `Task` without images."""

    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    class_ids: tuple[str, ...]


@dataclass(frozen=True)
class TrainingSettings:
    """Optimiser, schedule and what the network starts from.

    `epochs` 0 takes a network as given. `scale` divides the pixels and `mean` (per channel) is
    subtracted before, None: what the architecture or its weights are made for, see `network_spec`.
    `init_std` None: He initialisation, or torchvision's and the user's own. `weights`: a file to start
    from; then all layers but the last learn at `learning_rate` times `backbone_rate_factor`, and all
    parameters up to and with the layer `freeze_up_to` not at all. `kwargs`: for torchvision's or the
    user's function. `precision` bfloat16: products of the training passes are rounded to it (autocast),
    with images in channels-last order; weights, optimiser and test accuracy stay float32.
    """

    epochs: int
    batch_size: int
    optimiser: Literal["sgd", "adam", "rmsprop"]
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    init_std: float | None = None
    scale: float | tuple[float, ...] | None = 1.0
    final_learning_rate_factor: float = 1.0
    mean: tuple[float, ...] | None = None
    weights: str | None = None
    backbone_rate_factor: float = 1.0
    freeze_up_to: str | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    precision: Precision = "float32"


def train(
    dataset: Dataset,
    architecture: str,
    settings: TrainingSettings,
    seed: int,
    device: torch.device,
    *,
    after_epoch: Callable[[int, nn.Module, NetSpec], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[nn.Module, NetSpec, pd.DataFrame]:
    """Train `architecture` (as in NetSpec) on the train split.

    Args:
        dataset: its images and labels.
        architecture: a name of the catalogue, of torchvision's, or the user's function.
        settings: optimiser and schedule; without epochs the network is taken as it starts.
        seed: root of the first weights, of the order of images and of dropout.
        device: where to compute.
        after_epoch: called with the number of each epoch, the network and its specification.
        checkpoint: training goes on after the last epoch that it has, and is saved after each.

    Returns:
        The network, its specification, and the history: one row per epoch with the mean training loss
        and the accuracy on the train and test splits; without epochs one row for epoch 0.

    Raises:
        VebiError: no training images, settings that do not fit, or a loss that is not finite.
    """
    images = _SplitImages.of(dataset, device)
    net, spec = first_network(dataset, architecture, settings, seed, images.pixels)
    net = net.to(device)
    if not settings.epochs:
        return net.eval(), spec, pd.DataFrame([images.history_row(net, 0)])

    if settings.precision == "bfloat16":
        _lay_out(net, torch.channels_last)
    optimiser, schedule = _optimisation(net.get_submodule(spec.body), settings)
    history = checkpoint.resume(net, optimiser, schedule) if checkpoint else []
    epochs = range(len(history) + 1, settings.epochs + 1)
    for epoch in tqdm(epochs, desc=f"train {architecture}", unit="epoch"):
        # An order per epoch, not one stream: a resumed training sees the same batches.
        order = np.random.default_rng([seed, 1, epoch]).permutation(images.train)
        batches = images.pixels(order, settings.batch_size)
        with _seeded_generators(derived_seed(seed, 2, epoch), device):
            loss = _train_epoch(
                net, optimiser, batches, images.labels, device=device, precision=settings.precision
            )
        schedule.step()
        if not np.isfinite(loss):
            raise VebiError(
                f"Training of {architecture} diverged in epoch {epoch} (loss {loss}): "
                "lower learning_rate, or raise scale."
            )
        history.append(images.history_row(net, epoch, loss, settings.precision))
        if after_epoch is not None:
            after_epoch(epoch, net, spec)
        if checkpoint is not None:
            checkpoint.save(net, optimiser, schedule, history)
    _lay_out(net, torch.contiguous_format)
    return net.eval(), spec, pd.DataFrame(history)


def _optimisation(
    body: nn.Module, settings: TrainingSettings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.ExponentialLR]:
    """The optimiser of the parameters that are trained, and its learning rate over the epochs."""
    if settings.freeze_up_to is not None:
        _freeze(body, settings.freeze_up_to)
    optimiser = _optimiser(_parameter_groups(body, settings), settings)
    factor = settings.final_learning_rate_factor ** (1 / max(1, settings.epochs - 1))
    return optimiser, torch.optim.lr_scheduler.ExponentialLR(optimiser, factor)


def first_network(
    dataset: Dataset,
    architecture: str,
    settings: TrainingSettings,
    seed: int,
    pixels: "Pixels | None" = None,
) -> tuple[nn.Module, NetSpec]:
    """The network before training, with the weights that it starts from, and its specification.

    `pixels` gives the images of `dataset` where they have been read already.
    """
    net, spec, has_mean = given_network(dataset, architecture, settings, seed)
    if not has_mean:
        mean = _mean_image(pixels or _streamed(dataset), dataset.indices(TRAIN))
        net.get_buffer("input.mean").copy_(mean)
    return net, spec


def given_network(
    task: Task, architecture: str, settings: TrainingSettings, seed: int
) -> tuple[nn.Module, NetSpec, bool]:
    """The network with its first weights, without a look at any image, and its specification.

    The last value is False for an architecture of ours whose mean image is not there yet: neither
    `settings` nor the file of weights has one.
    """
    name = settings.weights
    weights = None if name is None else given_weights(architecture, name)
    spec = network_spec(task, architecture, settings, weights)
    names = task.class_ids, task.classes
    net, spec = build_for_classes(spec, names, derived_seed(seed, 0))
    if spec.is_own or settings.init_std is not None:
        own = ARCHITECTURES.get(architecture)
        glorot = own is not None and own.first_weights == "glorot"
        initialise(net, derived_seed(seed, 0), settings.init_std, glorot)
    if weights is not None:
        apply_weights(net, spec, weights, names, is_trained=settings.epochs > 0)
    has_mean = not spec.is_own or spec.mean is not None
    return net, spec, has_mean or (weights is not None and weights.has_mean)


def given_weights(architecture: str, name: str) -> Weights:
    """What a user's `weights` are: a file, or some of torchvision's by name (`IMAGENET1K_V1`).

    Raises:
        VebiError: there are no such weights, or they are damaged.
    """
    return (
        read_named_weights(architecture, name)
        if is_weights_name(name)
        else read_weights(find_weights(name))
    )


def network_spec(
    task: Task, architecture: str, settings: TrainingSettings, weights: Weights | None
) -> NetSpec:
    """The specification of the network for a task.

    Where `settings` leave `scale` and `mean` open: as in the file of weights if that says it; else
    64 and the mean image of the training split for our architectures, ImageNet's for torchvision's,
    raw pixels for a user's.
    """
    height, width, channels = task.image_shape
    kwargs = {**(weights.kwargs if weights else {}), **settings.kwargs}
    spec = NetSpec(architecture, (channels, height, width), len(task.classes), 1.0, kwargs=kwargs)
    mean, scale = settings.mean, settings.scale
    stored = weights.scale if weights else None
    if stored is not None and scale not in (None, stored):
        raise VebiError(
            f"scale is {scale}, but {settings.weights} was trained with {stored}: leave it out."
        )
    if weights and weights.has_mean and mean is not None:
        raise VebiError(f"mean is {mean}, but {settings.weights} has its own: leave it out.")
    if architecture.startswith(TORCHVISION):
        given = weights.mean if weights else None
        mean = (given or MEAN) if mean is None else mean
        scale = SCALE if scale is None and stored is None else scale
    if scale is None:
        scale = stored if stored is not None else OWN_SCALE if spec.is_own else 1.0
    if not spec.is_own and mean is None and scale != 1:
        mean = (0.0,) * channels
    return replace(spec, mean=mean, scale=scale)


def to_batch(images: NDArray[np.uint8]) -> Tensor:
    """uint8 images (N, H, W, C) as the uint8 tensor (N, C, H, W) that a network takes as float."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


# Batches of some rows of a data set: their numbers and their images, uint8 (n, C, H, W).
Pixels = Callable[[NDArray[np.int64], int], Iterator[tuple[NDArray[np.int64], Tensor]]]


def _pixels_of(dataset: Dataset) -> Pixels:
    """Batches of a data set's images: from memory if it is small, else as they are read."""
    if len(dataset) * int(np.prod(dataset.image_shape)) <= MEMORY_BYTES:
        return _in_memory(to_batch(dataset.read("images")))
    return _streamed(dataset)


def _streamed(dataset: Dataset) -> Pixels:
    return lambda rows, batch_size: (
        (chosen, to_batch(images)) for chosen, images in dataset.batches(rows, batch_size)
    )


def _in_memory(images: Tensor) -> Pixels:
    def batches(
        rows: NDArray[np.int64], batch_size: int
    ) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        for start in range(0, len(rows), batch_size):
            chosen = rows[start : start + batch_size]
            yield chosen, images[chosen]

    return batches


def predict(
    net: nn.Module, images: Tensor, device: torch.device, batch_size: int = 256
) -> NDArray[np.int64]:
    """The class with the highest output of each image (N, C, H, W): int64 (N)."""
    net.eval()
    classes = np.zeros(len(images), np.int64)
    with torch.no_grad():
        parts = map_batches(
            _in_memory(images)(np.arange(len(images)), batch_size),
            lambda _, some: scores_in(net(fast_layout(some.to(device).float()))),
        )
        for rows, scores in parts:
            classes[rows] = scores.argmax(1).cpu().numpy()
    return classes


def accuracy(
    net: nn.Module, images: Tensor, labels: Tensor, device: torch.device, batch_size: int = 256
) -> float:
    """How many images are predicted right.

    Args:
        net: the network.
        images: (N, C, H, W) as it takes them.
        labels: int64 (N).
        device: where to compute.
        batch_size: images at a time.

    Returns:
        The fraction whose highest output is their label; NaN for no images.
    """
    if not len(images):
        return float("nan")
    return float((predict(net, images, device, batch_size) == labels.numpy()).mean())


@dataclass(frozen=True)
class _SplitImages:
    """A data set's images by batches, the rows of both splits, its labels (N), and where to compute."""

    pixels: Pixels
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    labels: Tensor
    device: torch.device
    batch_size: int

    @classmethod
    def of(cls, dataset: Dataset, device: torch.device) -> "_SplitImages":
        """Those of a data set; VebiError if it has none to train on."""
        train = dataset.indices(TRAIN)
        if not len(train):
            raise VebiError(f"{dataset.path} has no training images (split 0).")
        # Large images in smaller batches, so that memory does not grow with their size.
        at_once = int(np.clip(256 * 112 * 112 // np.prod(dataset.image_shape[:2]), 1, 256))
        labels = torch.from_numpy(dataset.labels)
        pixels = _pixels_of(dataset)
        return cls(pixels, train, dataset.indices(TEST), labels, device, at_once)

    def history_row(
        self,
        net: nn.Module,
        epoch: int,
        loss: float | None = None,
        precision: Precision = "float32",
    ) -> dict[str, float]:
        """What is known of an epoch; `loss` None: that of the training images as they are now."""
        measured, train_accuracy = self._score(net, self.train, precision)
        return {
            "epoch": epoch,
            "loss": measured if loss is None else loss,
            "train_accuracy": train_accuracy,
            "test_accuracy": self._score(net, self.test)[1],
        }

    def _score(
        self, net: nn.Module, rows: NDArray[np.int64], precision: Precision = "float32"
    ) -> tuple[float, float]:
        """Mean cross-entropy and accuracy of the images at `rows`; NaN for no images."""
        if not len(rows):
            return float("nan"), float("nan")
        loss, hits = 0.0, 0
        net.eval()
        with torch.no_grad(), _rounding(precision, self.device):
            parts = map_batches(
                self.pixels(rows, self.batch_size),
                lambda _, images: scores_in(net(fast_layout(images.to(self.device).float()))),
            )
            for chosen, scores in parts:
                truth = self.labels[chosen].to(self.device)
                loss += float(cross_entropy(scores, truth, reduction="sum"))
                hits += int((scores.argmax(1) == truth).sum())
        return loss / len(rows), hits / len(rows)


def _mean_image(pixels: Pixels, rows: NDArray[np.int64]) -> Tensor:
    # Sums of integers, exact in this type: how they are split into batches does not matter.
    batches = (images.sum(0, dtype=torch.float64) for _, images in pixels(rows, 256))
    total = next(batches)
    for part in batches:
        total += part
    return (total / len(rows)).float()


def _freeze(net: nn.Module, name: str) -> None:
    """Stop the learning of every parameter up to the last one of the layer `name`."""
    names = [key for key, _ in net.named_parameters()]
    inside = [i for i, key in enumerate(names) if key.startswith(f"{name}.")]
    if not inside:
        known = ", ".join(dict.fromkeys(key.rpartition(".")[0] for key in names))
        raise VebiError(f"freeze_up_to: no layer '{name}' with parameters; there are {known}.")
    if inside[-1] + 1 == len(names):
        raise VebiError(
            f"freeze_up_to: '{name}' is the last layer, nothing would be left to train."
        )
    for parameter in list(net.parameters())[: inside[-1] + 1]:
        parameter.requires_grad_(False)


def _parameter_groups(net: nn.Module, settings: TrainingSettings) -> list[dict[str, Any]]:
    """The parameters that learn, those of all layers but the last at their own rate."""
    learning = [(key, value) for key, value in net.named_parameters() if value.requires_grad]
    if settings.backbone_rate_factor == 1:
        return [{"params": [value for _, value in learning]}]
    last = last_layer(net)
    groups: list[dict[str, Any]] = [
        {
            "params": [
                value for key, value in learning if (key.rpartition(".")[0] == last) == is_last
            ]
        }
        for is_last in (False, True)
    ]
    groups[0]["lr"] = settings.learning_rate * settings.backbone_rate_factor
    return groups


def _optimiser(groups: list[dict[str, Any]], settings: TrainingSettings) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, rate, settings.momentum, weight_decay=decay)
    if settings.optimiser == "adam":
        return torch.optim.Adam(groups, rate, weight_decay=decay)
    # Keras' defaults of rho and epsilon; torch's are 0.99 and 1e-8.
    return torch.optim.RMSprop(
        groups, rate, alpha=0.9, eps=1e-7, momentum=settings.momentum, weight_decay=decay
    )


@contextmanager
def _seeded_generators(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds torch's own generators, from which dropout draws, and gives them back as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _train_epoch(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Iterable[tuple[NDArray[np.int64], Tensor]],
    labels: Tensor,
    *,
    device: torch.device,
    precision: Precision,
) -> float:
    """One pass over `batches`; returns the mean loss of their images."""
    net.train()
    for module in net.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()  # batch normalisation that is frozen keeps its statistics, too
    total, n_images = 0.0, 0
    for rows, images in batches:
        given = images.to(device).float()
        if precision == "bfloat16":
            given = given.contiguous(memory_format=torch.channels_last)
        try:
            with InFixedOrder(), _rounding(precision, device):
                scores = scores_in(net(given))
            loss = cross_entropy(scores.float(), labels[rows].to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        except torch.OutOfMemoryError:
            # Smaller batches would train another network: not done unasked.
            raise VebiError(
                f"The GPU's memory does not suffice to train with batches of {len(rows)} images. "
                "Lower the model's batch_size (it changes the result), free the GPU of other programs, "
                "or set device: cpu."
            ) from None
        total += float(loss.detach()) * len(rows)
        n_images += len(rows)
    return total / n_images


def _lay_out(net: nn.Module, order: torch.memory_format) -> None:
    """Bring the kernels of convolutions into an order of memory, in place."""
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=order)


def _rounding(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Inside, convolutions and matrix products are done in `precision`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
