"""What the selected features of a class look at, as mean patches."""

from pydantic import Field

from vebi.config.base import BatchSize, Strict


class AverageConfig(Strict):
    """Average images (VEBI 4.2, Fig. 5)."""

    features: int = Field(5, ge=1, le=64, description="per class, by weight at heatmap_mu")
    # More than any class of ILSVRC'12 has (1,300) is all of its images, at any size of a patch.
    patches: int = Field(
        100, ge=1, le=10_000, description="images of highest response behind each mean"
    )
    examples: int = Field(4, ge=0, le=16, description="single patches beside each mean")
    batch_size: BatchSize = 64
