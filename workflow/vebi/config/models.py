"""Networks and how they are trained."""

from typing import Literal

from pydantic import Field

from vebi.config.base import Strict

# Height, width and channels that an architecture is made for, and the name of its file of layers.
ARCHITECTURE_SHAPES: dict[str, tuple[int, int, int]] = {
    "matconvnet": (28, 28, 1),
    "an8flower_strided": (112, 112, 3),
    "an8flower_inferred": (112, 112, 3),
}


class ModelConfig(Strict):
    """An architecture and how it is trained."""

    architecture: Literal["matconvnet", "an8flower_strided", "an8flower_inferred"]
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=1, le=65_536)
    optimiser: Literal["sgd", "adam", "rmsprop"]
    learning_rate: float = Field(gt=0)
    final_learning_rate_factor: float = Field(
        1.0, gt=0, le=1, description="the last epoch's learning rate over the first's"
    )
    momentum: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    init_std: float | None = Field(
        None, gt=0, description="standard deviation of the first weights; null: He initialisation"
    )
    scale: float = Field(64.0, gt=0, description="pixels minus the mean image are divided by this")
    n_classes: int | None = Field(None, ge=2, description="null: as many as the data set has")
