"""Classes that a user gives: targets of attributions, labels of images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vebi.io.errors import VebiError


def checked_classes(
    what: str, given: NDArray[np.generic], shapes: Sequence[tuple[int, ...]], n_classes: int
) -> NDArray[np.int64]:
    """Classes as places among the network's outputs.

    Args:
        what: how the user calls them, for messages.
        given: the classes.
        shapes: those that are allowed.
        n_classes: how many outputs the network has.

    Returns:
        `given` as int64, in its shape.

    Raises:
        VebiError: another shape or type, or a class that the network does not have.
    """
    if given.dtype.kind not in "iu" or given.shape not in shapes:
        raise VebiError(
            f"{what}: shape {given.shape} and type {given.dtype}; whole numbers of shape "
            f"{' or '.join(map(str, shapes))} are expected."
        )
    classes = given.astype(np.int64)
    if classes.min() < 0 or classes.max() >= n_classes:
        raise VebiError(
            f"{what}: classes from {classes.min()} to {classes.max()}, the network has 0 to "
            f"{n_classes - 1}."
        )
    return classes
