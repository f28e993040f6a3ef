"""The sections of the main line: experiments, selection, ablation, heatmaps, IoU, panels."""

from typing import Annotated, Literal

from pydantic import Field

from vebi.catalogue.descriptors import DESCRIPTORS
from vebi.catalogue.methods import METHODS
from vebi.config.base import (
    MOST_DRAWS,
    MOST_RESAMPLES,
    BatchSize,
    Mu,
    Name,
    OneOf,
    Scope,
    Strict,
)


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

    repeats: int = Field(10, ge=1, le=MOST_DRAWS, description="draws of each random control")
    batch_size: BatchSize = 128


class HeatmapConfig(Strict):
    """Explanations: of features (VEBI 3.2 and 3.3), and of the predicted class by other methods."""

    methods: list[Annotated[str, OneOf(METHODS)]] = Field(
        [name for name, method in METHODS.items() if method.paper], min_length=1
    )
    scope: Scope = "all"
    top: int = Field(3, ge=1, le=64, description="features per image, by weighted response")
    ig_steps: int = Field(16, ge=1, le=1024, description="points on integrated gradients' path")
    batch_size: BatchSize = 32


class IouConfig(Strict):
    """Overlap of heatmaps and masks (VEBI 4.3)."""

    # Maps are drawn, and compared by eye, at 256 levels.
    thresholds: int = Field(101, ge=2, le=10_001, description="equally spaced in [0, 1]")
    bootstrap: int = Field(
        2000, ge=1, le=MOST_RESAMPLES, description="resamples of the images behind each interval"
    )


class PanelConfig(Strict):
    """Figures that show examples."""

    images: int = Field(6, ge=1, le=64, description="images per panel figure")
