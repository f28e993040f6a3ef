"""The studies of variants of the method: do the orderings hold, how many features are selected."""

from typing import Annotated, Literal

from pydantic import Field

from vebi.config.base import Strict


class VariantsConfig(Strict):
    """Every combination of the three lists is a setting."""

    descriptors: list[Literal["vebi_text", "vebi_code"]] = Field(
        ["vebi_text", "vebi_code"], min_length=1
    )
    nonnegative: list[bool] = Field([False, True], min_length=1)
    mu: list[Annotated[float, Field(gt=0)]] = Field([10.0], min_length=1)

    def problems(self, section: str) -> list[str]:
        """What is wrong with the lists together, as `section.key: reason`."""
        return [
            f"{section}.{key}: the same value stands there twice"
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

    mu: list[Annotated[float, Field(gt=0)]] = Field([5.0, 10.0], min_length=1)
    repeats: int = Field(5, ge=1, description="draws of each random control")
