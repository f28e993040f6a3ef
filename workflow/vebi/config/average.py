"""What the selected features of a class look at, as mean patches."""

from pydantic import Field

from vebi.config.base import BatchSize, Strict
from vebi.record import paragraph


class AverageConfig(Strict):
    """Average images (VEBI 4.2, Fig. 5)."""

    features: int = Field(
        5,
        ge=1,
        le=64,
        description=paragraph("""
            features per class with an average image, by weight at `heatmap_mu` (5); the first
            seed's network
        """),
    )
    # More than any class of ILSVRC'12 has (1,300) is all of its images, at any size of a patch.
    patches: int = Field(
        100,
        ge=1,
        le=10_000,
        description=paragraph("""
            training images of the class with the highest response (the maximum of the feature's
            map) that are averaged, each cut there by the exact receptive field
        """),
    )
    examples: int = Field(
        4, ge=0, le=16, description="single patches next to each mean on a class's sheet"
    )
    batch_size: BatchSize = Field(64, ge=1, description="images at a time")
