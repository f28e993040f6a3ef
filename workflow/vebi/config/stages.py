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
from vebi.record import paragraph


class ExperimentConfig(Strict):
    """One network on one data set, with every seed."""

    dataset: Name = Field(description="a name of `datasets`")
    model: Name = Field(description="a name of `models`")
    heatmap_mu: Mu = Field(
        description=paragraph("""
            the mu whose weights choose the features to explain with; one of `selection.mu`
        """)
    )


class SelectionConfig(Strict):
    """The mu-Lasso of Eq. 1."""

    descriptor: Annotated[str, OneOf(DESCRIPTORS)] = Field(
        "vebi_text",
        description=paragraph("""
            how an image becomes a vector: the paper's text (L2 norm per channel), the authors'
            released code (squared), the McGill code's two
        """),
    )
    labels: Literal["annotations", "predictions"] = Field(
        "annotations", description="what the mu-Lasso is to explain"
    )
    nonnegative: bool = Field(False, description="only weights ≥ 0")
    solver: Literal["path", "spgl1"] = Field(
        "path",
        description=paragraph("""
            the exact path, or spgl1, the solver of the authors' code, at the values of `mu` only,
            with its gap reported all the same
        """),
    )
    scopes: list[Scope] = Field(
        ["all", "conv"],
        min_length=1,
        description="which features may be selected: of all layers, of convolutions only",
    )
    mu: list[Mu] = Field(
        min_length=1,
        description=paragraph("""
            where the path is certified, tabulated and ablated; at most six decimals and ten digits,
            as tables write them
        """),
    )
    parts: int = Field(
        1,
        ge=1,
        le=10_000,
        description=paragraph("""
            jobs that share the pass over each descriptor file: their sums of X'X are added up.
            Changes last digits (1e-15 of the sums)
        """),
    )


class AblationConfig(Strict):
    """Removing features (VEBI 4.1)."""

    repeats: int = Field(
        50, ge=1, le=1000, description="draws of each of the three random controls"
    )
    batch_size: BatchSize = Field(128, ge=1, description="images at a time")


class HeatmapConfig(Strict):
    """Explanations: of features (VEBI 3.2 and 3.3), and of the predicted class by other methods."""

    methods: list[MethodEntry] = Field(
        [name for name, method in METHODS.items() if method.paper],
        min_length=1,
        description=paragraph("""
            of selected features: `upsampled_activation`, `deconv_gb`, `vebi`, `vebi_conv`; of
            features that stand out under perturbation: `resampling_correlation`,
            `resampling_precision` (by the first of `resampling.perturbations` with as many
            `copies`, which are more passes per image); of the predicted class: `gradient_x_input`,
            `integrated_gradients`, `grad_cam`, `guided_backprop`, `guided_grad_cam`, `lrp`,
            `smooth_deep_saliency`; `random` is always measured with them. Besides names, also
            functions of yours or of other libraries, `{name: module:function}`, or with the keys
            below: [docs/methods.md](../docs/methods.md)
        """),
    )
    scope: Scope = Field("all", description="whose weights choose the features")
    top: int = Field(3, ge=1, le=64, description="features per image")
    ig_steps: int = Field(
        16,
        ge=1,
        le=1024,
        description=paragraph("""
            points on the path of integrated gradients (16); on the flower networks the attributions
            then add up to the score's change within 0.1 %, with 8 within 0.4 %
        """),
    )
    batch_size: BatchSize = Field(32, ge=1, description="images at a time")

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
        True,
        description=paragraph("""
            also the areas of rank-normalised maps, which differ by the order of pixels only (true)
        """),
    )


class PanelConfig(Strict):
    """Figures that show examples."""

    images: int = Field(6, ge=1, le=64, description="images in a figure of examples")
