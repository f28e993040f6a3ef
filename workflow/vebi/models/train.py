"""Training of a classifier, the same weights for the same seed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from vebi.data.store import TEST, TRAIN, Dataset
from vebi.determinism import derived_seed
from vebi.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise


@dataclass(frozen=True)
class TrainingSettings:
    """Optimiser and schedule. `init_std` None means He initialisation, `scale` divides the pixels."""

    epochs: int
    batch_size: int
    optimiser: Literal["sgd", "adam", "rmsprop"]
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    init_std: float | None = None
    scale: float = 1.0
    final_learning_rate_factor: float = 1.0


def train(
    dataset: Dataset, architecture: str, settings: TrainingSettings, seed: int, device: torch.device
) -> tuple[nn.Module, NetSpec, pd.DataFrame]:
    """Train `architecture` on the train split.

    Returns the network, its specification, and the history: one row per epoch with the mean training
    loss and the accuracy on the train and test splits.
    """
    train_rows, test_rows = dataset.indices(TRAIN), dataset.indices(TEST)
    if not len(train_rows):
        raise VebiError(f"{dataset.path} has no training images (split 0).")
    images = to_batch(dataset.read("images"))
    labels = torch.from_numpy(dataset.labels)
    height, width, channels = dataset.image_shape
    spec = NetSpec(architecture, (channels, height, width), len(dataset.classes), settings.scale)

    net = build(spec)
    initialise(net, derived_seed(seed, 0), settings.init_std)
    net.get_buffer("input.mean").copy_(_mean_image(images, train_rows))
    net = net.to(device)
    optimiser = _optimiser(net, settings)
    schedule = torch.optim.lr_scheduler.ExponentialLR(
        optimiser, settings.final_learning_rate_factor ** (1 / max(1, settings.epochs - 1))
    )

    history = []
    for epoch in tqdm(range(1, settings.epochs + 1), desc=f"train {architecture}", unit="epoch"):
        # An order per epoch, not one stream: a resumed training sees the same batches.
        order = np.random.default_rng([seed, 1, epoch]).permutation(train_rows)
        loss = _train_epoch(net, optimiser, images, labels, order, settings.batch_size, device)
        schedule.step()
        if not np.isfinite(loss):
            raise VebiError(
                f"Training of {architecture} diverged in epoch {epoch} (loss {loss}): "
                "lower learning_rate, or raise scale."
            )
        history.append(
            {
                "epoch": epoch,
                "loss": loss,
                "train_accuracy": accuracy(net, images[train_rows], labels[train_rows], device),
                "test_accuracy": accuracy(net, images[test_rows], labels[test_rows], device),
            }
        )
    return net.eval(), spec, pd.DataFrame(history)


def to_batch(images: np.ndarray) -> Tensor:
    """uint8 images (N, H, W, C) as the uint8 tensor (N, C, H, W) that a network takes as float."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def accuracy(
    net: nn.Module, images: Tensor, labels: Tensor, device: torch.device, batch_size: int = 256
) -> float:
    """Fraction of images (N, C, H, W) whose highest output is their label; NaN for no images."""
    net.eval()
    with torch.no_grad():
        hits = [
            (net(batch.to(device).float()).argmax(1).cpu() == truth).numpy()
            for batch, truth in zip(images.split(batch_size), labels.split(batch_size), strict=True)
        ]
    return float(np.concatenate(hits).mean()) if len(images) else float("nan")


def _mean_image(images: Tensor, rows: np.ndarray) -> Tensor:
    total = torch.zeros(images.shape[1:], dtype=torch.float64)
    for start in range(0, len(rows), 1024):
        total += images[rows[start : start + 1024]].sum(0, dtype=torch.float64)
    return (total / len(rows)).float()


def _optimiser(net: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(net.parameters(), rate, settings.momentum, weight_decay=decay)
    if settings.optimiser == "adam":
        return torch.optim.Adam(net.parameters(), rate, weight_decay=decay)
    return torch.optim.RMSprop(
        net.parameters(), rate, momentum=settings.momentum, weight_decay=decay
    )


def _train_epoch(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    order: np.ndarray,
    batch_size: int,
    device: torch.device,
) -> float:
    net.train()
    total = 0.0
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        loss = cross_entropy(net(images[rows].to(device).float()), labels[rows].to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(rows)
    return total / len(order)
