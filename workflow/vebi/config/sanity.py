"""Sanity checks of heatmaps."""

from pydantic import Field

from vebi.config.base import MOST_EPOCHS, MOST_IMAGES, MOST_LAYERS, MOST_SEEDS, Strict
from vebi.record import paragraph


class RandomisationConfig(Strict):
    """Which layers are randomised, and on how many images."""

    # Their maps by every method are in memory side by side.
    images: int = Field(
        48, ge=1, le=2000, description="test images per network, spread over the classes"
    )
    layers: int | None = Field(
        12,
        ge=2,
        le=MOST_LAYERS,
        description="stages of the cascade at most, at equal steps; null: every layer",
    )
    independent: bool = Field(False, description="also randomise each layer alone")
    reselect_images: int | None = Field(
        1000,
        ge=0,
        le=MOST_IMAGES,
        description=paragraph("""
            training images from which features are selected again in every randomised network, to
            explain its own prediction; 0: not done, null: all
        """),
    )


class SanityConfig(RandomisationConfig):
    """Randomised networks (Adebayo et al. 2018)."""

    random_label_seeds: int = Field(
        1,
        ge=0,
        le=MOST_SEEDS,
        description=paragraph("""
            how many of `seeds`, from the first on, also get a network trained on shuffled labels,
            unless it starts from given weights
        """),
    )
    random_label_epochs: int = Field(30, ge=1, le=MOST_EPOCHS, description="how long it trains")
    random_label_images: int | None = Field(
        None, ge=1, le=MOST_IMAGES, description="on how many training images; null: all"
    )
