"""The paper's orderings as pairs of arms, image by image."""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vebi.studies.ablation.ablate import class_weights
from vebi.studies.robustness.robustness_file import METHODS, SCOPES, Findings

# What one arm of a comparison scores on every image in setting v: (N).
Arm = Callable[[Findings, int], NDArray[np.float64]]


def _area(method: str) -> Arm:
    return lambda findings, v: findings.areas[v][METHODS.index(method)]


def _drop(arm: str, scope: str) -> Arm:
    """What is lost of the accuracy without the selected features, or without those of a control."""

    def loss(findings: Findings, v: int) -> NDArray[np.float64]:
        left = getattr(findings, arm)[v, SCOPES.index(scope)].astype(float)
        drawn = left if left.ndim == 1 else left.mean(0)
        return class_weights(findings.labels) * (findings.whole - drawn)

    return loss


# Each ordering says that its first arm scores more than its second: areas under the IoU curve, or drops
# in accuracy, weighted so that classes count alike.
COMPARISONS: dict[str, tuple[Arm, Arm]] = {
    "vebi > deconv_gb": (_area("vebi"), _area("deconv_gb")),
    "deconv_gb > upsampled_activation": (_area("deconv_gb"), _area("upsampled_activation")),
    "vebi > upsampled_activation": (_area("vebi"), _area("upsampled_activation")),
    "selected > random_layer_matched (All)": (
        _drop("selected", "all"),
        _drop("random_layer_matched", "all"),
    ),
    "selected > random (All)": (_drop("selected", "all"), _drop("random", "all")),
    "selected > random_layer_matched (OnlyConv)": (
        _drop("selected", "conv"),
        _drop("random_layer_matched", "conv"),
    ),
    "selected > random (OnlyConv)": (_drop("selected", "conv"), _drop("random", "conv")),
    "All > OnlyConv": (_drop("selected", "all"), _drop("selected", "conv")),
}

# Short enough for the rows of a figure.
_SHORT = {
    "vebi": "VEBI",
    "upsampled_activation": "upsampled",
    "deconv_gb": "deconv + GB",
    "random_layer_matched": "random per layer",
}


def say_comparison(name: str) -> str:
    """A comparison's name for people: `vebi > deconv_gb` is `VEBI > deconv + GB`."""
    return re.sub(r"\w+", lambda found: _SHORT.get(found[0], found[0]), name)
