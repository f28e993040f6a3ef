"""Classifiers of torchvision by name, without their weights."""

import difflib
from collections.abc import Mapping
from typing import Any

from torch import nn

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.io.errors import VebiError

# Mean and standard deviation of ImageNet's raw pixels, which torchvision's networks are trained with.
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
SCALE = (0.229 * 255, 0.224 * 255, 0.225 * 255)

# Second outputs while training, which only their own recipe has a loss for; the other warns without.
_WITHOUT_EXTRAS: Mapping[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}


def torchvision_network(name: str, n_classes: int, kwargs: Mapping[str, Any]) -> nn.Module:
    """The classifier `name` with `n_classes` outputs and torchvision's own first weights."""
    declare_missing_ops()
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
        raise VebiError(f"torchvision has no classifier '{name}'. {hint}")
    options = {**_WITHOUT_EXTRAS.get(name, {}), **kwargs}
    try:
        return models.get_model(name, weights=None, num_classes=n_classes, **options)
    except (TypeError, ValueError) as error:
        raise VebiError(
            f"torchvision's '{name}' can't be built with {options}: {error}."
        ) from error
