"""What one network showed in every setting: `robustness.h5`."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.config.robustness import VariantsConfig
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5, open_hdf5
from vebi.selection.statistics import Scope

METHODS = ("upsampled_activation", "deconv_gb", "vebi")
SCOPES: tuple[Scope, ...] = ("all", "conv")
# In the order in which they are drawn; each is an array of `Findings`.
CONTROLS = ("random", "random_layer_matched")


@dataclass(frozen=True)
class Setting:
    """One variant of the method: descriptor, sign of W, and mu."""

    descriptor: str
    nonnegative: bool
    mu: float


def settings_of(variants: VariantsConfig) -> list[Setting]:
    """Every combination of descriptor, sign and mu, the last varying fastest."""
    return [
        Setting(*values)
        for values in product(variants.descriptors, variants.nonnegative, variants.mu)
    ]


@dataclass(frozen=True)
class Findings:
    """V settings, M methods, S scopes, R draws of each control, N test images.

    `areas` float64 (V, M, N): area under each image's IoU curve. `selected` bool (V, S, N): images that
    the network without the selected features gets right; `random` and `random_layer_matched` bool
    (V, S, R, N): without as many others; `whole` bool (N). `n_selected` int64 (V, S). `labels` and
    `image_index` int64 (N).
    """

    settings: tuple[Setting, ...]
    areas: NDArray[np.float64]
    n_selected: NDArray[np.int64]
    whole: NDArray[np.bool_]
    selected: NDArray[np.bool_]
    random: NDArray[np.bool_]
    random_layer_matched: NDArray[np.bool_]
    labels: NDArray[np.int64]
    image_index: NDArray[np.int64]


_ARRAYS = (
    *("areas", "n_selected", "whole", "selected", "random", "random_layer_matched"),
    *("labels", "image_index"),
)


def write_findings(path: str | Path, findings: Findings) -> None:
    """Write `robustness.h5`: the arrays of `Findings`, `methods`, `scopes`, and a group `settings`."""
    text = h5py.string_dtype()
    with create_hdf5(path) as file:
        for name in _ARRAYS:
            file[name] = getattr(findings, name)
        file.create_dataset("methods", data=list(METHODS), dtype=text)
        file.create_dataset("scopes", data=list(SCOPES), dtype=text)
        group = file.create_group("settings")
        names = [setting.descriptor for setting in findings.settings]
        group.create_dataset("descriptor", data=names, dtype=text)
        group["nonnegative"] = np.array([setting.nonnegative for setting in findings.settings])
        group["mu"] = np.array([setting.mu for setting in findings.settings], np.float64)


def read_findings(path: str | Path) -> Findings:
    """Read what `write_findings` wrote; raises VebiError for another file."""
    try:
        with open_hdf5(path) as file:
            group = file["settings"]
            columns = (group["descriptor"].asstr()[:], group["nonnegative"][:], group["mu"][:])
            settings = tuple(
                Setting(str(descriptor), bool(nonnegative), float(mu))
                for descriptor, nonnegative, mu in zip(*columns, strict=True)
            )
            return Findings(settings=settings, **{name: file[name][:] for name in _ARRAYS})
    except (OSError, KeyError) as error:
        raise VebiError(
            f"{path} can't be read as findings of a robustness study ({error}). "
            "Delete it and run again."
        ) from error
