"""Covering an image where its heatmap is high."""

from typing import Literal

from pydantic import Field

from vebi.config.base import MOST_DRAWS, MOST_IMAGES, BatchSize, Strict
from vebi.record import paragraph


class OcclusionConfig(Strict):
    """Box occlusion (VEBI 4.2)."""

    images: int = Field(
        60, ge=1, le=MOST_IMAGES, description="test images per network, spread over the classes"
    )
    draws: int = Field(
        5, ge=1, le=MOST_DRAWS, description="sequences of boxes per image and method"
    )
    # A box covers about a hundredth of an image: more steps than this are closer than one box.
    steps: int = Field(
        6, ge=1, le=1000, description="equal steps of covered area at which confidence is measured"
    )
    max_fraction: float = Field(
        0.3, gt=0, le=1, description="part of the image that is covered at most"
    )
    relevant: bool = Field(
        True,
        description=paragraph("""
            also boxes in the most relevant part of each map's positive pixels, as the paper's text
            says: `max_fraction` of these instead of the image. Twice the work (true)
        """),
    )
    box: float = Field(
        3 / 28, gt=0, le=1, description="side of a box over the image's shorter side"
    )
    fill: Literal["mean_image", "mean_colour"] = Field(
        "mean_image",
        description="what boxes show: the training images' mean, pixel by pixel or one colour",
    )
    batch_size: BatchSize = Field(64, ge=1, description="images at a time")
