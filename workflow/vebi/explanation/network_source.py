"""The network that a user names, made ready to explain image files, whichever way they name it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from vebi.catalogue.architectures import ARCHITECTURES, FACTORY
from vebi.catalogue.methods import Method
from vebi.compute.devices import choose_device
from vebi.config import Config, parse_config
from vebi.config.datasets import ImageFolderConfig
from vebi.config.mcgill import McGillNetworkConfig
from vebi.config.models import SMALLEST_TORCHVISION
from vebi.config.stages import ExperimentConfig
from vebi.data.dataset import Dataset, open_dataset, write_index
from vebi.data.decoding import Decoding, decoding_for
from vebi.data.image_folder import index_images
from vebi.data.listing import list_class_folders
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.explanation.explainer import Explainer, load
from vebi.explanation.input_shape import SIZES, Taken, find_shape
from vebi.io.errors import VebiError
from vebi.models.class_outputs import (
    keep_outputs,
    output_names,
    readable_names,
    require_outputs,
)
from vebi.models.factory import call_factory, split_factory
from vebi.models.model_file import load_model, load_network
from vebi.models.train import (
    ImageTask,
    TrainingSettings,
    first_network,
    given_network,
    given_weights,
)
from vebi.models.weights import read_weights
from vebi.models.weights_places import find_weights
from vebi.run.checksums import check_files
from vebi.run.manifest import MANIFEST, read_manifest
from vebi.selection.select import Problem, solve_paths

log = logging.getLogger(__name__)

OWN_MU = 10.0
# Gain in accuracy by another order of the classes that no bad network reaches by chance.
WRONG_ORDER = 0.3
WAYS = (
    "Give either --run with --dataset and --model (a network of a run), or --data with --factory, "
    "--architecture or --weights (your own)"
)


@dataclass(frozen=True, kw_only=True)
class NetworkSource:
    """Which network is meant, from the options of `vebi explain`.

    Args:
        run: a run's folder, whose network `model`, trained on `dataset`, it is; `seed` None: the first.
        factory: user's code that makes the network, or that one of a run may be made with.
        architecture: a network by name, as in the configuration.
        weights: a file of weights, or some of torchvision's by name (`IMAGENET1K_V1`, for an architecture
            of theirs); a model.pt is a network by itself.
        data: images of the network's classes, to select features on: a folder with a folder per class,
            or a dataset.h5.
        classes: the folders of `data` in the order of the network's outputs, None: by the outputs' names
            where those are known, else sorted; without `data` the outputs' names, or one number: how many
            there are.
        size, grey: what images become; None: what the network takes, see `find_shape`.
    """

    run: Path | None = None
    dataset: str | None = None
    model: str | None = None
    seed: int | None = None
    factory: str | None = None
    architecture: str | None = None
    weights: str | None = None
    data: Path | None = None
    classes: Sequence[str] | None = None
    size: int | None = None
    grey: bool | None = None


@dataclass(frozen=True)
class FoundNetwork:
    """A network, how image files become images (H, W, C) for it, and what is to be said of it."""

    explainer: Explainer
    decoding: Decoding
    shape: tuple[int, int, int]
    facts: dict[str, Any]


def find_network(
    source: NetworkSource,
    method: Method,
    out: Path,
    *,
    mu: float | None = None,
    device: str = "auto",
) -> FoundNetwork:
    """Make the network that a source names ready for a method.

    Args:
        source: which network.
        method: what it is to be explained by; only one that ranks features by relevance needs a
            selection.
        out: folder for what is made on the way: with `source.data` dataset.h5 (for a folder),
            descriptors.h5 and path.h5.
        mu: of the selection; None: the run's heatmap_mu, or 10.
        device: where descriptors of `source.data` are computed.

    Returns:
        The network, and how image files become images for it.

    Raises:
        VebiError: the source names no network, or several, or one that does not fit its data.
    """
    if source.run is not None and source.data is not None:
        raise VebiError(f"{WAYS}.")
    _check_classes(source.classes or ())
    if source.run is not None:
        return _of_run(source, source.run, method, mu)
    if source.data is not None:
        return _with_data(source, source.data, out, OWN_MU if mu is None else mu, device)
    if method.metric == "relevance":
        raise VebiError(f"{WAYS}. Method '{method.name}' needs features selected on images.")
    return _alone(source)


def config_of(run: Path) -> Config:
    """The configuration of a finished run, from its manifest."""
    check_files(run / MANIFEST)
    values = read_manifest(run).get("config")
    try:
        return parse_config(values)  # type: ignore[arg-type]
    except VebiError as error:
        raise VebiError(f"{run / MANIFEST} has no configuration that is whole: {error}") from None


def _of_run(source: NetworkSource, run: Path, method: Method, mu: float | None) -> FoundNetwork:
    """A network of a run, and its selection if the method needs one.

    An image is brought to the network's input size as the data set's own are: for all but image
    folders resized without keeping its aspect, as the authors' code does.
    """
    if source.dataset is None or source.model is None:
        raise VebiError("--run needs --dataset and --model as well.")
    config = config_of(run)
    network = _find(config, source.dataset, source.model)
    seed = config.seeds[0] if source.seed is None else source.seed
    if seed not in config.seeds:
        raise VebiError(f"{run} has no seed {seed}; it has {', '.join(map(str, config.seeds))}.")
    where = Path(source.dataset) / source.model / f"seed{seed}"
    weights = run / "models" / where / "model.pt"
    check_files(weights)
    factories = [source.factory] if source.factory else []
    model, classes = load_model(weights, factories=factories)
    facts: dict[str, Any] = {"dataset": source.dataset, "model": source.model, "seed": seed}
    explainer = Explainer(model, classes=tuple(classes))
    if method.metric == "relevance":
        if not isinstance(network, ExperimentConfig):
            raise VebiError(
                f"no features have been selected for network '{source.model}' on '{source.dataset}' to "
                f"explain with; use a method other than '{method.name}', such as lrp."
            )
        facts["mu"] = network.heatmap_mu if mu is None else mu
        descriptors = run / "descriptors" / where / "descriptors.h5"
        selection = run / "selection" / where / config.heatmaps.scope / "path.h5"
        check_files(descriptors, selection)
        explainer = load(model, descriptors, selection, mu=facts["mu"], classes=classes)
    data = config.datasets[source.dataset]
    return FoundNetwork(explainer, decoding_for(data), data.shape, facts)


def _find(config: Config, dataset: str, model: str) -> ExperimentConfig | McGillNetworkConfig:
    networks: list[ExperimentConfig | McGillNetworkConfig] = [*config.experiments]
    networks += config.mcgill.networks if config.mcgill else []
    for network in networks:
        if (network.dataset, network.model) == (dataset, model):
            return network
    known = "; ".join(f"--dataset {e.dataset} --model {e.model}" for e in networks)
    raise VebiError(f"the run has no network '{model}' trained on '{dataset}'. It has: {known}.")


def _with_data(
    source: NetworkSource, data: Path, out: Path, mu: float, device: str
) -> FoundNetwork:
    """A user's own network, with features selected on images of theirs."""
    dataset = _open_data(source, data, out)
    descriptors, selection = out / "descriptors.h5", out / "path.h5"
    where = choose_device(device)
    model = _own_network(source, dataset)
    describe(model, dataset, descriptors, device=where)
    accuracy = _check_order(descriptors, dataset.classes, source.classes is None)
    # As `vebi.fit` does: nothing is tested here that images would have to be kept for.
    solve_paths(descriptors, selection, Problem(split=None), mus=[mu])
    explainer = load(model.cpu(), descriptors, selection, mu=mu, classes=dataset.classes)
    height, _, depth = dataset.image_shape
    decoding = Decoding(height, 1 if depth == 1 else 3)
    if dataset.files:
        decoding = dataset.files.decoding
    facts = {**_named(source), "accuracy": accuracy, "mu": mu}
    return FoundNetwork(explainer, decoding, dataset.image_shape, facts)


