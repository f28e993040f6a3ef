"""What `vebi explain` does: image files explained by a network of a run, or by a user's own."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import nn

from vebi.compute.devices import choose_device
from vebi.config import Config, parse_config
from vebi.config.datasets import ImageFolderConfig
from vebi.data.dataset import Dataset, open_dataset, write_index
from vebi.data.decoding import Decoding, decoding_for, read_pixels
from vebi.data.image_folder import index_images
from vebi.data.listing import list_class_folders
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.explanation.explainer import load
from vebi.explanation.explanation import Explanation
from vebi.explanation.panels import draw_panels
from vebi.figures.style import save
from vebi.heatmaps.methods import get_methods
from vebi.io.errors import VebiError
from vebi.io.files import write_text
from vebi.models.factory import split_factory
from vebi.models.model_file import load_model
from vebi.models.nets import FACTORY
from vebi.models.train import TrainingSettings, first_network
from vebi.models.weights import read_weights
from vebi.models.weights_places import find_weights
from vebi.run.checksums import check_files
from vebi.run.manifest import MANIFEST, canonical_json, read_manifest
from vebi.selection.select import solve_paths

log = logging.getLogger(__name__)

OWN_MU = 10.0
# Gain in accuracy by another order of the classes that no bad network reaches by chance.
WRONG_ORDER = 0.3


@dataclass(frozen=True)
class _Subject:
    """A network with its selection, and how image files are brought into the form that it takes."""

    net: nn.Module
    classes: Sequence[str]
    descriptors: Path
    selection: Path
    mu: float
    decoding: Decoding
    shape: tuple[int, int, int]
    facts: dict[str, Any] = field(default_factory=dict)


def explain_files(
    images: Sequence[Path],
    run: Path,
    dataset: str,
    model: str,
    out: Path,
    *,
    seed: int | None = None,
    mu: float | None = None,
    top: int = 3,
    method: str = "vebi",
    factory: str | None = None,
) -> list[Path]:
    """Explain image files by a network of a run; write the panel (PNG, PDF) and the numbers (JSON).

    An image is brought to the network's input size as the data set's own are: for all but image
    folders resized without keeping its aspect, as the authors' code does. `seed` and `mu` default to
    the run's first seed and its heatmap_mu. `factory`: user's code that the network may be made with.
    """
    get_methods([method])
    config = config_of(run)
    experiment = _find(config, dataset, model)
    seed = config.seeds[0] if seed is None else seed
    if seed not in config.seeds:
        raise VebiError(f"{run} has no seed {seed}; it has {', '.join(map(str, config.seeds))}.")
    where = Path(dataset) / model / f"seed{seed}"
    weights = run / "models" / where / "model.pt"
    descriptors = run / "descriptors" / where / "descriptors.h5"
    selection = run / "selection" / where / config.heatmaps.scope / "path.h5"
    check_files(weights, descriptors, selection)
    net, classes = load_model(weights, factories=[factory] if factory else [])
    data = config.datasets[dataset]
    subject = _Subject(
        net=net,
        classes=classes,
        descriptors=descriptors,
        selection=selection,
        mu=experiment.heatmap_mu if mu is None else mu,
        decoding=decoding_for(data),
        shape=data.shape,
        facts={"dataset": dataset, "model": model, "seed": seed},
    )
    return _explain(subject, images, out, top, method)


def config_of(run: Path) -> Config:
    """The configuration of a finished run, from its manifest."""
    check_files(run / MANIFEST)
    values = read_manifest(run).get("config")
    try:
        return parse_config(values)  # type: ignore[arg-type]
    except VebiError as error:
        raise VebiError(f"{run / MANIFEST} has no configuration that is whole: {error}") from None


def explain_own(
    images: Sequence[Path],
    data: Path,
    out: Path,
    *,
    factory: str | None = None,
    architecture: str | None = None,
    weights: str | None = None,
    mu: float | None = None,
    top: int = 3,
    method: str = "vebi",
    descriptor: str = "vebi_text",
    size: int = 224,
    grey: bool = False,
    classes: Sequence[str] | None = None,
    device: str = "auto",
) -> list[Path]:
    """Explain image files by a user's own network, with features selected on the images in `data`.

    `data`: a folder with a folder of images per class, or a dataset.h5. The network is made by
    `factory` or is called `architecture` (as in the configuration), with `weights` from a file; or
    `weights` is a model.pt. `classes` are the names of the folders in the order of the network's
    outputs; None: sorted, and a VebiError if the network's predictions speak for another order.
    Leaves dataset.h5 (for a folder), descriptors.h5 and path.h5 in `out` beside panel and numbers.
    """
    get_methods([method])
    dataset = _open_data(data, out, size, grey, classes)
    where = choose_device(device)
    net = _own_network(dataset, factory, architecture, weights)
    describe(net, dataset, out / "descriptors.h5", descriptor, device=where)
    accuracy = _check_order(out / "descriptors.h5", dataset.classes, classes is None)
    mu = OWN_MU if mu is None else mu
    solve_paths(out / "descriptors.h5", out / "path.h5", mus=[mu])
    height, _, depth = dataset.image_shape
    subject = _Subject(
        net=net.cpu(),
        classes=dataset.classes,
        descriptors=out / "descriptors.h5",
        selection=out / "path.h5",
        mu=mu,
        decoding=dataset.files.decoding
        if dataset.files
        else Decoding(height, 1 if depth == 1 else 3),
        shape=dataset.image_shape,
        facts={
            "network": factory or architecture or str(weights),
            "weights": weights,
            "accuracy": accuracy,
        },
    )
    return _explain(subject, images, out, top, method)


def _explain(
    subject: _Subject, images: Sequence[Path], out: Path, top: int, method: str
) -> list[Path]:
    explainer = load(
        subject.net,
        subject.descriptors,
        subject.selection,
        mu=subject.mu,
        classes=subject.classes,
    )
    pixels = np.stack([read_image(path, subject.decoding, subject.shape) for path in images])
    explanations = explainer.explain(pixels, method, top)
    panel, numbers = out / "explanation.png", out / "explanation.json"
    save(draw_panels(explanations), panel)
    content = {
        **subject.facts,
        "mu": subject.mu,
        "method": method,
        "images": [
            {"file": str(path), **_plain(explanation)}
            for path, explanation in zip(images, explanations, strict=True)
        ],
    }
    write_text(numbers, canonical_json(content))
    return [panel, panel.with_suffix(".pdf"), numbers]


def read_image(path: Path, decoding: Decoding, shape: tuple[int, int, int]) -> np.ndarray:
    """An image file as uint8 (H, W, C) of the given shape, decoded as a data set's images are."""
    pixels = read_pixels(path, decoding)
    if pixels.shape == shape:
        return pixels
    height, width, channels = shape
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.uint8).reshape(shape)


