"""Further controls of the ablation."""

from pydantic import Field

from vebi.config.base import BatchSize, Strict


class ControlsConfig(Strict):
    """Controls for networks with layers of few channels, at each experiment's heatmap_mu."""

    repeats: int = Field(5, ge=1, le=1000, description="draws of each control")
    batch_size: BatchSize = 128
