"""`vebi explain --method resampling`: image files, explained by a network of a run or a user's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from vebi.data.dataset import Dataset
from vebi.data.decoding import Decoding, decoding_for
from vebi.explanation.image_files import config_of, read_image
from vebi.explanation.perturbed import ResampledExplanation, explain_by_resampling
from vebi.figures.style import save
from vebi.io.errors import VebiError
from vebi.io.files import write_text
from vebi.models.factory import split_factory
from vebi.models.model_file import load_model
from vebi.models.nets import FACTORY
from vebi.models.train import TrainingSettings, first_network
from vebi.models.weights_places import find_weights
from vebi.run.checksums import check_files
from vebi.run.manifest import canonical_json
from vebi.studies.perturbation.figures import draw_explanations


def explain_run(
    images: Sequence[Path],
    run: Path,
    dataset: str,
    model: str,
    out: Path,
    *,
    seed: int | None = None,
    top: int = 3,
    factory: str | None = None,
) -> list[Path]:
    """Explain image files by a network of a run; write panel and numbers to `out`."""
    config = config_of(run)
    if dataset not in config.datasets:
        known = ", ".join(config.datasets)
        raise VebiError(f"the run has no data set '{dataset}'. It has: {known}.")
    seed = config.seeds[0] if seed is None else seed
    path = run / "models" / dataset / model / f"seed{seed}" / "model.pt"
    if not path.is_file():
        raise VebiError(f"{path} is missing: has the run a network '{model}' of seed {seed}?")
    check_files(path)
    net, classes = load_model(path, factories=[factory] if factory else [])
    data = config.datasets[dataset]
    facts = {"dataset": dataset, "model": model, "seed": seed}
    return _explain(net, classes, images, decoding_for(data), data.shape, out, top, facts)


def explain_any(
    images: Sequence[Path],
    out: Path,
    *,
    classes: Sequence[str] | None = None,
    factory: str | None = None,
    architecture: str | None = None,
    weights: str | None = None,
    size: int = 224,
    grey: bool = False,
    top: int = 3,
) -> list[Path]:
    """Explain image files by a user's own network; write panel and numbers to `out`.

    The network is made by `factory` or is called `architecture` (as in the configuration), with
    `weights` from a file; or `weights` is a model.pt. `classes` are the names of its outputs, or one
    number: how many there are. Images become `size` x `size`, unless a model.pt says otherwise.
    """
    shape = (size, size, 1 if grey else 3)
    if factory is None and architecture is None:
        if weights is None:
            raise VebiError(
                "No network: give --run, or --factory module:function, --architecture NAME or "
                "--weights MODEL.pt."
            )
        path = find_weights(weights)
        check_files(path)
        net, names = load_model(path)
        mean = dict(net.named_buffers()).get("input.mean")
        if mean is not None and mean.shape[-1] > 1:
            shape = (mean.shape[1], mean.shape[2], mean.shape[0])
    else:
        names = _names(classes)
        net = _own_network(names, shape, factory, architecture, weights)
    decoding = Decoding(shape[0], 1 if shape[2] == 1 else 3)
    facts = {"network": factory or architecture or str(weights), "weights": weights}
    return _explain(net, names, images, decoding, shape, out, top, facts)


def _names(classes: Sequence[str] | None) -> list[str]:
    if not classes:
        raise VebiError(
            "What the network's outputs are called is not known: give --classes red,green,blue in "
            "their order, or how many there are: --classes 1000."
        )
    if len(classes) == 1 and classes[0].isdecimal():
        if len(classes[0]) > 5:
            raise VebiError(f"--classes {classes[0][:20]}: fewer than 100,000 are expected.")
        return [str(number) for number in range(int(classes[0]))]
    return list(classes)


def _own_network(
    classes: Sequence[str],
    shape: tuple[int, int, int],
    factory: str | None,
    architecture: str | None,
    weights: str | None,
) -> nn.Module:
    if factory is not None and architecture is not None:
        raise VebiError("--factory and --architecture both name a network: give one of them.")
    if factory is not None:
        split_factory(factory)
    elif weights is None:
        raise VebiError(
            f"--architecture {architecture} has random weights: give --weights as well."
        )
    # The form of a data set without images: nothing is selected on any.
    none = np.zeros(0, np.int64)
    nothing = Dataset(Path(), none, none, tuple(classes), shape, False, tuple(classes))
    settings = TrainingSettings(0, 1, "sgd", 1.0, scale=None, weights=weights)
    name = f"{FACTORY}{factory}" if factory else str(architecture)
    net, _ = first_network(nothing, name, settings, 0)
    return net.eval().requires_grad_(False)


def _explain(
    net: nn.Module,
    classes: Sequence[str],
    images: Sequence[Path],
    decoding: Decoding,
    shape: tuple[int, int, int],
    out: Path,
    top: int,
    facts: dict[str, Any],
) -> list[Path]:
    pixels = np.stack([read_image(path, decoding, shape) for path in images])
    explanations = explain_by_resampling(net, pixels, classes, top)
    panel, numbers = out / "explanation.png", out / "explanation.json"
    save(draw_explanations(explanations), panel)
    content = {
        **facts,
        "method": "resampling",
        "images": [
            {"file": str(path), **_plain(explanation)}
            for path, explanation in zip(images, explanations, strict=True)
        ],
    }
    write_text(numbers, canonical_json(content))
    return [panel, panel.with_suffix(".pdf"), numbers]


def _plain(explanation: ResampledExplanation) -> dict[str, Any]:
    return {
        "predicted": explanation.predicted,
        "confidence": explanation.confidence,
        "features": [
            {
                "metric": feature.metric,
                "layer": feature.layer,
                "layer_number": feature.layer_number,
                "layer_type": feature.layer_type,
                "channel": feature.channel,
                "value": feature.value,
            }
            for features in explanation.features.values()
            for feature in features
        ],
    }
