"""Interventions: rendered images with one thing changed."""

from pydantic import Field

from vebi.config.base import MOST_IMAGES, BatchSize, Strict


class EffectConfig(Strict):
    """What is measured of the images, once they are rendered."""

    features: int = Field(2, ge=0, le=64, description="of each class, by weight at heatmap_mu")
    batch_size: BatchSize = 32


class InterventionsConfig(EffectConfig):
    """The same scene with one thing changed: what a network really uses."""

    images: int = Field(
        36, ge=1, le=MOST_IMAGES, description="test images per data set, spread over the classes"
    )
    images_per_chunk: int = Field(
        6, ge=1, le=MOST_IMAGES, description="images that one job renders"
    )
