"""What every section of the configuration shares."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Scope = Literal["all", "conv"]


def _as_in_tables(mu: float) -> float:
    """Tables have six decimals, and the selection's ten significant digits: a mu is a key of both."""
    if float(f"{mu:.6f}") != mu or float(f"{mu:.10g}") != mu:
        raise ValueError(
            f"{mu!r} has more digits than tables keep, which are six decimals and ten digits in all; "
            f"for example {float(f'{mu:.4g}'):g}"
        )
    return mu


# The bound of Eq. 1. Far beyond the largest l1 norm of any least-squares solution of 0/1 targets there is
# nothing left to select.
Mu = Annotated[float, Field(ge=1e-6, le=1e9), AfterValidator(_as_in_tables)]


# Every number has an upper bound: a slip of some zeros must not fill a disk or a machine's memory, nor
# start a run of years. These are shared; each lies far beyond what an experiment of the field uses.
# A seed only names a stream of random numbers; HDF5 and tables hold it as a signed integer.
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
# ImageNet-21k, the largest set of labelled photographs in use, has 14 million.
MOST_IMAGES = 20_000_000
# Weights of all classes lie in memory side by side, 80 MB for each 1,000 features at this number.
MOST_CLASSES = 10_000
# Networks are trained with up to 32,768 images at a time; no machine of today gains by more.
BatchSize = Annotated[int, Field(ge=1, le=65_536, description="images at a time")]
# The longest published training on images runs for some thousands.
MOST_EPOCHS = 10_000
# The standard error of a mean over 10,000 draws is a hundredth of one draw's.
MOST_DRAWS = 10_000
# The deepest network that is in use has some hundreds.
MOST_LAYERS = 10_000
# As many rows of a table as networks: the planning of a run is quick up to some thousands of jobs.
MOST_SEEDS = 1000


def check_plain(key: str, value: Any) -> None:
    """Raise ValueError unless an argument of somebody else's function is a plain value or a list.

    By hand: of a union pydantic reports every branch as a problem of its own.
    """
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, bool | int | float | str | None) for part in parts):
        raise ValueError(f"{key} is {value!r}; a number, text, true, false or a list expected")


class Strict(BaseModel):
    """Unknown keys and silent type conversions are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OneOf:
    """One of some names, as `Literal` has it: `Annotated[str, OneOf(METHODS)]`."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))
