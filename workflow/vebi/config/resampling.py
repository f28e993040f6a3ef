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


class PerturbationConfig(Strict):
    """How the copies of an image are made."""

    name: Annotated[str, OneOf(PERTURBATIONS)]
    # As a share of 255, of the image, in radians: beyond some tens nothing of an image is left.
    strength: float = Field(gt=0, le=100, description="what it means depends on the perturbation")


class EpochStudyConfig(Strict):
    """The selections and the use of their patches over the epochs of training."""

    epochs: list[Annotated[int, Field(ge=1, le=MOST_EPOCHS)]] = Field(
        min_length=1, description="whose network is kept; those beyond a model's are passed over"
    )
    train_images: int = Field(
        72, ge=2, le=MOST_IMAGES, description="reduced to patches, to train the classifier"
    )
    test_images: int = Field(
        48, ge=2, le=MOST_IMAGES, description="reduced to patches, to score the classifier"
    )
    classifier_epochs: int = Field(25, ge=1, le=MOST_EPOCHS)


class ResamplingConfig(Strict):
    """Input resampling (Lengerich et al. 2017)."""

    datasets: list[Name] | None = Field(None, min_length=1, description="null: of all experiments")
    seeds: int = Field(
        1, ge=1, le=MOST_SEEDS, description="networks per experiment, from the first seed on"
    )
    perturbations: list[PerturbationConfig] = Field(
        min_length=1, description="the first one is for heatmaps and the study over the epochs, too"
    )
    copies: int = Field(50, ge=2, le=MOST_DRAWS, description="perturbed copies of each image")
    k: list[Annotated[int, Field(ge=1, le=1024)]] = Field(
        [5], min_length=1, description="channels per layer; the first for verdicts and patches"
    )
    images: int = Field(
        48, ge=2, le=MOST_IMAGES, description="test images, spread over the classes"
    )
    reference: int = Field(
        240, ge=2, le=MOST_IMAGES, description="test images that channels may fire on"
    )
    repeats: int = Field(3, ge=1, le=MOST_DRAWS, description="draws of each random control")
    batch_size: BatchSize = Field(25, description="copies at a time")
    epoch_study: EpochStudyConfig | None = None

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
                found.append(f"resampling.{key}: the same value stands there twice")
        for model, trained in epochs.items():
            if self.epoch_study and min(self.epoch_study.epochs) > trained:
                found.append(
                    f"resampling.epoch_study.epochs: none is within the {trained} epochs of model "
                    f"'{model}'; allowed: 1 to {trained}"
                )
        return found
