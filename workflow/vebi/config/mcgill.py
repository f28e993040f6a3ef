"""The McGill reproduction: which networks are examined, and how closely."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vebi.config.base import (
    MOST_DRAWS,
    MOST_EPOCHS,
    MOST_IMAGES,
    MOST_SEEDS,
    BatchSize,
    Mu,
    Name,
    Strict,
)
from vebi.record import paragraph


class McGillNetworkConfig(Strict):
    """One network of the report, or one like it, examined with every seed."""

    kind: Literal["matconvnet", "keras"] = Field(
        description="which of the two experiments it belongs to: descriptor, labels, table"
    )
    dataset: Name = Field(description="a name of `datasets`")
    model: Name = Field(description="a name of `models`, which may be in the list once")
    mu: list[Mu] = Field(
        min_length=1,
        description=paragraph("""
            removal is measured at each. Variants (other labels, other rows) only at the report's
            own: 10, 100, 200 and 10, 100, 500, 600, 700
        """),
    )
    solvers: list[Literal["path", "spgl1", "spgl1_1000"]] = Field(
        ["path"],
        min_length=1,
        description=paragraph("""
            the exact path, and spgl1 cut off after 9,999 iterations (it breaks at the 10,000th) or
            after 1,000; `path` must be there, the next one is the report's in the verdict
        """),
    )
    audit: bool = Field(False, description="also the invariance tests and the sensitivity")

    @model_validator(mode="after")
    def _check(self) -> "McGillNetworkConfig":
        if "path" not in self.solvers:
            raise ValueError("solvers: 'path' is missing, which the others are compared with")
        for key in ("mu", "solvers"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key}: the same value is listed twice")
        return self

    @property
    def peer(self) -> str:
        """The solver that stands for the report's in the 2 x 2 x 2."""
        return next((name for name in self.solvers if name != "path"), "path")


class RemovalConfig(Strict):
    """Removal of filters: how often, and on which images."""

    repeats: int = Field(
        5, ge=1, le=MOST_DRAWS, description="draws of each random control; the report's number"
    )
    images: int | None = Field(
        None,
        ge=10,
        le=MOST_IMAGES,
        description="images of a split that removal is measured on; null: all",
    )
    batch_size: BatchSize = 64


class SensitivityConfig(Strict):
    """What the selection is varied by."""

    compared_mu: list[Mu] = Field(
        [10, 100], min_length=1, description="of the invariance tests and the sensitivity"
    )
    sizes: list[Annotated[int, Field(ge=10, le=MOST_IMAGES)]] = Field(
        [300, 1000, 3000, 10000, 30000], description="numbers of training images to select from"
    )
    size_repeats: int = Field(
        3, ge=1, le=MOST_DRAWS, description="draws of each number of training images"
    )


class McGillConfig(RemovalConfig, SensitivityConfig):
    """Removal x solver x control, invariance, sensitivity."""

    networks: list[McGillNetworkConfig] = Field(min_length=1)
    seeds: int | None = Field(
        None, ge=1, le=MOST_SEEDS, description="how many of the run's `seeds`, from the first on"
    )
    shuffled_epochs: int | None = Field(
        None, ge=1, le=MOST_EPOCHS, description="length of training on shuffled labels"
    )

    @model_validator(mode="after")
    def _check(self) -> "McGillConfig":
        names = [network.model for network in self.networks]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(
                f"networks: model '{twice[0]}' is listed twice; tables tell networks by model"
            )
        return self