def _alone(source: NetworkSource) -> FoundNetwork:
    """A user's own network, with nothing but itself."""
    if source.factory is None and source.architecture is None:
        model, spec, classes = load_network(_model_file(source))
        depth, height, width = spec.input_shape
        shape = (height, width, depth)
    else:
        _, settings = _network(source)
        if source.factory is not None:
            taken = _made_alone(source)
        else:
            weights = given_weights(str(source.architecture), str(settings.weights))
            taken = Taken(_shape(source), weights.n_outputs)
        shape, classes = taken.shape, _names(source.classes, taken.n_outputs)
        model = _own_network(source, ImageTask(shape, tuple(classes), tuple(classes)))
    explainer = Explainer(model, classes=tuple(classes))
    decoding = Decoding(shape[0], 1 if shape[2] == 1 else 3)
    return FoundNetwork(explainer, decoding, shape, _named(source))


def _made_alone(source: NetworkSource, images: Sequence[tuple[int, int]] = ()) -> Taken:
    """What a user's own factory makes, tried on images: see `find_shape`."""
    name = str(source.factory)
    # The network that is explained is made later, with its own random numbers.
    with torch.random.fork_rng(devices=[]):
        return find_shape(call_factory(name, {}), source.size, source.grey, images)


def _shape(source: NetworkSource, images: Sequence[tuple[int, int]] = ()) -> tuple[int, int, int]:
    """Height, width and channels that images (of these heights and widths) become for the network."""
    if source.factory is None and source.architecture is None:
        _, spec, _ = load_network(_model_file(source))
        depth, height, width = spec.input_shape
        return height, width, depth
    _network(source)
    if source.architecture is None:
        return _made_alone(source, images).shape
    own = ARCHITECTURES.get(source.architecture)
    if own is not None and own.shape is not None:
        return own.shape
    size = source.size
    if size is None:
        sides = {side for shape in images for side in shape}
        smallest = SMALLEST_TORCHVISION if own is None else own.smallest
        size = sides.pop() if len(sides) == 1 and min(sides) >= smallest else SIZES[0]
    return size, size, 1 if source.grey else 3


