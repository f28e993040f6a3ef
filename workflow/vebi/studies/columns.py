"""Columns that several tables have, and how far two runs may differ in them."""

from vebi.io.tables import Allowed

INTERVAL = ("ci_low", "ci_high")
# Of a difference between two methods on the same images: its interval, and what it stands on.
PAIRED = (*INTERVAL, "p_value", "n_seeds", "n_images", "n_scenes")

RELATIVE_GAP = Allowed(
    "relative_gap", "close", atol=1e-6, why="both are certificates far below what matters"
)
FEATURE_COUNT = Allowed("n_features*", "close", atol=3, rtol=0.1, why="as in selection.csv")


def interval(name: str) -> tuple[str, str]:
    """The columns with both ends of an interval."""
    return f"{name}_ci_low", f"{name}_ci_high"


def with_interval(name: str) -> tuple[str, str, str]:
    """A column, and those with both ends of its interval."""
    return name, *interval(name)
