"""Weights of torchvision's networks by their names there: on disk or downloaded, always verified."""

import hashlib
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vebi.catalogue.architectures import TORCHVISION
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.io.errors import VebiError
from vebi.models.weights import Weights, read_weights

log = logging.getLogger(__name__)
# DenseNet's files are of a time when a layer's name could have a dot in it: torchvision renames as well.
_OLD_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)$")
# Second heads for training, which the networks are built without.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# What torchvision sets for these networks where it loads weights: they were trained on other pixels.
_KWARGS: Mapping[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True},
    "inception_v3": {"transform_input": True},
}


def read_named_weights(architecture: str, name: str) -> Weights:
    """Weights of a network `torchvision:NAME`, such as `IMAGENET1K_V1`, with its classes and pixels.

    The file is looked for in `$VEBI_DATA/weights`, `$VEBI_DATA` and torch's own cache, and downloaded to
    the last, with a progress bar. The SHA-256 that its name begins with is verified wherever it is.

    Raises:
        VebiError: no such weights; a damaged file; neither on disk nor to be downloaded.
    """
    network = architecture.removeprefix(TORCHVISION)
    entry = _find_entry(network, name)
    weights = read_weights(_find_file(network, name, str(entry.url)))
    if not isinstance(weights.content, Mapping):
        raise VebiError(f"{weights.path} is not a state dict.")
    preset = entry.transforms()
    return Weights(
        weights.path,
        _as_built(weights.content),
        scale=tuple(255 * value for value in preset.std),
        mean=tuple(255 * value for value in preset.mean),
        classes=(tuple(map(str, entry.meta["categories"])),),
        kwargs=_KWARGS.get(network, {}),
    )


def _find_entry(network: str, name: str) -> Any:
    declare_missing_ops()
    from torchvision import models

    if network not in models.list_models(module=models):
        raise VebiError(f"torchvision has no classifier '{network}'.")
    entries = models.get_model_weights(network).__members__
    if name not in entries:
        raise VebiError(
            f"torchvision has no weights '{name}' for {network}; it has "
            f"{', '.join(entries) or 'none'}. (A file has a dot or a small letter in its name.)"
        )
    return entries[name]


def _find_file(network: str, name: str, url: str) -> Path:
    file = url.rpartition("/")[2]
    prefix = file.rpartition("-")[2].partition(".")[0]
    data = os.environ.get("VEBI_DATA")
    cache = Path(torch.hub.get_dir()) / "checkpoints" / file
    places = [*([Path(data) / "weights" / file, Path(data) / file] if data else []), cache]
    for place in places:
        if place.is_file():
            with place.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if not found.startswith(prefix):
                raise VebiError(
                    f"{place} has SHA-256 {found[: len(prefix)]}..., expected {prefix}...: the file is "
                    "damaged or another one. Delete it, or put the original in its place."
                )
            return place
    cache.parent.mkdir(parents=True, exist_ok=True)
    log.info("downloading %s to %s", url, cache)
    try:
        torch.hub.download_url_to_file(url, str(cache), prefix, progress=True)
    except (OSError, RuntimeError) as error:
        raise VebiError(
            f"torchvision's weights {name} of {network} are on no disk that was looked at "
            f"({', '.join(map(str, places))}) and could not be downloaded ({error}). Three remedies: (1) "
            f"put {file}, from {url}, into the folder `weights` of the folder that VEBI_DATA names; (2) "
            "give the model's key `weights` a file that you have; (3) connect to the network and run "
            "again."
        ) from error
    return cache


def _as_built(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names that torchvision's networks have today, without second heads."""
    kept = {key: value for key, value in state.items() if not key.startswith(_AUXILIARY)}
    return {_OLD_NAME.sub(r"\1\2", key): value for key, value in kept.items()}
