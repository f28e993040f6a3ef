"""How well the images determine which features are selected."""

from pydantic import Field

from vebi.config.base import BatchSize, Strict


class IdentifiabilityConfig(Strict):
    """Selections from resampled images, and other rankings of the same features."""

    resamples: int = Field(
        50,
        ge=2,
        le=2000,
        description="selections that are made again, each from training scenes drawn with replacement"
        " (50), at `heatmap_mu`; without the section `identifiability` nothing of it runs",
    )
    training_images: int = Field(
        20_000,
        ge=10,
        le=1_000_000,
        description="training images to resample, at most, spread over the classes: their descriptors are"
        " in memory",
    )
    tolerance: float = Field(
        0.01,
        gt=0,
        le=1,
        description="a support fits equally well if its loss is larger than the least one by at most "
        "this part of it",
    )
    images: int = Field(
        200, ge=1, le=1_000_000, description="training images for rankings by relevance, likewise"
    )
    conductance_steps: int = Field(
        16,
        ge=1,
        le=10_000,
        description="steps from the reference image to an image, for conductance",
    )
    map_images: int = Field(
        96,
        ge=1,
        le=1_000_000,
        description="test images, spread over the classes, whose masks are compared with maps of each "
        "ranking's features",
    )
    repeats: int = Field(
        10, ge=1, le=1000, description="draws of random features, as many per layer"
    )
    batch_size: BatchSize = Field(64, ge=1, description="images at a time")
