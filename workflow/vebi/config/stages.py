"""The sections of the main line: experiments, selection, ablation, heatmaps, IoU, panels."""

from typing import Annotated, Literal

from pydantic import Field

from vebi.catalogue.descriptors import DESCRIPTORS
from vebi.catalogue.methods import METHODS
from vebi.config.base import (
    BatchSize,
    Mu,
    Name,
    OneOf,
    Scope,
    Strict,
)
from vebi.config.methods import MethodEntry, UserMethodConfig


class ExperimentConfig(Strict):
    """One network on one data set, with every seed."""

    dataset: Name
    model: Name
    heatmap_mu: Mu = Field(description="the mu whose weights choose features to explain with")


class SelectionConfig(Strict):
    """The mu-Lasso of Eq. 1."""

    descriptor: Annotated[str, OneOf(DESCRIPTORS)] = "vebi_text"
    labels: Literal["annotations", "predictions"] = "annotations"
    nonnegative: bool = False
    solver: Literal["path", "spgl1"] = "path"
    scopes: list[Scope] = Field(["all", "conv"], min_length=1)
    mu: list[Mu] = Field(min_length=1)
    parts: int = Field(
        1, ge=1, le=10_000, description="jobs that share the pass over each descriptor file"
    )


class AblationConfig(Strict):
    """Removing features (VEBI 4.1)."""

    repeats: int = Field(50, ge=1, le=1000, description="draws of each random control")
    batch_size: BatchSize = 128


class HeatmapConfig(Strict):
    """Explanations: of features (VEBI 3.2 and 3.3), and of the predicted class by other methods."""

    methods: list[MethodEntry] = Field(
        [name for name, method in METHODS.items() if method.paper],
        min_length=1,
        description="names of built-in methods, and functions: {name: module:function}",
    )
    scope: Scope = "all"
    top: int = Field(3, ge=1, le=64, description="features per image, by weighted response")
    ig_steps: int = Field(16, ge=1, le=1024, description="points on integrated gradients' path")
    batch_size: BatchSize = 32

    @property
    def names(self) -> list[str]:
        """All methods by name, in their order."""
        return [one if isinstance(one, str) else one.name for one in self.methods]

    @property
    def built_in(self) -> list[str]:
        """Those of the catalogue."""
        return [one for one in self.methods if isinstance(one, str)]

    @property
    def own(self) -> dict[str, UserMethodConfig]:
        """The others by name, in an order that does not depend on the configuration's."""
        found = {one.name: one for one in self.methods if not isinstance(one, str)}
        return dict(sorted(found.items()))


class IouConfig(Strict):
    """Overlap of heatmaps and masks (VEBI 4.3)."""

    # Maps are drawn, and compared by eye, at 256 levels.
    thresholds: int = Field(101, ge=2, le=10_001, description="equally spaced in [0, 1]")
    ranked: bool = Field(
        True, description="also the areas of rank-normalised maps: is it the order, or the values"
    )


class PanelConfig(Strict):
    """Figures that show examples."""

    images: int = Field(6, ge=1, le=64, description="images per panel figure")
