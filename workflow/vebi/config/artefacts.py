"""How much of the network's strides shows in heatmaps."""

from pydantic import Field

from vebi.config.base import MOST_IMAGES, MOST_LAYERS, BatchSize, Strict


class ArtefactScoreConfig(Strict):
    """Grid-artefact scores (VEBI 3.3)."""

    images: int = Field(
        48, ge=1, le=MOST_IMAGES, description="test images per network, spread over the classes"
    )
    layers: int = Field(
        12, ge=1, le=MOST_LAYERS, description="most layers that are measured, at equal steps"
    )
    batch_size: BatchSize = 16


class ArtefactsConfig(ArtefactScoreConfig):
    """Grid-artefact scores and the visual comparison (VEBI 3.3, Figs. 2 and 7)."""

    examples: int = Field(2, ge=1, le=16, description="images in the figure of maps side by side")
