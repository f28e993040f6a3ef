"""Data sets: where the images come from, and the one file format that the later stages read.

`vebi.data.Flowers` is the rendered benchmark for anyone's own code.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vebi.data.flowers import Flowers

__all__ = ["Flowers"]


def __getattr__(name: str) -> Any:
    # Late: the package is imported in every job, and by the renderer.
    if name != "Flowers":
        raise AttributeError(f"module 'vebi.data' has no attribute '{name}'")
    from vebi.data.flowers import Flowers

    return Flowers
