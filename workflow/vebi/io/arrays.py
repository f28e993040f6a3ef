"""The type of arrays whose elements only their reader knows."""

from typing import Any

from numpy.typing import NDArray

# What is read by name from a file, or given by a user: who asked for it knows what it holds.
AnyArray = NDArray[Any]
