"""What `vebi explain` does: images from files, explained by a network of a finished run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from vebi.config import Config, parse_config
from vebi.descriptors.store import open_descriptors
from vebi.errors import VebiError
from vebi.figures.images import draw_panels
from vebi.figures.style import save
from vebi.files import write_text
from vebi.heatmaps.explanation import Explanation, explain_images
from vebi.heatmaps.methods import METHODS
from vebi.models.store import load_model
from vebi.provenance import canonical_json, read_manifest
from vebi.selection.store import read_solution


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
) -> list[Path]:
    """Explain image files; write the panel (PNG, PDF) and the numbers (JSON) to the folder `out`.

    An image is resized to the network's input size without keeping its aspect, as the authors' code
    does. `seed` and `mu` default to the run's first seed and its heatmap_mu.
    """
    if method not in METHODS or METHODS[method].spatial_only:
        known = ", ".join(name for name, item in METHODS.items() if not item.spatial_only)
        raise VebiError(f"method '{method}' can't explain single features; allowed: {known}.")
    config = parse_config(read_manifest(run)["config"])
    experiment = _find(config, dataset, model)
    seed = config.seeds[0] if seed is None else seed
    if seed not in config.seeds:
        raise VebiError(f"{run} has no seed {seed}; it has {', '.join(map(str, config.seeds))}.")
    mu = experiment.heatmap_mu if mu is None else mu
    where = Path(dataset) / model / f"seed{seed}"
    net, classes = load_model(run / "models" / where / "model.pt")
    solution = read_solution(run / "selection" / where / config.heatmaps.scope / "path.h5")
    weights = solution.weights_at(mu)
    pixels = np.stack([read_image(path, config.datasets[dataset].shape) for path in images])
    explanations = explain_images(
        net,
        pixels,
        open_descriptors(run / "descriptors" / where / "descriptors.h5"),
        weights,
        classes,
        top,
        method,
    )
    panel, numbers = out / "explanation.png", out / "explanation.json"
    save(draw_panels(explanations), panel)
    content = {
        "dataset": dataset,
        "model": model,
        "seed": seed,
        "mu": mu,
        "method": method,
        "images": [
            {"file": str(path), **_plain(explanation)}
            for path, explanation in zip(images, explanations, strict=True)
        ],
    }
    write_text(numbers, canonical_json(content))
    return [panel, panel.with_suffix(".pdf"), numbers]


def read_image(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """An image file as uint8 (H, W, C) of the given shape, resized bicubically (squashed)."""
    height, width, channels = shape
    try:
        with Image.open(path) as image:
            converted = image.convert("L" if channels == 1 else "RGB")
            resized = converted.resize((width, height), Image.Resampling.BICUBIC)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise VebiError(f"{path} can't be read as an image ({error}).") from error
    return np.asarray(resized, np.uint8).reshape(shape)


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
