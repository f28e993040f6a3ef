"""The studies of variants of the method: do the orderings hold, how many features are selected."""

from typing import Annotated

from pydantic import Field

from vebi.catalogue.descriptors import DESCRIPTORS
from vebi.config.base import MOST_DRAWS, Mu, OneOf, Strict

# The descriptors that follow from the text's: a run computes one of them for all.
CONVERTIBLE = tuple(
    name for name, one in DESCRIPTORS.items() if DESCRIPTORS["vebi_text"].gives(one)
)


class VariantsConfig(Strict):
    """Every combination of the three lists is a setting."""

    descriptors: list[Annotated[str, OneOf(CONVERTIBLE)]] = Field(
        list(CONVERTIBLE), min_length=1, description="descriptors to select on"
    )
    nonnegative: list[bool] = Field(
        [False, True], min_length=1, description="signed weights, or only weights ≥ 0"
    )
    mu: list[Mu] = Field([10.0], min_length=1, description="bounds to select at")

    def problems(self, section: str) -> list[str]:
        """What is wrong with the lists together, as `section.key: reason`."""
        return [
            f"{section}.{key}: the same value is listed twice"
            for key, values in (
                ("descriptors", self.descriptors),
                ("nonnegative", self.nonnegative),
                ("mu", self.mu),
            )
            if len(set(values)) < len(values)
        ]


class FeatureCountsConfig(VariantsConfig):
    """How many features every setting selects, in every experiment."""


class RobustnessConfig(VariantsConfig):
    """Whether the orderings hold in every setting, in every experiment with masks."""

    mu: list[Mu] = Field([5.0, 10.0], min_length=1, description="bounds to select at")
    repeats: int = Field(5, ge=1, le=MOST_DRAWS, description="draws of each random control")
