"""The paper's orderings as differences per image."""

from collections.abc import Callable

import numpy as np

from vebi.studies.ablation.ablate import class_weights
from vebi.studies.robustness.robustness_file import METHODS, SCOPES, Findings


def _area(method: str, reference: str) -> Callable[[Findings, int], np.ndarray]:
    def difference(findings: Findings, v: int) -> np.ndarray:
        areas = findings.areas[v]
        return areas[METHODS.index(method)] - areas[METHODS.index(reference)]

    return difference


def _drop(control: str, scope: str) -> Callable[[Findings, int], np.ndarray]:
    def difference(findings: Findings, v: int) -> np.ndarray:
        s = SCOPES.index(scope)
        drawn = getattr(findings, control)[v, s].mean(0)
        return class_weights(findings.labels) * (drawn - findings.selected[v, s])

    return difference


def _scopes(findings: Findings, v: int) -> np.ndarray:
    conv, everything = (findings.selected[v, SCOPES.index(s)] for s in ("conv", "all"))
    return class_weights(findings.labels) * (conv.astype(float) - everything)


# Each gives, for setting v, the difference (N) per image that is positive where the ordering holds: of
# areas under the IoU curve, or of drops in accuracy, weighted so that classes count alike.
COMPARISONS: dict[str, Callable[[Findings, int], np.ndarray]] = {
    "vebi > deconv_gb": _area("vebi", "deconv_gb"),
    "deconv_gb > upsampled_activation": _area("deconv_gb", "upsampled_activation"),
    "vebi > upsampled_activation": _area("vebi", "upsampled_activation"),
    "selected > random_layer_matched (All)": _drop("random_layer_matched", "all"),
    "selected > random (All)": _drop("random", "all"),
    "selected > random_layer_matched (OnlyConv)": _drop("random_layer_matched", "conv"),
    "selected > random (OnlyConv)": _drop("random", "conv"),
    "All > OnlyConv": _scopes,
}
