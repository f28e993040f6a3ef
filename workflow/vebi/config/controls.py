"""Further controls of the ablation."""

from pydantic import Field

from vebi.config.base import BatchSize, Strict
from vebi.record import paragraph


class ControlsConfig(Strict):
    """Controls for networks with layers of few channels, at each experiment's heatmap_mu."""

    repeats: int = Field(
        5,
        ge=1,
        le=1000,
        description=paragraph("""
            draws of each of four controls at `heatmap_mu` (5): uniform, as many per layer, of the
            same norm, as large a part of other layers; without the section `controls` nothing of it
            runs
        """),
    )
    batch_size: BatchSize = Field(128, ge=1, description="images at a time")