def _open_data(
    data: Path, out: Path, size: int, grey: bool, classes: Sequence[str] | None
) -> Dataset:
    if not data.is_dir():
        if classes is not None:
            raise VebiError(
                "--classes orders the folders of --data; a dataset.h5 has its own order."
            )
        check_files(data)
        return open_dataset(data)
    names = sorted({item.class_id for item in list_class_folders(data)})
    if len(names) < 2:
        raise VebiError(
            f"{data} has {len(names)} folders with images; two or more are expected, one per class."
        )
    config = ImageFolderConfig(
        kind="image_folder",
        path=str(data.resolve()),
        layout="class_folders",
        classes=names if classes is None else list(classes),
        n_classes=len(names if classes is None else classes),
        size=size,
        channels=1 if grey else 3,
    )
    write_index(out / "dataset.h5", index_images(config))
    return open_dataset(out / "dataset.h5")


def _own_network(
    dataset: Dataset, factory: str | None, architecture: str | None, weights: str | None
) -> nn.Module:
    if factory is None and architecture is None:
        if weights is None:
            raise VebiError(
                "No network: give --run, or --factory module:function, --architecture NAME or "
                "--weights MODEL.pt."
            )
        path = find_weights(weights)
        check_files(path)
        if not read_weights(path).architecture:
            raise VebiError(
                f"{path} holds weights only. Name the network that they belong to: --factory "
                "module:function, or --architecture NAME."
            )
        net, classes = load_model(path)
        if classes != list(dataset.classes):
            raise VebiError(
                f"{path} has the classes {_some(classes)}, the images have {_some(dataset.classes)}: "
                "the same, in the same order, are expected."
            )
        return net
    if factory is not None and architecture is not None:
        raise VebiError("--factory and --architecture both name a network: give one of them.")
    if factory is not None:
        split_factory(factory)
    elif weights is None:
        raise VebiError(
            f"--architecture {architecture} has random weights: give --weights as well."
        )
    name = f"{FACTORY}{factory}" if factory else str(architecture)
    settings = TrainingSettings(0, 1, "sgd", 1.0, scale=None, weights=weights)
    net, _ = first_network(dataset, name, settings, 0)
    return net.eval().requires_grad_(False)


def _check_order(descriptors: Path, classes: Sequence[str], is_guessed: bool) -> float:
    """Share of the images that the network names right; VebiError if another order fits far better."""
    file = open_descriptors(descriptors)
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (file.labels, file.predictions), 1)
    labels, outputs = linear_sum_assignment(counts, maximize=True)
    accuracy, best = np.trace(counts) / counts.sum(), counts[labels, outputs].sum() / counts.sum()
    log.info("the network names %.1f %% of the %d images right", 100 * accuracy, counts.sum())
    if best > accuracy + WRONG_ORDER:
        order = ",".join(classes[label] for label in labels[np.argsort(outputs)])
        message = (
            f"The network is right on {accuracy:.0%} of the images with its outputs in the order "
            f"{','.join(classes)}, and would be on {best:.0%} with {order}. "
        )
        if is_guessed:
            raise VebiError(f"{message}Give the order of its outputs: --classes {order}")
        log.warning("%sIs the order right?", message)
    return float(accuracy)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f", ... ({len(names)})" if len(names) > 4 else "")


def _find(config: Config, dataset: str, model: str) -> Any:
    for experiment in config.experiments:
        if (experiment.dataset, experiment.model) == (dataset, model):
            return experiment
    known = "; ".join(f"--dataset {e.dataset} --model {e.model}" for e in config.experiments)
    raise VebiError(f"the run has no network '{model}' trained on '{dataset}'. It has: {known}.")


def _plain(explanation: Explanation) -> dict[str, Any]:
    return {
        "predicted": explanation.predicted,
        "confidence": explanation.confidence,
        "scores": [
            {"class": score.name, "score": score.score, "probability": score.probability}
            for score in explanation.scores
        ],
        "features": [
            {
                "layer": feature.layer,
                "layer_number": feature.layer_number,
                "layer_type": feature.layer_type,
                "channel": feature.channel,
                "weight": feature.weight,
                "response": feature.response,
                "share": feature.share,
            }
            for feature in explanation.features
        ],
    }
