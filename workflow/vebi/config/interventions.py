"""Interventions: rendered images with one thing changed."""

from pydantic import Field

from vebi.config.base import MOST_IMAGES, BatchSize, Strict
from vebi.record import paragraph


class EffectConfig(Strict):
    """What is measured of the images, once they are rendered."""

    features: int = Field(
        2,
        ge=0,
        le=64,
        description="features of each class that are followed, by weight at `heatmap_mu`",
    )
    batch_size: BatchSize = Field(32, ge=1, description="images at a time")


class InterventionsConfig(EffectConfig):
    """The same scene with one thing changed: what a network really uses."""

    images: int = Field(
        36,
        ge=1,
        le=MOST_IMAGES,
        description=paragraph("""
            test images per data set that are rendered again with one thing changed at a time,
            spread over the classes (36); a change costs about 0.1 CPU seconds
        """),
    )
    images_per_chunk: int = Field(
        6, ge=1, le=MOST_IMAGES, description="images that one rendering job makes"
    )
