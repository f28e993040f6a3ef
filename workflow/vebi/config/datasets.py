"""Data sets: one class per `kind`, each with `n_classes` and the `shape` (H, W, C) of its images."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vebi.config.base import Strict


class An8FlowerConfig(Strict):
    """A rendered flower data set with exact masks."""

    kind: Literal["an8flower"]
    flower_set: Literal["single-6c", "double-12c", "double-12c-distractors"]
    images: int = Field(ge=12, description="number of images, a multiple of the number of classes")
    size: int = Field(112, ge=16, le=1024, description="height and width in pixels")
    samples: int = Field(6, ge=1, le=1024, description="Cycles samples per pixel")
    views_per_base: int = Field(5, ge=1, description="images of one class that share a base scene")
    images_per_chunk: int = Field(150, ge=1, description="images that one rendering job makes")
    folds: int = Field(5, ge=2, description="base scenes are dealt to so many folds")
    fold: int = Field(0, ge=0, description="the fold that is the test split")

    @property
    def n_classes(self) -> int:
        return 6 if self.flower_set == "single-6c" else 12

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 3)

    @model_validator(mode="after")
    def _check(self) -> "An8FlowerConfig":
        if self.images % self.n_classes:
            raise ValueError(
                f"images is {self.images}, which is no multiple of the {self.n_classes} classes "
                f"of {self.flower_set}"
            )
        if self.fold >= self.folds:
            raise ValueError(
                f"fold is {self.fold}, but the {self.folds} folds are 0 to {self.folds - 1}"
            )
        bases = -(-self.images // (self.n_classes * self.views_per_base))
        if bases < self.folds:
            raise ValueError(
                f"{self.images} images make {bases} base scenes, too few for {self.folds} folds: "
                f"raise images to {self.folds * self.n_classes * self.views_per_base} or lower folds"
            )
        return self


class DigitsConfig(Strict):
    """scikit-learn's 1,797 handwritten digits, enlarged."""

    kind: Literal["digits"]
    size: int = Field(28, ge=8, le=256, description="height and width in pixels")

    @property
    def n_classes(self) -> int:
        return 10

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 1)


class MnistConfig(Strict):
    """MNIST's 70,000 digits, from $VEBI_DATA/mnist or downloaded."""

    kind: Literal["mnist"]

    @property
    def n_classes(self) -> int:
        return 10

    @property
    def shape(self) -> tuple[int, int, int]:
        return (28, 28, 1)


DatasetConfig = Annotated[An8FlowerConfig | DigitsConfig | MnistConfig, Field(discriminator="kind")]
