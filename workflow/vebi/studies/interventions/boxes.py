"""Boxes over parts, as occlusion has them, next to the part's true removal."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

# Standard deviation of the blur, over the height of the image: fine structure goes, colours stay.
BLUR = 1 / 14


def box_of(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around a mask bool (H, W) that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def under_boxes(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], mean_colour: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The image with the box around a part in the mean colour, and with it blurred.

    Args:
        image: uint8 (H, W, C).
        mask: bool (H, W), the part; not empty.
        mean_colour: (C) of the images that the network knows.

    Returns:
        uint8 (2, H, W, C), in the order of `effects_file.BOXES`.
    """
    box = box_of(mask)
    covered = np.stack([image, image])
    covered[0][box] = np.rint(mean_colour).astype(np.uint8)
    sigma = BLUR * len(image)
    blurred = gaussian_filter(image.astype(np.float64), (sigma, sigma, 0))
    covered[1][box] = np.rint(blurred[box]).astype(np.uint8)
    return covered