def _named(source: NetworkSource) -> dict[str, Any]:
    network = source.factory or source.architecture or str(source.weights)
    return {"network": network, "weights": source.weights}


def _names(classes: Sequence[str] | None, n_outputs: int) -> list[str]:
    """Names of the outputs: as given, else ImageNet's where there are as many, else their numbers."""
    if not classes:
        known = output_names(n_outputs)
        return list(known) or [str(number) for number in range(n_outputs)]
    if len(classes) == 1 and classes[0].isdecimal():
        return [str(number) for number in range(int(classes[0]))]
    return list(classes)


def _check_classes(classes: Sequence[str]) -> None:
    """Raise VebiError for names of outputs that no network has: twice the same, or too many."""
    if len(classes) == 1 and classes[0].isdecimal() and len(classes[0]) > 5:
        raise VebiError(f"--classes {classes[0][:20]}: fewer than 100,000 are expected.")
    if twice := [name for name in classes if classes.count(name) > 1]:
        raise VebiError(f"--classes: '{twice[0]}' stands there twice; each output has a name.")


def _model_file(source: NetworkSource) -> Path:
    """A model.pt, which is a network by itself."""
    if source.weights is None:
        raise VebiError(
            "No network: give --run, or --factory module:function, --architecture NAME or "
            "--weights MODEL.pt."
        )
    path = find_weights(source.weights)
    check_files(path)
    if not read_weights(path).architecture:
        raise VebiError(
            f"{path} holds weights only. Name the network that they belong to: --factory "
            "module:function, or --architecture NAME."
        )
    return path


def _own_network(source: NetworkSource, task: Dataset | ImageTask) -> nn.Module:
    """The network for images like those of `task`, in evaluation mode."""
    if source.factory is None and source.architecture is None:
        net, spec, classes = load_network(_model_file(source))
        outputs = require_outputs((task.class_ids, task.classes), len(classes), [classes])
        if outputs != list(range(len(classes))):
            keep_outputs(net, outputs, torch.zeros(1, *spec.input_shape))
        return net.requires_grad_(False)
    name, settings = _network(source)
    if isinstance(task, Dataset):
        net, _ = first_network(task, name, settings, 0)
    else:
        net, _, has_mean = given_network(task, name, settings, 0)
        if not has_mean:
            raise VebiError(
                f"'{name}' subtracts a mean image, which {source.weights} does not hold: give --data, "
                "whose images have one."
            )
    return net.eval().requires_grad_(False)


def _network(source: NetworkSource) -> tuple[str, TrainingSettings]:
    """A factory or an architecture by its name in the configuration, and how it is set up."""
    if source.factory is not None and source.architecture is not None:
        raise VebiError("--factory and --architecture both name a network: give one of them.")
    if source.factory is not None:
        split_factory(source.factory)
    elif source.weights is None:
        raise VebiError(
            f"--architecture {source.architecture} has random weights: give --weights as well."
        )
    name = f"{FACTORY}{source.factory}" if source.factory else str(source.architecture)
    return name, TrainingSettings(0, 1, "sgd", 1.0, scale=None, weights=source.weights)


def _open_data(source: NetworkSource, data: Path, out: Path) -> Dataset:
    classes = source.classes
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
    chosen = names if classes is None else list(classes)
    config = ImageFolderConfig(
        kind="image_folder",
        path=str(data.resolve()),
        layout="class_folders",
        classes=chosen,
        n_classes=len(chosen),
        size=SIZES[0],
    )
    index = index_images(config, whole=True)
    height, _, depth = _shape(source, [(int(h), int(w)) for h, w in index.sizes])
    named = readable_names(chosen)
    log.info(
        "images become %d x %d pixels, %s", height, height, "grey" if depth == 1 else "in colour"
    )
    write_index(
        out / "dataset.h5",
        replace(
            index, decoding=replace(index.decoding, size=height, channels=depth), classes=named
        ),
    )
    return open_dataset(out / "dataset.h5")


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
