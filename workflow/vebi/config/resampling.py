"""Input resampling: neurons that matter under perturbation."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from vebi.config.base import (
    MOST_DRAWS,
    MOST_EPOCHS,
    MOST_IMAGES,
    MOST_SEEDS,
    BatchSize,
    Name,
    OneOf,
    Strict,
)
from vebi.perturbation.perturbations import PERTURBATIONS
from vebi.record import paragraph


class PerturbationConfig(Strict):
    """How the copies of an image are made."""

    name: Annotated[str, OneOf(PERTURBATIONS)] = Field(
        description=paragraph("""
            how copies are made. `multiplicative_noise`: x (1 + i e), e ~ N(0, strength), as in the
            authors' code with 0.1; `additive_noise`; `boxes_grid`, `boxes_random`: a box filled
            with the mean; `blur_regions`: Gaussian blur in a box of a third; `superpixels`: some
            are masked; `colour_jitter`: brightness, contrast, saturation; `affine`: rotation,
            scale, shift
        """)
    )
    # As a share of 255, of the image, in radians: beyond some tens nothing of an image is left.
    strength: float = Field(
        gt=0,
        le=100,
        description=paragraph("""
            additive noise: standard deviation of the last copy over 255; boxes and blur: over the
            size of the image; superpixels: probability; rotation in radians
        """),
    )


class EpochStudyConfig(Strict):
    """The selections and the use of their patches over the epochs of training."""

    epochs: list[Annotated[int, Field(ge=1, le=MOST_EPOCHS)]] = Field(
        min_length=1,
        description=paragraph("""
            epochs whose network training keeps and the study looks at; those beyond a model's
            training are ignored, its last epoch is always among them. No section: no such study
        """),
    )
    train_images: int = Field(
        72, ge=2, le=MOST_IMAGES, description="images reduced to patches, to train a classifier"
    )
    test_images: int = Field(
        48, ge=2, le=MOST_IMAGES, description="images reduced to patches, to score it"
    )
    classifier_epochs: int = Field(25, ge=1, le=MOST_EPOCHS, description="of that classifier")


class ResamplingConfig(Strict):
    """Input resampling (Lengerich et al. 2017)."""

    datasets: list[Name] | None = Field(
        None, min_length=1, description="of the experiments those on these data sets are studied"
    )
    seeds: int = Field(
        1, ge=1, le=MOST_SEEDS, description="networks per experiment, from the first of `seeds` on"
    )
    perturbations: list[PerturbationConfig] = Field(
        min_length=1,
        description="the first one is also for heatmaps and for the study over the epochs",
    )
    copies: int = Field(50, ge=2, le=MOST_DRAWS, description="of each image")
    k: list[Annotated[int, Field(ge=1, le=1024)]] = Field(
        [5],
        min_length=1,
        description="channels selected per layer; the first is for verdicts, patches and figures",
    )
    images: int = Field(
        48, ge=2, le=MOST_IMAGES, description="test images studied, spread over the classes"
    )
    reference: int = Field(
        240,
        ge=2,
        le=MOST_IMAGES,
        description="images that their channels may fire on, spread over the classes",
    )
    repeats: int = Field(3, ge=1, le=MOST_DRAWS, description="draws of each random control")
    batch_size: BatchSize = Field(25, description="copies at a time")
    epoch_study: EpochStudyConfig | None = Field(None, description="no section: no such study")

    def problems(self, datasets: Sequence[str], seeds: int, epochs: dict[str, int]) -> list[str]:
        """What does not fit: to the names of data sets, the number of seeds, the epochs trained."""
        found = [
            f"resampling.datasets: '{name}' is not there; allowed: {', '.join(datasets)}"
            for name in self.datasets or []
            if name not in datasets
        ]
        if self.seeds > seeds:
            found.append(
                f"resampling.seeds: is {self.seeds}, but seeds has only {seeds}; allowed: 1 to {seeds}"
            )
        lists: dict[str, Sequence[object]] = {
            "perturbations": [one.name for one in self.perturbations],
            "k": self.k,
            "epoch_study.epochs": self.epoch_study.epochs if self.epoch_study else [],
        }
        for key, values in lists.items():
            if len(set(values)) < len(values):
                found.append(f"resampling.{key}: the same value is listed twice")
        for model, trained in epochs.items():
            if self.epoch_study and min(self.epoch_study.epochs) > trained:
                found.append(
                    f"resampling.epoch_study.epochs: none is within the {trained} epochs of model "
                    f"'{model}'; allowed: 1 to {trained}"
                )
        return found
